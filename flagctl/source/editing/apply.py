"""Edits of a text: as few lines as possible change, and the result says exactly what was meant, or there is none.

Every step is a splice of the text that is read again and compared with the same edit of the plain data. Where a splice does not do it (a
layout that nobody foresaw), the smallest list or mapping around the place is written anew, but only if no comment is lost by that.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from flagctl.source.editing.edits import (
    Delete,
    EditError,
    Insert,
    Move,
    Rename,
    Set,
    apply_to_data,
    describe,
    exists,
    same,
    value_at,
)
from flagctl.source.editing.layout import place_of
from flagctl.source.editing.splice import Splicer, spliced
from flagctl.source.editing.view import View

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flagctl.diagnostics import Route
    from flagctl.source.editing.edits import Edit, Position
    from flagctl.source.editing.splice import Splice

_MOST_STEPS: Final = 60
"""More single steps than this in one list are no small edit: the list is written anew."""


@dataclass(frozen=True, slots=True)
class _Add:
    """A new entry at a place of a list or mapping that has some."""

    route: Route
    step: str | int
    index: int
    value: Any


_Step = Set | Delete | _Add | Move | Rename


def edit_text(text: str, edits: Iterable[Edit], *, kind: str | None = None) -> str:
    """Return a document's text after edits, one after the other; comments and layout stay.

    Args:
        text: Of the document, without a byte order mark.
        edits: What to do.
        kind: Of the document (``flag``, ...): says where new keys go.

    Raises:
        EditError: If an edit does not fit, the text can't be read, or its layout can't be kept.
    """
    position = partial(place_of, kind)
    bare = not text.endswith("\n")
    work = text + View(text).newline if bare and text else text
    if bare and not same(View(text).data, View(work).data):
        work, bare = text, False
    for edit in edits:
        work = _edited(work, edit, position)
    if not bare:
        return work
    stripped = work.removesuffix("\n").removesuffix("\r")
    return stripped if same(View(stripped).data, View(work).data) else work


def _edited(text: str, edit: Edit, position: Position) -> str:
    data = View(text).data
    wanted = apply_to_data(data, [edit], position)
    if same(data, wanted):
        return text
    for step in _steps(data, edit, position):
        text = _stepped(text, step)
    if not same(View(text).data, wanted):  # pragma: no cover  every step was compared already
        raise EditError("the edited file would mean something else, so it was left as it is")
    return text


# --- from edits to steps ---


def _steps(data: Any, edit: Edit, position: Position) -> Iterator[_Step]:
    match edit:
        case Set():
            yield from _set_steps(data, edit, position)
        case Insert():
            present = value_at(data, edit.route)
            if present:
                yield _Add(edit.route, edit.index, edit.index, edit.value)
            else:
                yield Set(edit.route, [edit.value])
        case _:
            yield edit


def _set_steps(data: Any, edit: Set, position: Position) -> Iterator[_Step]:
    if exists(data, edit.route):
        yield from _difference(edit.route, value_at(data, edit.route), edit.value)
        return
    depth = next(depth for depth in range(len(edit.route) - 1, -1, -1) if exists(data, edit.route[:depth]))
    parent, step, value = value_at(data, edit.route[:depth]), edit.route[depth], edit.value
    for inner in reversed(edit.route[depth + 1 :]):
        value = {inner: value}
    if not parent:
        yield Set(edit.route[:depth], {step: value})
        return
    yield _Add(edit.route[:depth], step, position(edit.route[:depth], list(parent), str(step)), value)


def _difference(route: Route, old: Any, new: Any) -> Iterator[_Step]:
    """Yield the steps from one value to another; each one sees what those before it did."""
    if same(old, new):
        return
    if isinstance(old, dict) and isinstance(new, dict) and old.keys() & new.keys():
        yield from _mapping_difference(route, old, new)
    elif isinstance(old, list) and isinstance(new, list) and old and new:
        steps = list(_list_difference(route, old, new))
        yield from steps if len(steps) <= _MOST_STEPS else [Set(route, new)]
    else:
        yield Set(route, new)


def _mapping_difference(route: Route, old: dict[str, Any], new: dict[str, Any]) -> Iterator[_Step]:
    present = list(old)
    for key in old:
        if key not in new:
            present.remove(key)
            yield Delete((*route, key))
    for index, key in enumerate(new):
        if key not in old:
            present.insert(index, key)
            yield _Add(route, key, index, new[key])
            continue
        place = present.index(key)
        if place != index:
            present.insert(index, present.pop(place))
            yield Move(route, place, index)
        yield from _difference((*route, key), old[key], new[key])


def _list_difference(route: Route, old: list[Any], new: list[Any]) -> Iterator[_Step]:
    olds, news = [_name(item) for item in old], [_name(item) for item in new]
    if None not in {*olds, *news} and len({*olds}) == len(olds) and len({*news}) == len(news):
        yield from _named_difference(route, (old, olds), (new, news))
        return
    texts = [json.dumps(item) for item in old], [json.dumps(item) for item in new]
    # from the end, so that places in front stay what they are
    for tag, i1, i2, j1, j2 in reversed(SequenceMatcher(None, *texts, autojunk=False).get_opcodes()):
        if tag == "equal":
            continue
        pairs = min(i2 - i1, j2 - j1)
        for index in range(i2 - 1, i1 + pairs - 1, -1):
            yield Delete((*route, index))
        for index in range(j1 + pairs, j2):
            place = i1 + index - j1
            yield _Add(route, place, place, new[index])
        for index in range(pairs):
            yield from _difference((*route, i1 + index), old[i1 + index], new[j1 + index])


def _named_difference(
    route: Route, before: tuple[list[Any], list[str | None]], after: tuple[list[Any], list[str | None]]
) -> Iterator[_Step]:
    """Rules and the like have names, so that one that moved keeps its lines."""
    old = dict(zip(before[1], before[0], strict=True))
    new = dict(zip(after[1], after[0], strict=True))
    present = list(old)
    if not old.keys() & new.keys():
        yield Set(route, after[0])
        return
    for name in reversed(list(old)):
        if name not in new:
            yield Delete((*route, present.index(name)))
            present.remove(name)
    for index, (name, item) in enumerate(new.items()):
        if name not in old:
            present.insert(index, name)
            yield _Add(route, index, index, item)
            continue
        place = present.index(name)
        if place != index:
            present.insert(index, present.pop(place))
            yield Move(route, place, index)
        yield from _difference((*route, index), old[name], item)


def _name(item: Any) -> str | None:
    if not isinstance(item, dict):
        return None
    for key in ("id", "flag", "name"):
        if isinstance(item.get(key), str):
            return f"{key}={item[key]}"
    return None


# --- one step ---


def _stepped(text: str, step: _Step) -> str:
    view = View(text)
    wanted = _meant(view.data, step)
    try:
        result = spliced(text, _splices(Splicer(view), step))
        if _reads_as(result, wanted):
            return result
    except EditError:
        pass
    return _rewritten(text, step, wanted)


def _meant(data: Any, step: _Step) -> Any:
    if isinstance(step, _Add):
        if isinstance(step.step, str):
            return apply_to_data(data, [Set((*step.route, step.step), step.value)], lambda *_: step.index)
        return apply_to_data(data, [Insert(step.route, step.index, step.value)])
    return apply_to_data(data, [step])


def _splices(splicer: Splicer, step: _Step) -> list[Splice]:
    match step:
        case Set():
            return splicer.replace(step.route, step.value)
        case Delete():
            return splicer.remove(step.route)
        case Move():
            return splicer.move(step.route, step.source, step.target)
        case Rename():
            return splicer.rename(step.route, step.key)
        case _Add():
            return splicer.add(step.route, step.step, step.value, step.index)


def _reads_as(text: str, wanted: Any) -> bool:
    try:
        return same(View(text).data, wanted)
    except EditError:
        return False


def _rewritten(text: str, step: _Step, wanted: Any) -> str:
    """Write the smallest collection anew that gives the right text and costs no comment."""
    view = View(text)
    route = step.route if isinstance(step, (Move, _Add)) else step.route[:-1]
    for depth in range(len(route), 0, -1):
        node = view.node(route[:depth])
        if view.has_comment(node.start, node.end):
            line = view.lines.position(node.start)[0]
            raise EditError(
                f"{describe(route[:depth])} in line {line} is laid out so that comments in it would be lost",
                hint="edit it by hand, or write the list or mapping one entry to a line first: flagctl fmt",
            )
        value = value_at(wanted, route[:depth])
        try:
            result = spliced(text, Splicer(view).replace(route[:depth], value))
        except EditError:
            continue
        if _reads_as(result, wanted):
            return result
    raise EditError(
        f"{describe(route)} is laid out so that it can't be edited", hint="edit it by hand: flagctl fmt may help"
    )
