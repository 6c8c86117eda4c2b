"""What a trace records; that its answer is the evaluator's is a property test."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any

import pytest

from flagctl.evaluator.buckets import bucket
from flagctl.evaluator.document import Document, open_bundle
from flagctl.evaluator.trace import ExplainOptions, Trace, explain
from tests.generators.contexts import Nasty
from tests.generators.layout import bundle_of, lay_out

NOW = 1_796_083_200_000
ON_OFF = [["on", True], ["off", False]]
COUNTRY = {"attribute": "country", "operator": "in", "value": ["DE", "FR"]}
SEATS = {"attribute": ["company", "seats"], "operator": "not_greater_than", "value": 10}


def flag(**parts: Any) -> dict[str, Any]:
    return {"type": "boolean", "variants": ON_OFF, "default": {"serve": 1}, "off": 1, **parts}


def opened(segments: dict[str, Any] | None = None, **flags: Any) -> Document:
    return open_bundle(lay_out(bundle_of(flags, segments=segments or {})))


def explained(
    entry: dict[str, Any], context: object, segments: dict[str, Any] | None = None, now_ms: int = NOW
) -> Trace:
    return explain(opened(segments, f=entry), "f", context, now_ms)


def test_a_condition_shows_path_operator_constant_value_and_outcome() -> None:
    trace = explained(
        flag(rules=[{"id": "r", "when": [COUNTRY, SEATS], "serve": 0}]), {"country": "DE", "company": {"seats": 11}}
    )
    country, seats = trace.rules[0].conditions
    assert (country.route, country.attribute, country.operator) == (("rules", 0, "when", 0), ("country",), "in")
    assert country.value is not None
    assert (country.constant, country.value.value, country.held) == (["DE", "FR"], "DE", True)
    assert (seats.route, seats.attribute, seats.held) == (("rules", 0, "when", 1), ("company", "seats"), False)
    assert trace.rules[0].matched is False
    assert trace.decided_by == ("default",)


def test_conditions_after_the_one_that_failed_are_recorded_too() -> None:
    trace = explained(flag(rules=[{"id": "r", "when": [COUNTRY, SEATS], "serve": 0}]), {"country": "US"})
    assert [step.held for step in trace.rules[0].conditions] == [False, True]


@pytest.mark.parametrize(
    ("operator", "constant", "value", "note"),
    [
        ("equals", "a", None, "the attribute is null"),
        ("starts_with", ["a"], 1, "not text"),
        ("semver_equal", "1.0.0", "01", "not a version"),
        ("in_network", ["::/0"], "x", "not an IP address"),
        ("before", 0, "2026-12-01", "not an instant with a zone"),
        ("less_than", 1, True, "not a number"),
        ("less_than", 1, math.nan, "not a number"),
        ("contains_any", ["a"], "a", "not a list"),
        ("contains", "a", 1, "neither text nor a list"),
    ],
)
def test_a_value_that_cannot_be_read_is_explained(operator: str, constant: object, value: object, note: str) -> None:
    condition = {"attribute": "x", "operator": operator, "value": constant}
    entry = flag(rules=[{"id": "r", "when": [condition, condition | {"operator": f"not_{operator}"}], "serve": 0}])
    plain, twin = explained(entry, {"x": value}).rules[0].conditions
    assert (plain.note, plain.held, twin.held) == (note, False, True)


def test_a_missing_attribute_has_no_value_and_a_note() -> None:
    step = explained(flag(rules=[{"id": "r", "when": [COUNTRY], "serve": 0}]), {}).rules[0].conditions[0]
    assert step.value is None
    assert step.note == "the context has no such attribute"


def test_nested_conditions_have_nested_steps_with_their_routes() -> None:
    entry = flag(rules=[{"id": "r", "when": [{"any": [{"not": COUNTRY}, {"all": [COUNTRY]}]}], "serve": 0}])
    outer = explained(entry, {"country": "FR"}).rules[0].conditions[0]
    negation, conjunction = outer.parts
    assert (outer.kind, outer.held) == ("any", True)
    assert (negation.kind, negation.held, negation.parts[0].held) == ("not", False, True)
    assert negation.parts[0].route == ("rules", 0, "when", 0, "any", 0, "not")
    assert conjunction.parts[0].route == ("rules", 0, "when", 0, "any", 1, "all", 0)


@pytest.mark.parametrize(
    ("unit", "by", "held"),
    [("out", "exclude", False), ("in", "include", True), ("other", "when", True), (None, "when", True)],
)
def test_a_segment_says_what_decided_its_membership(unit: str | None, by: str, held: bool) -> None:
    segments = {"s": {"include": ["in"], "exclude": ["out"], "when": [COUNTRY]}}
    entry = flag(rules=[{"id": "r", "when": [{"segment": "s"}], "serve": 0}])
    step = explained(entry, {"targeting_key": unit, "country": "DE"}, segments).rules[0].conditions[0].segment
    assert step is not None
    assert (step.key, step.by, step.held, step.unit) == ("s", by, held, unit)
    assert [condition.route for condition in step.conditions] == ([("when", 0)] if by == "when" else [])


def test_a_segment_of_units_only_has_no_match_for_others() -> None:
    entry = flag(rules=[{"id": "r", "when": [{"segment": "s"}], "serve": 0}])
    step = explained(entry, {"targeting_key": "x"}, {"s": {"include": ["in"]}}).rules[0].conditions[0].segment
    assert step is not None
    assert (step.by, step.held) == ("no_match", False)


def test_a_percentage_shows_the_draw_and_the_share_at_the_moment() -> None:
    entry = flag(rules=[{"id": "r", "serve": 0, "percentage": {"linear": [NOW - 1, NOW + 1, 0, 100_000]}, "salt": "s"}])
    step = explained(entry, {"targeting_key": 7}).rules[0].percentage
    assert step is not None
    assert step.draw is not None
    assert (step.form, step.share) == ("linear", 50_000)
    assert (step.draw.salt, step.draw.unit, step.draw.bucket) == ("s", "7", bucket("s", "7"))
    assert step.held is (bucket("s", "7") < 50_000)


@pytest.mark.parametrize(("share", "held"), [(0, False), (100_000, True)])
def test_a_percentage_of_nobody_or_everybody_draws_nothing(share: int, held: bool) -> None:
    step = explained(flag(rules=[{"id": "r", "serve": 0, "percentage": share}]), {}).rules[0].percentage
    assert step is not None
    assert (step.draw, step.held) == (None, held)


def test_a_rollout_shows_its_ranges_and_the_one_drawn() -> None:
    trace = explained(flag(default={"split": [[30_000, 0], [100_000, 1]]}), {"targeting_key": "u"})
    assert trace.default is not None
    split = trace.default.split
    assert split is not None
    assert split.ranges == ((0, 30_000, "on"), (30_000, 100_000, "off"))
    assert split.variant == ("on" if bucket("f", "u") < 30_000 else "off")


def test_a_default_rollout_without_a_unit_is_an_error_with_a_sentence() -> None:
    trace = explained(flag(default={"split": [[100_000, 0]], "unit": ["a", "b"]}), {})
    assert trace.details.error_code == "TARGETING_KEY_MISSING"
    assert "'a.b'" in (trace.details.error_message or "")


def test_an_experiment_shows_both_draws() -> None:
    running = {"key": "e", "status": "running", "salt": "e/allocation", "slots": [[0, 100_000]]}
    rule = {"id": "r", "experiment": running, "split": [[50_000, 0], [100_000, 1]], "salt": "e"}
    step = explained(flag(rules=[rule]), {"targeting_key": "u"}).rules[0]
    assert step.experiment is not None
    assert step.experiment.draw is not None
    assert step.split is not None
    assert step.experiment.draw.bucket == bucket("e/allocation", "u")
    assert step.split.draw.bucket == bucket("e", "u")


@pytest.mark.parametrize(("rest", "held"), [({}, False), ({"serve": 0}, True)])
def test_a_completed_experiment_holds_if_it_has_a_winner(rest: dict[str, int], held: bool) -> None:
    rule = {"id": "r", "experiment": {"key": "e", "status": "completed"}, **rest}
    trace = explained(flag(rules=[rule]), {})
    assert trace.rules[0].experiment is not None
    assert trace.rules[0].experiment.held is held


def test_rules_after_the_deciding_one_are_marked_as_not_reached() -> None:
    trace = explained(flag(rules=[{"id": "one", "serve": 0}, {"id": "two", "serve": 1}]), {})
    assert [(rule.id, rule.reached, rule.matched) for rule in trace.rules] == [
        ("one", True, True),
        ("two", False, False),
    ]
    assert trace.decided_by == ("rules", 0)


def test_targets_show_the_unit_and_the_list_that_has_it() -> None:
    entry = flag(targets=[[1, ["a"]], [0, ["b", "c"]]], unit="id")
    trace = explained(entry, {"id": "c"})
    assert trace.targets is not None
    assert (trace.targets.unit, trace.targets.variant, trace.targets.route) == ("c", "on", ("targets", 1))
    assert trace.decided_by == ("targets", 1)
    missed = explained(entry, {}).targets
    assert missed is not None
    assert (missed.unit, missed.variant, missed.held) == (None, None, False)


def test_a_prerequisite_carries_a_trace_of_its_own() -> None:
    document = opened(f=flag(prerequisites=[["g", ["on"]]]), g=flag(rules=[{"id": "r", "when": [COUNTRY], "serve": 0}]))
    trace = explain(document, "f", {"country": "US"}, NOW)
    step = trace.prerequisites[0]
    assert (step.flag, step.variants, step.served, step.held) == ("g", ("on",), "off", False)
    assert step.trace.rules[0].conditions[0].held is False
    assert (trace.details.rule, trace.decided_by) == ("prerequisite:g", ("prerequisites", 0))
    assert explain(document, "f", {"country": "DE"}, NOW).prerequisites[0].held is True


@pytest.mark.parametrize(
    ("entry", "state", "decided_by"),
    [
        (flag(enabled=False), "disabled", ("enabled",)),
        (flag(schedule={"until": NOW}), "outside_schedule", ("schedule",)),
        (flag(schedule={"from": NOW}), "evaluated", ("default",)),
    ],
)
def test_the_state_says_how_far_an_evaluation_got(
    entry: dict[str, Any], state: str, decided_by: tuple[str, ...]
) -> None:
    trace = explained(entry, {})
    assert (trace.state, trace.decided_by) == (state, decided_by)


def test_a_killed_flag_is_killed_whatever_else_it_is() -> None:
    trace = explain(opened(f=flag(enabled=False)), "f", {}, NOW, ExplainOptions(killed=frozenset({"f"})))
    assert (trace.state, trace.details.reason, trace.details.variant) == ("killed", "DISABLED", "off")


def test_an_unknown_flag_answers_with_the_default() -> None:
    trace = explain(opened(), "f", {}, NOW, ExplainOptions(default=5))
    assert (trace.state, trace.details.value, trace.details.error_code) == ("unknown_flag", 5, "FLAG_NOT_FOUND")


def test_a_context_that_is_no_mapping_is_named() -> None:
    trace = explained(flag(), ["x"])
    assert trace.state == "invalid_context"
    assert "list" in (trace.details.error_message or "")


def test_a_read_that_raises_ends_the_evaluation_and_says_where() -> None:
    context = Nasty({}, lambda key: key == "country", KeyError)
    trace = explained(flag(rules=[{"id": "r", "when": [{"any": [COUNTRY]}], "serve": 0}]), context)
    assert (trace.state, trace.rules[0].matched) == ("invalid_context", None)
    assert "'country'" in (trace.details.error_message or "")


def test_a_read_that_raises_behind_a_condition_that_failed_does_not_matter() -> None:
    context = Nasty({"company": {"seats": 99}}, lambda key: key == "country", KeyError)
    trace = explained(flag(rules=[{"id": "r", "when": [SEATS, COUNTRY], "serve": 0}]), context)
    assert trace.details.reason == "DEFAULT"


def test_staleness_shows_in_the_reason_only() -> None:
    trace = explain(opened(f=flag()), "f", {}, NOW, ExplainOptions(stale=True))
    assert (trace.details.reason, trace.details.variant) == ("STALE", "off")


def test_a_trace_is_plain_json_whatever_the_context_holds() -> None:
    rules = [
        {"id": "r", "when": [COUNTRY, {"attribute": "x", "operator": "in", "value": list(range(500))}], "serve": 0}
    ]
    odd = [math.nan, 10**5000, object(), "\ud800", {1: {2: [3]}}, {"s"}, Nasty({"a": 1}, lambda key: True, ValueError)]  # noqa: ARG005
    for value in odd:
        document = explained(flag(rules=rules), {"country": value, "x": value}).to_dict()
        text = json.dumps(document, allow_nan=False)
        assert len(text) < 10_000
        assert document["details"]["reason"] == "DEFAULT"
        assert document["rules"][0]["conditions"][0]["route"] == ["rules", 0, "when", 0]


def test_steps_are_immutable() -> None:
    trace = explained(flag(), {})
    with pytest.raises(dataclasses.FrozenInstanceError):
        trace.state = "other"  # type: ignore[misc]


def test_metadata_names_owner_tags_and_digest() -> None:
    document = opened(f=flag(owner="team-a", tags=["x"]))
    metadata = explain(document, "f", {}, NOW).details.metadata
    assert dict(metadata) == {"owner": "team-a", "tags": ("x",), "digest": document.digest("f")}
