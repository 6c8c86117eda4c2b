"""A flag, and what it is in one environment."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from flagctl.model.json_value import UNSET, JsonValue, Unset

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.diagnostics import Route
    from flagctl.model.conditions import Condition
    from flagctl.model.rollout import Percentage, Rollout, Schedule
    from flagctl.model.strategy import BlueGreen, Strategy

TARGETING_KEY: Final = ("targeting_key",)
"""The attribute that names the unit unless `bucket_by` says otherwise."""

OVERRIDABLE: Final = ("enabled", "off", "default", "value", "rules", "targets", "prerequisites", "schedule", "strategy")
"""Keys that an environment may replace, whole."""


class FlagType(Enum):
    """Type of a flag's values."""

    BOOLEAN = "boolean"
    STRING = "string"
    NUMBER = "number"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """A named value."""

    name: str
    value: JsonValue
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Lifecycle:
    """How long a flag is meant to live. `expires` is a date ``YYYY-MM-DD``."""

    temporary: bool = False
    expires: str | None = None
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Breaker:
    """When a process serves `off` because the flag's own code path fails there; at least one limit is given.

    `error_rate` is in thousandths of a percent, `latency_p95_ms` in milliseconds; nothing is decided before `minimum`
    calls within `window_ms`; after `cool_down_ms` one call tries again.
    """

    error_rate: int | None = None
    latency_p95_ms: int | None = None
    minimum: int = 100
    window_ms: int = 60_000
    cool_down_ms: int = 300_000
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Prerequisite:
    """Another flag that must serve one of `variants`."""

    flag: str
    variants: tuple[str, ...]
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Single units that get a variant before all rules."""

    variant: str
    units: tuple[str, ...]
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One targeting rule; exactly one of `serve`, `value`, `rollout`, `experiment` is given.

    A rule that stands for a strategy, or a part of it, points to it with `strategy`; everything else says what the strategy means.
    """

    id: str
    when: tuple[Condition, ...] = ()
    serve: str | None = None
    value: JsonValue | Unset = UNSET
    rollout: Rollout | None = None
    experiment: str | None = None
    percentage: Percentage | None = None
    priority: int = 0
    schedule: Schedule | None = None
    salt: str | None = None
    bucket_by: tuple[str, ...] | None = None
    description: str | None = None
    strategy: Strategy | None = None
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentOverride:
    """What a file says under `environments.<name>`; a part that is not given is None or UNSET.

    `given` lists the keys that are written there, because an override to an empty list differs from none.
    """

    name: str
    given: frozenset[str]
    enabled: bool | None = None
    off: str | None = None
    default: str | Rollout | None = None
    value: JsonValue | Unset = UNSET
    rules: tuple[Rule, ...] = ()
    targets: tuple[Target, ...] = ()
    prerequisites: tuple[Prerequisite, ...] = ()
    schedule: Schedule | None = None
    blue_green: BlueGreen | None = None
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FlagState:
    """A flag in one environment: base and override put together.

    `variants` holds the declared variants, with the environment's `value` put in for flags written with one; `rules`
    are sorted by (priority, position).
    """

    enabled: bool
    off: str | None
    default: str | Rollout | None
    variants: tuple[Variant, ...]
    rules: tuple[Rule, ...]
    targets: tuple[Target, ...]
    prerequisites: tuple[Prerequisite, ...]
    schedule: Schedule | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A flag file.

    `variants` are as written, or implied: ``on``/``off`` for a boolean without any, one called ``default`` for a flag
    written with `value` (then `is_value_flag` is true and `default` is ``"default"``). `off` is implied for a boolean
    that has a variant ``off``.
    """

    key: str
    path: str
    type: FlagType
    variants: tuple[Variant, ...]
    name: str | None = None
    description: str | None = None
    owner: str | None = None
    tags: tuple[str, ...] = ()
    lifecycle: Lifecycle | None = None
    value_schema: JsonValue | None = None
    is_value_flag: bool = False
    enabled: bool = True
    off: str | None = None
    default: str | Rollout | None = None
    prerequisites: tuple[Prerequisite, ...] = ()
    targets: tuple[Target, ...] = ()
    rules: tuple[Rule, ...] = ()
    schedule: Schedule | None = None
    salt: str | None = None
    bucket_by: tuple[str, ...] | None = None
    breaker: Breaker | None = None
    blue_green: BlueGreen | None = None
    environments: Mapping[str, EnvironmentOverride] = field(default_factory=dict)

    def in_environment(self, environment: str) -> FlagState:
        """Return what the flag is in `environment`; one without an override has the base."""
        override = self.environments.get(environment)
        given = override.given if override else frozenset[str]()
        variants = self.variants
        if override and "value" in given:
            variants = (Variant(name="default", value=override.value, route=(*override.route, "value")),)
        rules = override.rules if override and "rules" in given else self.rules
        return FlagState(
            enabled=self.enabled if override is None or override.enabled is None else override.enabled,
            off=override.off if override and "off" in given else self.off,
            default=override.default if override and "default" in given else self.default,
            variants=variants,
            rules=tuple(sorted(rules, key=lambda rule: rule.priority)),
            targets=override.targets if override and "targets" in given else self.targets,
            prerequisites=override.prerequisites if override and "prerequisites" in given else self.prerequisites,
            schedule=override.schedule if override and "schedule" in given else self.schedule,
        )

    def blue_green_in(self, environment: str) -> BlueGreen | None:
        """Return which of two colours `environment` serves; None if its default is no such choice."""
        override = self.environments.get(environment)
        if override is not None and "default" in override.given:
            return override.blue_green
        return self.blue_green

    def salt_of(self, rule: Rule | None = None, rollout: Rollout | None = None) -> str:
        """Return the salt of a rule's percentage or rollout, or of the default's: the innermost one given, or the key."""
        if rollout is not None and rollout.salt is not None:
            return rollout.salt
        if rule is not None and rule.salt is not None:
            return rule.salt
        return self.key if self.salt is None else self.salt

    def unit_of(self, rule: Rule | None = None, rollout: Rollout | None = None) -> tuple[str, ...]:
        """Return the attribute path that names the unit for a rule or the default: innermost, or the targeting key."""
        if rollout is not None and rollout.bucket_by is not None:
            return rollout.bucket_by
        if rule is not None and rule.bucket_by is not None:
            return rule.bucket_by
        return self.bucket_by or TARGETING_KEY
