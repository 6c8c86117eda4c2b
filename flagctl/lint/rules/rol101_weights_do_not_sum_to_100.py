"""ROL101: shares of a rollout that are not 100 % together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import percent
from flagctl.model import FULL

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="ROL101",
    name="weights-off-100",
    severity=Severity.ERROR,
    summary="The weights of a rollout do not sum to exactly 100.",
    why=(
        "Weights are shares of all units in percent. With less than 100 some units would have no variant, with more the"
        " last variants would get less than they say. Thirds are 33.333, 33.333 and 33.334."
    ),
    bad="""\
kind: flag
key: hero
type: string
variants: {a: a, b: b, c: c}
default: {rollout: {a: 33.3, b: 33.3, c: 33.3}}
""",
    good="""\
kind: flag
key: hero
type: string
variants: {a: a, b: b, c: c}
default: {rollout: {a: 33.4, b: 33.3, c: 33.3}}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each rollout with another sum."""
    for flag, _, rollout in context.rollouts:
        if rollout.is_pinned:
            continue
        total = sum([arm.weight or 0 for arm in rollout.arms])
        if total != FULL:
            yield Finding(
                place=Place(flag.path, rollout.route),
                message=f"the weights sum to {percent(total)} instead of 100 %",
                help=f"{percent(abs(FULL - total))} {'is missing' if total < FULL else 'is too much'}",
                key=flag.key,
            )
