"""Who is compared in a step of a rollout: its newcomers with all whose turn is still to come.

Both are ranges of the same buckets, so that nothing but the feature tells them apart: not who matches conditions, not who had the feature
before, not time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flagctl.model import FULL, SteppedPercentage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.model import Flag, Rule
    from flagctl.model.strategy import Strategy
    from flagctl.ops.guard_data import Stratum

Buckets = tuple[int, int]
"""From the first one to the one behind the last one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepArms:
    """Two ranges of buckets that are compared while a step is served.

    Attributes:
        since_ms: When the step began, milliseconds since the epoch.
        until_ms: When the next one began, or the present instant.
        treatment: Buckets that the step brought the feature to.
        control: All buckets behind them.
    """

    since_ms: int
    until_ms: int
    treatment: Buckets
    control: Buckets


@dataclass(frozen=True, slots=True, kw_only=True)
class Arms:
    """The comparisons of a rollout so far.

    Attributes:
        salt: Of the buckets.
        unit: Path of the attribute that names the unit.
        steps: Oldest first; the last one is served now.
        risk: Share of a guard's risk that these comparisons may take together.
    """

    salt: str
    unit: tuple[str, ...]
    steps: tuple[StepArms, ...]
    risk: float = 1.0


def arms_of(flag: Flag, rule: Rule, strategy: Strategy, now_ms: int) -> Arms | None:
    """Return who is compared with whom at an instant; None if nobody is in line, as behind those who were chosen by hand.

    Args:
        flag: The flag.
        rule: Its rule with the strategy.
        strategy: Its strategy.
        now_ms: The instant, milliseconds since the epoch.
    """
    percentage, salt, unit = strategy.percentage(), flag.salt_of(rule), flag.unit_of(rule)
    if not isinstance(percentage, SteppedPercentage):
        return None
    begun = [(step.from_ms, step.thousandths) for step in percentage.steps if step.from_ms <= now_ms]
    if not begun:
        return None
    ends = [*(from_ms for from_ms, _ in begun[1:]), now_ms]
    if strategy.group is None:
        return _arms((salt, unit), _compared(begun, ends), begun, 1.0)
    parts = len(strategy.steps)
    if len(begun) > 1:  # the group keeps its own part of the risk
        return _arms((salt, unit), _compared(begun, ends), begun, (parts - 1) / parts)
    if strategy.group.when or strategy.group.thousandths is None:
        return None
    alone = [(begun[0][0], strategy.group.thousandths)]
    return _arms((salt, strategy.group.bucket_by or unit), _compared(alone, ends), alone, 1 / parts)


def _arms(
    drawn: tuple[str, tuple[str, ...]], steps: Sequence[StepArms], begun: Sequence[tuple[int, int]], risk: float
) -> Arms | None:
    if not steps or steps[-1].since_ms != begun[-1][0]:
        return None
    return Arms(salt=drawn[0], unit=drawn[1], steps=tuple(steps), risk=risk)


def _compared(begun: Sequence[tuple[int, int]], ends: Sequence[int]) -> list[StepArms]:
    result, before = [], 0
    for (since_ms, share), until_ms in zip(begun, ends, strict=True):
        if before < share < FULL:
            sides: dict[str, Buckets] = {"treatment": (before, share), "control": (share, FULL)}
            result.append(StepArms(since_ms=since_ms, until_ms=until_ms, **sides))
        before = max(before, share)
    return result


def expected_shares(steps: Sequence[StepArms], strata: Sequence[Stratum]) -> tuple[float, float] | None:
    """Return how many units control and treatment should have, given how many both have in each step."""
    control = treatment = 0.0
    for step, (one, other) in zip(steps, strata, strict=True):
        width = step.control[1] - step.control[0], step.treatment[1] - step.treatment[0]
        both = (one.units + other.units) / sum(width)
        control, treatment = control + width[0] * both, treatment + width[1] * both
    return (control, treatment) if control and treatment else None
