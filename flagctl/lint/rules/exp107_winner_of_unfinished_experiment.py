"""EXP107: a winner before the experiment is completed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.model import ExperimentStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="EXP107",
    name="winner-of-unfinished-experiment",
    severity=Severity.WARNING,
    summary="An experiment has a `winner`, but is not completed.",
    why=(
        "The winner is served once the status is `completed`; until then the key has no effect. Either the status was"
        " forgotten, or the winner is premature."
    ),
    bad="""\
kind: experiment
key: hero-test
flag: hero
status: draft
winner: on
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
status: completed
winner: on
variants: {on: 50, off: 50}
---
kind: flag
key: hero
type: boolean
default: off
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each premature winner."""
    for experiment in context.repository.experiments.values():
        if experiment.winner is not None and experiment.status is not ExperimentStatus.COMPLETED:
            yield Finding(
                place=Place(experiment.path, ("winner",)),
                message=f"'{experiment.winner}' is served only when the experiment is completed;"
                f" its status is {experiment.status.value}",
                help="set 'status: completed', or remove 'winner'",
                related=((Place(experiment.path, ("status",)), "the status is here"),),
                key=experiment.key,
            )
