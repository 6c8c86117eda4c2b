"""uvicorn's HTTP protocol with deadlines: who opens a connection must send a request's head in time.

uvicorn waits for ever for the first byte and for every further one of a head, so that a few idle connections can use up a
server (slowloris). It also closes connections at once when it ends, including those whose first request is on its way;
here they get a moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

HEAD_SECONDS: Final = 10.0
"""From the first byte of a request, or from the connection, to the end of its head."""

LAST_SECONDS: Final = 1.0
"""The same for connections without a request when the server ends."""


class TimedH11Protocol(H11Protocol):
    """h11 with a deadline for heads."""

    head_seconds = HEAD_SECONDS
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first head."""
        super().connection_made(transport)
        self._wait(self.head_seconds)

    def data_received(self, data: bytes) -> None:
        """Take in bytes; the deadline ends with the head they complete."""
        super().data_received(data)
        if _is_answering(self):
            self._stop_waiting()
        elif self._deadline is None and not self.transport.is_closing() and self.conn.trailing_data[0]:
            self._wait(self.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the deadline."""
        self._stop_waiting()
        super().connection_lost(exc)

    def shutdown(self) -> None:
        """Close the connection after the answer that is being made, or after the first request if none came yet."""
        if not _has_asked(self) and not self.transport.is_closing():
            self._stop_waiting()
            self._wait(LAST_SECONDS)
        else:
            super().shutdown()

    def _wait(self, seconds: float) -> None:
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        self._deadline = None
        if not self.transport.is_closing() and not _is_answering(self):
            self.transport.close()


def _has_asked(protocol: Any) -> bool:
    """Return whether a request's head was ever read."""
    return protocol.cycle is not None


def _is_answering(protocol: Any) -> bool:
    """Return whether a request's head was read and its answer is not complete."""
    return protocol.cycle is not None and not protocol.cycle.response_complete


def timed_protocol(head_seconds: float) -> type[asyncio.Protocol]:
    """Return a protocol class with another deadline."""
    return type("TimedH11Protocol", (TimedH11Protocol,), {"head_seconds": head_seconds})
