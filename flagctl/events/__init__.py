"""Events that leave an application: exposures, conversions, measurements, evaluations, usage counts. Pure, no I/O.

`COLUMNS` is the one description of all of them; `docs/telemetry.md` shows it.
"""

from flagctl.events.columns import COLUMNS, EVENT_FORMAT_VERSION, Column, ColumnType
from flagctl.events.files import SUFFIXES, folder_of, from_json_line, to_json_line
from flagctl.events.records import (
    KINDS,
    Conversion,
    Evaluation,
    Event,
    EventFormatError,
    Exposure,
    GuardChange,
    Measurement,
    Usage,
    day_of,
    format_ts,
)

__all__ = [
    "COLUMNS",
    "EVENT_FORMAT_VERSION",
    "KINDS",
    "SUFFIXES",
    "Column",
    "ColumnType",
    "Conversion",
    "Evaluation",
    "Event",
    "EventFormatError",
    "Exposure",
    "GuardChange",
    "Measurement",
    "Usage",
    "day_of",
    "folder_of",
    "format_ts",
    "from_json_line",
    "to_json_line",
]
