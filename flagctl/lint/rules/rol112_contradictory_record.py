"""ROL112: a record of a rollout that cannot have been."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.model.strategy import Strategy

INFO = RuleInfo(
    code="ROL112",
    name="contradictory-record",
    severity=Severity.ERROR,
    summary="The record of a rollout says what cannot have been: a step before the one it follows, or holds that overlap.",
    why=(
        "What was served at an instant is computed from `released`, `holds` and `aborted`. The commands of `flagctl rollout` write them"
        " in order; a slip made by hand, or a merge that kept both sides, would start a step that should wait."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: ramp
    serve: on
    percentage:
      steps:
        - {from: 2026-12-01T09:00:00Z, percent: 5}
        - {after: 2d, percent: 50, hold_until: approval}
        - {after: 2d, percent: 100, released: 2026-12-04T09:00:00Z}
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: ramp
    serve: on
    percentage:
      steps:
        - {from: 2026-12-01T09:00:00Z, percent: 5}
        - {after: 2d, percent: 50, hold_until: approval, released: 2026-12-03T09:00:00Z}
        - {after: 2d, percent: 100, released: 2026-12-04T09:00:00Z}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each part of a record that contradicts what stands before it."""
    for flag, rule in context.rules:
        if rule.strategy is None or rule.strategy.rule != rule.id:
            continue
        for route, message in (*_steps(rule.strategy), *_pauses(rule.strategy)):
            yield Finding(
                place=Place(flag.path, route),
                message=message,
                help="flagctl rollout writes the record; put right by hand what a merge has mixed",
                key=flag.key,
            )


def _steps(strategy: Strategy) -> Iterator[tuple[tuple[str | int, ...], str]]:
    calendar = strategy.calendar()
    for earlier, later in pairwise(range(len(strategy.steps))):
        step, before = strategy.steps[later], calendar[earlier].begins_ms
        if step.from_ms is not None and (last := strategy.steps[earlier].from_ms) is not None and step.from_ms <= last:
            yield (*step.route, "from"), "this step is planned no later than the one above it"
        if step.released_ms is None:
            continue
        if before is None:
            yield (*step.route, "released"), "this step was let go, and the one before it still waits"
        elif step.released_ms < before:
            yield (*step.route, "released"), "this step was let go before the one above it began"


def _pauses(strategy: Strategy) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for pause in strategy.pauses:
        if pause.until_ms is not None and pause.until_ms < pause.from_ms:
            yield (*pause.route, "until"), "this hold ends before it begins"
    for earlier, later in pairwise(strategy.pauses):
        if earlier.until_ms is None:
            yield earlier.route, "this hold has no end, and another one follows"
        elif later.from_ms < earlier.until_ms:
            yield (*later.route, "from"), "this hold begins before the one above it ends"
