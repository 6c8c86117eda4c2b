"""Events to a stream in Redis or Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from flagctl.events import KINDS, to_json_line
from flagctl.storage.redis_stream import RedisStream

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from flagctl.events import Event


@final
class RedisStreamSink:
    """Appends each event as one entry, with its `kind` and its JSON as `event`.

    Args:
        url: ``redis://host:port/db``; the stream is ``<prefix>:<stream>``, the prefix ``flagctl`` if the location has none.
        stream: Name of the stream.
        max_length: Entries that are kept, roughly; readers that are slower lose some.
        timeout: Seconds that a batch may take.
        accepts: Kinds of events; all without it.
        name: Names the sink.

    Raises:
        UsageError: The location can't be used, or the library is not installed.
    """

    def __init__(  # noqa: PLR0913 - all optional but the first
        self,
        url: str,
        *,
        stream: str = "events",
        max_length: int = 1_000_000,
        timeout: float = 2.0,
        accepts: Collection[str] | None = None,
        name: str = "redis",
    ) -> None:
        self.name = name
        self.accepts = frozenset(KINDS if accepts is None else accepts)
        self._stream = RedisStream(url, stream, max_length=max_length, timeout=timeout)

    def open(self) -> None:
        """Begin with a connection of its own."""
        self._stream.abandon()

    def write(self, batch: Sequence[Event]) -> None:
        """Append a batch, all of it or nothing."""
        self._stream.append([{"kind": event.kind, "event": to_json_line(event).rstrip()} for event in batch])

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Let go of the connection."""
        self._stream.disconnect()
