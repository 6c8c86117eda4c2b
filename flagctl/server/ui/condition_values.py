"""What conditions compare with, as one line of text: for the fields of the form, and back.

A field shows a value only if what it shows is read as exactly that value again; everything else stays in the text of the file.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, Final

from flagctl.errors import UsageError
from flagctl.evaluator.instants import parse_instant
from flagctl.evaluator.operators import OPERATORS, ValueKind, positive
from flagctl.ops.edit_paths import parse_value
from flagctl.source.editing import same
from flagctl.source.editing.scalars import double_quoted, scalar_text

_LISTS: Final = frozenset({ValueKind.SCALARS, ValueKind.STRINGS, ValueKind.NETWORKS})
_TEXTS: Final = frozenset({ValueKind.PATTERN, ValueKind.SEMVER, ValueKind.INSTANT})
_LONGEST: Final = 2000
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")


def kind_of(operator: str) -> ValueKind:
    """Return what an operator compares with."""
    known = OPERATORS.get(positive(operator)[0])
    return known.value if known else ValueKind.SCALAR


def takes_list(operator: str) -> bool:
    """Return whether an operator compares with several values."""
    return kind_of(operator) in _LISTS


def value_text(operator: str, value: Any) -> str | None:
    """Return a value as a field shows it; None if no line of text says exactly that."""
    items = value if isinstance(value, list) else [value]
    if any(isinstance(item, (dict, list)) for item in items):
        return None
    plain = ", ".join(item if isinstance(item, str) else json.dumps(item) for item in items)
    quoted = ", ".join(scalar_text(item, flow=True) for item in items)
    sure = ", ".join(double_quoted(item) if isinstance(item, str) else json.dumps(item) for item in items)
    for text in (plain, quoted, sure):
        if len(text) > _LONGEST or "\n" in text or text != text.strip():
            continue
        try:
            if same(read_value(operator, text, value), value):
                return text
        except UsageError:
            continue
    return None


def read_value(operator: str, text: str, before: Any = None) -> Any:
    """Return what somebody typed for an operator to compare with.

    Args:
        operator: As files write it, one that compares with something.
        text: What was typed.
        before: What it takes the place of: where a single value may stand without a list, it stays without one.

    Raises:
        UsageError: If it does not fit.
    """
    kind, text = kind_of(operator), text.strip()
    if not text:
        raise UsageError("write what to compare with")
    if kind in _LISTS:
        items = _items(text)
        single = kind is not ValueKind.SCALARS and len(items) == 1 and isinstance(before, str)
        return items[0] if single else items
    if kind in _TEXTS:
        return _text(kind, text)
    value = _one(text)
    if kind is ValueKind.NUMBER and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise UsageError(f"'{text}' is no number")
    return value


def instant_text(text: str) -> str:
    """Return an instant as files have it; a date, or a date and a time without a zone, is one of UTC."""
    text = text.strip()
    if parse_instant(text) is not None:
        return text
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return text
    return found.strftime("%Y-%m-%dT%H:%M:%SZ") if found.tzinfo is None else found.astimezone(UTC).isoformat()


def _text(kind: ValueKind, text: str) -> Any:
    if kind is ValueKind.PATTERN:
        return text
    if text.startswith(('"', "'")):
        return _one(text)
    if kind is ValueKind.INSTANT:
        return parse_value(text) if _NUMBER.fullmatch(text) else instant_text(text)
    return text


def _items(text: str) -> list[Any]:
    try:
        found = parse_value(text if text.startswith("[") else f"[{text}]")
    except UsageError:
        found = [_one(part.strip()) for part in text.split(",") if part.strip()]
    if not isinstance(found, list) or not found:
        raise UsageError(f"'{text}' is no list", hint="separate values by commas; quote one that has a comma in it")
    for item in found:
        _check_plain(item, text)
    return found


def _one(text: str) -> Any:
    value = text if text.startswith("@") else parse_value(text)  # else it would name a file of this machine
    _check_plain(value, text)
    return value


def _check_plain(value: Any, text: str) -> None:
    if value is None or isinstance(value, (dict, list)):
        raise UsageError(f"'{text}' is not one value", hint="quote a text that has special characters")
