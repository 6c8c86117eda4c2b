"""The stream of changes: server-sent events that tell providers to ask again.

An event carries no flags, only the tag of the new state; its ``id`` is that tag, which is the same in every process and
after a restart. A client that comes back with the id it saw last is told at once if it missed something. Between events
a comment goes out now and then, so that proxies keep the connection and dead ones are noticed.
"""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

RETRY_MS: Final = 2000
"""How long a client should wait before it connects again."""

_RECENT_SECONDS: Final = 30.0


@final
class ChangeStream:
    """Everybody who listens to changes.

    Args:
        tag: Returns the current state's tag, None without flags.
        limit: Listeners at once.
        heartbeat: Seconds between comments.
    """

    def __init__(self, tag: Callable[[], str | None], *, limit: int, heartbeat: float) -> None:
        self._tag = tag
        self._limit = limit
        self._heartbeat = heartbeat
        self._changed = asyncio.Event()
        self._changed_at: float | None = None
        self._modified: int | None = None
        self._ended = False
        self.listeners = 0

    @property
    def is_full(self) -> bool:
        """Whether nobody else may listen."""
        return self._ended or self.listeners >= self._limit

    def notify(self, modified: int | None) -> None:
        """Tell everybody that the state may be another one; on the loop's thread.

        Args:
            modified: When it came to be, seconds since 1970.
        """
        self._modified = modified
        self._changed_at = asyncio.get_running_loop().time()
        self._wake()

    def end(self) -> None:
        """End all streams."""
        self._ended = True
        self._wake()

    async def listen(self, last_id: str | None, valid: Callable[[], bool]) -> AsyncIterator[bytes]:
        """Yield the bytes of one stream.

        Args:
            last_id: ``Last-Event-ID`` of the request.
            valid: Returns whether the listener may still listen; asked before every message.
        """
        self.listeners += 1
        try:
            current = self._tag()
            # A change in the moments before: this client may have asked for the flags before it and connected after it.
            seen = last_id or (None if self._is_recent() else current)
            yield f"retry: {RETRY_MS}\n".encode() + (
                f"id: {current}\n\n".encode() if current == seen and current else b"\n"
            )
            while not self._ended and valid():
                waiting = self._changed
                current = self._tag()
                if current is not None and current != seen:
                    seen = current
                    yield self._event(current)
                    continue
                try:
                    await asyncio.wait_for(waiting.wait(), self._heartbeat)
                except TimeoutError:
                    yield b": still here\n\n"
        finally:
            self.listeners -= 1

    def _wake(self) -> None:
        waiting, self._changed = self._changed, asyncio.Event()
        waiting.set()

    def _is_recent(self) -> bool:
        now = asyncio.get_running_loop().time()
        return self._changed_at is not None and now - self._changed_at < _RECENT_SECONDS

    def _event(self, tag: str) -> bytes:
        data: dict[str, str | int] = {"type": "refetchEvaluation", "etag": f'"{tag}"'}
        if self._modified is not None:
            data["lastModified"] = self._modified
        return f"id: {tag}\nevent: message\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()
