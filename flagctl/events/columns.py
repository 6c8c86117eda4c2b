"""The tables of events: one row of columns for each kind, which JSON lines, Parquet files and the warehouse share.

A table is data: names in the order of the columns, what type each has, and whether it may be empty. Whoever writes or
reads another format translates `ColumnType`, and never lists the columns again.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT_FORMAT_VERSION: Final = 1
"""Raised when a column changes its meaning or goes; a new column that may be empty does not raise it."""


class ColumnType(StrEnum):
    """Type of a column."""

    TIMESTAMP = "timestamp"
    """Microseconds since 1970-01-01T00:00:00Z; in JSON RFC 3339 with ``Z`` and six digits."""
    STRING = "string"
    INT64 = "int64"
    FLOAT64 = "float64"
    """Finite."""
    BOOLEAN = "boolean"
    STRINGS = "strings"
    """A map of strings to strings, in JSON an object."""


class Column(NamedTuple):
    """One column.

    Attributes:
        name: As in JSON and Parquet.
        type: Its type.
        nullable: Whether it may be empty.
        about: What is in it, as a sentence for documentation.
    """

    name: str
    type: ColumnType
    nullable: bool
    about: str


def _column(name: str, kind: ColumnType, about: str, *, nullable: bool = False) -> Column:
    return Column(name, kind, nullable, about)


_TIMESTAMP, _STRING, _INT64, _FLOAT64, _BOOLEAN, _STRINGS = ColumnType

_TS: Final = _column("ts", _TIMESTAMP, "When it happened, by the clock of the application.")
_EVENT_ID: Final = _column(
    "event_id", _STRING, "Unlike any other event's: an event that is delivered twice is counted once."
)
_ENVIRONMENT: Final = _column("environment", _STRING, "Environment of the client.")
_UNIT: Final = (
    _column("unit_type", _STRING, "Attribute that names the unit; nested ones with dots."),
    _column("unit_id", _STRING, "The unit, or its keyed hash where the attribute is personal."),
)
_ATTRS: Final = _column("attrs", _STRINGS, "Further attributes, for segments and diagnosis.")
_SDK: Final = _column("sdk", _STRING, "Library and version that made the event.")

COLUMNS: Final[Mapping[str, tuple[Column, ...]]] = {
    "exposures": (
        _TS,
        _EVENT_ID,
        _ENVIRONMENT,
        _column("experiment", _STRING, "Key of the experiment."),
        _column("phase", _INT64, "Which drawing of units to variants; a new one begins when units are drawn anew."),
        _column("variant", _STRING, "Name of the variant that was served."),
        *_UNIT,
        _column("flag", _STRING, "Key of the flag whose rule served the experiment."),
        _column("layer", _STRING, "Key of the experiment's layer.", nullable=True),
        _column("config_hash", _STRING, "Digest of the compiled settings that decide who gets which variant."),
        _column("reason", _STRING, "Reason of the evaluation."),
        _SDK,
        _ATTRS,
        _column("is_bot", _BOOLEAN, "Whether the unit is known to be no human."),
        _column("bundle", _STRING, "SHA-256 of the bundle.", nullable=True),
    ),
    "conversions": (
        _TS,
        _EVENT_ID,
        _ENVIRONMENT,
        *_UNIT,
        _column("event", _STRING, "What happened; metrics of experiments name it."),
        _column("value", _FLOAT64, "How much, such as an amount of money; 1 for something that is only counted."),
        _column(
            "experiment", _STRING, "Experiment it was recorded for; metrics count it for any other, too.", nullable=True
        ),
        _ATTRS,
    ),
    "measurements": (
        _TS,
        _EVENT_ID,
        _ENVIRONMENT,
        *(column._replace(nullable=True) for column in _UNIT),
        _column("name", _STRING, "What was measured."),
        _column("value", _FLOAT64, "The measurement."),
        _ATTRS,
    ),
    "evaluations": (
        _TS,
        _EVENT_ID,
        _ENVIRONMENT,
        _column("flag", _STRING, "Key that was asked for."),
        _column("variant", _STRING, "Name of the variant that was served.", nullable=True),
        _column("value", _STRING, "The value that was served, as JSON text."),
        _column("reason", _STRING, "Why."),
        _column("rule", _STRING, "Id of the rule that decided.", nullable=True),
        _column("error_code", _STRING, "What went wrong, with the reason ``ERROR``.", nullable=True),
        _column("unit_id", _STRING, "Targeting key of the context, or its keyed hash.", nullable=True),
        _column("context", _STRING, "The context as JSON text, personal data removed or hashed.", nullable=True),
        _column("bundle", _STRING, "SHA-256 of the bundle."),
        _column("duration_ns", _INT64, "How long the evaluation took, in nanoseconds.", nullable=True),
    ),
    "usage": (
        _column("ts", _TIMESTAMP, "When the window of counting began."),
        _column("seconds", _FLOAT64, "Length of the window."),
        _ENVIRONMENT,
        _column("flag", _STRING, "Key that was asked for."),
        _column("variant", _STRING, "Name of the variant that was served.", nullable=True),
        _column("reason", _STRING, "Reason; for errors followed by a colon and the error code."),
        _column("count", _INT64, "How many evaluations."),
        _SDK,
    ),
    "guards": (
        _TS,
        _EVENT_ID,
        _ENVIRONMENT,
        _column("flag", _STRING, "Key of the flag whose code is guarded."),
        _column(
            "step", _STRING, "What its breaker did in this process: ``tripped``, ``probing``, ``closed``, ``reopened``."
        ),
        _column("variant", _STRING, "Name of the variant whose calls decided, or that is tried again.", nullable=True),
        _column("cause", _STRING, "Limit that was exceeded: ``error_rate`` or ``latency_p95``.", nullable=True),
        _column("calls", _INT64, "Calls of the variant within the window, when it tripped.", nullable=True),
        _column("errors", _INT64, "How many of them failed.", nullable=True),
        _column("slow", _INT64, "How many of them took longer than the limit.", nullable=True),
        _column("p95_ms", _FLOAT64, "Their 95th percentile in milliseconds, within 5 %.", nullable=True),
        _column("off_calls", _INT64, "Calls of the variant ``off`` within the window, when it tripped.", nullable=True),
        _column("off_errors", _INT64, "How many of them failed.", nullable=True),
        _column("cool_down", _FLOAT64, "Seconds until one call tries again; 0 where none is due."),
        _column("bundle", _STRING, "SHA-256 of the bundle.", nullable=True),
        _SDK,
    ),
}
"""The columns of each kind of event."""
