"""Random flag repositories that are valid: everything the flag language has, and nothing that validation refuses."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from flagctl.model import (
    FULL,
    UNSET,
    ContextSchema,
    Environment,
    EnvironmentOverride,
    Experiment,
    ExperimentStatus,
    FixedPercentage,
    Flag,
    FlagType,
    Layer,
    LinearPercentage,
    Metric,
    Percentage,
    Prerequisite,
    Repository,
    RepositoryConfig,
    Rollout,
    RolloutArm,
    Rule,
    Schedule,
    Segment,
    Step,
    SteppedPercentage,
    Target,
    Variant,
)
from tests.generators import vocabulary as v
from tests.generators.conditions import attribute_condition, random_conditions

if TYPE_CHECKING:
    from random import Random

ENVIRONMENTS = ("development", "staging", "production")
SHARES = (0, 1, 500, 1_000, 10_000, 25_000, 33_333, 50_000, 75_000, 99_999, FULL)


def random_repository(rng: Random, flags: int = 50) -> Repository:
    """Return a repository with this many flags; all its environments compile."""
    maker = _Maker(rng)
    maker.make_segments(rng.randint(1, 4))
    for number in range(flags):
        maker.make_flag(number)
    config = RepositoryConfig(
        path="flagctl.yaml",
        version=1,
        project="generated",
        environments={name: Environment(name=name, protected=name == "production") for name in ENVIRONMENTS},
        context=ContextSchema(attributes=v.declared_attributes(), additional=True),
    )
    return Repository(
        config=config,
        flags=dict(sorted(maker.flags.items())),
        segments=dict(sorted(maker.segments.items())),
        experiments=dict(sorted(maker.experiments.items())),
        layers=dict(sorted(maker.layers.items())),
    )


@dataclass
class _Maker:
    rng: Random
    flags: dict[str, Flag] = field(default_factory=dict)
    segments: dict[str, Segment] = field(default_factory=dict)
    experiments: dict[str, Experiment] = field(default_factory=dict)
    layers: dict[str, Layer] = field(default_factory=dict)
    free_slot: dict[str, int] = field(default_factory=dict)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    # --- segments ---

    def make_segments(self, count: int) -> None:
        for number in range(count):
            key = f"segment-{number}"
            units = self.rng.sample(v.UNITS, 12)
            include, exclude = tuple(units[: self.rng.randint(0, 6)]), tuple(units[6 : 6 + self.rng.randint(0, 6)])
            when = None
            if not include or self.chance(0.7):
                when = random_conditions(self.rng, list(self.segments), 2)
            self.segments[key] = Segment(
                key=key, path=f"segments/{key}.yaml", owner="team-a", include=include, exclude=exclude, when=when
            )

    # --- flags ---

    def make_flag(self, number: int) -> None:
        rng = self.rng
        key = rng.choice((f"flag-{number}", f"{number}_flag.x", f"team.flag-{number}"))
        kind = rng.choice(tuple(FlagType))
        is_value_flag = self.chance(0.15)
        variants = self._variants(kind, is_value_flag)
        names = [variant.name for variant in variants]
        off = "off" if "off" in names else rng.choice((None, rng.choice(names)))
        flag = Flag(
            key=key,
            path=f"flags/{key}.yaml",
            type=kind,
            variants=variants,
            name=f"Flag {number}" if self.chance(0.3) else None,
            description="Generated." if self.chance(0.3) else None,
            owner=rng.choice(("team-a", "team-b")),
            tags=("one", "two") if self.chance(0.2) else (),
            is_value_flag=is_value_flag,
            enabled=self.chance(0.93),
            off=off,
            salt=f"{key}/2026" if self.chance(0.2) else None,
            bucket_by=rng.choice(v.UNIT_PATHS) if self.chance(0.15) else None,
        )
        flag = replace(flag, default="default" if is_value_flag else rng.choice(names), **self._targeting(flag, ""))
        if not is_value_flag and self.chance(0.2):
            flag = replace(flag, default=self._default_rollout(flag))
        overrides = {name: self._override(flag, name) for name in ENVIRONMENTS if self.chance(0.25)}
        self.flags[key] = replace(flag, environments=overrides)

    def _variants(self, kind: FlagType, is_value_flag: bool) -> tuple[Variant, ...]:
        if is_value_flag:
            return (Variant(name="default", value=self.value(kind)),)
        if kind is FlagType.BOOLEAN and self.chance(0.7):
            return (Variant(name="on", value=True), Variant(name="off", value=False))
        names = self.rng.sample(("a", "b", "c", "control", "off", "variant-x", "V2"), self.rng.randint(1, 4))
        return tuple(Variant(name=name, value=self.value(kind)) for name in names)

    def value(self, kind: FlagType) -> Any:
        pools: dict[FlagType, tuple[Any, ...]] = {
            FlagType.BOOLEAN: (True, False),
            FlagType.STRING: ("", "v1", *v.STRINGS),
            FlagType.NUMBER: v.NUMBERS,
            FlagType.JSON: (
                {},
                [],
                {"a": [1, {"b": None}], "ü": True},
                [1, 1.5, "x"],
                {"n": {"n": {"n": 0}}},
                {"on": "off"},
            ),
        }
        return self.rng.choice(pools[kind])

    def _targeting(self, flag: Flag, suffix: str) -> dict[str, Any]:
        """Return prerequisites, targets, rules and schedule: all that environments may replace, too."""
        result: dict[str, Any] = {}
        if self.flags and self.chance(0.15):
            others = self.rng.sample(sorted(self.flags), min(len(self.flags), self.rng.randint(1, 2)))
            result["prerequisites"] = tuple(self._prerequisite(other) for other in others)
        if self.chance(0.2):
            result["targets"] = self._targets(flag)
        if self.chance(0.85):
            result["rules"] = self._rules(flag, suffix)
        if self.chance(0.1):
            result["schedule"] = self._schedule()
        return result

    def _prerequisite(self, key: str) -> Prerequisite:
        names = tuple(variant.name for variant in self.flags[key].variants)
        return Prerequisite(flag=key, variants=tuple(v.sample(self.rng, names, 2)))  # type: ignore[arg-type]

    def _targets(self, flag: Flag) -> tuple[Target, ...]:
        units = list(self.rng.sample(v.UNITS, 8))
        variants = self.rng.sample(flag.variants, min(len(flag.variants), 2))
        return tuple(
            Target(variant=variant.name, units=tuple(units.pop() for _ in range(self.rng.randint(1, 4))))
            for variant in variants
        )

    def _override(self, flag: Flag, environment: str) -> EnvironmentOverride:
        given = {key: part for key, part in self._targeting(flag, environment).items() if self.chance(0.6)}
        names = [variant.name for variant in flag.variants]
        if self.chance(0.3):
            given["enabled"] = self.chance(0.7)
        if self.chance(0.2):
            given["off"] = self.rng.choice(names)
        if not flag.is_value_flag and self.chance(0.3):
            given["default"] = self.rng.choice(names) if self.chance(0.7) else self._default_rollout(flag)
        if flag.is_value_flag and self.chance(0.6):
            given["value"] = self.value(flag.type)
        if not given:
            given["enabled"] = True
        return EnvironmentOverride(name=environment, given=frozenset(given), **given)

    def _schedule(self) -> Schedule:
        start = v.BASE_MS + self.rng.randint(-72, 48) * v.HOUR_MS
        end = start + self.rng.randint(1, 96) * v.HOUR_MS + self.rng.choice((0, 1))
        return self.rng.choice((Schedule(from_ms=start, until_ms=end), Schedule(from_ms=start), Schedule(until_ms=end)))

    # --- rules ---

    def _rules(self, flag: Flag, suffix: str) -> tuple[Rule, ...]:
        """Return rules whose draws are independent: each draw but one has a salt of its own.

        In a flag of rings, all percentages share the flag's salt and serve one variant, which is meant and allowed.
        """
        rings = self.rng.choice(flag.variants).name if self.chance(0.2) else None
        rules = [self._rule(flag, number, suffix, rings) for number in range(self.rng.randint(1, 5))]
        if len(rules) > 1 and self.chance(0.3):
            rules = [replace(rule, priority=self.rng.randint(-2, 2)) for rule in rules]
        return self._reachable(flag, rules)

    def _reachable(self, flag: Flag, rules: list[Rule]) -> tuple[Rule, ...]:
        """Give conditions to rules that would otherwise hide later ones."""
        order = sorted(range(len(rules)), key=lambda number: rules[number].priority)
        for place, number in enumerate(order[:-1]):
            rule = rules[number]
            shares_salt = rule.percentage is not None and flag.salt_of(rule) == flag.salt_of()
            is_partial = isinstance(rule.percentage, FixedPercentage) and rule.percentage.thousandths < FULL
            while (shares_salt or not is_partial) and any(
                all(condition in rules[later].when for condition in rule.when) for later in order[place + 1 :]
            ):
                rule = replace(rule, when=(*rule.when, attribute_condition(self.rng)))
            rules[number] = rule
        return tuple(rules)

    def _rule(self, flag: Flag, number: int, suffix: str, rings: str | None) -> Rule:
        rng = self.rng
        rule = Rule(id=f"rule-{number}{suffix}" if self.chance(0.9) else f"r.{number}_{suffix}")
        if self.chance(0.75):
            rule = replace(rule, when=random_conditions(rng, list(self.segments)))
        if self.chance(0.12):
            rule = replace(rule, schedule=self._schedule())
        draw = rng.random()
        if flag.is_value_flag and draw < 0.4:
            draw = 0.5
        if draw >= 0.7 and not flag.is_value_flag and len(flag.variants) > 1:
            return self._drawn(flag, rule)
        variant = rng.choice(flag.variants).name
        rule = (
            replace(rule, serve=variant) if draw < 0.45 or draw >= 0.7 else replace(rule, value=self.value(flag.type))
        )
        if rings is not None:
            return replace(rule, serve=rings, value=UNSET, percentage=self._percentage())
        if self.chance(0.45):
            rule = replace(rule, percentage=self._percentage())
            rule = self._own_draw(flag, rule)
        return rule

    def _own_draw(self, flag: Flag, rule: Rule) -> Rule:
        if self.chance(0.2):
            rule = replace(rule, bucket_by=self.rng.choice((*v.UNIT_PATHS, ("targeting_key",))))
        return replace(rule, salt=f"{flag.key}/{rule.id}")

    def _drawn(self, flag: Flag, rule: Rule) -> Rule:
        if self.chance(0.5):
            return self._own_draw(flag, replace(rule, rollout=self._rollout(flag)))
        experiment = self._experiment(flag)
        return replace(rule, experiment=experiment.key)

    def _percentage(self) -> Percentage:
        rng = self.rng
        if self.chance(0.6):
            return FixedPercentage(thousandths=rng.choice(SHARES))
        if self.chance(0.5):
            instants = sorted(rng.sample(range(-72, 72), rng.randint(1, 4)))
            shares = sorted(rng.sample(SHARES, len(instants)))
            return SteppedPercentage(
                steps=tuple(
                    Step(from_ms=v.BASE_MS + hours * v.HOUR_MS, thousandths=share)
                    for hours, share in zip(instants, shares, strict=True)
                )
            )
        start, end = rng.sample(SHARES, 2)
        begin = v.BASE_MS + rng.randint(-72, 48) * v.HOUR_MS + rng.choice((0, 1, 777))
        return LinearPercentage(from_ms=begin, to_ms=begin + rng.choice((1, 7, 1000, 90_000_001)), start=start, end=end)

    def _weights(self, names: list[str]) -> list[int]:
        cuts = sorted(self.rng.choice((0, 1, 33_333, 50_000, self.rng.randint(0, FULL))) for _ in names[1:])
        return [end - start for start, end in zip([0, *cuts], [*cuts, FULL], strict=True)]

    def _rollout(self, flag: Flag) -> Rollout:
        names = self.rng.sample([variant.name for variant in flag.variants], self.rng.randint(1, len(flag.variants)))
        if self.chance(0.6):
            weights = self._weights(names)
            return Rollout(arms=tuple(RolloutArm(variant=n, weight=w) for n, w in zip(names, weights, strict=True)))
        cuts = sorted(self.rng.sample(range(1, FULL), 2 * len(names)))
        pieces = list(zip([0, *cuts], [*cuts, FULL], strict=True))
        ranges: dict[str, list[tuple[int, int]]] = {name: [pieces.pop()] for name in names}
        for piece in pieces:
            ranges[self.rng.choice(names)].append(piece)
        return Rollout(arms=tuple(RolloutArm(variant=name, ranges=tuple(sorted(r))) for name, r in ranges.items()))

    def _default_rollout(self, flag: Flag) -> Rollout:
        rollout = replace(self._rollout(flag), salt=f"{flag.key}/default")
        return replace(rollout, bucket_by=self.rng.choice(v.UNIT_PATHS)) if self.chance(0.2) else rollout

    # --- experiments ---

    def _experiment(self, flag: Flag) -> Experiment:
        rng = self.rng
        key = f"experiment-{len(self.experiments)}"
        names = rng.sample([variant.name for variant in flag.variants], rng.randint(2, len(flag.variants)))
        weights = self._weights(names)
        status = rng.choice(
            (ExperimentStatus.RUNNING, ExperimentStatus.RUNNING, ExperimentStatus.DRAFT, ExperimentStatus.COMPLETED)
        )
        experiment = Experiment(
            key=key,
            path=f"experiments/{key}.yaml",
            flag=flag.key,
            owner="team-a",
            hypothesis="It lifts orders.",
            status=status,
            variants=Rollout(arms=tuple(RolloutArm(variant=n, weight=w) for n, w in zip(names, weights, strict=True))),
            control=names[0],
            winner=rng.choice((None, *names)) if status is ExperimentStatus.COMPLETED else None,
            bucket_by=rng.choice(v.UNIT_PATHS) if self.chance(0.2) else ("targeting_key",),
            primary=Metric(event="order", kind="conversion"),
            started_at_ms=None if status is ExperimentStatus.DRAFT else v.BASE_MS - 30 * 24 * v.HOUR_MS,
        )
        experiment = self._allocated(experiment)
        self.experiments[key] = experiment
        return experiment

    def _allocated(self, experiment: Experiment) -> Experiment:
        if self.chance(0.5):
            return replace(experiment, traffic=self.rng.choice((None, *SHARES[1:])))
        key = f"layer-{self.rng.randint(0, 3)}"
        used = self.free_slot.get(key, 0)
        if used > FULL - 20_000:
            return replace(experiment, traffic=50_000)
        self.layers[key] = Layer(key=key, path=f"layers/{key}.yaml", owner="team-a", description="Generated.")
        width, gap = self.rng.randint(2, 9_000), self.rng.choice((0, 0, 1_000))
        first = (used + gap, used + gap + width)
        second = (first[1] + 500, first[1] + 500 + width // 2)
        slots = (first, second) if self.chance(0.4) else (first,)
        self.free_slot[key] = slots[-1][1]
        return replace(experiment, layer=key, slots=slots)
