"""The shares that arithmetic over buckets gives are those that a hundred thousand random units have, within sampling error."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from random import Random
from uuid import UUID

import pytest

from flagctl.compiler import compile_environment
from flagctl.evaluator.document import open_bundle
from flagctl.model import (
    FULL,
    AttributeCondition,
    Environment,
    Experiment,
    ExperimentStatus,
    FixedPercentage,
    Flag,
    FlagType,
    LinearPercentage,
    Metric,
    Repository,
    RepositoryConfig,
    Rollout,
    RolloutArm,
    Rule,
    Variant,
)
from flagctl.population.batch import RowBatch
from flagctl.population.measure import Questions, Versions, compare
from flagctl.review.impact import exact_impact
from flagctl.review.rebalance import minimum, rebalanced
from tests.scale import scaled

UNITS = 100_000
SIGMAS = 5.5  # so many shares are compared that one beyond 4 would be no wonder
NOW_MS = 1_796_083_200_000
NAMES = ("a", "b", "c")
GROUPS = (None, "one", "two")


@cache
def batch(group: str | None) -> RowBatch:
    rng = Random(20_261_123)
    extra = {} if group is None else {"group": group}
    return RowBatch([{"targeting_key": str(UUID(int=rng.getrandbits(128))), **extra} for _ in range(UNITS)])


def repository(flag: Flag, experiment: Experiment) -> Repository:
    config = RepositoryConfig(path="flagctl.yaml", version=1, project="p", environments={"e": Environment(name="e")})
    return Repository(config=config, flags={flag.key: flag}, experiments={experiment.key: experiment})


class Maker:
    """Random flags that draw buckets in every way there is, and changes of their shares."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(seed)

    def flag(self) -> Flag:
        rules = tuple(self.rule(f"r{number}", self.rng.choice(GROUPS)) for number in range(self.rng.randint(1, 4)))
        return Flag(
            key="f",
            path="f.yaml",
            type=FlagType.STRING,
            variants=tuple(Variant(name=name, value=name) for name in NAMES),
            default=self.rng.choice(("a", self.rollout())),
            rules=rules,
        )

    def rule(self, rule_id: str, group: str | None) -> Rule:
        when = ()
        if group is not None:
            when = (AttributeCondition(attribute=("group",), operator="equals", value=group),)
        rule = Rule(id=rule_id, when=when, salt=self.rng.choice((None, "s1", "s2")))
        return self.outcome(rule)

    def outcome(self, rule: Rule) -> Rule:
        rng = self.rng
        rule = replace(rule, serve=None, percentage=None, rollout=None, experiment=None)
        match rng.randrange(4):
            case 0:
                return replace(rule, rollout=self.rollout())
            case 1:
                return replace(rule, experiment="x", salt=None)
            case 2:
                begin = NOW_MS - rng.randrange(10_000)
                ramp = LinearPercentage(from_ms=begin, to_ms=begin + 9_000, start=0, end=self.share())
                return replace(rule, serve=rng.choice(NAMES), percentage=ramp)
            case _:
                return replace(rule, serve=rng.choice(NAMES), percentage=FixedPercentage(thousandths=self.share()))

    def share(self) -> int:
        return self.rng.choice((0, 1_000, 10_000, 25_000, 50_000, self.rng.randrange(FULL), FULL))

    def rollout(self) -> Rollout:
        names = self.rng.sample(NAMES, self.rng.randint(1, 3))
        cuts = sorted(self.rng.randrange(FULL) for _ in names[1:])
        weights = [end - start for start, end in zip([0, *cuts], [*cuts, FULL], strict=True)]
        return Rollout(arms=tuple(RolloutArm(variant=n, weight=w) for n, w in zip(names, weights, strict=True)))

    def experiment(self) -> Experiment:
        return Experiment(
            key="x",
            path="x.yaml",
            flag="f",
            owner="o",
            hypothesis="h",
            status=self.rng.choice((ExperimentStatus.RUNNING, ExperimentStatus.RUNNING, ExperimentStatus.COMPLETED)),
            variants=self.rollout(),
            control="a",
            winner="b",
            traffic=self.share() or 1,
            primary=Metric(event="order", kind="conversion"),
        )

    def changed_rule(self, rule: Rule) -> Rule:
        draw = self.rng.random()
        if draw < 0.5:
            return self.outcome(rule)
        return replace(rule, salt=self.rng.choice((None, "s1", "s2"))) if draw < 0.7 and not rule.experiment else rule

    def changed(self, flag: Flag) -> Flag:
        rules = [self.changed_rule(rule) for rule in flag.rules]
        if self.rng.random() < 0.3:
            self.rng.shuffle(rules)
        return replace(flag, rules=tuple(rules), default=self.rng.choice(("a", flag.default, self.rollout())))


def measured(old: Repository, new: Repository, group: str | None) -> dict[tuple[str | None, str | None], float]:
    versions = Versions(
        environment="e",
        before=open_bundle(compile_environment(old, "e").data),
        after=open_bundle(compile_environment(new, "e").data),
        keys=("f",),
    )
    rows = batch(group)
    (flag,) = compare([versions], [(rows, None)], NOW_MS, Questions(examples=0), lambda _done, _share: None)
    assert flag.contexts == UNITS
    return {(m.before.variant, m.after.variant): m.share for m in flag.movements}


def assert_near(exact: float, found: float) -> None:
    assert abs(exact - found) <= SIGMAS * math.sqrt(max(exact * (1 - exact), 0) / UNITS) + 1e-9, (exact, found)


@pytest.mark.parametrize("seed", range(scaled(14, 400)))
def test_exact_shares_agree_with_measured_ones(seed) -> None:
    maker = Maker(seed)
    flag, experiment = maker.flag(), maker.experiment()
    old = repository(flag, experiment)
    after = maker.changed(flag)
    new = repository(after, maker.rng.choice((experiment, maker.experiment())))
    impacts = exact_impact((flag, old), (after, new), "e", NOW_MS)
    assert impacts is not None
    groups = {rule.id: (rule.when[0].value if rule.when else None) for rule in flag.rules}
    assert any(not impact.rules for impact in impacts)
    for impact in impacts:
        group = groups[impact.rules[0]] if impact.rules else None
        found = measured(old, new, group)
        exact = {(m.before, m.after): m.share for m in impact.movements}
        for movement in {*exact, *found}:
            assert_near(exact.get(movement, 0.0), found.get(movement, 0.0))
        assert_near(min(impact.switching, 1.0), sum(share for (one, other), share in found.items() if one != other))


def test_a_rebalanced_rollout_moves_its_minimum_of_real_units() -> None:
    flag = replace(Maker(1).flag(), rules=(), default=Rollout(arms=(RolloutArm(variant="a", weight=FULL),)))
    before = ((0, 10_000, "a"), (10_000, 20_000, "b"), (20_000, FULL, "c"))
    shares = {"a": 20_000, "b": 20_000, "c": 60_000}
    repositories = []
    for ranges in (before, rebalanced(before, shares)):
        arms = tuple(
            RolloutArm(variant=name, ranges=tuple((start, end) for start, end, variant in ranges if variant == name))
            for name in NAMES
        )
        repositories.append(repository(replace(flag, default=Rollout(arms=arms)), Maker(1).experiment()))
    found = measured(*repositories, None)
    assert_near(minimum(before, shares) / FULL, sum(share for (one, other), share in found.items() if one != other))
