"""Percentages, rollouts and schedules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flagctl.diagnostics import Route

FULL = 100_000
"""100 %, in thousandths of a percent; also the number of buckets."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedPercentage:
    """A percentage that does not change with time."""

    thousandths: int
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """From this instant on, this percentage."""

    from_ms: int
    thousandths: int
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SteppedPercentage:
    """0 before the first step, then each step's percentage from its instant on."""

    steps: tuple[Step, ...]
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LinearPercentage:
    """`start` before `from_ms`, `end` from `to_ms` on, in between linear in whole milliseconds, rounded down."""

    from_ms: int
    to_ms: int
    start: int
    end: int
    route: Route = ()


Percentage = FixedPercentage | SteppedPercentage | LinearPercentage


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutArm:
    """One variant's share: either `weight` in thousandths of a percent, or pinned half-open bucket `ranges`."""

    variant: str
    weight: int | None = None
    ranges: tuple[tuple[int, int], ...] | None = None
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Units split among variants.

    Attributes:
        arms: In the order written; weights take consecutive bucket ranges in this order.
        salt: Salt given inside the rollout's own mapping (a default's), else None.
        bucket_by: Attribute path given there, else None.
        route: Where the mapping of arms stands.
    """

    arms: tuple[RolloutArm, ...]
    salt: str | None = None
    bucket_by: tuple[str, ...] | None = None
    route: Route = ()

    @property
    def is_pinned(self) -> bool:
        """Whether the arms pin bucket ranges instead of giving weights."""
        return any(arm.ranges is not None for arm in self.arms)

    def ranges(self) -> tuple[tuple[int, int, str], ...]:
        """Return ``(start, end, variant)`` for every non-empty bucket range, ascending; ends are exclusive."""
        if self.is_pinned:
            return tuple(sorted((a, b, arm.variant) for arm in self.arms for a, b in arm.ranges or () if a < b))
        result, start = [], 0
        for arm in self.arms:
            weight = arm.weight or 0
            if weight:
                result.append((start, start + weight, arm.variant))
            start += weight
        return tuple(result)


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """Half-open window of time; None leaves a side open."""

    from_ms: int | None = None
    until_ms: int | None = None
    route: Route = ()
