"""EXP104: an experiment that says it began or ended at a time that has not come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import instant

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="EXP104",
    name="record-in-the-future",
    severity=Severity.WARNING,
    summary="An experiment's `started_at` or `ended_at` lies in the future, or it ended before it started.",
    why=(
        "The two are records for the analysis and decide nothing: only `status` starts and ends an experiment. A date in"
        " the future suggests that somebody expects it to start by itself."
    ),
    bad="""\
kind: experiment
key: hero-test
flag: hero
status: draft
started_at: 2999-01-01T00:00:00Z
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
status: draft
variants: {on: 50, off: 50}
---
kind: flag
key: hero
type: boolean
default: off
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each record that can't be one."""
    for experiment in context.repository.experiments.values():
        started, ended = experiment.started_at_ms, experiment.ended_at_ms
        for name, moment in (("started_at", started), ("ended_at", ended)):
            if moment is not None and moment > context.now_ms:
                yield Finding(
                    place=Place(experiment.path, (name,)),
                    message=f"{name} lies in the future: {instant(moment)}",
                    help="it is a record and starts or ends nothing; write it when it has happened",
                    key=experiment.key,
                )
        if started is not None and ended is not None and ended < started:
            yield Finding(
                place=Place(experiment.path, ("ended_at",)),
                message="the experiment ended before it started",
                related=((Place(experiment.path, ("started_at",)), "it started here"),),
                key=experiment.key,
            )
