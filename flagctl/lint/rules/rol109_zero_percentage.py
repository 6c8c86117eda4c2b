"""ROL109: a percentage that is 0 at all times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.draws import levels
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="ROL109",
    name="zero-percentage",
    severity=Severity.INFO,
    summary="A rule's percentage is 0 at all times, so the rule does nothing.",
    why="It may wait for its ramp to begin; then this is only a reminder. Otherwise the rule can go.",
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules: [{id: ramp, percentage: 0, serve: on}]
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules: [{id: ramp, percentage: 1, serve: on}]
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each such percentage."""
    for flag, rule in context.rules:
        # a strategy that has not begun, or was aborted, serves nobody on purpose
        if rule.percentage is not None and rule.strategy is None and levels(rule.percentage)[-1] == 0:
            yield Finding(
                place=Place(flag.path, (*rule.route, "percentage"), "key"),
                message=f"the percentage of rule '{rule.id}' is 0 at all times",
                key=flag.key,
            )
