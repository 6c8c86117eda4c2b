"""REF104: an experiment that does not exist."""

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
    code="REF104",
    name="unknown-experiment",
    severity=Severity.ERROR,
    summary="A rule names an experiment that does not exist.",
    why="The rule can't assign anybody to a variant without the experiment's file, which says who takes part and how.",
    bad="""\
kind: flag
key: search-ranking
type: string
variants: {classic: v1, neural: v3}
default: classic
rules:
  - {id: trial, experiment: ranking-trial}
---
kind: experiment
key: ranking-test
flag: search-ranking
status: draft
variants: {classic: 50, neural: 50}
""",
    good="""\
kind: flag
key: search-ranking
type: string
variants: {classic: v1, neural: v3}
default: classic
rules:
  - {id: trial, experiment: ranking-test}
---
kind: experiment
key: ranking-test
flag: search-ranking
status: draft
variants: {classic: 50, neural: 50}
""",
    fixable=True,
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each rule of an unknown experiment."""
    known = list(context.repository.experiments)
    for flag, rule in context.rules:
        guard = None if rule.strategy is None else rule.strategy.guard
        name = rule.experiment if guard is None else guard.experiment
        if name is not None and not context.knows("experiment", name):
            route = rule.route if guard is None else guard.route
            place = Place(flag.path, (*route, "experiment"))
            yield Finding(
                place=place,
                message=f"there is no experiment '{name}'",
                help=advice(name, known, kind="experiments"),
                fix=rename(context, place, name, known),
                key=flag.key,
            )
