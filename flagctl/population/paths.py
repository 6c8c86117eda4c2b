"""Which attributes a flag reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.evaluator.plan import Group, Serve, Split, Test

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from flagctl.evaluator.plan import ConditionPlan, FlagPlan, OutcomePlan, Path, SegmentPlan


def steps(path: Path) -> tuple[str, ...]:
    """Return a path as keys into nested objects, also if it is a single one."""
    return path if isinstance(path, tuple) else (path,)


def reads(plan: FlagPlan, segments: Mapping[str, SegmentPlan]) -> Iterator[tuple[str, ...]]:
    """Yield the attributes that a flag's plan reads, its segments' too but not those of its prerequisites."""
    if plan.targets:
        yield steps(plan.target_path)
    for rule in plan.rules:
        yield from _conditions(rule.conditions, segments)
        yield from _draws(rule.outcome)
    yield from _draws(plan.default)


def _draws(outcome: OutcomePlan) -> Iterator[tuple[str, ...]]:
    if isinstance(outcome, (Serve, Split)) and outcome.draw is not None:
        yield steps(outcome.draw.path)


def _conditions(plans: Iterable[ConditionPlan], segments: Mapping[str, SegmentPlan]) -> Iterator[tuple[str, ...]]:
    for plan in plans:
        if isinstance(plan, Test):
            yield steps(plan.path)
        elif isinstance(plan, Group):
            yield from _conditions(plan.parts, segments)
        else:
            segment = segments[plan.segment]
            if segment.include or segment.exclude:
                yield ("targeting_key",)
            yield from _conditions(segment.conditions or (), segments)
