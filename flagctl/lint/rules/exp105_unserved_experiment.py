"""EXP105: a running experiment that no rule serves."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.model import ExperimentStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="EXP105",
    name="unserved-experiment",
    severity=Severity.WARNING,
    summary="An experiment is running, but no rule of its flag serves it in any environment.",
    why="Nobody is assigned to a variant, so it collects no data: the rule is missing, or was removed by an override.",
    bad="""\
kind: experiment
key: hero-test
flag: hero
status: running
variants: {on: 50, off: 50}
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
status: running
variants: {on: 50, off: 50}
---
kind: flag
key: hero
type: boolean
default: off
rules: [{id: trial, experiment: hero-test}]
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each running experiment without a rule."""
    running = {
        experiment.key: experiment
        for experiment in context.repository.experiments.values()
        if experiment.status is ExperimentStatus.RUNNING
    }
    if not running:
        return
    served = {rule.experiment for site in context.states for rule in site.state.rules}
    for experiment in running.values():
        flag = context.repository.flags.get(experiment.flag)
        if flag is not None and experiment.key not in served and not context.is_broken("flag", flag.key):
            yield Finding(
                place=Place(experiment.path, ("status",)),
                message=f"the experiment is running, but no rule of flag '{experiment.flag}' serves it",
                help=f"add a rule with 'experiment: {experiment.key}', or end the experiment",
                related=((Place(flag.path, ("key",)), "the flag is here"),),
                key=experiment.key,
            )
