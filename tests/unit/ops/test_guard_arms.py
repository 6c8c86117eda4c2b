"""Newcomers of a rollout are compared with those still in line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from flagctl.evaluator.instants import parse_instant
from flagctl.model.strategy import Guard, GuardMetric
from flagctl.ops.guard_arms import Arms, StepArms, arms_of, expected_shares
from flagctl.ops.guard_data import Arm, GuardData, GuardDataError, judge, parse_answer, proportion
from flagctl.ops.loading import load, readable
from tests.simulators.rollouts import growing, guarded

START = (parse_instant("2026-12-01T09:00:00Z") or 0) // 1000
HOUR = 3_600_000
CONFIG = "version: 1\nproject: shop\nenvironments: {production: {}}\n"
GUARDED = guarded(
    "{metrics: [{metric: errors}]}",
    steps="[1, {percent: 5, released: 2026-12-01T15:00:00Z}, {percent: 60, released: 2026-12-01T21:00:00Z}, 100]",
)
CANARY = growing(
    "engine",
    """\
    bucket_by: account_id
    strategy:
      canary:
        start: 2026-12-01T09:00:00Z
        group: {percent: 10, bucket_by: instance}
        bake: 6h
        steps: [{percent: 20, released: 2026-12-01T15:00:00Z}, 100]
        guard: {metrics: [{metric: errors}]}
    """,
).replace("rules:", "salt: motor\nrules:")


def arms(folder: Path, text: str, hours: float) -> Arms | None:
    (folder / "flagctl.yaml").write_text(CONFIG, encoding="utf-8")
    (folder / "engine.yaml").write_text(text, encoding="utf-8")
    flag = readable(load(folder)).flags["engine"]
    rule = next(one for one in flag.in_environment("production").rules if one.id == "grow")
    assert rule.strategy is not None
    return arms_of(flag, rule, rule.strategy, START + round(hours * HOUR))


def test_each_step_has_its_newcomers_and_as_many_in_line(tmp_path: Path) -> None:
    found = arms(tmp_path, GUARDED, 7)
    assert found is not None
    assert (found.salt, found.unit, found.risk) == ("engine", ("targeting_key",), 1.0)
    first, second = found.steps
    assert (first.treatment, first.control) == ((0, 1000), (1000, 100000))
    assert (first.since_ms, first.until_ms) == (START, START + 6 * HOUR)
    assert (second.treatment, second.control) == ((1000, 5000), (5000, 100000))
    assert (second.since_ms, second.until_ms) == (START + 6 * HOUR, START + 7 * HOUR)


def test_nobody_is_in_line_before_the_start_and_after_the_last_step(tmp_path: Path) -> None:
    assert arms(tmp_path, GUARDED, -1) is None
    assert arms(tmp_path, GUARDED.replace("percent: 60", "percent: 100"), 20) is None


def test_a_canary_s_share_of_hosts_is_compared_with_other_hosts_and_then_units_with_units(tmp_path: Path) -> None:
    hosts, units = arms(tmp_path, CANARY, 1), arms(tmp_path, CANARY, 7)
    assert hosts is not None
    assert units is not None
    assert (hosts.salt, hosts.unit, hosts.risk) == ("motor", ("instance",), 1 / 3)
    assert (hosts.steps[0].treatment, hosts.steps[0].control) == ((0, 10000), (10000, 100000))
    assert (units.salt, units.unit, units.risk) == ("motor", ("account_id",), 2 / 3)
    assert [(one.treatment, one.control) for one in units.steps] == [((0, 20000), (20000, 100000))]


def test_a_group_that_was_chosen_has_nobody_in_line(tmp_path: Path) -> None:
    chosen = CANARY.replace(
        "{percent: 10, bucket_by: instance}", "{when: [{attribute: plan, operator: equals, value: a}]}"
    )
    assert arms(tmp_path, chosen, 1) is None
    assert arms(tmp_path, chosen, 7) is not None


def steps(*counts: tuple[int, int]) -> GuardData:
    return GuardData(
        as_of_ms=0,
        metrics={"errors": tuple((proportion(2000, a), proportion(2000, b)) for a, b in counts)},
        control="in_line",
    )


def test_harm_adds_up_over_steps_and_is_not_forgotten() -> None:
    guard = Guard(metrics=(GuardMetric(metric="errors"),))
    assert judge(guard, steps((40, 62)), 0).state == "open"
    verdict = judge(guard, steps((40, 62), (41, 64), (39, 61)), 0)
    assert (verdict.state, verdict.control) == ("harmed", "in_line")
    assert judge(guard, steps((40, 41), (41, 40), (39, 41)), 0).state == "open"


def test_earlier_steps_alone_say_nothing_good_about_the_present_one() -> None:
    guard = Guard(metrics=(GuardMetric(metric="errors"),), minimum_units=50)
    data = steps((40, 41), (41, 40))
    few = (proportion(30, 1), proportion(70, 1))
    fresh = GuardData(as_of_ms=0, metrics={"errors": (*data.metrics["errors"], few)}, control="in_line")
    verdict = judge(guard, fresh, 0)
    assert verdict.state == "too_few"
    assert "30 units on a side since the step began" in verdict.reason
    bad = steps((40, 90), (41, 99), (1, 1))
    harmed = GuardData(as_of_ms=0, metrics={"errors": (*bad.metrics["errors"][:2], few)}, control="in_line")
    assert judge(guard, harmed, 0).state == "harmed"


def test_arms_of_the_wrong_size_are_noticed_over_steps_of_different_widths() -> None:
    ranges = (
        StepArms(since_ms=0, until_ms=1, treatment=(0, 1000), control=(1000, 2000)),
        StepArms(since_ms=1, until_ms=2, treatment=(1000, 61000), control=(61000, 100000)),
    )
    even = [(proportion(500, 5), proportion(510, 5)), (proportion(3900, 5), proportion(6000, 5))]
    expected = expected_shares(ranges, even)
    assert expected == pytest.approx((505 + 3900, 505 + 6000))
    nobody = Arm(units=0, mean=0.0, variance=0.0)
    assert expected_shares(ranges, [(nobody, nobody)] * 2) is None
    guard = Guard(metrics=(GuardMetric(metric="errors"),))
    for strata, state in ((even, "open"), ([even[0], (proportion(3900, 5), proportion(5500, 5))], "untrusted")):
        data = GuardData(
            as_of_ms=0,
            metrics={"errors": tuple(strata)},
            expected=expected_shares(ranges, strata),
            control="in_line",
        )
        assert judge(guard, data, 0).state == state


def test_reasons_of_an_experiment_name_its_variants() -> None:
    found = [{"metric": "errors", "variant": name, "state": "harmed", "reason": "worse"} for name in ("red", "blue")]
    told = {"state": "harmed", "guardrails": found, "freshest_ms": 0}
    guard = Guard(metrics=(), experiment="colours")
    assert judge(guard, parse_answer(json.dumps(told)), 0).reason == "errors, red: worse; errors, blue: worse"


def test_an_answer_says_whom_it_compares() -> None:
    one: dict[str, Any] = {"control": {"units": 500, "events": 5}, "treatment": {"units": 500, "events": 6}}
    answer: dict[str, Any] = {"as_of": "2026-12-02T09:00:00Z", "metrics": {"errors": [one, one]}}
    assert parse_answer(json.dumps(answer)).control == "everybody_else"
    assert parse_answer(json.dumps({**answer, "control": "in_line"})).control == "in_line"
    with pytest.raises(GuardDataError, match="in_line or everybody_else"):
        parse_answer(json.dumps({**answer, "control": "neighbours"}))
