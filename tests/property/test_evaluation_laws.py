"""Laws that hold for every flag, whatever its numbers: of logic, of percentages, of time and of experiments."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from random import Random
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import flagctl
from flagctl.compiler import compile_environment
from flagctl.evaluator.operators import OPERATORS
from flagctl.evaluator.trace import explain
from flagctl.model import (
    Environment,
    Experiment,
    ExperimentStatus,
    FixedPercentage,
    Flag,
    FlagType,
    Layer,
    LinearPercentage,
    Not,
    Repository,
    RepositoryConfig,
    Rollout,
    RolloutArm,
    Rule,
    Variant,
)
from tests.generators import vocabulary as v
from tests.generators.bundles import Case, focused_cases, pool_cases, random_bundle
from tests.generators.conditions import attribute_condition, random_condition
from tests.generators.layout import bundle_of, lay_out
from tests.generators.strategies import units
from tests.reference import Reference
from tests.scale import scaled

ON_OFF = (Variant(name="on", value=True), Variant(name="off", value=False))
CONFIG = RepositoryConfig(
    path="flagctl.yaml", version=1, project="laws", environments={"test": Environment(name="test")}
)


def flag(key: str, *rules: Rule, **parts: Any) -> Flag:
    known: dict[str, Any] = {"type": FlagType.BOOLEAN, "variants": ON_OFF, "off": "off", "default": "off"}
    return Flag(key=key, path=f"{key}.yaml", owner="team-a", rules=rules, **{**known, **parts})


def compiled(*flags: Flag, experiments: tuple[Experiment, ...] = ()) -> flagctl.FlagSet:
    return flagctl.load(compiled_bytes(*flags, experiments=experiments))


def compiled_bytes(*flags: Flag, experiments: tuple[Experiment, ...] = ()) -> bytes:
    repository = Repository(
        config=CONFIG,
        flags={f.key: f for f in sorted(flags, key=lambda f: f.key)},
        experiments={e.key: e for e in sorted(experiments, key=lambda e: e.key)},
        layers={e.layer: Layer(key=e.layer, path=f"{e.layer}.yaml") for e in experiments if e.layer},
    )
    return compile_environment(repository, "test").data


def moment(now_ms: int) -> datetime:
    return Case(None, now_ms, None).now


def test_a_negated_operator_is_exactly_the_negation() -> None:
    rng = Random(1)
    seen: Counter[tuple[str, bool]] = Counter()
    for _ in range(scaled(150, 5_000)):
        condition = attribute_condition(rng)
        name = condition.operator.removeprefix("not_")
        plain, twin = replace(condition, operator=name), replace(condition, operator=f"not_{name}")
        data = compiled_bytes(
            flag("plain", Rule(id="r", when=(plain,), serve="on")),
            flag("twin", Rule(id="r", when=(twin,), serve="on")),
            flag("denied", Rule(id="r", when=(Not(condition=plain),), serve="on")),
        )
        flags, bundle = flagctl.load(data), json.loads(data)
        for case in pool_cases(rng, 20) + focused_cases(rng, bundle, "plain", 40):
            if flags.evaluate("plain", case.context).error_code is not None:
                continue
            holds = flags.is_enabled("plain", case.context)
            seen[name, holds] += 1
            assert flags.is_enabled("twin", case.context) is not holds, (condition, case)
            assert flags.is_enabled("denied", case.context) is not holds, (condition, case)
    assert {name for name, holds in seen if holds} == set(OPERATORS)
    assert {name for name, holds in seen if not holds} == set(OPERATORS)


def test_the_order_of_conditions_does_not_matter() -> None:
    rng = Random(2)
    for _ in range(scaled(60, 3_000)):
        conditions = [random_condition(rng, []) for _ in range(4)]
        shuffled = rng.sample(conditions, len(conditions))
        data = compiled_bytes(
            flag("one", Rule(id="r", when=tuple(conditions), serve="on")),
            flag("two", Rule(id="r", when=tuple(shuffled), serve="on")),
        )
        flags, bundle = flagctl.load(data), json.loads(data)
        for case in pool_cases(rng, 20) + focused_cases(rng, bundle, "one", 30):
            assert flags.is_enabled("one", case.context) is flags.is_enabled("two", case.context), case


@given(
    shares=st.lists(st.integers(0, 100_000), min_size=2, max_size=8), some=st.lists(units(), min_size=5, max_size=40)
)
def test_a_growing_percentage_only_adds_units(shares: list[int], some: list[str]) -> None:
    ordered = sorted(set(shares))
    rules = [Rule(id="r", serve="on", percentage=FixedPercentage(thousandths=share)) for share in ordered]
    # One salt for all, as if one flag had been edited again and again.
    flags = compiled(*(flag(f"f{i:02}", rule, salt="grow") for i, rule in enumerate(rules)))
    for unit in some:
        answers = [flags.is_enabled(f"f{i:02}", {"targeting_key": unit}) for i in range(len(ordered))]
        assert answers == sorted(answers)
        bucket = flagctl.bucket("grow", unit)
        assert answers == [bucket < share for share in ordered]


@given(
    start=st.integers(0, 100_000),
    end=st.integers(0, 100_000),
    length=st.integers(1, 10**9),
    unit=units(),
    data=st.data(),
)
def test_a_linear_ramp_is_monotone_and_ends_where_it_says(start, end, length, unit, data) -> None:
    percentage = LinearPercentage(from_ms=v.BASE_MS, to_ms=v.BASE_MS + length, start=start, end=end)
    flags = compiled(flag("ramp", Rule(id="r", serve="on", percentage=percentage)))
    moments = sorted(data.draw(st.lists(st.integers(-10, length + 10), max_size=20)))
    answers = [
        flags.evaluate("ramp", {"targeting_key": unit}, now=moment(v.BASE_MS + ms)).value
        for ms in (-1, 0, *moments, length, length + 1)
    ]
    middle = answers[2:-2]
    assert middle == sorted(middle, reverse=end < start)
    bucket = flagctl.bucket("ramp", unit)
    assert answers[0] is answers[1] is (bucket < start)
    assert answers[-1] is answers[-2] is (bucket < end)


def test_a_fixed_instant_replays() -> None:
    for seed in range(scaled(4, 100)):
        rng = Random(seed)
        data = random_bundle(seed, 25)
        first, second = flagctl.load(data), flagctl.load(data)
        cases = pool_cases(rng, 20)
        calls = [(key, case) for key in first.keys() for case in cases]  # noqa: SIM118
        once = {(key, id(case)): first.evaluate(key, case.context, now=case.now) for key, case in calls}
        rng.shuffle(calls)
        for key, case in calls:
            again = second.evaluate(key, case.context, now=case.now)
            assert again == once[key, id(case)] or again.value != again.value


def test_a_moment_is_the_same_in_every_form() -> None:
    for seed in range(scaled(4, 100)):
        rng = Random(seed)
        data = random_bundle(seed, 25)
        for case in pool_cases(rng, 10):
            seconds = case.now_ms / 1000
            flags = flagctl.load(data)
            by_clock = flagctl.FlagSet(flags.document, clock=lambda seconds=seconds: seconds)
            zoned = case.now.astimezone(timezone(timedelta(hours=5, minutes=45)))
            for key in flags.keys():  # noqa: SIM118
                expected = flags.evaluate(key, case.context, now=case.now)
                assert flags.evaluate(key, case.context, now=seconds) == expected
                assert flags.evaluate(key, case.context, now=zoned) == expected
                assert by_clock.evaluate(key, case.context) == expected


@given(some=st.lists(units(), min_size=1, max_size=60, unique=True))
def test_a_rollout_gives_each_unit_exactly_one_variant(some: list[str]) -> None:
    arms = tuple(
        RolloutArm(variant=name, weight=weight) for name, weight in (("a", 33_333), ("b", 33_333), ("c", 33_334))
    )
    variants = tuple(Variant(name=name, value=name) for name in "abc")
    flags = compiled(flag("f", type=FlagType.STRING, variants=variants, off=None, default=Rollout(arms=arms)))
    for unit in some:
        bucket = flagctl.bucket("f", unit)
        expected = "a" if bucket < 33_333 else "b" if bucket < 66_666 else "c"
        details = flags.evaluate("f", {"targeting_key": unit})
        assert (details.variant, details.reason) == (expected, "SPLIT")


def experiment(key: str, **parts: Any) -> Experiment:
    arms = (RolloutArm(variant="on", weight=50_000), RolloutArm(variant="off", weight=50_000))
    known: dict[str, Any] = {"status": ExperimentStatus.RUNNING, "variants": Rollout(arms=arms), "control": "off"}
    return Experiment(key=key, path=f"{key}.yaml", flag=f"flag-{key}", owner="team-a", **{**known, **parts})


def chi_square(table: Counter[tuple[bool, bool]]) -> float:
    total = table.total()
    result = 0.0
    for row in (False, True):
        for column in (False, True):
            in_row = table[row, False] + table[row, True]
            in_column = table[False, column] + table[True, column]
            expected = in_row * in_column / total
            result += (table[row, column] - expected) ** 2 / expected
    return result


def test_taking_part_and_the_variant_are_independent_draws() -> None:
    flags = compiled(
        flag("flag-half", Rule(id="r", experiment="half")),
        flag("flag-full", Rule(id="r", experiment="full")),
        experiments=(experiment("half", traffic=50_000), experiment("full", traffic=100_000)),
    )
    taken, drawn, crossed = Counter(), Counter(), Counter()
    for number in range(scaled(10_000, 200_000)):
        context = {"targeting_key": f"user-{number}"}
        variant, other = flags.get_variant("half", context), flags.get_variant("full", context)
        assert other is not None
        taken[variant is not None] += 1
        crossed[variant is not None, other.name == "on"] += 1
        if variant is not None:
            drawn[variant.name] += 1
    # The units are fixed, so these are no flaky bounds: beyond 15, chance has one in 10 000.
    assert chi_square(crossed) < 15
    assert abs(taken[True] / taken.total() - 0.5) < 0.02
    assert abs(drawn["on"] / drawn.total() - 0.5) < 0.02


def test_experiments_of_one_layer_never_take_the_same_unit() -> None:
    slots = {"one": ((0, 30_000), (60_000, 61_000)), "two": ((30_000, 60_000),), "three": ((61_000, 100_000),)}
    flags = compiled(
        *(flag(f"flag-{key}", Rule(id="r", experiment=key)) for key in slots),
        experiments=tuple(experiment(key, layer="page", slots=ranges) for key, ranges in slots.items()),
    )
    for number in range(scaled(3_000, 100_000)):
        context = {"targeting_key": f"user-{number}"}
        assert sum(flags.get_variant(key, context) is not None for key in slots) == 1


def test_killing_a_flag_serves_off_there_and_fails_those_that_need_it() -> None:
    for seed in range(scaled(5, 100)):
        data = random_bundle(seed, 30)
        bundle = json.loads(data)
        flags = flagctl.load(data)
        for key, entry in bundle["flags"].items():
            details = flags.with_state(frozenset({key}), stale=False).evaluate(key, [], "default")
            assert details.reason == "DISABLED"
            assert details.variant == (entry["variants"][entry["off"]][0] if "off" in entry else None)


def test_staleness_changes_nothing_but_the_reason() -> None:
    for seed in range(scaled(4, 100)):
        data = random_bundle(seed, 30)
        fresh = flagctl.load(data)
        stale = fresh.with_state(frozenset(), stale=True)
        for case in pool_cases(Random(seed), 20):
            for key in fresh.keys():  # noqa: SIM118
                one, two = (f.evaluate(key, case.context, case.default, now=case.now) for f in (fresh, stale))
                assert (one.variant, one.rule, one.error_code) == (two.variant, two.rule, two.error_code)
                expected = one.reason if one.reason in {"DISABLED", "ERROR"} else "STALE"
                assert two.reason == expected


def test_exclude_wins_over_include_and_include_over_when() -> None:
    never = {"attribute": "targeting_key", "operator": "not_exists"}
    segment = {"include": ["both", "in"], "exclude": ["both", "out"], "when": [never]}
    condition = {"segment": "s"}
    entry = {
        "type": "boolean",
        "variants": [["on", True], ["off", False]],
        "default": {"serve": 1},
        "rules": [{"id": "r", "when": [condition], "serve": 0}],
    }
    data = lay_out(bundle_of({"f": entry}, segments={"s": segment}))
    flags, reference = flagctl.load(data), Reference(data)
    for unit, expected in (("both", False), ("out", False), ("in", True), ("other", False), (None, True)):
        context = {"targeting_key": unit}
        assert flags.is_enabled("f", context) is reference.is_enabled("f", context, 0) is expected
        assert explain(flags.document, "f", context, 0).details.value is expected
        compiled = flagctl.load(data)
        compiled.compile_all()
        assert compiled.is_enabled("f", context) is expected
