"""EXP109: a control or winner that the experiment does not compare."""

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
    code="EXP109",
    name="control-outside-experiment",
    severity=Severity.ERROR,
    summary="An experiment's `control` or `winner` is not among its `variants`.",
    why="The analysis compares the others with the control; without units in it there is nothing to compare with.",
    bad="""\
kind: experiment
key: hero-test
flag: hero
status: draft
control: c
variants: {a: 50, b: 50}
---
kind: flag
key: hero
type: string
variants: {a: a, b: b, c: c}
default: a
""",
    good="""\
kind: experiment
key: hero-test
flag: hero
status: draft
control: a
variants: {a: 50, b: 50}
---
kind: flag
key: hero
type: string
variants: {a: a, b: b, c: c}
default: a
""",
    fixable=True,
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each such control or winner; names that are no variants at all are REF101's."""
    for experiment in context.repository.experiments.values():
        arms = [arm.variant for arm in experiment.variants.arms]
        flag = context.repository.flags.get(experiment.flag)
        known = {variant.name for variant in flag.variants} if flag is not None else set(arms)
        for part, name in (("control", experiment.control), ("winner", experiment.winner)):
            if name is not None and name not in arms and name in known:
                place = Place(experiment.path, (part,))
                yield Finding(
                    place=place,
                    message=f"the {part} '{name}' is not among the experiment's variants",
                    help=advice(name, arms, kind="variants"),
                    fix=rename(context, place, name, arms),
                    related=((Place(experiment.path, ("variants",), "key"), "the variants are here"),),
                    key=experiment.key,
                )
