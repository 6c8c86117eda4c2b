"""When the steps of a strategy begin."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from flagctl.model import FixedPercentage, Rule, SteppedPercentage
from flagctl.model.strategy import CanaryGroup, Hold, Pause, PlannedStep, Strategy, StrategyKind, expand

HOUR = 3_600_000
DAY = 24 * HOUR


def step(percent: float, **more: Any) -> PlannedStep:
    return PlannedStep(thousandths=round(percent * 1000), **more)


def plan(*steps: PlannedStep, **more: Any) -> Strategy:
    return Strategy(kind=StrategyKind.GRADUAL, rule="r", steps=steps, **more)


def begins(strategy: Strategy) -> list[int | None]:
    return [dated.begins_ms for dated in strategy.calendar()]


def test_steps_count_from_the_one_before() -> None:
    assert begins(plan(step(5, from_ms=DAY), step(25, after_ms=DAY), step(100, after_ms=2 * DAY))) == [
        DAY,
        2 * DAY,
        4 * DAY,
    ]


def test_a_waiting_step_never_begins_by_itself_and_keeps_those_behind_it() -> None:
    strategy = plan(
        step(5, from_ms=0), step(25, from_ms=DAY, hold=Hold.APPROVAL), step(50, from_ms=2 * DAY), step(100, after_ms=1)
    )
    assert begins(strategy) == [0, None, None, None]
    assert [dated.waits_for for dated in strategy.calendar()][1] == "approval"
    assert strategy.share_at(10**15) == 5_000
    assert strategy.state(DAY - 1) == "running"
    assert strategy.state(DAY) == "waiting"


def test_a_late_release_moves_the_dates_behind_it() -> None:
    strategy = plan(
        step(5, from_ms=0),
        step(25, from_ms=DAY, hold=Hold.APPROVAL, released_ms=3 * DAY),
        step(50, from_ms=2 * DAY),
        step(100, from_ms=5 * DAY),
    )
    assert begins(strategy) == [0, 3 * DAY, 4 * DAY, 7 * DAY]


def test_an_early_release_moves_no_dates() -> None:
    strategy = plan(step(5, from_ms=0), step(25, from_ms=3 * DAY, released_ms=DAY), step(50, from_ms=4 * DAY))
    assert begins(strategy) == [0, DAY, 4 * DAY]


def test_a_hold_stops_the_clock_and_a_resume_moves_what_is_left() -> None:
    steps = (step(5, from_ms=0), step(25, from_ms=DAY), step(50, after_ms=DAY))
    held = plan(*steps, pauses=(Pause(from_ms=DAY + HOUR),))
    assert begins(held) == [0, DAY, None]
    assert held.calendar()[2].waits_for == "resume"
    assert held.state(DAY + HOUR) == "held"
    resumed = plan(*steps, pauses=(Pause(from_ms=DAY + HOUR, until_ms=DAY + 5 * HOUR),))
    assert begins(resumed) == [0, DAY, 2 * DAY + 4 * HOUR]
    again = replace(resumed, pauses=(*resumed.pauses, Pause(from_ms=2 * DAY, until_ms=3 * DAY)))
    assert begins(again) == [0, DAY, 3 * DAY + 4 * HOUR]


def test_a_hold_before_the_start_moves_the_start() -> None:
    strategy = plan(step(5, from_ms=DAY), step(25, from_ms=2 * DAY), pauses=(Pause(from_ms=0, until_ms=2 * DAY),))
    assert begins(strategy) == [3 * DAY, 4 * DAY]


def test_a_plan_without_a_start_waits_for_it() -> None:
    strategy = plan(step(5), step(25, after_ms=DAY))
    assert strategy.calendar()[0].waits_for == "start"
    assert strategy.state(0) == "planned"
    assert strategy.percentage() == FixedPercentage(thousandths=0)


def test_an_abort_ends_everything_at_its_instant() -> None:
    strategy = plan(step(5, from_ms=0), step(25, from_ms=DAY), step(100, from_ms=3 * DAY), aborted_ms=2 * DAY)
    assert [strategy.share_at(at) for at in (-1, 0, DAY, 2 * DAY - 1, 2 * DAY, 9 * DAY)] == [
        0,
        5000,
        25000,
        25000,
        0,
        0,
    ]
    assert strategy.state(2 * DAY - 1) == "running"
    assert strategy.state(2 * DAY) == "aborted"


def test_steps_at_one_instant_are_one_step() -> None:
    percentage = plan(step(5, from_ms=0), step(25, released_ms=DAY), step(50, released_ms=DAY)).percentage()
    assert isinstance(percentage, SteppedPercentage)
    assert [(one.from_ms, one.thousandths) for one in percentage.steps] == [(0, 5000), (DAY, 50000)]


def test_a_group_is_a_rule_of_its_own_from_the_start_to_an_abort() -> None:
    rule = Rule(id="r", serve="on", salt="s")
    group = CanaryGroup(thousandths=5000, bucket_by=("instance",))
    strategy = replace(plan(step(0, from_ms=DAY), step(100, after_ms=DAY), group=group), kind=StrategyKind.CANARY)
    first, main = expand(rule, strategy)
    assert (first.id, first.serve, first.bucket_by, first.percentage) == (
        "r:canary",
        "on",
        ("instance",),
        FixedPercentage(thousandths=5000),
    )
    assert first.schedule is not None
    assert (first.schedule.from_ms, first.schedule.until_ms) == (DAY, None)
    assert main.id == "r"
    assert main.strategy is first.strategy is strategy
    ended = expand(rule, replace(strategy, aborted_ms=2 * DAY))[0].schedule
    assert ended is not None
    assert ended.until_ms == 2 * DAY
    assert [one.id for one in expand(rule, replace(strategy, aborted_ms=0))] == ["r"]
    assert [one.id for one in expand(rule, replace(strategy, steps=(step(0), step(100))))] == ["r"]
