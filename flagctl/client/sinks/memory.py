"""Keeps events in memory; for tests."""

from __future__ import annotations

from collections import deque
from time import monotonic, sleep
from typing import TYPE_CHECKING, TypeVar, final

from flagctl.events import KINDS, Event

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_AnyEvent = TypeVar("_AnyEvent", bound=Event)


@final
class MemorySink:
    """Keeps the newest events.

    Args:
        accepts: Kinds of events; all without it.
        limit: How many are kept.
        name: Names the sink.

    Attributes:
        events: What was written, oldest first.
    """

    def __init__(self, *, accepts: Collection[str] | None = None, limit: int = 100_000, name: str = "memory") -> None:
        self.name = name
        self.accepts = frozenset(KINDS if accepts is None else accepts)
        self.events: deque[Event] = deque(maxlen=limit)

    def open(self) -> None:
        """Begin empty, in a forked child too."""
        self.events.clear()

    def write(self, batch: Sequence[Event]) -> None:
        """Keep a batch."""
        self.events.extend(batch)

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Keep what there is."""

    def of(self, kind: type[_AnyEvent]) -> list[_AnyEvent]:
        """Return the events of a class, such as `Exposure`."""
        return [event for event in list(self.events) if isinstance(event, kind)]

    def wait_for(self, kind: type[_AnyEvent], count: int, timeout: float = 5.0) -> list[_AnyEvent]:
        """Return the events of a class as soon as there are `count`.

        Raises:
            TimeoutError: There are fewer after `timeout` seconds.
        """
        until = monotonic() + timeout
        while len(found := self.of(kind)) < count:
            if monotonic() > until:
                raise TimeoutError(f"{len(found)} events of {kind.__name__} instead of {count}")
            sleep(0.01)
        return found
