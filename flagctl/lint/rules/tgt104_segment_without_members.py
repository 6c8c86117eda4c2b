"""TGT104: a segment that nobody can be a member of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="TGT104",
    name="segment-without-members",
    severity=Severity.ERROR,
    summary="A segment excludes everybody it includes and has no `when`.",
    why=(
        'Without `when` only the included units are members, and excluding wins. To mean "everybody but these", give the'
        " segment a `when`, or use it the other way round: include the units and write `not: {segment: ...}` in rules."
    ),
    bad="""\
kind: segment
key: embargoed
include: [user-1]
exclude: [user-1]
""",
    good="""\
kind: segment
key: embargoed
include: [user-1]
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each empty segment."""
    for segment in context.repository.segments.values():
        if segment.when is None and segment.members is None and set(segment.include) <= set(segment.exclude):
            yield Finding(
                place=Place(segment.path, ("exclude",), "key"),
                message=f"segment '{segment.key}' has no members: all that it includes is excluded, and it has no 'when'",
                help="add 'when', or include the units and negate the condition where the segment is used",
                key=segment.key,
            )
