"""TGT106: a condition that holds for everybody while a list is not at hand."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.model import AllOf, AnyOf, Not, SegmentCondition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext
    from flagctl.model import Condition

INFO = RuleInfo(
    code="TGT106",
    name="negated-list",
    severity=Severity.WARNING,
    summary="A rule is for everybody who is not in a segment with a list of `members`.",
    why=(
        "Lists are published apart from the flags. An application that does not have a list yet, or cannot read it, takes"
        " it for one without members: then such a rule is for everybody, the members included. What must not reach the"
        " members is safer as a list of those it may reach, or as a segment with conditions."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: others
    when: [{not: {segment: vip}}]
    serve: on
---
# file: vip.yaml
kind: segment
key: vip
members: {list: vip-customers}
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: vip
    when: [{segment: vip}]
    serve: on
---
# file: vip.yaml
kind: segment
key: vip
members: {list: vip-customers}
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each negated segment with a list."""
    listed = {segment.key for segment in context.repository.segments.values() if segment.members is not None}
    if not listed:
        return
    for flag, rule in context.rules:
        for condition in _negated(rule.when, negated=False):
            if condition.segment in listed:
                yield Finding(
                    place=Place(flag.path, condition.route),
                    message=f"while the list of segment '{condition.segment}' is not at hand, this holds for everybody",
                    help="turn the rule around: serve the members what they should get, and the others the default",
                    key=flag.key,
                )


def _negated(conditions: tuple[Condition, ...], *, negated: bool) -> Iterator[SegmentCondition]:
    for condition in conditions:
        if isinstance(condition, SegmentCondition):
            if negated:
                yield condition
        elif isinstance(condition, Not):
            yield from _negated((condition.condition,), negated=not negated)
        elif isinstance(condition, (AllOf, AnyOf)):
            yield from _negated(condition.conditions, negated=negated)
