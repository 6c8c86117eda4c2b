"""Edits as data, and what they do to plain data.

An edit names a place by its route, so that it means the same whatever the layout of the file is. `apply_to_data` is the meaning of an
edit; `flagctl.source.editing.apply` does the same to a text and refuses every result that differs.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.diagnostics.diagnostic import format_route
from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flagctl.diagnostics import Route

    Position = Callable[[Route, Sequence[str], str], int]
    """``(route of a mapping, its keys, a new key)`` to the place of the new key."""


class EditError(UsageError):
    """An edit that does not fit the document: no such place, a name that is taken, a layout that can't be kept."""


@dataclass(frozen=True, slots=True)
class Set:
    """Give the value at `route` a new value; a missing mapping entry is added, with the mappings around it."""

    route: Route
    value: Any


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a mapping entry or a list item."""

    route: Route


@dataclass(frozen=True, slots=True)
class Insert:
    """Put a new item into the list at `route`, in front of the item `index` (the length appends)."""

    route: Route
    index: int
    value: Any


@dataclass(frozen=True, slots=True)
class Move:
    """Move an entry of the list or mapping at `route` from one place to another, both counted from 0."""

    route: Route
    source: int
    target: int


@dataclass(frozen=True, slots=True)
class Rename:
    """Give a mapping entry another key; it keeps its place and its value."""

    route: Route
    key: str


Edit = Set | Delete | Insert | Move | Rename


def at_end(_route: Route, keys: Sequence[str], _key: str) -> int:
    """Return the place behind all others: where a new key goes unless somebody knows better."""
    return len(keys)


def apply_to_data(data: Any, edits: Iterable[Edit], position: Position = at_end) -> Any:
    """Return the data after edits, one after the other; `data` itself stays as it is.

    Args:
        data: Plain data.
        edits: What to do.
        position: Where new keys of mappings go.

    Raises:
        EditError: If an edit names a place that does not exist, or takes a name that is taken.
    """
    result = copy.deepcopy(data)
    for edit in edits:
        result = _applied(result, edit, position)
    return result


def value_at(data: Any, route: Route) -> Any:
    """Return the value at a route.

    Raises:
        EditError: If there is none.
    """
    found = data
    for length, step in enumerate(route, 1):
        found = _step(found, step, route[:length])
    return found


def exists(data: Any, route: Route) -> bool:
    """Return whether there is a value at a route."""
    try:
        value_at(data, route)
    except EditError:
        return False
    return True


def same(one: Any, other: Any) -> bool:
    """Return whether two values are the same to the last bit: types, and the order of keys, count."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(same(a, b) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def describe(route: Route) -> str:
    """Return a route as messages name it."""
    return f"'{format_route(route)}'" if route else "the document"


def _step(found: Any, step: str | int, route: Route) -> Any:
    if isinstance(found, dict) and isinstance(step, str) and step in found:
        return found[step]
    if isinstance(found, list) and isinstance(step, int) and 0 <= step < len(found):
        return found[step]
    raise EditError(f"there is no {describe(route)}")


def _applied(data: Any, edit: Edit, position: Position) -> Any:
    match edit:
        case Set(route=()):
            return copy.deepcopy(edit.value)
        case Set():
            _set(data, edit, position)
        case Delete():
            if not edit.route:
                raise EditError("the document itself can't be removed by an edit")
            value_at(data, edit.route)
            del value_at(data, edit.route[:-1])[edit.route[-1]]
        case Insert():
            _insert(data, edit)
        case Move():
            return _moved(data, edit)
        case Rename():
            return _renamed(data, edit)
    return data


def _set(data: Any, edit: Set, position: Position) -> None:
    parent, value = data, copy.deepcopy(edit.value)
    for depth, step in enumerate(edit.route):
        last = depth == len(edit.route) - 1
        place = edit.route[:depth]
        if isinstance(parent, list):
            _step(parent, step, edit.route[: depth + 1])
            if last:
                parent[int(step)] = value
                return
        elif not isinstance(parent, dict) or not isinstance(step, str):
            raise EditError(f"{describe(place)} has no entries")
        elif step not in parent or (parent[step] is None and not last):
            rest: Any = value
            for inner in reversed(edit.route[depth + 1 :]):
                if not isinstance(inner, str):
                    raise EditError(f"there is no {describe(edit.route[: depth + 1])}")
                rest = {inner: rest}
            if step in parent:
                parent[step] = rest
            else:
                _place(parent, step, rest, position(place, list(parent), step))
            return
        elif last:
            parent[step] = value
            return
        parent = parent[step]


def _place(mapping: dict[str, Any], key: str, value: Any, place: int) -> None:
    items = list(mapping.items())
    items.insert(place, (key, value))
    mapping.clear()
    mapping.update(items)


def _insert(data: Any, edit: Insert) -> None:
    target = value_at(data, edit.route)
    if not isinstance(target, list):
        raise EditError(f"{describe(edit.route)} is no list")
    if not 0 <= edit.index <= len(target):
        raise EditError(f"{describe(edit.route)} has {len(target)} items, so there is no place {edit.index}")
    target.insert(edit.index, copy.deepcopy(edit.value))


def _moved(data: Any, edit: Move) -> Any:
    target = value_at(data, edit.route)
    if not isinstance(target, (list, dict)):
        raise EditError(f"{describe(edit.route)} has no entries to move")
    for place in (edit.source, edit.target):
        if not 0 <= place < len(target):
            raise EditError(f"{describe(edit.route)} has {len(target)} entries, so there is no place {place}")
    if isinstance(target, list):
        target.insert(edit.target, target.pop(edit.source))
    else:
        items = list(target.items())
        items.insert(edit.target, items.pop(edit.source))
        target.clear()
        target.update(items)
    return data


def _renamed(data: Any, edit: Rename) -> Any:
    value_at(data, edit.route)
    parent, old = value_at(data, edit.route[:-1]), edit.route[-1] if edit.route else None
    if not isinstance(parent, dict):
        raise EditError(f"{describe(edit.route)} has no name")
    if edit.key != old and edit.key in parent:
        raise EditError(f"{describe((*edit.route[:-1], edit.key))} is there already")
    items = [(edit.key if key == old else key, value) for key, value in parent.items()]
    parent.clear()
    parent.update(items)
    return data
