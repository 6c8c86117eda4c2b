"""EXP110: slots that a layer holds out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.model import ExperimentStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="EXP110",
    name="slots-in-holdout",
    severity=Severity.ERROR,
    summary="An experiment claims slots that its layer holds out.",
    why=(
        "Units in the holdout see none of the layer's experiments, so that all of them together can be measured against it. One"
        " experiment that takes them in spoils that comparison."
    ),
    bad="""\
kind: layer
key: homepage
holdout: [[95000, 100000]]
---
kind: flag
key: hero
type: boolean
default: off
---
kind: experiment
key: hero-test
flag: hero
status: draft
variants: {on: 50, off: 50}
layer: homepage
slots: [[50000, 100000]]
""",
    good="""\
kind: layer
key: homepage
holdout: [[95000, 100000]]
---
kind: flag
key: hero
type: boolean
default: off
---
kind: experiment
key: hero-test
flag: hero
status: draft
variants: {on: 50, off: 50}
layer: homepage
slots: [[50000, 95000]]
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each range of slots that reaches into its layer's holdout."""
    repository = context.repository
    for experiment in repository.experiments.values():
        layer = repository.layers.get(experiment.layer or "")
        if layer is None or experiment.status is ExperimentStatus.COMPLETED:
            continue
        for index, (start, end) in enumerate(experiment.slots):
            for place, (first, last) in enumerate(layer.holdout):
                if start < last and first < end:
                    yield Finding(
                        place=Place(experiment.path, ("slots", index)),
                        message=f"the slots {max(start, first)} to {min(end, last)} are held out by layer '{layer.key}'",
                        help="give the experiment slots outside the holdout",
                        related=((Place(layer.path, ("holdout", place)), "the holdout is here"),),
                        key=experiment.key,
                    )
