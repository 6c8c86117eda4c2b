"""The thread that listens to a shared cache's channel: kill lists are applied as they come, hints ring for a pass.

Messages come from a place that is not trusted. A kill list is held to the same checks as one from the remote, and what a
hint says only decides whether to look. Refused messages cost their reader a short pause each, so that a flood of them cannot keep
a processor busy. Whatever is missed while there is no connection is made up for by a pass once there is one again.
"""

from __future__ import annotations

import re
import threading
import time
import weakref
from typing import TYPE_CHECKING, Final, final

from flagctl.client.breaker import Pauses, uniform
from flagctl.client.held import maybe_rotated
from flagctl.errors import RemoteError, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.client.l2 import SharedCache
    from flagctl.client.updater import Updater
    from flagctl.storage.redis_channel import Subscription

_HINT: Final = re.compile(rb"manifest ([0-9]{1,16}) ([0-9]{1,16})")
_WAIT_SECONDS: Final = 1.0
_IDLE_SECONDS: Final = 5.0
"""After so long without a message the server is asked for a sign of life, and given as long to answer."""

_REFUSED_SECONDS: Final = 0.05
_PAUSES: Final = Pauses(0.5, 15.0)


@final
class Listener:
    """Listens on a daemon thread.

    Args:
        updater: Gets kill lists.
        cache: What to listen to.
        ring: Asks for a pass; held weakly, so that a client nobody has a reference to is collected at once.
    """

    def __init__(self, updater: Updater, cache: SharedCache, ring: weakref.WeakMethod[Callable[[], None]]) -> None:
        self._updater = updater
        self._weak_ring = ring
        self.cache = cache
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._subscription: Subscription | None = None

    def start(self) -> None:
        """Start the thread; also anew in a forked child, where the parent's does not exist."""
        self._stop = threading.Event()
        self._subscription = None
        thread = threading.Thread(
            target=_run, args=(weakref.ref(self), self._stop), name="flagctl-listener", daemon=True
        )
        self._thread = thread
        try:
            thread.start()
        except RuntimeError:  # no more threads: polling goes on
            self._thread = None

    def look_after(self) -> None:
        """Start the thread anew if it is gone without having been told to go."""
        if not self._stop.is_set() and (self._thread is None or not self._thread.is_alive()):
            self.start()

    def wind_up(self) -> None:
        """Ask the thread to end, and let go of what it waits for."""
        self._stop.set()
        subscription = self._subscription
        if subscription is not None:
            subscription.close()

    def join(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the thread's end."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def connected(self, subscription: Subscription | None) -> None:
        """Note which connection is listened to."""
        self._subscription = subscription
        if subscription is None:
            self.cache.listening = False
        elif self._stop.is_set():
            subscription.close()

    def hear(self, data: bytes | None) -> bool:
        """Act on a message; return whether it was of any use.

        Args:
            data: The message, None when the channel was joined, empty for a sign of life.
        """
        cache = self.cache
        if data is None:
            cache.listening = True
            cache.breaker.close()
            self._ring()  # for what came while nobody listened
            return True
        if not data:
            return True
        cache.messages += 1
        hint = _HINT.fullmatch(data)
        if hint is not None:
            if not self._updater.has_manifest(int(hint[1]), int(hint[2])):
                self._ring()
            return True
        try:
            cache.updates += self._updater.take_kills(data)
        except UntrustedError as error:
            if maybe_rotated(error):
                self._ring()
            return error.reason == "rollback"
        return True

    def _ring(self) -> None:
        ring = self._weak_ring()
        if ring is not None:
            ring()


def _run(reference: weakref.ref[Listener], stop: threading.Event) -> None:
    """Connect and listen, again and again, until told to stop or until the client is gone."""
    failures = 0
    while not stop.is_set():
        listener = reference()
        if listener is None:
            return
        try:
            subscription = listener.cache.subscribe()
        except RemoteError:
            failures += 1
        else:
            listener.connected(subscription)
            del listener
            try:
                heard = _listen(reference, subscription, stop)
            finally:
                subscription.close()
                listener = reference()
                if listener is not None and not stop.is_set():
                    listener.connected(None)
            failures = 1 if heard else failures + 1
        listener = None
        if stop.wait(_PAUSES.draw(failures, uniform())):
            return


def _listen(reference: weakref.ref[Listener], subscription: Subscription, stop: threading.Event) -> bool:
    """Pass messages on until the connection breaks; return whether there were any."""
    heard = False
    last, asked = time.monotonic(), False
    while not stop.is_set():
        try:
            message = subscription.next(_WAIT_SECONDS)
            if message is None:
                idle = time.monotonic() - last
                if idle > 2 * _IDLE_SECONDS or (asked is False and heard is False and idle > _IDLE_SECONDS):
                    return heard
                if idle > _IDLE_SECONDS and not asked:
                    subscription.ping()
                    asked = True
                if reference() is None:
                    return heard
                continue
        except RemoteError:
            return heard
        heard, last, asked = True, time.monotonic(), False
        listener = reference()
        if listener is None:
            return heard
        of_use = listener.hear(message.data)
        del listener
        if not of_use:
            stop.wait(_REFUSED_SECONDS)
    return heard
