"""One sink's queue and thread.

The thread takes batches off the queue and gives them to the sink. When the sink fails, it pauses, twice as long each
time up to a minute, and tries the same batch again; a batch that failed `ATTEMPTS` times is dropped, so that what comes
after it gets its turn. A sink that takes batches but can't get rid of them (its `flush` fails) goes on taking them; only
its flushing pauses. A sink that hangs holds up its own thread and nobody else.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.client.sinks.protocol import Sink
    from flagctl.client.telemetry.options import Telemetry
    from flagctl.events import Event

ATTEMPTS: Final = 8
FIRST_PAUSE: Final = 0.5
LONGEST_PAUSE: Final = 60.0


@final
class Channel:
    """Delivers to one sink.

    Args:
        sink: Where to.
        options: Sizes and intervals.
        source: Given to the sink's `bind`, if it has one: an object whose `totals()` are the counts of now.
    """

    def __init__(self, sink: Sink, options: Telemetry, source: Any) -> None:
        self.sink = sink
        self.accepts = frozenset(sink.accepts)
        self._options = options
        self.dropped: dict[str, int] = {}
        self.delivered = 0
        self._begin()
        bind = getattr(sink, "bind", None)
        if bind is not None:
            bind(source)

    def _begin(self) -> None:
        self._queue: deque[Event] = deque()
        self._batch: list[Event] = []
        self._failures = 0  # in a row, to open or to write
        self._flush_failures = 0
        self._flush_at = 0.0
        self._failed_in_all = 0
        self._last_error: str | None = None
        self._opened = False
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._deadline = 0.0
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name=f"flagctl-sink-{self.sink.name}", daemon=True)
        self._thread.start()

    def renew_after_fork(self) -> None:
        """Begin anew in a forked child: what waits is the parent's to deliver."""
        self.dropped = {}
        self.delivered = 0
        self._begin()
        self.start()

    def put(self, events: Sequence[Event]) -> None:
        """Queue events; what does not fit is dropped. Called by the hub's thread alone."""
        room = max(0, self._options.queue - len(self._queue))
        self._queue.extend(events[:room])
        if len(events) > room:
            self._drop("queue_full", len(events) - room)
        self._wake.set()

    def stop(self, deadline: float) -> None:
        """Have the thread deliver what is queued and end; it gives up at `deadline` (of `time.monotonic`)."""
        self._deadline = deadline
        self._stop.set()
        self._wake.set()

    def join(self) -> None:
        """Wait for the thread up to the deadline; what it could not deliver until then counts as dropped."""
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(max(0.0, self._deadline - monotonic()))
            left = len(self._queue) + len(self._batch)
            if left:
                self._queue.clear()
                self._drop("not_delivered_at_exit", left)

    def status(self) -> dict[str, Any]:
        """Return what a client's status says about the sink."""
        alive = self._thread is not None and self._thread.is_alive()
        own = getattr(self.sink, "status", None)
        return {
            "name": self.sink.name,
            "state": ("failing" if self._failures or self._flush_failures else "ok") if alive else "closed",
            "queued": len(self._queue) + len(self._batch),
            "delivered": self.delivered,
            "dropped": dict(self.dropped),
            "failures": self._failed_in_all,
            "last_error": self._last_error,
            "sink": None if own is None else dict(own()),
        }

    def _drop(self, why: str, how_many: int) -> None:
        self.dropped[why] = self.dropped.get(why, 0) + how_many

    def _run(self) -> None:
        stop, wake = self._stop, self._wake  # of this thread's life: a forked child has others
        while not stop.is_set():
            wake.wait(self._options.flush_interval)
            wake.clear()
            while self._step():
                pass
            if self._failures and not stop.is_set():
                stop.wait(_pause(self._failures))
        while monotonic() < self._deadline and (self._queue or self._batch) and self._step():
            pass
        self._attempt(self.sink.close)

    def _step(self) -> bool:
        """Deliver one batch, or flush if there is none; return whether to go on at once."""
        if not self._opened:
            self._opened = self._attempt(self.sink.open)
            self._failures = 0 if self._opened else self._failures + 1
            return self._opened
        if not self._batch:
            for _ in range(min(self._options.batch, len(self._queue))):
                self._batch.append(self._queue.popleft())
        if not self._batch:
            if monotonic() >= self._flush_at:
                self._flush_failures = 0 if self._attempt(self.sink.flush) else self._flush_failures + 1
                self._flush_at = monotonic() + _pause(self._flush_failures)
            return False
        if self._attempt(lambda: self.sink.write(self._batch)):
            self.delivered += len(self._batch)
            self._failures = 0
            self._batch = []
            return True
        self._failures += 1
        if self._failures >= ATTEMPTS:
            self._drop("sink_failed", len(self._batch))
            self._batch = []
        return False

    def _attempt(self, act: Any) -> bool:
        """Call the sink; return whether it did not fail."""
        try:
            act()
        except Exception as error:  # noqa: BLE001 - whatever a sink raises is its own affair
            self._failed_in_all += 1
            self._last_error = f"{type(error).__name__}: {error}"[:300]
            if not self._failures and not self._flush_failures:
                import logging  # noqa: PLC0415 - most apps never get here

                logging.getLogger("flagctl").warning("the sink %s failed: %s", self.sink.name, self._last_error)
            return False
        return True


def _pause(failures: int) -> float:
    """Return seconds to wait after so many failures in a row."""
    return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(failures - 1, 20)) if failures else 0.0
