"""An upper bound for the time a whole operation takes.

Timeouts of connections and sockets bound the wait for the *next* bytes: a peer that sends one byte every few seconds
holds its reader for as long as it likes. So each operation runs on a thread of its own that the caller stops waiting for
when its time is over. An abandoned thread ends when its connection does; while too many of them are left, new operations
are refused at once.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, Final, TypeVar, final

from flagctl.errors import RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

MAX_ABANDONED: Final = 8


@final
class Deadline:
    """Runs operations, each with an upper bound for its time.

    Args:
        seconds: The bound.
        what: Names the other side in messages.
    """

    __slots__ = ("_abandoned", "_over", "_seconds", "_what")

    def __init__(self, seconds: float, what: str) -> None:
        self._seconds = seconds
        self._what = what
        self._abandoned: list[threading.Thread] = []
        self._over = threading.Event()

    def run(self, operation: Callable[[], T], seconds: float | None = None) -> T:
        """Return what `operation` returns, or raise what it raises.

        Args:
            operation: What to do.
            seconds: A shorter bound for this one.

        Raises:
            RemoteError: If it takes too long, or is cut short.
        """
        self._abandoned = [thread for thread in self._abandoned if thread.is_alive()]
        if len(self._abandoned) >= MAX_ABANDONED:
            raise RemoteError(f"{self._what} has left {len(self._abandoned)} requests without an end")
        outcome: list[Any] = []
        over = self._over = threading.Event()

        def work() -> None:
            try:
                outcome.append((True, operation()))
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread as it is
                outcome.append((False, error))
            over.set()

        thread = threading.Thread(target=work, name="flagctl-remote", daemon=True)
        begin = time.monotonic()
        thread.start()
        bound = self._seconds if seconds is None else min(seconds, self._seconds)
        over.wait(bound)
        if not outcome:
            self._abandoned.append(thread)
            raise RemoteError(f"{self._what} did not answer within {min(bound, time.monotonic() - begin):.3g} seconds")
        succeeded, value = outcome[0]
        if not succeeded:
            raise value
        result: T = value
        return result

    def cut_short(self) -> None:
        """End the wait for the operation that runs now, from another thread."""
        self._over.set()
