"""ROL106: a window of time without an instant in it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.model import Schedule

INFO = RuleInfo(
    code="ROL106",
    name="empty-schedule",
    severity=Severity.ERROR,
    summary="A schedule's `from` is not before its `until`.",
    why="The window is empty, so the flag would always be disabled, or the rule never hold. Usually the two are swapped.",
    bad="""\
kind: flag
key: sale
type: boolean
default: on
schedule: {from: 2026-12-24T00:00:00Z, until: 2026-12-01T00:00:00Z}
""",
    good="""\
kind: flag
key: sale
type: boolean
default: on
schedule: {from: 2026-12-01T00:00:00Z, until: 2026-12-24T00:00:00Z}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each empty window."""
    for path, key, schedule in _schedules(context):
        if schedule.from_ms is not None and schedule.until_ms is not None and schedule.from_ms >= schedule.until_ms:
            yield Finding(
                place=Place(path, (*schedule.route, "until")),
                message="the schedule is empty: it ends before it begins"
                if schedule.from_ms > schedule.until_ms
                else "the schedule is empty: it ends at the instant it begins",
                help="'until' is the first instant behind the window, and must be later than 'from'",
                related=((Place(path, (*schedule.route, "from")), "it begins here"),),
                key=key,
            )


def _schedules(context: LintContext) -> Iterator[tuple[str, str, Schedule]]:
    for flag in context.repository.flags.values():
        if flag.schedule is not None:
            yield flag.path, flag.key, flag.schedule
        for override in flag.environments.values():
            if override.schedule is not None:
                yield flag.path, flag.key, override.schedule
    for flag, rule in context.rules:
        if rule.schedule is not None:
            yield flag.path, flag.key, rule.schedule
