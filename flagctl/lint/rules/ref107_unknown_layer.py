"""REF107: a layer that does not exist."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.edits import rename
from flagctl.lint.finding import Finding, Place
from flagctl.lint.words import advice

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="REF107",
    name="unknown-layer",
    severity=Severity.ERROR,
    summary="An experiment names a layer that does not exist.",
    why=(
        "A layer keeps its experiments apart. With a misspelt layer the experiment would share units with the very ones it"
        " was meant to exclude, and both results would be spoilt."
    ),
    bad="""\
kind: experiment
key: hero-test
flag: hero
status: draft
variants: {on: 50, off: 50}
layer: homepge
slots: [[0, 50000]]
---
kind: flag
key: hero
type: boolean
default: off
---
kind: layer
key: homepage
""",
    good="""\
kind: experiment
key: hero-test
flag: hero
status: draft
variants: {on: 50, off: 50}
layer: homepage
slots: [[0, 50000]]
---
kind: flag
key: hero
type: boolean
default: off
---
kind: layer
key: homepage
""",
    fixable=True,
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each experiment in an unknown layer."""
    known = list(context.repository.layers)
    for experiment in context.repository.experiments.values():
        name = experiment.layer
        if name is not None and not context.knows("layer", name):
            place = Place(experiment.path, ("layer",))
            yield Finding(
                place=place,
                message=f"there is no layer '{name}'",
                help=advice(name, known, kind="layers"),
                fix=rename(context, place, name, known),
                key=experiment.key,
            )
