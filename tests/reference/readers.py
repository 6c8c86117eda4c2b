"""How conditions read values: versions, instants, addresses, units.

Each reader returns None for a value it cannot read, which makes every positive operator false.
"""

from __future__ import annotations

import ipaddress
import math
import re
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Any

NUMBER = "(0|[1-9][0-9]*)"
IDENTIFIERS = r"[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*"
VERSION = re.compile(rf"v?{NUMBER}(?:\.{NUMBER}(?:\.{NUMBER})?)?(?:-({IDENTIFIERS}))?(?:\+{IDENTIFIERS})?")
INSTANT = re.compile(
    r"([0-9]{4})-([0-9]{2})-([0-9]{2})[Tt]([0-9]{2}):([0-9]{2}):([0-9]{2})(?:\.([0-9]+))?"
    r"(?:[Zz]|([+-])([0-9]{2}):([0-9]{2}))"
)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_UNIT = 10**4300  # Python writes no longer integers in decimal
GREGORIAN_CYCLE_DAYS = 146_097  # days in 400 years


@lru_cache(maxsize=10_000)
def version(text: str) -> tuple[Any, ...] | None:
    """Return a key that orders like SemVer 2.0.0 precedence."""
    match = VERSION.fullmatch(text)
    if match is None:
        return None
    major, minor, patch, prerelease = match.groups()
    core = tuple(_number(part or "0") for part in (major, minor, patch))
    if prerelease is None:
        return (core, 1, ())
    identifiers = []
    for text_part in prerelease.split("."):
        if text_part.isdigit():
            if text_part != "0" and text_part.startswith("0"):
                return None
            identifiers.append((0, *_number(text_part)))
        else:
            identifiers.append((1, 0, text_part))
    return (core, 0, tuple(identifiers))


def _number(digits: str) -> tuple[int, str]:
    """Order numbers without leading zeros by value, however long they are."""
    return (len(digits), digits)


@lru_cache(maxsize=10_000)
def rfc3339(text: str) -> int | None:
    """Return microseconds since the epoch."""
    match = INSTANT.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups()[:6])
    fraction, sign, zone_hours, zone_minutes = match.groups()[6:]
    if hour > 23 or minute > 59 or second > 60:
        return None
    try:
        # Python's calendar begins in year 1; the Gregorian one repeats every 400 years.
        days = date(year or 400, month, day).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    if year == 0:
        days -= GREGORIAN_CYCLE_DAYS
    offset = 0
    if sign:
        if int(zone_hours) > 23 or int(zone_minutes) > 59:
            return None
        offset = (int(zone_hours) * 60 + int(zone_minutes)) * (-60 if sign == "-" else 60)
    seconds = days * 86_400 + hour * 3600 + minute * 60 + second - offset
    return seconds * 1_000_000 + int(((fraction or "") + "000000")[:6])


def instant(value: object) -> int | None:
    """Return what `before` and `after` read from a context value, in microseconds."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        return rfc3339(plain(value))
    if isinstance(value, int):
        return int(plain(value)) * 1_000_000
    if isinstance(value, float):
        return _seconds(plain(value))
    if isinstance(value, datetime):
        try:
            return None if value.utcoffset() is None else (value - EPOCH) // timedelta(microseconds=1)
        except Exception:  # noqa: BLE001 - a time zone that raises
            return None
    return None


def _seconds(seconds: float) -> int | None:
    """Multiply as doubles do, then round half to even; a product beyond the doubles is exact."""
    if not math.isfinite(seconds):
        return None
    product = seconds * 1e6
    return round(Fraction(product)) if math.isfinite(product) else int(Fraction(seconds) * 1_000_000)


@lru_cache(maxsize=10_000)
def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    if "%" in text:
        return None
    try:
        result = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(result, "ipv4_mapped", None) or result


@lru_cache(maxsize=10_000)
def network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """Return a constant of the bundle as a network; the bundle holds only well-formed ones."""
    return ipaddress.ip_network(text, strict=True)


def unit(value: object) -> str | None:
    """Return a unit's string form, the one that is hashed and compared with lists of units."""
    if isinstance(value, str):
        text = plain(value)
        valid = text != "" and not any("\ud800" <= character <= "\udfff" for character in text)
        return text if valid else None
    if isinstance(value, int) and not isinstance(value, bool):
        number = plain(value)
        return str(number) if abs(number) < LONGEST_UNIT else None
    return None


def plain(value: Any) -> Any:
    """Strip subclasses: an enum member that is a string counts as its text, whatever its `__str__` says."""
    for base, convert in ((str, str.__str__), (int, int.__int__), (float, float.__float__)):
        if isinstance(value, base) and type(value) is not bool:
            return convert(value)
    return value
