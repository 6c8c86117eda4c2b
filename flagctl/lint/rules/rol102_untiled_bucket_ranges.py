"""ROL102: pinned bucket ranges with a gap or an overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.model import FULL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.diagnostics import Route
    from flagctl.lint.context import LintContext
    from flagctl.model import Rollout

INFO = RuleInfo(
    code="ROL102",
    name="untiled-bucket-ranges",
    severity=Severity.ERROR,
    summary="Pinned bucket ranges of a rollout overlap, or leave a gap.",
    why=(
        "Together the ranges must cover every bucket from 0 to 100000 exactly once. A unit in a gap would have no variant,"
        " and one in an overlap two."
    ),
    bad="""\
kind: flag
key: hero
type: string
variants: {a: a, b: b}
default:
  rollout:
    a: {buckets: [[0, 50000]]}
    b: {buckets: [[60000, 100000]]}
""",
    good="""\
kind: flag
key: hero
type: string
variants: {a: a, b: b}
default:
  rollout:
    a: {buckets: [[0, 60000]]}
    b: {buckets: [[60000, 100000]]}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each gap and each overlap."""
    for flag, _, rollout in context.rollouts:
        if rollout.is_pinned:
            yield from _check(rollout, flag.path, flag.key)
    for experiment in context.repository.experiments.values():
        if experiment.variants.is_pinned:
            yield from _check(experiment.variants, experiment.path, experiment.key)


def _check(rollout: Rollout, path: str, key: str) -> Iterator[Finding]:
    if any(arm.ranges is None for arm in rollout.arms):
        return
    ranges: list[tuple[int, int, str, Route]] = sorted(
        (start, end, arm.variant, (*arm.route, "buckets", index))
        for arm in rollout.arms
        for index, (start, end) in enumerate(arm.ranges or ())
    )
    at = 0
    before: Place | None = None
    for start, end, variant, route in ranges:
        place = Place(path, route)
        if start > at:
            yield Finding(place=place, message=f"no variant has the buckets {at} to {start}", key=key)
        elif start < at and before is not None:
            yield Finding(
                place=place,
                message=f"the buckets {start} to {min(at, end)} of '{variant}' are already taken",
                related=((before, "by this range"),),
                key=key,
            )
        if end > at:
            at, before = end, place
    if at < FULL:
        yield Finding(place=Place(path, rollout.route), message=f"no variant has the buckets {at} to {FULL}", key=key)
