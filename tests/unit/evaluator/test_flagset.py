from __future__ import annotations

import copy
import json
import pickle
from collections import OrderedDict, UserDict, defaultdict
from datetime import UTC, datetime
from types import MappingProxyType

import pytest

import flagctl
from flagctl.evaluator import ErrorCode, FlagSet, Reason, Variant
from flagctl.evaluator.builder import PATIENCE
from flagctl.evaluator.document import open_bundle
from tests.unit.evaluator.bundles import asks, boolean, bundle, when

JSON_FLAG = {"type": "json", "variants": [["big", {"hosts": ["a"], "n": 1}], ["yes", True], ["none", None]]}


def load(flags, **parts):
    return flagctl.load(bundle(flags, **parts))


def number(value, **parts):
    return {"type": "number", "variants": [["only", value]], "default": {"serve": 0}, **parts}


FIXED = load(
    {
        "static": boolean(default={"serve": 0}, owner="team-a", tags=["x", "y"]),
        "disabled": boolean(enabled=False, default={"serve": 0}),
        "off-less": {"type": "string", "variants": [["a", "A"]], "enabled": False},
        "no-default": {"type": "string", "variants": [["a", "A"]]},
        "int": number(100),
        "float": number(0.5),
        "huge": number(10**400),
        "text": {"type": "string", "variants": [["a", "A"]], "default": {"serve": 0}},
        "json": {**JSON_FLAG, "default": {"serve": 0}},
        "json-true": {**JSON_FLAG, "default": {"serve": 1}},
        "json-null": {**JSON_FLAG, "default": {"serve": 2}},
        "rollout": boolean(default={"split": [[50_000, 0], [100_000, 1]]}),
    }
)


@pytest.mark.parametrize(
    ("key", "value", "variant", "reason"),
    [
        ("static", True, "on", "STATIC"),
        ("disabled", False, "off", "DISABLED"),
        ("off-less", "mine", None, "DISABLED"),
        ("no-default", "mine", None, "STATIC"),
        ("int", 100, "only", "STATIC"),
        ("json", {"hosts": ["a"], "n": 1}, "big", "STATIC"),
        ("json-null", None, "none", "STATIC"),
    ],
)
def test_a_flag_without_rules_has_one_answer(key, value, variant, reason):
    details = FIXED.evaluate(key, {}, "mine")
    assert (details.value, details.variant, details.reason, details.error_code) == (value, variant, reason, None)


def test_an_unknown_flag_answers_the_callers_default():
    details = FIXED.evaluate("nope", {}, 5)
    assert (details.value, details.reason, details.error_code) == (5, Reason.ERROR, ErrorCode.FLAG_NOT_FOUND)
    assert FIXED.is_enabled("nope") is False
    assert FIXED.get_value("nope", None, "d") == "d"
    assert FIXED.get_variant("nope") is None


@pytest.mark.parametrize(
    "key",
    [None, 5, 5.0, b"static", ["static"], {}, object(), "\ud800", "", float("nan")],
    ids=lambda value: type(value).__name__,
)
def test_a_key_of_a_wrong_type_is_an_unknown_flag(key):
    assert FIXED.evaluate(key, {}, 1).error_code == "FLAG_NOT_FOUND"
    assert FIXED.is_enabled(key, {}) is False
    assert FIXED.get_value(key, {}, "d") == "d"
    assert FIXED.get_variant(key, {}) is None


@pytest.mark.parametrize(
    "context",
    [5, "text", b"x", [], [("a", 1)], (), set(), object(), 1.5, True, type],
    ids=lambda value: type(value).__name__,
)
def test_a_context_that_is_no_mapping_is_invalid_for_all_flags_but_disabled_ones(context):
    for key in ("static", "rollout", "json"):
        assert FIXED.evaluate(key, context, 7).error_code == "INVALID_CONTEXT"
        assert FIXED.evaluate(key, context, 7).value == 7
        assert FIXED.is_enabled(key, context) is False
        assert FIXED.get_value(key, context, "d") == "d"
    assert FIXED.evaluate("disabled", context).reason == "DISABLED"
    values = FIXED.evaluate_all(context)
    assert values.pop("disabled") is False
    assert set(values.values()) == {None}


def test_a_context_of_none_is_empty():
    assert FIXED.is_enabled("static") is True
    assert FIXED.evaluate("rollout").error_code == "TARGETING_KEY_MISSING"


@pytest.mark.parametrize(
    ("key", "default", "value"),
    [
        ("static", False, True),
        ("static", 1, 1),
        ("static", "d", "d"),
        ("static", None, True),
        ("int", 1, 100),
        ("int", 1.5, 100.0),
        ("int", True, True),
        ("int", "d", "d"),
        ("int", None, 100),
        ("float", 1, 1),
        ("float", 1.0, 0.5),
        ("huge", 1, 10**400),
        ("huge", 1.0, 1.0),
        ("text", "d", "A"),
        ("text", 1, 1),
        ("text", {}, {}),
        ("json", {}, {"hosts": ["a"], "n": 1}),
        ("json", [], {"hosts": ["a"], "n": 1}),
        ("json", "d", "d"),
        ("json", None, {"hosts": ["a"], "n": 1}),
        ("json-true", False, True),
        ("json-null", {}, {}),
        ("json-null", None, None),
        ("text", (), ()),
        ("text", b"d", b"d"),
    ],
)
def test_a_typed_call_gets_the_value_only_if_it_fits_the_defaults_type(key, default, value):
    got = FIXED.get_value(key, {}, default)
    assert got == value
    assert type(got) is type(value)
    details = FIXED.evaluate_typed(key, {}, default)
    assert details.value == value
    assert type(details.value) is type(value)


def test_an_integral_float_is_an_integer_for_an_integer_default():
    flags = flagctl.load(bundle({"n": number(0)}).replace(b'["only",0]', b'["only",5.0]'))
    assert type(flags.get_value("n", {}, 1)) is int
    assert type(flags.get_value("n", {}, 1.0)) is float


@pytest.mark.parametrize(
    ("key", "kind", "value"),
    [
        ("static", bool, True),
        ("int", int, 100),
        ("int", float, 100.0),
        ("text", str, "A"),
        ("json", dict, {"hosts": ["a"], "n": 1}),
        ("json", list, {"hosts": ["a"], "n": 1}),
        ("json-null", None, None),
    ],
)
def test_a_typed_evaluation_gets_details_with_a_value_of_the_type_that_was_asked_for(key, kind, value):
    details = FIXED.evaluate_typed(key, {}, None, kind)
    assert (details.value, type(details.value)) == (value, type(value))
    plain = FIXED.evaluate(key, {})
    assert (details.variant, details.reason, details.error_code) == (plain.variant, Reason.STATIC, None)
    assert details.metadata == plain.metadata


@pytest.mark.parametrize(
    ("key", "kind", "message"),
    [
        ("static", str, "the flag's value is a boolean, which is not a string"),
        ("static", int, "the flag's value is a boolean, which is not an integer"),
        ("float", int, "the flag's value is a number, which is not an integer"),
        ("huge", float, "the flag's value is a number, which is not a number that a float can hold"),
        ("text", bool, "the flag's value is a string, which is not a boolean"),
        ("json", bool, "the flag's value is a JSON object, which is not a boolean"),
        ("json-true", dict, "the flag's value is a boolean, which is not an object or array"),
        ("json-null", dict, "the flag's value is null, which is not an object or array"),
        ("text", bytes, "the flag's value is a string, which is not what was asked for"),
        ("text", ["no type"], "the flag's value is a string, which is not what was asked for"),
    ],
)
def test_a_typed_evaluation_of_a_value_that_does_not_fit_is_an_error_with_the_default(key, kind, message):
    for flags in (FIXED, FIXED.with_state(frozenset(), stale=True)):
        details = flags.evaluate_typed(key, {}, "mine", kind)
        assert (details.value, details.variant) == ("mine", None)
        assert (details.reason, details.error_code) == (Reason.ERROR, ErrorCode.TYPE_MISMATCH)
        assert details.error_message == message
        assert details.metadata == FIXED.evaluate(key, {}).metadata


@pytest.mark.parametrize(
    ("key", "context"), [("gone", {}), (7, {}), ("static", "no mapping"), ("disabled", None), ("no-default", {})]
)
def test_a_typed_evaluation_without_a_value_of_its_own_is_that_of_an_untyped_one(key, context):
    for flags in (FIXED, FIXED.with_state(frozenset(), stale=True)):
        assert flags.evaluate_typed(key, context, False, bool) == flags.evaluate(key, context, False)


def test_is_enabled_is_false_for_flags_that_are_not_boolean():
    assert [FIXED.is_enabled(key, {}) for key in ("int", "text", "json")] == [False] * 3


def test_json_values_are_copied_for_each_call():
    for read in (
        lambda: FIXED.evaluate("json", {}).value,
        lambda: FIXED.get_value("json", {}, {}),
        lambda: FIXED.evaluate_all({})["json"],
    ):
        read()["hosts"].append("changed")
        assert read() == {"hosts": ["a"], "n": 1}


def test_details_carry_owner_tags_and_digest_and_are_immutable():
    details = FIXED.evaluate("static", {})
    digest = FIXED.document.digest("static")
    assert dict(details.metadata) == {"owner": "team-a", "tags": ("x", "y"), "digest": digest}
    assert FIXED.evaluate("static", {}) is details
    with pytest.raises(AttributeError):
        details.value = 5
    with pytest.raises(AttributeError):
        del details.value
    with pytest.raises(TypeError):
        details.metadata["owner"] = "me"
    unpickled = pickle.loads(pickle.dumps(details))  # noqa: S301 - dumped here
    assert unpickled == details == copy.copy(details)
    assert json.loads(json.dumps(details.to_dict()))["metadata"]["tags"] == ["x", "y"]
    assert "variant='on'" in repr(details)
    assert len({details, unpickled}) == 1


@pytest.mark.parametrize(
    "make",
    [
        dict,
        OrderedDict,
        MappingProxyType,
        UserDict,
        lambda c: defaultdict(lambda: "made up", c),
        type("D", (dict,), {}),
    ],
)
def test_every_mapping_is_a_context(make):
    flags = load(
        {
            "a": boolean(rules=[when(asks("country", "equals", "DE"), asks(["device", "os"], "equals", "ios"))]),
            "r": boolean(default={"split": [[100_000, 0]], "unit": "account"}),
        }
    )
    inner = make({"os": "ios"})
    for loaded in (flags, compiled(flags)):
        assert loaded.evaluate("a", make({"country": "DE", "device": inner})).rule == "rule"
        assert loaded.evaluate("a", make({"country": "FR", "device": inner})).rule is None
        assert loaded.evaluate("a", make({})).reason == "DEFAULT"
        assert loaded.evaluate("r", make({})).error_code == "TARGETING_KEY_MISSING"
        assert loaded.is_enabled("r", make({"account": 5}))


def test_a_mapping_that_makes_up_values_is_left_as_it_was():
    context = defaultdict(list)
    load({"a": boolean(default={"split": [[100_000, 0]]})}).evaluate("a", context)
    assert not context


def compiled(flags):
    other = FlagSet(flags.document)
    other.compile_all()
    return other


SCHEDULED = load({"a": boolean(default={"serve": 0}, schedule={"from": 1_000, "until": 2_000})})


@pytest.mark.parametrize(
    ("now", "value"), [(0.999, False), (1, True), (1.999, True), (2, False), (datetime.fromtimestamp(1.5, UTC), True)]
)
def test_a_schedule_is_half_open_and_now_is_seconds_or_an_aware_datetime(now, value):
    for flags in (SCHEDULED, compiled(SCHEDULED)):
        details = flags.evaluate("a", {}, now=now)
        assert details.value is value
        assert details.reason == ("DEFAULT" if value else "DISABLED")


def test_outside_its_schedule_a_flag_is_disabled_whatever_the_context():
    for flags in (SCHEDULED, compiled(SCHEDULED)):
        assert flags.evaluate("a", 5, now=0).reason == "DISABLED"
        assert flags.evaluate("a", 5, now=1).error_code == "INVALID_CONTEXT"


@pytest.mark.parametrize("now", ["yesterday", datetime(2026, 1, 1), float("nan"), [], True])  # noqa: DTZ001
def test_an_instant_that_is_none_is_an_error(now):
    details = SCHEDULED.evaluate("a", {}, 5, now=now)
    assert (details.value, details.error_code) == (5, "GENERAL")


def test_time_comes_from_the_clock_and_is_the_same_for_prerequisites():
    ticks = iter(range(100))
    document = open_bundle(
        bundle(
            {
                "base": boolean(default={"serve": 0}, schedule={"until": 1_000}),
                "top": boolean(default={"serve": 0}, prerequisites=[["base", ["on"]]], schedule={"until": 1_000}),
            }
        )
    )
    flags = FlagSet(document, clock=lambda: next(ticks))
    assert flags.is_enabled("top", {}) is True
    assert flags.evaluate("top", {}).reason == "DISABLED"
    assert flags.evaluate("top", {}).rule is None


def test_a_kill_list_forces_off_and_reaches_flags_that_need_the_killed_one():
    flags = load(
        {
            "base": boolean(default={"serve": 0}),
            "top": boolean(default={"serve": 0}, prerequisites=[["base", ["on"]]]),
            "other": boolean(default={"serve": 0}),
        }
    )
    assert flags.evaluate_all({}) == {"base": True, "other": True, "top": True}
    killed = flags.with_state(frozenset({"base", "gone"}), stale=False)
    assert killed.evaluate_all({}) == {"base": False, "other": True, "top": False}
    assert killed.evaluate("base", 5).reason == "DISABLED"
    assert killed.evaluate("top", {}).rule == "prerequisite:base"
    assert killed.with_state(frozenset(), stale=False).evaluate_all({}) == {"base": True, "other": True, "top": True}
    assert flags.evaluate_all({}) == {"base": True, "other": True, "top": True}


def test_a_stale_snapshot_says_so_and_answers_the_same():
    fresh = load(
        {
            "static": boolean(default={"serve": 0}),
            "rule": boolean(rules=[when(asks("x", "exists"))]),
            "split": boolean(default={"split": [[100_000, 0]]}),
            "disabled": boolean(enabled=False),
            "json": {**JSON_FLAG, "default": {"serve": 0}},
        }
    )
    context = {"x": 1, "targeting_key": "u"}
    stale = fresh.with_state(frozenset(), stale=True)
    assert stale.evaluate_all(context) == fresh.evaluate_all(context)
    assert {key: str(stale.evaluate(key, context).reason) for key in list(stale.keys())} == {
        "static": "STALE",
        "rule": "STALE",
        "split": "STALE",
        "disabled": "DISABLED",
        "json": "STALE",
    }
    assert stale.evaluate("gone").reason == "ERROR"
    assert stale.evaluate("rule", context).rule == "rule"
    assert stale.evaluate("rule", context) is stale.evaluate("rule", context)
    assert stale.evaluate_typed("rule", context, False, bool) == stale.evaluate("rule", context)
    assert fresh.evaluate("rule", context).reason == "TARGETING_MATCH"
    assert stale.replace(fresh.document).evaluate("static").reason == "STALE"


def test_flags_that_did_not_change_keep_their_function_across_a_swap():
    segments = {"s": {"when": [asks("x", "exists")]}, "t": {"include": ["u"]}}
    flags = {
        "same": boolean(rules=[when(asks("x", "exists"))]),
        "changed": boolean(rules=[when(asks("x", "exists"))]),
        "by-segment": boolean(rules=[when({"segment": "s"})]),
        "by-other-segment": boolean(rules=[when({"segment": "t"})]),
        "needs-changed": boolean(prerequisites=[["changed", ["on"]]], rules=[when()]),
        "removed": boolean(),
    }
    old = load(flags, segments=segments)
    old.compile_all()
    flags.pop("removed")
    flags["changed"] = boolean(rules=[when(asks("y", "exists"))])
    segments["s"] = {"when": [asks("y", "exists")]}
    new = old.replace(open_bundle(bundle(flags, segments=segments)))
    assert set(new._plans) == {"same", "by-other-segment"}
    assert new._plans["same"] is old._plans["same"]
    context = {"y": 1, "targeting_key": "u"}
    assert new.evaluate_all(context) == {
        "by-other-segment": True,
        "by-segment": True,
        "changed": True,
        "needs-changed": True,
        "same": False,
    }
    assert new.evaluate("removed").error_code == "FLAG_NOT_FOUND"
    assert new.digest != old.digest


def experiment(status="running", **parts):
    rule = {"id": "test", "experiment": {"key": "exp", "status": status}}
    if status == "running":
        rule["experiment"] |= {"salt": "exp/allocation", "slots": [[0, 50_000]]}
        rule |= {"salt": "exp", "split": [[50_000, 0], [100_000, 1]]}
    return rule | parts


def test_an_experiments_variant_is_answered_only_if_its_own_rule_decided():
    flags = load(
        {"a": boolean(rules=[when(asks("vip", "equals", True), id="vip"), experiment()], targets=[[0, ["target"]]])},
        experiments={"exp": {"flag": "a"}, "lost": {"flag": "gone"}},
    )
    seen = set()
    for loaded in (flags, compiled(flags)):
        for number_ in range(200):
            context = {"targeting_key": f"user-{number_}"}
            variant = loaded.get_variant("exp", context)
            taken = flagctl.bucket("exp/allocation", f"user-{number_}") < 50_000
            assert (variant is not None) == taken
            if variant is not None:
                expected = ("on", True) if flagctl.bucket("exp", f"user-{number_}") < 50_000 else ("off", False)
                assert variant == Variant(*expected)
                seen.add(variant)
                assert loaded.get_variant("exp", {**context, "vip": True}) is None
        assert loaded.get_variant("exp", {"targeting_key": "target"}) is None
        assert loaded.get_variant("exp", {}) is None
        assert loaded.get_variant("exp", 5) is None
        assert loaded.get_variant("lost", {}) is None
        assert loaded.with_state(frozenset({"a"}), stale=False).get_variant("exp", context) is None
    assert len(seen) == 2


def test_a_completed_experiment_serves_its_winner_to_everybody_and_a_draft_nobody():
    for rule, variant in (
        (experiment("completed", serve=0), "on"),
        (experiment("completed"), "off"),
        (experiment("draft"), "off"),
    ):
        flags = load({"a": boolean(rules=[rule])}, experiments={"exp": {"flag": "a"}})
        details = flags.evaluate("a", {})
        assert details.variant == variant
        assert details.reason == ("SPLIT" if variant == "on" else "DEFAULT")
        assert flags.get_variant("exp", {}) == (Variant("on", True) if variant == "on" else None)


def test_percentages_of_none_and_all_need_no_unit():
    flags = load({"none": boolean(rules=[when(percentage=0)]), "all": boolean(rules=[when(percentage=100_000)])})
    assert flags.evaluate("none", {}).reason == "DEFAULT"
    assert flags.evaluate("all", {}).reason == "SPLIT"


def test_a_ramp_follows_the_clock_and_needs_a_unit_only_between_its_ends():
    steps = when(percentage={"steps": [[1_000, 0], [2_000, 50_000], [3_000, 100_000]]})
    linear = when(percentage={"linear": [1_000, 3_000, 0, 100_000]})
    low = next(unit for unit in map(str, range(100)) if flagctl.bucket("a", unit) < 50_000)
    high = next(unit for unit in map(str, range(100)) if flagctl.bucket("a", unit) >= 50_000)
    for rule in (steps, linear):
        flags = load({"a": boolean(rules=[rule])})
        for loaded in (flags, compiled(flags)):
            served = {
                at: [
                    loaded.evaluate("a", context, now=at).variant
                    for context in ({"targeting_key": low}, {"targeting_key": high}, {})
                ]
                for at in (0, 2, 3)
            }
            assert served == {0: ["off"] * 3, 2: ["on", "off", "off"], 3: ["on"] * 3}


@pytest.mark.parametrize("method", ["is_enabled", "get_value", "evaluate"])
def test_a_flag_gets_hot_by_plain_calls_alone(method):
    flags = load({"hot": boolean(rules=[when(asks("plan", "equals", "pro"))])})
    arguments = (False,) if method == "get_value" else ()
    for _ in range(PATIENCE + 1):
        getattr(flags, method)("hot", {"plan": "pro"}, *arguments)
    assert flags._builder.flags["hot"].compiled


def test_a_hot_flag_is_compiled_and_answers_as_before():
    flags = load(
        {
            "base": boolean(default={"serve": 0}, rules=[when(asks("x", "equals", 1), serve=1)]),
            "top": boolean(default={"serve": 0}, prerequisites=[["base", ["on"]]]),
        }
    )
    answers = {flags.evaluate("top", {"x": 2}) for _ in range(500)}
    assert len(answers) == 1
    assert flags._builder.flags["base"].compiled


def test_a_flag_too_large_to_compile_stays_interpreted():
    rules = [when(asks("x", "equals", number_), id=f"r{number_}") for number_ in range(3_000)]
    flags = load({"a": boolean(rules=rules)})
    flags.compile_all()
    assert flags.evaluate("a", {"x": 2_999}).rule == "r2999"
    assert all(flags.is_enabled("a", {"x": 7}) for _ in range(200))


@pytest.mark.parametrize("count", [1, 20, 21, 400])
def test_a_rule_of_many_conditions_is_compiled_and_needs_all_of_them(count):
    names = [f"attribute-{number}" for number in range(count)]
    rule = when(*[asks(name, "equals", name) for name in names])
    flags = load({"many": boolean(rules=[rule])})
    flags.compile_all()
    context = {name: name for name in names}
    assert flags.is_enabled("many", context)
    for name in (names[0], names[-1], names[count // 2]):
        assert not flags.is_enabled("many", {**context, name: "another"})
        assert not flags.is_enabled("many", {key: value for key, value in context.items() if key != name})


def test_a_flag_nested_too_deeply_to_compile_stays_interpreted():
    condition = asks("x", "equals", 1)
    for _ in range(60):
        condition = {"any": [{"all": [condition]}]}
    data = bundle({"a": boolean(rules=[when(condition)])})
    flags = flagctl.load(data)
    assert flags.evaluate("a", {"x": 1}).error_code == "PARSE_ERROR"
    for _ in range(31):
        condition = condition["any"][0]["all"][0]
    flags = flagctl.load(bundle({"a": boolean(rules=[when(condition)])}))
    flags.compile_all()
    assert flags.is_enabled("a", {"x": 1})
