"""EXP106: experiments of one layer that draw different units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import attribute_name
from flagctl.model import ExperimentStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.model import Experiment

INFO = RuleInfo(
    code="EXP106",
    name="layer-with-mixed-units",
    severity=Severity.WARNING,
    summary="Experiments of one layer have different units in `bucket_by`.",
    why=(
        "A layer keeps experiments apart by one draw for each unit. If one draws users and the other accounts, a user can"
        " be in the first while the user's account is in the second, and the two are not apart at all."
    ),
    bad="""\
kind: layer
key: homepage
---
kind: flag
key: hero
type: boolean
default: off
---
kind: experiment
key: hero-size
flag: hero
status: draft
variants: {on: 50, off: 50}
layer: homepage
slots: [[0, 50000]]
---
kind: experiment
key: hero-text
flag: hero
status: draft
variants: {on: 50, off: 50}
layer: homepage
slots: [[50000, 100000]]
bucket_by: email
""",
    good="""\
kind: layer
key: homepage
---
kind: flag
key: hero
type: boolean
default: off
---
kind: experiment
key: hero-size
flag: hero
status: draft
variants: {on: 50, off: 50}
layer: homepage
slots: [[0, 50000]]
---
kind: experiment
key: hero-text
flag: hero
status: draft
variants: {on: 50, off: 50}
layer: homepage
slots: [[50000, 100000]]
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each experiment with another unit than its layer's first."""
    first: dict[str, Experiment] = {}
    for experiment in context.repository.experiments.values():
        if experiment.layer is None or experiment.status is ExperimentStatus.COMPLETED:
            continue
        other = first.setdefault(experiment.layer, experiment)
        if other.bucket_by != experiment.bucket_by:
            yield Finding(
                place=Place(experiment.path, ("layer",)),
                message=f"the unit is '{attribute_name(experiment.bucket_by)}', but experiment '{other.key}' of the same"
                f" layer has '{attribute_name(other.bucket_by)}'",
                help="use one unit throughout a layer",
                related=((Place(other.path, ("layer",)), "the other one is here"),),
                key=experiment.key,
            )
