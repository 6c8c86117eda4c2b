"""Cut what is wrong out of a document, so that the rest can be checked in the same pass.

A wrong condition takes its whole rule with it: a rule without one of its conditions would be another rule, and every
finding about it noise.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.source.builder.site import PRUNED

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagctl.diagnostics import Route

_ESSENTIAL: Final = {
    "flag": frozenset({"kind", "key", "type", "variants", "value"}),
    "segment": frozenset({"kind", "key", "include", "exclude", "members", "when"}),
    "experiment": frozenset(
        {
            "kind", "key", "flag", "status", "variants", "layer", "slots", "traffic", "bucket_by", "control", "winner",
        }
    ),
    "layer": frozenset({"kind", "key"}),
    "test": frozenset({"kind", "flag", "environment", "environments", "at", "context"}),
    "config": frozenset({"version", "project"}),
}  # fmt: skip
"""Top-level keys without which a document cannot be built."""

_ITEMS: Final = frozenset({"rules", "prerequisites", "cases"})
"""Lists whose items stand for themselves."""


def prune(kind: str, data: dict[str, Any], routes: Iterable[Route]) -> bool:
    """Cut the smallest sensible parts around `routes` out of `data`, in place.

    Returns:
        Whether what is left can be built.
    """
    for route in routes:
        if not route or route[0] in _ESSENTIAL[kind]:
            return False
        cut = _part(kind, route)
        if cut is None:
            return False
        _cut(data, cut)
    return True


def _part(kind: str, route: Route) -> Route | None:
    """Return the part to cut for a finding at `route`, or None if the document cannot do without it."""
    if kind == "config":
        if route[0] == "environments":
            return route[:3] if len(route) > 2 else None
        return route[:2] if route[0] == "lint" else route[:1]
    if kind == "test" and route[0] == "cases" and len(route) == 1:
        return None
    if kind == "flag" and route[0] == "environments" and len(route) > 2:
        return (*route[:2], *_flag_part(route[2:]))
    return _flag_part(route)


def _flag_part(route: Route) -> Route:
    if route[0] in _ITEMS:
        return route[:2]
    if route[0] == "targets":
        return route[:3]
    if route[0] == "environments":
        return route[:2]
    return route[:1]


def _cut(data: Any, route: Route) -> None:
    for step in route[:-1]:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return
    last = route[-1]
    if isinstance(data, dict):
        data.pop(last, None)
    elif isinstance(data, list) and isinstance(last, int) and last < len(data):
        data[last] = PRUNED
