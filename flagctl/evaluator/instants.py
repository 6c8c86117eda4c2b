"""Instants: RFC 3339 text, epoch seconds and aware datetimes, all read as microseconds since 1970-01-01T00:00:00Z.

The grammar is that of RFC 3339, not a library's wider one: ``T`` between date and time (``t`` counts too), a zone
always, ASCII digits. Fractions beyond microseconds are cut off, second 60 is the following second, the year may be
0000. Calendar arithmetic is our own, because `datetime` knows neither year 0 nor second 60.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

_RFC3339: Final = re.compile(
    r"([0-9]{4})-(0[1-9]|1[0-2])-([0-9]{2})[Tt]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9]|60)(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))"
)
_MONTH_DAYS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST: Final = 4_096
"""Longer text is no instant; nobody writes thousands of fractional digits by accident."""


def parse_instant(text: str) -> int | None:
    """Return the instant that RFC 3339 text names, in microseconds since the epoch, or None if it names none.

    >>> parse_instant("1970-01-01T01:00:00.5+01:00")
    500000
    >>> parse_instant("1970-01-01") is None
    True
    """
    if len(text) > _LONGEST:
        return None
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    year, month, day = int(match[1]), int(match[2]), int(match[3])
    leap_day = month == 2 and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _MONTH_DAYS[month - 1] + leap_day:
        return None
    seconds = _days(year, month, day) * 86_400 + int(match[4]) * 3_600 + int(match[5]) * 60 + int(match[6])
    if match[8]:
        offset = int(match[9]) * 3_600 + int(match[10]) * 60
        seconds += offset if match[8] == "-" else -offset
    fraction = match[7] or ""
    return seconds * 1_000_000 + int(fraction[:6].ljust(6, "0"))


def _days(year: int, month: int, day: int) -> int:
    """Return days since 1970-01-01 in the proleptic Gregorian calendar, counting years from March."""
    if month <= 2:
        year -= 1
        month += 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719_469


def instant_of(value: object) -> int | None:
    """Return the instant that a context value stands for, in microseconds since the epoch, or None if for none.

    Numbers count seconds and are rounded half to even after multiplication in their own type (a double's product is
    rounded like any product of doubles). Naive datetimes, booleans, NaN and infinities stand for no instant.
    """
    kind = type(value)
    if issubclass(kind, str):
        return parse_instant(str.__str__(value))
    if kind is bool:
        return None
    if issubclass(kind, int):
        return int.__int__(value) * 1_000_000  # type: ignore[arg-type]
    if issubclass(kind, float):
        return _of_seconds(float.__float__(value))  # type: ignore[arg-type]
    if issubclass(kind, datetime):
        return _of_datetime(value)  # type: ignore[arg-type]
    return None


def _of_seconds(seconds: float) -> int | None:
    if seconds - seconds != 0.0:  # NaN and the infinities
        return None
    product = seconds * 1e6
    # A double whose product overflows is an integer anyway.
    return round(product) if product - product == 0.0 else int(seconds) * 1_000_000


def _of_datetime(value: datetime) -> int | None:
    try:
        if datetime.utcoffset(value) is None:
            return None
        return datetime.__sub__(value, _EPOCH) // _MICROSECOND
    except Exception:  # noqa: BLE001 - a time zone is foreign code, and one that raises makes the value unreadable
        return None


def to_ms(microseconds: int) -> int:
    """Return whole milliseconds, rounded towards the past: the resolution of schedules.

    >>> to_ms(1_999), to_ms(-1)
    (1, -1)
    """
    return microseconds // 1_000
