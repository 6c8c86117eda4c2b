"""Events as objects: frozen, checked against their table when they are read from data."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from flagctl.errors import UsageError
from flagctl.evaluator.instants import parse_instant
from flagctl.events.columns import COLUMNS, Column, ColumnType

if TYPE_CHECKING:
    from collections.abc import Mapping

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST: Final = -62_135_596_800_000_000
_END: Final = 253_402_300_800_000_000


class EventFormatError(UsageError):
    """Data that is no event of its kind; the message names the column."""


def format_ts(microseconds: int) -> str:
    """Return an instant as RFC 3339 with ``Z`` and six digits.

    >>> format_ts(1_500_000)
    '1970-01-01T00:00:01.500000Z'
    """
    instant = _EPOCH + timedelta(microseconds=microseconds)
    return instant.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def day_of(microseconds: int) -> str:
    """Return the UTC day of an instant as ``YYYY-MM-DD``.

    >>> day_of(0)
    '1970-01-01'
    """
    return (_EPOCH + timedelta(microseconds=microseconds)).date().isoformat()


class _Record:
    """What all events have in common.

    Attributes:
        kind: Key of `COLUMNS`, and the folder that files of such events lie in.
    """

    __slots__ = ()

    kind: ClassVar[str]
    ts: int

    def to_dict(self) -> dict[str, Any]:
        """Return JSON values by column, all columns; instants as RFC 3339 text."""
        row = {column.name: getattr(self, column.name) for column in COLUMNS[self.kind]}
        row["ts"] = format_ts(row["ts"])
        if "attrs" in row:
            row["attrs"] = dict(row["attrs"])
        return row

    def to_row(self) -> dict[str, Any]:
        """Return the values by column as they are held: instants as integers."""
        return {column.name: getattr(self, column.name) for column in COLUMNS[self.kind]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return an event from what `to_dict` made; instants may also be integers of microseconds.

        Columns that may be empty may be absent, and what is no column is left out, so that data of older and newer
        versions can be read.

        Raises:
            EventFormatError: A column is missing, or has a value of another type.
        """
        return cls(**{column.name: _read(cls.kind, column, data.get(column.name)) for column in COLUMNS[cls.kind]})


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure(_Record):
    """A unit was served a variant by an experiment. Fields: the columns of ``exposures``."""

    kind: ClassVar[str] = "exposures"

    ts: int
    event_id: str
    environment: str
    experiment: str
    phase: int = 1
    variant: str
    unit_type: str
    unit_id: str
    flag: str
    layer: str | None = None
    config_hash: str
    reason: str
    sdk: str
    attrs: Mapping[str, str] = field(default_factory=dict)
    is_bot: bool = False
    bundle: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion(_Record):
    """Something happened that metrics count. Fields: the columns of ``conversions``."""

    kind: ClassVar[str] = "conversions"

    ts: int
    event_id: str
    environment: str
    unit_type: str
    unit_id: str
    event: str
    value: float = 1.0
    experiment: str | None = None
    attrs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement(_Record):
    """A number that was measured, of a unit or of none. Fields: the columns of ``measurements``."""

    kind: ClassVar[str] = "measurements"

    ts: int
    event_id: str
    environment: str
    unit_type: str | None = None
    unit_id: str | None = None
    name: str
    value: float
    attrs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation(_Record):
    """One evaluation, with its reasons. Fields: the columns of ``evaluations``."""

    kind: ClassVar[str] = "evaluations"

    ts: int
    event_id: str
    environment: str
    flag: str
    variant: str | None = None
    value: str
    reason: str
    rule: str | None = None
    error_code: str | None = None
    unit_id: str | None = None
    context: str | None = None
    bundle: str
    duration_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage(_Record):
    """How often a flag answered a variant for a reason within a window of time. Fields: the columns of ``usage``."""

    kind: ClassVar[str] = "usage"

    ts: int
    seconds: float
    environment: str
    flag: str
    variant: str | None = None
    reason: str
    count: int
    sdk: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardChange(_Record):
    """The breaker of a flag's own code did something in one process. Fields: the columns of ``guards``."""

    kind: ClassVar[str] = "guards"

    ts: int
    event_id: str
    environment: str
    flag: str
    step: str
    variant: str | None = None
    cause: str | None = None
    calls: int | None = None
    errors: int | None = None
    slow: int | None = None
    p95_ms: float | None = None
    off_calls: int | None = None
    off_errors: int | None = None
    cool_down: float
    bundle: str | None = None
    sdk: str


Event = Exposure | Conversion | Measurement | Evaluation | Usage | GuardChange

KINDS: Final[Mapping[str, type[Event]]] = {
    record.kind: record for record in (Exposure, Conversion, Measurement, Evaluation, Usage, GuardChange)
}
"""The class of each kind, in the order of their tables."""


def _read(kind: str, column: Column, value: object) -> Any:
    if value is None:
        if column.nullable:
            return None
        raise EventFormatError(f"{kind}: {column.name!r} is missing")
    read = _READERS[column.type](value)
    if read is None:
        raise EventFormatError(f"{kind}: {column.name!r} is no {column.type}: {str(value)[:80]!r}")
    return read


def _timestamp(value: object) -> int | None:
    ts = parse_instant(value) if type(value) is str else value
    return ts if type(ts) is int and _FIRST <= ts < _END else None


def _float(value: object) -> float | None:
    if type(value) is int:
        return float(value) if abs(value) <= 2**1023 else None
    return value if type(value) is float and math.isfinite(value) else None


def _strings(value: object) -> dict[str, str] | None:
    if not isinstance(value, dict) or not all(type(key) is str and type(text) is str for key, text in value.items()):
        return None
    return dict(value)


_READERS: Final[dict[ColumnType, Any]] = {
    ColumnType.TIMESTAMP: _timestamp,
    ColumnType.STRING: lambda value: value if type(value) is str else None,
    ColumnType.INT64: lambda value: value if type(value) is int and -(2**63) <= value < 2**63 else None,
    ColumnType.FLOAT64: _float,
    ColumnType.BOOLEAN: lambda value: value if type(value) is bool else None,
    ColumnType.STRINGS: _strings,
}
