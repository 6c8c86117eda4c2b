"""The fast path: a YAML text to plain data, without positions, in one pass over the parser's events.

It knows only texts that are right. At the first irregularity of any kind it gives up, and `flagctl.source.tree` reads the
text again, with positions and with every rule of the dialect.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
    StreamStartEvent,
)

from flagctl.source import parsers
from flagctl.source.scalars import SPECIAL_STARTS, resolve

if TYPE_CHECKING:
    from collections.abc import Callable

    from yaml.events import Event

MAX_DEPTH: Final = 64
"""Deepest nesting of mappings and lists; the outermost mapping is level 1."""

UNWANTED: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
"""Characters that no file may contain. The parsers refuse those of ASCII themselves, but accept byte order marks anywhere
and take U+0085, U+2028 and U+2029 for line breaks, which they are in YAML 1.1 only."""


class IrregularError(Exception):
    """The text is not plainly right; the slow path says why."""


def load_plain(text: str) -> dict[str, Any]:
    """Return the mapping that `text` holds.

    Args:
        text: A document without a byte order mark.

    Raises:
        IrregularError: If anything about the text breaks the dialect.
    """
    if not text.isascii() and UNWANTED.search(text):
        raise IrregularError
    try:
        next_event = parsers.open_parser(text).get_event
        return _document(next_event)
    except (yaml.YAMLError, ValueError) as error:
        raise IrregularError from error


def _document(next_event: Callable[[], Event | None]) -> dict[str, Any]:
    if next_event().__class__ is not StreamStartEvent:
        raise IrregularError
    start = next_event()
    if start.__class__ is not DocumentStartEvent or start.version or start.tags:
        raise IrregularError
    root = next_event()
    if root.__class__ is not MappingStartEvent or root.anchor or root.tag:
        raise IrregularError
    data = _mapping(next_event, 1)
    if next_event().__class__ is not DocumentEndEvent or next_event().__class__ is DocumentStartEvent:
        raise IrregularError
    return data


def _mapping(next_event: Callable[[], Any], depth: int) -> dict[str, Any]:
    if depth > MAX_DEPTH:
        raise IrregularError
    result: dict[str, Any] = {}
    while True:
        event = next_event()
        if event.__class__ is not ScalarEvent:
            if event.__class__ in _IRREGULAR_KEYS:
                raise IrregularError
            return result
        key = event.value
        if event.tag or event.anchor or key in result or (event.style == '"' and "\0" in key):
            raise IrregularError
        event = next_event()
        kind = event.__class__
        if event.anchor:
            raise IrregularError
        if kind is ScalarEvent:
            value = event.value
            if event.tag:
                raise IrregularError
            if event.style:
                if event.style == '"' and "\0" in value:
                    raise IrregularError
            elif not value or value[0] in SPECIAL_STARTS:
                value = resolve(value)
            result[key] = value
        elif kind is AliasEvent or event.tag:
            raise IrregularError
        elif kind is MappingStartEvent:
            result[key] = _mapping(next_event, depth + 1)
        else:
            result[key] = _sequence(next_event, depth + 1)


def _sequence(next_event: Callable[[], Any], depth: int) -> list[Any]:
    if depth > MAX_DEPTH:
        raise IrregularError
    result: list[Any] = []
    append = result.append
    while True:
        event = next_event()
        kind = event.__class__
        if kind is ScalarEvent:
            value = event.value
            if event.tag or event.anchor:
                raise IrregularError
            if event.style:
                if event.style == '"' and "\0" in value:
                    raise IrregularError
            elif not value or value[0] in SPECIAL_STARTS:
                value = resolve(value)
            append(value)
        elif kind is MappingStartEvent:
            if event.anchor or event.tag:
                raise IrregularError
            append(_mapping(next_event, depth + 1))
        elif kind is SequenceStartEvent:
            if event.anchor or event.tag:
                raise IrregularError
            append(_sequence(next_event, depth + 1))
        elif kind is AliasEvent:
            raise IrregularError
        else:
            return result


_IRREGULAR_KEYS: Final = frozenset({MappingStartEvent, SequenceStartEvent, AliasEvent})
