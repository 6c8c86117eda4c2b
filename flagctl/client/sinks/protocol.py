"""What a sink is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from flagctl.events import Event


class Sink(Protocol):
    """Takes batches of events somewhere.

    Each sink of a client has a bounded queue and a thread of its own, and all methods are called on that thread only:
    `open` before the first batch (and again in a forked child, where it must let go of what it shares with the parent
    without closing it there), then `write` and now and then `flush`, at last `close`.

    A method may take its time and may raise: evaluation does not wait for it. A batch whose `write` raised is written
    again after a pause that grows, and dropped (and counted) when the sink has failed too often; so a sink may get
    events twice, which their `event_id` tells. `write` must not change the batch.

    Attributes:
        name: Names the sink in the client's status; two of one client should differ.
        accepts: Kinds of events it wants, keys of `flagctl.events.KINDS`; others are not even made for it.
    """

    @property
    def name(self) -> str:
        """Names the sink in the client's status."""

    @property
    def accepts(self) -> Collection[str]:
        """Kinds of events that it wants."""

    def open(self) -> None:
        """Get ready to write."""

    def write(self, batch: Sequence[Event]) -> None:
        """Take a batch: 1 to some hundred events of accepted kinds, oldest first."""

    def flush(self) -> None:
        """Let go of everything that was written and is still held back."""

    def close(self) -> None:
        """Flush, and let go of files and connections. Called once; nothing is written after it."""
