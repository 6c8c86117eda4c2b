"""Values, shares and instants as people read them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from flagctl.report.style import plain


def show_value(value: Any, limit: int | None = None) -> str:
    """Return a JSON value on one line, as JSON; at most `limit` characters."""
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except ValueError:
        text = repr(value)
    text = plain(text)
    return text if limit is None or len(text) <= limit else text[: max(limit - 1, 1)] + "…"


def show_instant(milliseconds: int) -> str:
    """Return an instant in UTC, as RFC 3339."""
    try:
        instant = datetime.fromtimestamp(milliseconds / 1000, tz=UTC)
    except (OverflowError, OSError, ValueError):
        return f"{milliseconds} ms since 1970"
    text = instant.strftime("%Y-%m-%dT%H:%M:%S")
    rest = milliseconds % 1000
    return f"{text}.{rest:03d}Z" if rest else f"{text}Z"


def show_share(thousandths: int) -> str:
    """Return a share in percent: ``12500`` is ``12.5 %``."""
    return f"{thousandths / 1000:.3f}".rstrip("0").rstrip(".") + " %"


def show_size(size: int) -> str:
    """Return a number of bytes."""
    if size < 10_000:
        return f"{size} bytes"
    return f"{size / 1000:,.0f} kB" if size < 10_000_000 else f"{size / 1_000_000:,.1f} MB"


def show_duration(seconds: float) -> str:
    """Return a duration in its two largest units."""
    seconds = abs(seconds)
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.2g} s"
    for size, name, smaller, small_name in (
        (86_400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if seconds >= size:
            rest = int(seconds % size // smaller)
            return f"{int(seconds // size)} {name}" + (f" {rest} {small_name}" if rest else "")
    return f"{seconds:.0f} s"


def count(number: int, singular: str, plural: str | None = None) -> str:
    """Return ``1 flag``, ``2 flags``."""
    return f"{number:,} {singular if number == 1 else plural or singular + 's'}"
