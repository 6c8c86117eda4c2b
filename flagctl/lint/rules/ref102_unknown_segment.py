"""REF102: a segment that does not exist."""

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
    code="REF102",
    name="unknown-segment",
    severity=Severity.ERROR,
    summary="A condition names a segment that does not exist.",
    why=(
        "Nobody can be a member of a segment without a file, so the condition would never hold and its negation always"
        " would. It is usually a typo, or a segment that was deleted while flags still use it."
    ),
    bad="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: beta
    when: [{segment: beta-tester}]
    serve: on
---
kind: segment
key: beta-testers
include: [user-1]
""",
    good="""\
kind: flag
key: dark-mode
type: boolean
default: off
rules:
  - id: beta
    when: [{segment: beta-testers}]
    serve: on
---
kind: segment
key: beta-testers
include: [user-1]
""",
    fixable=True,
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each use of an unknown segment."""
    known = list(context.repository.segments)
    for name, sites in context.conditions.segments.items():
        if context.knows("segment", name):
            continue
        for site in sites:
            place = Place(site.path, (*site.condition.route, "segment"))
            yield Finding(
                place=place,
                message=f"there is no segment '{name}'",
                help=advice(name, known, kind="segments"),
                fix=rename(context, place, name, known),
                key=site.key,
            )
