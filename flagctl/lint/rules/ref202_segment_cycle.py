"""REF202: segments that refer to one another in a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.lint.graph import find_cycles

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="REF202",
    name="segment-cycle",
    severity=Severity.ERROR,
    summary="A segment is, through other segments, defined by itself.",
    why="Membership of such a segment can't be decided. The message shows the circle; take one of its conditions away.",
    bad="""\
kind: segment
key: vip
when: [{segment: partners}]
---
kind: segment
key: partners
when: [{segment: vip}]
""",
    good="""\
kind: segment
key: vip
when: [{segment: partners}]
---
kind: segment
key: partners
include: [user-1]
""",
)


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each cycle."""
    edges: dict[str, dict[str, Place]] = {}
    for name, sites in context.conditions.segments.items():
        for site in sites:
            if site.user is not None:
                place = Place(site.path, (*site.condition.route, "segment"))
                edges.setdefault(site.user, {}).setdefault(name, place)
    for cycle in find_cycles({name: list(targets) for name, targets in edges.items()}):
        closed = (*cycle, cycle[0])
        places = [
            (edges[name][following], f"'{name}' uses '{following}'")
            for name, following in zip(cycle, closed[1:], strict=True)
        ]
        yield Finding(
            place=places[0][0],
            message=f"segment '{cycle[0]}' is defined by itself: {' -> '.join(closed)}",
            help="remove one of these conditions",
            related=tuple(places[1:]),
            key=cycle[0],
        )
