"""EXP112: two metrics of one name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.model import Metric

INFO = RuleInfo(
    code="EXP112",
    name="metric-named-twice",
    severity=Severity.ERROR,
    summary="Two metrics of an experiment have the same name.",
    why=("Results are reported by the metric's name, or by its event and kind. Two of one name cannot be told apart."),
    bad="""\
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
metrics:
  primary: {event: order, kind: conversion}
  guardrails:
    - {event: order, kind: conversion}
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
status: draft
variants: {on: 50, off: 50}
metrics:
  primary: {event: order, kind: conversion}
  guardrails:
    - {event: refund, kind: conversion, direction: decrease}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each metric whose name an earlier one has."""
    for experiment in context.repository.experiments.values():
        first: dict[str, Metric] = {}
        for metric in experiment.metrics:
            before = first.setdefault(metric.key, metric)
            if before is not metric:
                yield Finding(
                    place=Place(experiment.path, metric.route),
                    message=f"two metrics of experiment '{experiment.key}' are called '{metric.key}'",
                    help="give one of them a name: {name: ..., event: ...}",
                    related=((Place(experiment.path, before.route), "the other one"),),
                    key=experiment.key,
                )
