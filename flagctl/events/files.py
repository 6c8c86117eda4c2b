"""Where files of events lie, and how an event is one line of JSON.

A folder (or the prefix of a store) holds ``<kind>/dt=YYYY-MM-DD/<unique>.jsonl``, ``.jsonl.gz`` or ``.parquet``; the day
is that of the events' `ts` in UTC. Names that begin with a dot or an underscore are not complete, and not to be read.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from flagctl.events.records import KINDS, EventFormatError, day_of

if TYPE_CHECKING:
    from flagctl.events.records import Event

SUFFIXES: Final = (".jsonl", ".jsonl.gz", ".parquet")
"""Endings of complete files."""

_dumps: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def folder_of(event: Event) -> str:
    """Return the folder of an event below the root.

    >>> from flagctl.events import Measurement
    >>> folder_of(Measurement(ts=0, event_id="e", environment="test", name="latency", value=1.0))
    'measurements/dt=1970-01-01'
    """
    return f"{event.kind}/dt={day_of(event.ts)}"


def to_json_line(event: Event) -> bytes:
    """Return an event as UTF-8 JSON with a line end. Lone surrogates, which UTF-8 cannot hold, become question marks."""
    return (_dumps(event.to_dict()) + "\n").encode("utf-8", "replace")


def from_json_line(kind: str, line: bytes | str) -> Event:
    """Return the event of a line.

    Raises:
        EventFormatError: The line is no JSON object, or no event of the kind.
    """
    try:
        data = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EventFormatError(f"{kind}: not JSON: {error}") from None
    if not isinstance(data, dict):
        raise EventFormatError(f"{kind}: not a JSON object")
    return KINDS[kind].from_dict(data)
