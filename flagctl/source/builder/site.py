"""Where a builder reports to, and the conversions of single values."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from flagctl.evaluator.instants import parse_instant
from flagctl.source.document import Detail

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.diagnostics import Diagnostic, Route
    from flagctl.source.document import SourceDocument


class Pruned:
    """Type of :data:`PRUNED`."""

    def __repr__(self) -> str:
        return "PRUNED"


PRUNED: Final = Pruned()
"""Stands in a list for an item that was found wrong, so that the items behind it keep their positions."""

_INSTANT_HELP: Final = "write date, time and zone as RFC 3339 has them, such as 2026-12-01T09:00:00Z"


_DURATION_UNITS: Final = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


class Site:
    """One document under construction.

    Conversions never fail: they report a finding and return a placeholder. A builder compares `count` before and after a
    part to know whether the part may be used.
    """

    __slots__ = ("document", "findings")

    def __init__(self, document: SourceDocument) -> None:
        self.document = document
        self.findings: list[Diagnostic] = []

    @property
    def count(self) -> int:
        """How many findings there are so far."""
        return len(self.findings)

    def report(self, code: str, message: str, route: Route, detail: Detail | None = None) -> None:
        """Report an error in this document."""
        self.findings.append(self.document.finding(code, message, route, detail))

    def instant(self, text: str | None, route: Route) -> int | None:
        """Return an instant in milliseconds since the epoch; None stays None."""
        if text is None:
            return None
        instant = parse_instant(text)
        if instant is None:
            self.report("SCH111", f"'{text[:60]}' is not an instant", route, Detail(help=_INSTANT_HELP))
            return 0
        return instant // 1000

    def duration(self, text: str | None) -> int | None:
        """Return a duration such as ``7d`` in milliseconds; its shape was checked by the schema. None stays None."""
        return None if text is None else int(text[:-1]) * _DURATION_UNITS[text[-1]]

    def thousandths(self, percent: float, route: Route) -> int:
        """Return a percentage in thousandths of a percent."""
        if isinstance(percent, int):
            return percent * 1000
        result = round(percent * 1000)
        # Division rounds correctly, so this holds exactly for the doubles of decimals with at most three places.
        if result / 1000 != percent:
            self.report(
                "SCH112",
                f"{percent!r} has more than three decimals",
                route,
                Detail(help=f"write {result / 1000!r}: shares are counted in thousandths of a percent"),
            )
        return result

    def units(self, items: Sequence[Any], route: Route) -> tuple[str, ...]:
        """Return units in their string form."""
        result = []
        for position, item in enumerate(items):
            if item.__class__ is str:
                result.append(item)
            elif item is not PRUNED:
                result.append(self._integer_unit(item, (*route, position)))
        return tuple(result)

    def _integer_unit(self, item: Any, route: Route) -> str:
        written = self.document.source_of(route) if _has_odd_integers(self.document.text) else None
        text = str(int(item))
        if isinstance(item, float) or (written is not None and written != text):
            self.report(
                "SCH115",
                f"the unit {written or item} is a number that reads as {text}",
                route,
                Detail(help=f'put a unit that is not a plain integer into quotes: "{written or item}"'),
            )
        return text

    def ranges(self, items: Sequence[Any], route: Route) -> tuple[tuple[int, int], ...]:
        """Return half-open bucket ranges."""
        result = []
        for position, (start, end) in enumerate(items):
            if start >= end:
                self.report(
                    "SCH110",
                    f"the range [{start}, {end}] is empty: its end must be greater than its start",
                    (*route, position),
                )
            result.append((int(start), int(end)))
        return tuple(result)


@cache
def attribute_path(text: str) -> tuple[str, ...]:
    """Split an attribute path at its dots."""
    return tuple(text.split("."))


def path_of(value: str | list[str]) -> tuple[str, ...]:
    """Return an attribute path that is written as text with dots, or as a list of literal steps."""
    return attribute_path(value) if value.__class__ is str else tuple(value)


def optional_path(value: str | list[str] | None) -> tuple[str, ...] | None:
    """The same for a key that may be left out."""
    return None if value is None else path_of(value)


@cache
def _odd_integer() -> Any:
    import re  # noqa: PLC0415  only for files with integers as units

    return re.compile(r"(?<![\w.\"'-])(?:[+][0-9]|-?0[0-9ox]|-0|[0-9]+\.0*(?![0-9]))")


def _has_odd_integers(text: str) -> bool:
    """Return whether an integer might stand in `text` in another form than its decimal digits."""
    return _odd_integer().search(text) is not None
