"""Which buckets rules take away, and which ones the later rules hope for.

All draws with one salt and one unit look at the same bucket. So when a percentage has taken the buckets below 25 000, a later
draw with its salt only ever sees those from 25 000 on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flagctl.lint.compare import same_value
from flagctl.model import (
    FULL,
    UNSET,
    ExperimentStatus,
    FixedPercentage,
    LinearPercentage,
    Rollout,
    SteppedPercentage,
)
from flagctl.model.strategy import planned

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.model import Experiment, Flag, Percentage, Rule

Ranges = tuple[tuple[int, int], ...]
"""Half-open bucket ranges."""


class Draw(NamedTuple):
    """One look at a unit's bucket.

    Attributes:
        salt: Its salt.
        unit: Path of the attribute that names the unit.
        always: Buckets that are taken at every instant.
        wanted: Buckets that are taken at some instant.
    """

    salt: str
    unit: tuple[str, ...]
    always: Ranges
    wanted: Ranges


def levels(percentage: Percentage) -> tuple[int, ...]:
    """Return the extreme values a percentage takes over all time, in thousandths of a percent, ascending."""
    if isinstance(percentage, FixedPercentage):
        return (percentage.thousandths,)
    if isinstance(percentage, SteppedPercentage):
        return tuple(sorted({0, *(step.thousandths for step in percentage.steps)}))
    return tuple(sorted({percentage.start, percentage.end}))


def partial_level(percentage: Percentage) -> int | None:
    """Return the largest value strictly between 0 and 100 % a percentage is seen at, or None if there is none.

    A ramp from 0 to 100 % passes through all of them; half way stands for it.
    """
    values = levels(percentage)
    between = [value for value in values if 0 < value < FULL]
    if between:
        return between[-1]
    if isinstance(percentage, LinearPercentage) and len(values) > 1:
        return FULL // 2
    return None


def takes_everyone(rule: Rule, experiments: Mapping[str, Experiment]) -> bool:
    """Return whether no unit that fulfils the rule's conditions gets past it, not even one without a bucket."""
    if rule.experiment is not None:
        experiment = experiments.get(rule.experiment)
        return (
            experiment is not None and experiment.status is ExperimentStatus.COMPLETED and experiment.winner is not None
        )
    if rule.rollout is not None:
        return False
    percentage = planned(rule)
    return percentage is None or levels(percentage)[0] >= FULL


def draw_of(flag: Flag, rule: Rule, experiments: Mapping[str, Experiment]) -> Draw | None:
    """Return the draw that decides whether a rule takes a unit, or None if it makes none."""
    if rule.rollout is not None:
        return rollout_draw(flag, rule, rule.rollout)
    if rule.experiment is not None:
        experiment = experiments.get(rule.experiment)
        if experiment is None or experiment.status is not ExperimentStatus.RUNNING:
            return None
        slots = experiment.allocation_slots
        return Draw(experiment.allocation_salt, experiment.bucket_by, slots, slots)
    percentage = planned(rule)
    if percentage is None:
        return None
    values = levels(percentage)
    return Draw(flag.salt_of(rule), flag.unit_of(rule), _below(values[0]), _below(values[-1]))


def rollout_draw(flag: Flag, rule: Rule | None, rollout: Rollout) -> Draw:
    """Return the draw of a rule's or a default's rollout: it takes every unit that has a bucket."""
    return Draw(flag.salt_of(rule, rollout), flag.unit_of(rule, rollout), _below(FULL), _below(FULL))


def serves_the_same(left: Rule, right: Rule) -> bool:
    """Return whether two rules with `serve` or `value` answer alike."""
    if left.serve is not None or right.serve is not None:
        return left.serve == right.serve
    if left.value is UNSET or right.value is UNSET:
        return False
    return same_value(left.value, right.value)


def covers(taken: Iterable[tuple[int, int]], wanted: Ranges) -> bool:
    """Return whether the union of `taken` contains all of `wanted`, which must not be empty."""
    left = remaining(taken)
    return bool(wanted) and not any(
        start < other_end and other < end for start, end in wanted for other, other_end in left
    )


def remaining(taken: Iterable[tuple[int, int]]) -> Ranges:
    """Return the buckets outside the union of `taken`, ascending."""
    result, at = [], 0
    for start, end in sorted(taken):
        if start > at:
            result.append((at, start))
        at = max(at, end)
    if at < FULL:
        result.append((at, FULL))
    return tuple(result)


def overlap(left: Iterable[tuple[int, int]], right: Ranges) -> int:
    """Return how many buckets two lists of disjoint ranges have in common."""
    return sum(max(0, min(end, other_end) - max(start, other)) for start, end in left for other, other_end in right)


def _below(level: int) -> Ranges:
    return ((0, level),) if level > 0 else ()
