"""Canonical JSON: one value, one sequence of bytes, on every machine.

The text is RFC 8785's (JCS) but for two points:

- Object keys are sorted by code point. RFC 8785 sorts by UTF-16 code unit, which differs only where a key with a
  character beyond U+FFFF meets one with a character from U+E000 to U+FFFF.
- Integral numbers beyond 2^53 are written with all their digits (from 10^21 on, floats with an exponent), so that a
  reader with big integers gets the same number. RFC 8785 fills up with zeros after the digits that identify a float.

>>> canonical_json({"b": 1.0, "a": [True, None, "é"]}).decode()
'{"a":[true,null,"é"],"b":1}'
"""

from __future__ import annotations

import json
from json.encoder import encode_basestring
from math import isfinite
from types import NoneType
from typing import Any

_EXPONENT_FROM = 1e21
"""From here on RFC 8785 (that is, ECMAScript) writes an exponent; below, integral numbers have all their digits."""
_REPR_EXPONENT_BELOW = 1e-4
"""Below this `repr` writes an exponent, where ECMAScript often does not."""
_PLAIN = frozenset({str, int, bool, NoneType})
"""Types that `json` writes canonically."""

_encode = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"), check_circular=False).encode


class _UnusualNumberError(Exception):
    """A number that `json` writes differently; only such values pay for the slower writer."""


def canonical_json(value: Any) -> bytes:
    """Return the canonical JSON of a value, as UTF-8.

    Args:
        value: None, bool, int, float, str, and lists, tuples and str-keyed dicts of these. Floats that are integral
            are written as integers, and negative zero as 0.

    Raises:
        ValueError: If a number is not finite, or a text holds a lone surrogate.
        TypeError: If a value is of any other type, or a key is not a string.
    """
    try:
        text = _encode(_normalise(value))
    except _UnusualNumberError:
        text = _write(value)
    return text.encode()


def canonical_number(number: float) -> int | float:
    """Return a finite number as an integer if it is integral and written without an exponent, else unchanged.

    Raises:
        ValueError: If the number is not finite.
    """
    if isinstance(number, int):
        return int(number)
    if not isfinite(number):
        raise ValueError(f"{number} has no place in JSON")
    if number.is_integer() and abs(number) < _EXPONENT_FROM:
        return int(number)
    return float(number)


def _normalise(value: Any) -> Any:
    """Return a value that `json` writes canonically. Scalars are looked at in place, because calls cost most here."""
    kind = type(value)
    if kind is dict:
        for key in value:
            if type(key) is not str:
                raise TypeError(f"a key of a JSON object is text, not {type(key).__name__}")
        return {key: item if type(item) in _PLAIN else _normalise(item) for key, item in value.items()}
    if kind is list or kind is tuple:
        return [item if type(item) in _PLAIN else _normalise(item) for item in value]
    if kind in _PLAIN:
        return value
    if kind is float:
        number = canonical_number(value)
        if isinstance(number, float) and not _REPR_EXPONENT_BELOW <= abs(number) < _EXPONENT_FROM:
            raise _UnusualNumberError
        return number
    raise TypeError(f"{kind.__name__} has no form in JSON")


def _write(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{encode_basestring(key)}:{_write(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ",".join(map(_write, value)) + "]"
    if isinstance(value, float):
        return _number(value)
    return _encode(_normalise(value))


def _number(number: float) -> str:
    """Write a float as ECMAScript's Number::toString does: the same digits as `repr`, placed differently."""
    plain = canonical_number(number)
    if isinstance(plain, int):
        return str(plain)
    mantissa, _, exponent = repr(plain).partition("e")
    if not exponent:
        return mantissa
    power = int(exponent)
    if power < -6 or power >= 21:
        return f"{mantissa}e{power:+d}"
    sign, digits = ("-", mantissa[1:]) if mantissa.startswith("-") else ("", mantissa)
    return f"{sign}0.{'0' * (-power - 1)}{digits.replace('.', '')}"
