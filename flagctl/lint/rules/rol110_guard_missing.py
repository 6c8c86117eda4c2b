"""ROL110: a step that waits for metrics that nobody looks at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.model.strategy import Hold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="ROL110",
    name="guard-missing",
    severity=Severity.ERROR,
    summary="A step waits for a healthy verdict, but its rollout has no guard.",
    why=(
        "`hold_until: guardrail` lets a step begin when `flagctl rollout check` finds the metrics of the rollout's `guard`"
        " in order. Without one it waits for ever, unless somebody advances it by hand."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: ramp
    serve: on
    percentage:
      steps:
        - {from: 2026-12-01T09:00:00Z, percent: 5}
        - {after: 2d, percent: 50, hold_until: guardrail}
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: ramp
    serve: on
    percentage:
      steps:
        - {from: 2026-12-01T09:00:00Z, percent: 5}
        - {after: 2d, percent: 50, hold_until: guardrail}
      guard:
        metrics:
          - {metric: errors, margin: 5}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each such step."""
    for flag, rule in context.rules:
        strategy = rule.strategy
        if strategy is None or strategy.guard is not None or strategy.rule != rule.id:
            continue
        for step in strategy.steps:
            if step.hold is Hold.GUARDRAIL:
                yield Finding(
                    place=Place(flag.path, (*step.route, "hold_until")),
                    message=f"rule '{rule.id}' has no guard that this step could wait for",
                    help="give it a `guard`, or let the step wait for approval",
                    key=flag.key,
                )
