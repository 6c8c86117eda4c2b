"""ROL108: a linear ramp that ends before it begins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.model import LinearPercentage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="ROL108",
    name="backwards-ramp",
    severity=Severity.ERROR,
    summary="A linear percentage's `from` is not before its `to`.",
    why="There is no time in which the percentage could move from `start` to `end`. Usually the two instants are swapped.",
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: ramp
    serve: on
    percentage: {linear: {from: 2026-12-08T00:00:00Z, to: 2026-12-01T00:00:00Z, start: 0, end: 50}}
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: ramp
    serve: on
    percentage: {linear: {from: 2026-12-01T00:00:00Z, to: 2026-12-08T00:00:00Z, start: 0, end: 50}}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each ramp without time."""
    for flag, rule in context.rules:
        ramp = rule.percentage
        if isinstance(ramp, LinearPercentage) and ramp.from_ms >= ramp.to_ms:
            yield Finding(
                place=Place(flag.path, (*ramp.route, "to")),
                message="the ramp ends before it begins"
                if ramp.from_ms > ramp.to_ms
                else "the ramp ends at the instant it begins",
                help="'to' must be later than 'from'",
                related=((Place(flag.path, (*ramp.route, "from")), "it begins here"),),
                key=flag.key,
            )
