"""ROL107: steps of a percentage that are not in the order of time."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.model import SteppedPercentage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="ROL107",
    name="steps-out-of-order",
    severity=Severity.ERROR,
    summary="The steps of a percentage are not in ascending order of time.",
    why=(
        "Each step holds until the next one begins. Out of order, or two at one instant, it is unclear which one counts;"
        " often a month or a year was mistyped, and the ramp would jump."
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
        - {from: 2026-12-02T09:00:00Z, percent: 5}
        - {from: 2026-12-01T09:00:00Z, percent: 25}
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
        - {from: 2026-12-02T09:00:00Z, percent: 25}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each step that does not come after its predecessor."""
    for flag, rule in context.rules:
        if not isinstance(rule.percentage, SteppedPercentage):
            continue
        for earlier, later in pairwise(rule.percentage.steps):
            if later.from_ms <= earlier.from_ms:
                same = later.from_ms == earlier.from_ms
                yield Finding(
                    place=Place(flag.path, (*later.route, "from")),
                    message=f"this step begins {'at the same instant as' if same else 'before'} the one above it",
                    help="write steps in the order of time",
                    related=((Place(flag.path, (*earlier.route, "from")), "the step above is here"),),
                    key=flag.key,
                )
