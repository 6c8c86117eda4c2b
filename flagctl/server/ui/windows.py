"""Windows of time outside of which a flag is off, or a rule does not match: as two fields, and as edits of the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import UsageError
from flagctl.server.ui.fields import Field
from flagctl.server.ui.growth import typed_instant
from flagctl.source.editing import Set

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.diagnostics import Route
    from flagctl.server.ui.field_edits import Asked
    from flagctl.server.ui.fields import Scope

_SIDES: Final = {"from": "such as 2026-12-01 09:00", "until": ""}
"""Sides of a window, and what to write."""


def windows(scope: Scope) -> Iterator[Field]:
    """Yield the window of a flag, and those of its rules; one that has more than two instants is for the text alone."""
    yield from _window(scope.value("schedule"), "", scope.route("schedule"))
    seen: set[str] = set()
    for at, rule in scope.mappings("rules"):
        name = rule.get("id")
        if isinstance(name, str) and name and name not in seen:
            seen.add(name)
            yield from _window(rule.get("schedule"), name, (*scope.route("rules"), at, "schedule"))


def _window(written: Any, rule: str, route: Route) -> Iterator[Field]:
    window = {} if written is None else written
    if not isinstance(window, dict) or not set(_SIDES).issuperset(window):
        return
    if not all(isinstance(one, str) and "\n" not in one for one in window.values()):
        return
    for side, hint in _SIDES.items():
        about = rule or "The flag"
        yield Field(f"window:{side}:{rule}", side, window.get(side, ""), ((*route, side),), hint=hint, about=about)


def edit_window(asked: Asked) -> None:
    """Let one side of a window be another instant, or open."""
    draft = asked.draft
    side, _, rule = asked.name.partition(":")
    if side not in _SIDES:
        raise UsageError("there is no such field")
    if rule:
        path, inside = draft.rule_route(asked.key, rule, env=asked.env, copy_down=True)
    else:
        path, inside = draft.find(asked.key), () if asked.env is None else ("environments", asked.env)
    route = (*inside, "schedule")
    own = draft.value(path, route)
    shared = None if rule or asked.env is None else draft.value(path, ("schedule",))
    present = shared if own is None else own
    wanted = _with(present if isinstance(present, dict) else {}, side, asked.value.strip())
    if isinstance(own, dict) and side in wanted:
        draft.edit(path, Set((*route, side), wanted[side]))
    elif wanted or shared is not None:  # an empty one says always, where all have another one
        draft.edit(path, Set(route, wanted))
    else:
        draft.remove(path, route)
    draft.titles.append(f"Set the schedule of {rule or asked.key}{f' in {asked.env}' if asked.env else ''}")


def _with(window: Mapping[str, Any], side: str, text: str) -> dict[str, Any]:
    """Return a window with one side as it was typed; the sides keep their order."""
    found = {one: window[one] for one in _SIDES if one in window} | ({side: typed_instant(text)} if text else {})
    if not text:
        found.pop(side, None)
    return {one: found[one] for one in _SIDES if one in found}
