"""EXP111: what was agreed on changed while the experiment runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.model import ExperimentStatus, registration_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.diagnostics import Route
    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="EXP111",
    name="changed-after-registration",
    severity=Severity.ERROR,
    summary="A running experiment is not what was registered at its start.",
    why=(
        "Variants, metrics and the decision rule are agreed on before the first result is seen. Changing them afterwards lets"
        " chance pick the metric that moved. Complete the experiment and start a new one, or amend it with a reason that every"
        " report will show."
    ),
    bad="""\
kind: flag
key: hero
type: boolean
default: off
---
kind: experiment
key: hero-test
flag: hero
status: running
variants: {on: 50, off: 50}
registration: sha256:0000000000000000000000000000000000000000000000000000000000000000
""",
    good="""\
kind: flag
key: hero
type: boolean
default: off
---
kind: experiment
key: hero-test
flag: hero
status: running
variants: {on: 50, off: 50}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each running experiment whose digest is not the last registered one."""
    for experiment in context.repository.experiments.values():
        if experiment.registration is None or experiment.status is not ExperimentStatus.RUNNING:
            continue
        if context.is_broken("experiment", experiment.key):  # what is wrong in it is reported, and cannot be compared
            continue
        route: Route = ("registration",)
        last = experiment.registration
        if experiment.amendments:
            amendment = experiment.amendments[-1]
            last, route = amendment.registration, (*amendment.route, "registration")
        digest = registration_of(experiment)
        if digest != last:
            yield Finding(
                place=Place(experiment.path, route),
                message=f"experiment '{experiment.key}' runs, and its units, variants, metrics or decision rule are no longer"
                f" what was registered ({last[:15]})",
                help="take the change back, or record it:"
                f" flagctl experiment amend {experiment.key} --reason 'why it had to change'",
                key=experiment.key,
            )
