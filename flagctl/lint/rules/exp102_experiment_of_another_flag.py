"""EXP102: a rule that serves an experiment which names another flag."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="EXP102",
    name="experiment-of-another-flag",
    severity=Severity.ERROR,
    summary="A rule serves an experiment that belongs to another flag.",
    why="An experiment assigns variants of the flag that it names; another flag's rule has no use for them.",
    bad="""\
kind: flag
key: hero
type: boolean
default: off
rules: [{id: trial, experiment: footer-test}]
---
kind: flag
key: footer
type: boolean
default: off
---
kind: experiment
key: footer-test
flag: footer
status: draft
variants: {on: 50, off: 50}
""",
    good="""\
kind: flag
key: hero
type: boolean
default: off
rules: [{id: trial, experiment: hero-test}]
---
kind: experiment
key: hero-test
flag: hero
status: draft
variants: {on: 50, off: 50}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each rule that serves another flag's experiment."""
    for flag, rule in context.rules:
        if rule.experiment is None:
            continue
        experiment = context.repository.experiments.get(rule.experiment)
        if experiment is not None and experiment.flag != flag.key:
            yield Finding(
                place=Place(flag.path, (*rule.route, "experiment")),
                message=f"experiment '{experiment.key}' belongs to flag '{experiment.flag}', not to '{flag.key}'",
                related=((Place(experiment.path, ("flag",)), "it says so here"),),
                key=flag.key,
            )
