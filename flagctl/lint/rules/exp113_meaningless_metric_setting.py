"""EXP113: a metric's setting that has no effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.model import Metric

INFO = RuleInfo(
    code="EXP113",
    name="meaningless-metric-setting",
    severity=Severity.WARNING,
    summary="A setting of a metric has no effect there.",
    why=(
        "What has no effect was meant to have one. Cutting extreme values makes no sense for yes or no and for quantiles, a"
        " covariate does not go with quantiles, a margin belongs to guardrails, and `quantile` and `level` to quantiles."
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
status: draft
variants: {on: 50, off: 50}
metrics:
  primary: {event: order, kind: conversion, winsorize: {upper: 99}}
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
  primary: {event: order, kind: mean, winsorize: {upper: 99}}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each setting without effect."""
    for experiment in context.repository.experiments.values():
        for metric in experiment.metrics:
            guardrail = any(metric is one for one in experiment.guardrails)
            for setting, reason in _pointless(metric, guardrail=guardrail):
                yield Finding(
                    place=Place(experiment.path, (*metric.route, setting), "key"),
                    message=f"'{setting}' has no effect: {reason}",
                    help=f"remove '{setting}', or choose the kind it belongs to",
                    key=experiment.key,
                )


def _pointless(metric: Metric, *, guardrail: bool) -> Iterator[tuple[str, str]]:
    cut = metric.winsorize_lower is not None or metric.winsorize_upper is not None
    if cut and metric.kind in {"conversion", "quantile"}:
        yield "winsorize", f"a {metric.kind} has no extreme values to cut"
    if metric.cuped_ms is not None and metric.kind == "quantile":
        yield "cuped", "a quantile cannot be adjusted by a covariate"
    if metric.quantile is not None and metric.kind != "quantile":
        yield "quantile", f"the kind is {metric.kind}"
    if metric.margin and not guardrail:
        yield "margin", "only guardrails have one"
