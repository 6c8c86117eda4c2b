"""Events as records of Python's logging."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, final

from flagctl.events import KINDS, to_json_line

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from flagctl.events import Event


@final
class LoggingSink:
    """Logs each event as one record: its kind and its JSON; the record's `event` is the event as a dict.

    Args:
        logger: Name of the logger.
        level: Of the records.
        accepts: Kinds of events; all without it.
        name: Names the sink.
    """

    def __init__(
        self,
        logger: str = "flagctl.events",
        *,
        level: int = logging.INFO,
        accepts: Collection[str] | None = None,
        name: str = "logging",
    ) -> None:
        self.name = name
        self.accepts = frozenset(KINDS if accepts is None else accepts)
        self._logger = logging.getLogger(logger)
        self._level = level

    def open(self) -> None:
        """Do nothing."""

    def write(self, batch: Sequence[Event]) -> None:
        """Log a batch."""
        if not self._logger.isEnabledFor(self._level):
            return
        for event in batch:
            line = to_json_line(event).decode().rstrip()
            self._logger.log(self._level, "%s %s", event.kind, line, extra={"event": event.to_dict()})

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""
