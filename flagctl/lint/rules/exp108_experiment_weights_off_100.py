"""EXP108: shares of an experiment's variants that are not 100 % together."""

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
    code="EXP108",
    name="experiment-weights-off-100",
    severity=Severity.ERROR,
    summary="The weights of an experiment's variants do not sum to exactly 100.",
    why=(
        "Every unit that the experiment takes in gets a variant. To experiment with fewer units, lower `traffic`, or take"
        " fewer slots of the layer, and leave the weights at 100 together."
    ),
    bad="""\
kind: experiment
key: hero-test
flag: hero
status: draft
variants: {on: 10, off: 10}
---
kind: flag
key: hero
type: boolean
default: off
""",
    good="""\
kind: experiment
key: hero-test
flag: hero
status: draft
traffic: 20
variants: {on: 50, off: 50}
---
kind: flag
key: hero
type: boolean
default: off
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each experiment with another sum."""
    for experiment in context.repository.experiments.values():
        if experiment.variants.is_pinned:
            continue
        total = sum(arm.weight or 0 for arm in experiment.variants.arms)
        if total != FULL:
            yield Finding(
                place=Place(experiment.path, ("variants",)),
                message=f"the weights sum to {percent(total)} instead of 100 %",
                help="weights share out the units that take part; how many take part is 'traffic'",
                key=experiment.key,
            )
