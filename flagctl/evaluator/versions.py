"""Versions: SemVer 2.0.0 precedence, with a leading ``v`` and missing minor or patch numbers accepted.

>>> parse_version("v1.2-rc.1") < parse_version("1.2.0+build.7") == parse_version("1.2")
True
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

VersionKey = tuple[tuple[int, str] | int | tuple[tuple[int, int, str], ...], ...]
"""Orders versions by precedence; compare keys only with keys."""

_NUMBER: Final = r"(0|[1-9][0-9]*)"
_PRE: Final = r"(?:0|[1-9][0-9]*|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION: Final = re.compile(
    rf"v?{_NUMBER}(?:\.{_NUMBER}(?:\.{_NUMBER})?)?(?:-({_PRE}(?:\.{_PRE})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_CACHED: Final = 64
"""Only text up to this length is remembered, so that a hostile context cannot fill memory."""


def parse_version(text: str) -> VersionKey | None:
    """Return the precedence key of a version, or None if the text is no version."""
    return _remembered(text) if len(text) <= _CACHED else _parse(text)


def _parse(text: str) -> VersionKey | None:
    match = _VERSION.fullmatch(text)
    if match is None:
        return None
    major, minor, patch, pre = match.groups()
    numbers = (_number(major), _number(minor or "0"), _number(patch or "0"))
    if pre is None:
        return (*numbers, 1)  # a release comes after all its pre-releases
    return (*numbers, 0, tuple(_identifier(part) for part in pre.split(".")))


_remembered = lru_cache(maxsize=1_024)(_parse)


def _number(digits: str) -> tuple[int, str]:
    """Order digits without leading zeros as numbers, whatever their length (`int` refuses more than 4 300)."""
    return (len(digits), digits)


def _identifier(part: str) -> tuple[int, int, str]:
    return (0, len(part), part) if part.isdigit() else (1, 0, part)
