from __future__ import annotations

import random
from dataclasses import replace

import pytest

from flagctl.evaluator.buckets import bucket
from flagctl.model import (
    AttributeCondition,
    Experiment,
    ExperimentStatus,
    FixedPercentage,
    Flag,
    FlagType,
    LinearPercentage,
    Repository,
    RepositoryConfig,
    Rollout,
    RolloutArm,
    Rule,
    Schedule,
    Step,
    SteppedPercentage,
    Variant,
)
from flagctl.review.impact import GroupImpact, exact_impact, percentage_at

REPOSITORY = Repository(config=RepositoryConfig(path="flagctl.yaml", version=1, project="p", environments={}))
GERMANS = (AttributeCondition(attribute=("country",), operator="equals", value="DE"),)


def split(**weights: float) -> Rollout:
    return Rollout(arms=tuple(RolloutArm(variant=name, weight=round(w * 1000)) for name, w in weights.items()))


def flag(*rules: Rule, default: str | Rollout = "a", **more: object) -> Flag:
    variants = tuple(Variant(name=name, value=name) for name in "abc")
    return Flag(
        key="f",
        path="f.yaml",
        type=FlagType.STRING,
        variants=variants,
        default=default,
        rules=rules,
        **more,  # type: ignore[arg-type]
    )


def percent(share: float, **more: object) -> Rule:
    return Rule(id="ramp", serve="b", percentage=FixedPercentage(thousandths=round(share * 1000)), **more)  # type: ignore[arg-type]


def groups(old: Flag, new: Flag, *, repository: Repository = REPOSITORY, now_ms: int = 0) -> tuple[GroupImpact, ...]:
    result = exact_impact((old, repository), (new, repository), "production", now_ms)
    assert result is not None
    return result


def movements(group: GroupImpact) -> dict[tuple[str | None, str | None], float]:
    return {(m.before, m.after): round(m.share, 9) for m in group.movements}


def test_a_growing_percentage_only_adds_units() -> None:
    (everyone,) = groups(flag(percent(10)), flag(percent(25)))
    assert movements(everyone) == {("b", "b"): 0.1, ("a", "b"): 0.15, ("a", "a"): 0.75}
    assert everyone.switching == pytest.approx(0.15)


def test_a_new_salt_moves_units_although_both_sides_say_ten_percent() -> None:
    (everyone,) = groups(flag(percent(10)), flag(percent(10, salt="other")))
    assert movements(everyone)["b", "a"] == pytest.approx(0.09)
    assert everyone.switching == pytest.approx(0.18)
    assert everyone.minimum == pytest.approx(0)


def test_swapping_the_order_of_variants_moves_twenty_percent_for_two_arms_of_ten() -> None:
    (everyone,) = groups(flag(default=split(a=10, b=90)), flag(default=split(b=90, a=10)))
    assert movements(everyone) == {("a", "b"): 0.1, ("b", "a"): 0.1, ("b", "b"): 0.8}
    assert everyone.switching == pytest.approx(0.2)


def test_growing_three_arms_moves_all_of_the_second_to_the_first() -> None:
    (everyone,) = groups(flag(default=split(a=10, b=10, c=80)), flag(default=split(a=20, b=20, c=60)))
    assert movements(everyone)["b", "a"] == pytest.approx(0.1)
    assert ("b", "b") not in movements(everyone)
    assert everyone.switching == pytest.approx(0.3)
    assert everyone.minimum == pytest.approx(0.2)


def test_pinned_ranges_reach_the_minimum() -> None:
    pinned = Rollout(
        arms=(
            RolloutArm(variant="a", ranges=((0, 10_000), (20_000, 30_000))),
            RolloutArm(variant="b", ranges=((10_000, 20_000), (30_000, 40_000))),
            RolloutArm(variant="c", ranges=((40_000, 100_000),)),
        )
    )
    (everyone,) = groups(flag(default=split(a=10, b=10, c=80)), flag(default=pinned))
    assert everyone.switching == pytest.approx(everyone.minimum) == pytest.approx(0.2)


def test_each_set_of_conditions_is_a_group_of_its_own() -> None:
    rule = Rule(id="germans", when=GERMANS, serve="c")
    everyone, germans = groups(flag(rule), flag(replace(rule, serve="b")))
    assert everyone.switching == 0
    assert germans.rules == ("germans",)
    assert movements(germans) == {("c", "b"): 1.0}


def test_a_changed_condition_has_no_exact_answer() -> None:
    rule = Rule(id="germans", when=GERMANS, serve="c")
    changed = replace(rule, when=(replace(GERMANS[0], value="FR"),))
    assert exact_impact((flag(rule), REPOSITORY), (flag(changed), REPOSITORY), "production", 0) is None


def test_switching_a_flag_off_moves_everybody_to_off() -> None:
    (everyone,) = groups(flag(percent(10), off="c"), flag(percent(10), off="c", enabled=False))
    assert movements(everyone) == {("a", "c"): 0.9, ("b", "c"): 0.1}


def test_a_schedule_counts_at_the_given_instant() -> None:
    old = flag(Rule(id="sale", serve="b"))
    new = flag(Rule(id="sale", serve="b", schedule=Schedule(from_ms=10, until_ms=20)))
    assert movements(groups(old, new, now_ms=5)[0]) == {("b", "a"): 1.0}
    assert movements(groups(old, new, now_ms=10)[0]) == {("b", "b"): 1.0}
    assert movements(groups(old, new, now_ms=20)[0]) == {("b", "a"): 1.0}


def test_an_experiment_takes_its_traffic_and_splits_it() -> None:
    experiment = Experiment(
        key="e", path="e.yaml", flag="f", status=ExperimentStatus.RUNNING, variants=split(b=50, c=50), traffic=20_000
    )
    running = replace(REPOSITORY, experiments={"e": experiment})
    new = flag(Rule(id="hero", experiment="e"))
    (everyone,) = groups(flag(), new, repository=running)
    assert movements(everyone) == {("a", "a"): 0.8, ("a", "b"): 0.1, ("a", "c"): 0.1}
    done = replace(experiment, status=ExperimentStatus.COMPLETED, winner="c")
    (everyone,) = groups(flag(), new, repository=replace(REPOSITORY, experiments={"e": done}))
    assert movements(everyone) == {("a", "c"): 1.0}


def test_percentages_follow_the_clock() -> None:
    steps = SteppedPercentage(steps=(Step(from_ms=10, thousandths=5000), Step(from_ms=20, thousandths=9000)))
    assert [percentage_at(steps, t) for t in (9, 10, 19, 20)] == [0, 5000, 5000, 9000]
    linear = LinearPercentage(from_ms=0, to_ms=3, start=0, end=100_000)
    assert [percentage_at(linear, t) for t in (-1, 0, 1, 2, 3, 4)] == [0, 0, 33_333, 66_666, 100_000, 100_000]


def test_too_many_independent_salts_have_no_exact_answer() -> None:
    rules = tuple(
        Rule(id=f"r{i}", serve="b", percentage=FixedPercentage(thousandths=1000), salt=f"s{i}") for i in range(20)
    )
    assert exact_impact((flag(), REPOSITORY), (flag(*rules), REPOSITORY), "production", 0) is None


def test_exact_shares_agree_with_the_buckets_of_random_units() -> None:
    generator = random.Random(7)
    old = flag(percent(30), Rule(id="rest", rollout=split(a=20, b=30, c=50), salt="f/rest"))
    new = flag(percent(40), Rule(id="rest", rollout=split(a=50, b=30, c=20), salt="f/rest"))
    (everyone,) = groups(old, new)

    def serve(unit: str, share: int, bounds: tuple[int, int]) -> str:
        if bucket("f", unit) < share:
            return "b"
        place = bucket("f/rest", unit)
        return "a" if place < bounds[0] else "b" if place < bounds[1] else "c"

    count = 100_000
    measured: dict[tuple[str | None, str | None], int] = {}
    for _ in range(count):
        unit = str(generator.getrandbits(64))
        pair = (serve(unit, 30_000, (20_000, 50_000)), serve(unit, 40_000, (50_000, 80_000)))
        measured[pair] = measured.get(pair, 0) + 1
    assert {(m.before, m.after) for m in everyone.movements} == set(measured)
    for movement in everyone.movements:
        deviation = (movement.share * (1 - movement.share) / count) ** 0.5
        assert abs(measured[movement.before, movement.after] / count - movement.share) < 5 * deviation


def test_a_change_is_monotonic_if_no_variant_both_gains_and_loses() -> None:
    assert groups(flag(percent(10)), flag(percent(25)))[0].monotonic
    assert groups(flag(percent(25)), flag(percent(10)))[0].monotonic
    assert not groups(flag(percent(10)), flag(percent(25, salt="other")))[0].monotonic
    assert not groups(flag(default=split(a=10, b=10, c=80)), flag(default=split(a=20, b=20, c=60)))[0].monotonic
