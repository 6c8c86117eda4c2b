"""Pieces of sentences that several rules need."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from flagctl.diagnostics import did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable

_LONGEST = 60


def percent(thousandths: float) -> str:
    """Return a share in thousandths of a percent as people write it, with at most three decimals.

    >>> percent(33333.3333)
    '33.333 %'
    """
    text = f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".")
    return f"{text} %"


def shown(value: Any) -> str:
    """Return a constant as a flag file could write it, shortened when long.

    >>> shown("on"), shown(True), shown(12)
    ("'on'", 'true', '12')
    """
    text = f"'{value}'" if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def listed(words: Iterable[str], last: str = "and") -> str:
    """Join words into a list as people write it.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    items = list(words)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}" if items else ""


def first_of(words: Iterable[str], at_most: int = 8) -> str:
    """Join words with commas; of many, the first ones and a count.

    >>> first_of(["a", "b", "c"], 2)
    'a, b and 1 more'
    """
    items = list(words)
    return ", ".join(items[:at_most]) + (f" and {len(items) - at_most} more" if len(items) > at_most else "")


def quoted(words: Iterable[str], *, at_most: int = 8) -> str:
    """Join names in quotes; of many, the first ones and a count."""
    items = [f"'{word}'" for word in words]
    return first_of(items, at_most) if len(items) > at_most else listed(items)


def advice(word: str, candidates: Iterable[str], *, kind: str) -> str | None:
    """Return help for an unknown name: the closest one there is, else all of them.

    Args:
        word: The unknown name.
        candidates: The known ones.
        kind: What they are, in the plural.
    """
    known = list(candidates)
    closest = did_you_mean(word, known)
    if closest is not None:
        return f"did you mean '{closest}'?"
    if len(known) == 1:
        return f"there is only '{known[0]}'"
    return f"the {kind} are {quoted(known)}" if known else None


def attribute_name(path: tuple[str, ...]) -> str:
    """Return an attribute's path as a flag file writes it."""
    return ".".join(path) if all("." not in step for step in path) else f"[{', '.join(path)}]"


def instant(milliseconds: int) -> str:
    """Return an instant in milliseconds since the epoch as RFC 3339 text in UTC."""
    try:
        moment = datetime.fromtimestamp(milliseconds // 1000, UTC)
    except (OverflowError, OSError, ValueError):
        return f"{milliseconds} ms since 1970"
    return moment.isoformat().replace("+00:00", "Z")
