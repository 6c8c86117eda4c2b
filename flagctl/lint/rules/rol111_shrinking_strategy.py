"""ROL111: a canary or guarded rollout that takes the feature away again."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.model.strategy import StrategyKind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="ROL111",
    name="shrinking-strategy",
    severity=Severity.ERROR,
    summary="A step of a canary or guarded rollout serves fewer units than the one before it.",
    why=(
        "A rollout that goes well only grows: whoever has the feature keeps it. What goes badly is aborted. A step that falls is a"
        " slip, and the metrics of the units that lose the feature say nothing about either side."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: grow
    serve: on
    strategy:
      canary:
        group: {percent: 5}
        bake: 2d
        steps: [2, 50, 100]
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: grow
    serve: on
    strategy:
      canary:
        group: {percent: 5}
        bake: 2d
        steps: [20, 50, 100]
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each step that falls."""
    for flag, rule in context.rules:
        strategy = rule.strategy
        if strategy is None or strategy.kind is StrategyKind.GRADUAL or strategy.rule != rule.id:
            continue
        for earlier, later in pairwise(strategy.steps):
            if later.thousandths < earlier.thousandths:
                yield Finding(
                    place=Place(flag.path, later.route),
                    message=f"this step serves {later.thousandths / 1000:g} %, fewer than the"
                    f" {earlier.thousandths / 1000:g} % before it",
                    help="let the shares grow; `flagctl rollout abort` ends a rollout",
                    key=flag.key,
                )
