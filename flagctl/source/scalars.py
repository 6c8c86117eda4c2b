"""Plain scalars as the YAML 1.2 core schema reads them.

Only `true` and `false` are booleans and only `null`, `~` and nothing are null; `on`, `off`, `NO`, `1:30` and
`2026-01-01` are text. Numbers are what JSON can carry: no NaN, no infinity, no integer that a double cannot hold exactly.
"""

from __future__ import annotations

import math
import re
from typing import Final

MAX_INTEGER: Final = 2**53
"""Largest magnitude of an integer that every JSON reader keeps exactly."""

_INTEGER: Final = re.compile(r"[-+]?[0-9]+\Z")
_OCTAL: Final = re.compile(r"0o[0-7]+\Z")
_HEXADECIMAL: Final = re.compile(r"0x[0-9a-fA-F]+\Z")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NOT_FINITE: Final = re.compile(r"(?:[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z")

_WORDS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}

SPECIAL_STARTS: Final = frozenset("0123456789+-.~nNtTfF")
"""First characters of plain scalars that may be something other than text."""


_NUMBER_STARTS: Final = frozenset("0123456789+-.")


class NotFiniteError(ValueError):
    """NaN, an infinity, or a number too large for a double."""


class IntegerRangeError(ValueError):
    """An integer beyond ±2^53."""


def resolve(text: str) -> str | int | float | bool | None:
    """Return the value of a plain scalar.

    Args:
        text: The scalar as the parser delivers it, without surrounding space.

    Raises:
        NotFiniteError: For NaN, infinities and numbers too large for a double.
        IntegerRangeError: For integers beyond ±2^53.
    """
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _NUMBER_STARTS:
        return text
    if _INTEGER.match(text):
        return _integer(text, 10)
    if _FLOAT.match(text):
        number = float(text)
        if not math.isfinite(number):
            raise NotFiniteError(text)
        return number
    if _OCTAL.match(text):
        return _integer(text[2:], 8)
    if _HEXADECIMAL.match(text):
        return _integer(text[2:], 16)
    if _NOT_FINITE.match(text):
        raise NotFiniteError(text)
    return text


def _integer(digits: str, base: int) -> int:
    # 2^53 has 18 octal digits; longer texts are not converted at all, Python refuses very long ones with an error of its own.
    if len(digits.lstrip("+-0")) > 18:
        raise IntegerRangeError(digits)
    number = int(digits, base)
    if abs(number) > MAX_INTEGER:
        raise IntegerRangeError(digits)
    return number
