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

    A method may take its time and may raise: evaluation does not wait for it. A batch whose `write` raised counts as not
    taken: it is written again after a pause that grows, and dropped (and counted) when that failed too often. So `write`
    takes all of a batch or nothing, as far as it can; where it can't, `event_id` tells what came twice. What `flush`
    raises makes the sink pause as well. `write` must not change the batch.

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
        """Deliver what was written and is held back, as far as it is due. Called whenever nothing waits to be written."""

    def close(self) -> None:
        """Deliver all that is held back, and let go of files and connections. Called once; nothing is written after it."""
