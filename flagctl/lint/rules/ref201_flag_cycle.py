"""REF201: flags that are prerequisites of one another in a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.lint.graph import find_cycles

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flagctl.diagnostics import Route
    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="REF201",
    name="flag-cycle",
    severity=Severity.ERROR,
    summary="A flag is, through its prerequisites, a prerequisite of itself.",
    why=(
        "To answer such a flag one would have to have answered it already. The message shows the circle; take away one of"
        " its prerequisites. Overrides count: a circle may exist in one environment only."
    ),
    bad="""\
kind: flag
key: checkout
type: boolean
default: off
prerequisites: [{flag: payments, variants: [on]}]
---
kind: flag
key: payments
type: boolean
default: off
prerequisites: [{flag: checkout, variants: [on]}]
""",
    good="""\
kind: flag
key: checkout
type: boolean
default: off
prerequisites: [{flag: payments, variants: [on]}]
---
kind: flag
key: payments
type: boolean
default: off
""",
)

_Edges = dict[str, dict[str, "Route"]]
"""Flag to its prerequisites, each with the place that names it."""


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each cycle, with the environments it is in."""
    everywhere: dict[str, set[str]] = {}
    for flag, state, _ in context.states:
        if state.prerequisites:
            everywhere.setdefault(flag.key, set()).update(p.flag for p in state.prerequisites)
    if not everywhere or not find_cycles({key: sorted(targets) for key, targets in everywhere.items()}):
        return
    found: dict[tuple[str, ...], tuple[_Edges, list[str]]] = {}
    for environment in context.environments or ("",):
        edges = _edges(context, environment)
        for cycle in find_cycles({key: list(targets) for key, targets in edges.items()}):
            found.setdefault(cycle, (edges, []))[1].append(environment)
    for cycle, (edges, environments) in found.items():
        yield _finding(context, cycle, edges, environments)


def _edges(context: LintContext, environment: str) -> _Edges:
    edges: _Edges = {}
    for flag, state, environments in context.states:
        if state.prerequisites and (environment in environments or not environment):
            edges[flag.key] = {p.flag: (*p.route, "flag") for p in reversed(state.prerequisites)}
    return edges


def _finding(context: LintContext, cycle: tuple[str, ...], edges: _Edges, environments: Sequence[str]) -> Finding:
    flags = context.repository.flags
    closed = (*cycle, cycle[0])
    places = [
        (Place(flags[name].path, edges[name][following]), f"'{name}' needs '{following}'")
        for name, following in zip(cycle, closed[1:], strict=True)
    ]
    return Finding(
        place=places[0][0],
        message=f"prerequisites lead back to flag '{cycle[0]}': {' -> '.join(closed)}{context.where(environments)}",
        help="remove one of these prerequisites",
        related=tuple(places[1:]),
        key=cycle[0],
    )
