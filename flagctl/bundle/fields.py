"""Strict reading of the small signed documents: every field has a type and a bound, and nothing is coerced.

The signed documents come from a remote that may be hostile, and readers in other languages must agree with this one on
what is well formed. So duplicate keys, ``NaN``, text that is not UTF-8 and deep nesting are refused here, and numbers are
integers (``1.0`` and ``true`` are not).
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from flagctl.errors import UntrustedError

MAX_INTEGER: Final = 2**53 - 1
"""Largest integer that every JSON reader keeps exactly."""

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,254}")
"""Names of projects and environments; also safe as one step of an object's key."""

SHA256: Final = re.compile(r"[0-9a-f]{64}")
COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
LINE: Final = re.compile(r"[^\x00-\x1f\x7f\ud800-\udfff]{1,200}")
VERSION: Final = re.compile(r"(?:0|[1-9][0-9]{0,5})(?:\.(?:0|[1-9][0-9]{0,5})){2}")
FEATURE: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_INSTANT: Final = re.compile(r"([0-9]{4})-([0-9]{2})-([0-9]{2})T([0-9]{2}):([0-9]{2}):([0-9]{2})Z")


def parse_instant(text: str) -> int | None:
    """Return the seconds since 1970 of ``YYYY-MM-DDTHH:MM:SSZ``, or None if the text is anything else."""
    match = _INSTANT.fullmatch(text) if text.isascii() else None
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.groups())
    try:
        return int(datetime(year, month, day, hour, minute, second, tzinfo=UTC).timestamp())
    except ValueError:
        return None


def format_instant(seconds: float) -> str:
    """Return ``YYYY-MM-DDTHH:MM:SSZ`` for seconds since 1970; fractions are cut off."""
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_object(data: bytes, *, what: str, reason: str) -> Fields:
    """Parse bytes that must be one JSON object.

    Args:
        data: UTF-8 without byte order mark.
        what: The document, for messages.
        reason: Code of the `UntrustedError` that every problem with the document raises.

    Raises:
        UntrustedError: If it is anything else.
    """

    def refuse_constant(name: str) -> NoReturn:
        raise ValueError(f"{name} is no number")

    try:
        value = json.loads(data.decode("utf-8"), object_pairs_hook=_object, parse_constant=refuse_constant)
    except (ValueError, RecursionError) as error:
        raise UntrustedError(f"{what} is not well-formed JSON", reason=reason) from error
    return Fields(value, what=what, reason=reason)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("a key occurs twice")
    return result


class Fields:
    """A JSON object that is read field by field.

    Members that nobody asks for are ignored: a later version may add some, and names in ``requires`` what must not be
    ignored.
    """

    __slots__ = ("_reason", "_values", "_what")

    def __init__(self, value: object, *, what: str, reason: str) -> None:
        self._what = what
        self._reason = reason
        if not isinstance(value, dict):
            self.refuse("is not a JSON object")
        self._values: dict[str, Any] = value

    def refuse(self, problem: str) -> NoReturn:
        """Raise the document's error: `problem` continues "the manifest …"."""
        raise UntrustedError(f"{self._what} {problem}", reason=self._reason)

    def names(self) -> tuple[str, ...]:
        """Return the names of all members."""
        return tuple(self._values)

    def is_null(self, name: str) -> bool:
        """Return whether the member is absent or null."""
        return self._values.get(name) is None

    def raw(self, name: str) -> Any:
        """Return the member as it is, None if absent."""
        return self._values.get(name)

    def text(self, name: str, pattern: re.Pattern[str]) -> str:
        """Return a text that matches `pattern` as a whole."""
        value = self._values.get(name)
        if not isinstance(value, str) or pattern.fullmatch(value) is None:
            self.refuse(f"has no valid '{name}'")
        return value

    def optional_text(self, name: str, pattern: re.Pattern[str]) -> str | None:
        """Return a text that matches `pattern`, None if absent or null."""
        return None if self.is_null(name) else self.text(name, pattern)

    def integer(self, name: str, lowest: int = 1, highest: int = MAX_INTEGER) -> int:
        """Return an integer within the bounds, both included."""
        value = self._values.get(name)
        if type(value) is not int or not lowest <= value <= highest:
            self.refuse(f"has no valid '{name}'")
        return value

    def instant(self, name: str) -> int:
        """Return an instant in seconds since 1970."""
        value = self._values.get(name)
        seconds = parse_instant(value) if isinstance(value, str) else None
        if seconds is None or seconds < 0:
            self.refuse(f"has no valid '{name}'")
        return seconds

    def child(self, name: str) -> Fields:
        """Return an object inside."""
        return Fields(self._values.get(name), what=f"{self._what}: '{name}'", reason=self._reason)

    def children(self, name: str, *, most: int) -> list[Fields]:
        """Return an array of at most `most` objects; absent is empty."""
        return [
            Fields(item, what=f"{self._what}: '{name}'", reason=self._reason) for item in self._array(name, most=most)
        ]

    def items(self, name: str, *, most: int) -> list[Any]:
        """Return an array of at most `most` items of any type; absent is empty."""
        return self._array(name, most=most)

    def texts(self, name: str, pattern: re.Pattern[str], *, most: int) -> tuple[str, ...]:
        """Return an array of at most `most` different texts; absent is empty."""
        values = self._array(name, most=most)
        for value in values:
            if not isinstance(value, str) or pattern.fullmatch(value) is None:
                self.refuse(f"has no valid '{name}'")
        if len(set(values)) != len(values):
            self.refuse(f"repeats an item of '{name}'")
        return tuple(values)

    def _array(self, name: str, *, most: int) -> list[Any]:
        value = self._values.get(name, [])
        if not isinstance(value, list) or len(value) > most:
            self.refuse(f"has no valid '{name}'")
        return value
