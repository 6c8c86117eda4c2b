"""Gives a client its guards: made when the first one is asked for, so that other clients pay nothing."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, final

from flagctl.client.dress import dress
from flagctl.client.guard import Guard, Guarded
from flagctl.client.guard_book import GuardBook, GuardStep
from flagctl.client.not_ready import NOT_READY
from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.client.client import Client
    from flagctl.client.dress import Evaluating
    from flagctl.client.guard import Context, Exceptions


@final
class Guarding:
    """A client's guards.

    Args:
        client: The client; not kept alive by this.
        monotonic: Seconds that never jump.
    """

    def __init__(self, client: Client, monotonic: Callable[[], float]) -> None:
        self._client = weakref.ref(client)
        self._lock = threading.RLock()
        self._pid = os.getpid()
        self.book = GuardBook(monotonic, self.serve, self._without, self._report)

    def guard(self, key: str, context: Context, default: tuple[Any, ...], ignore: Exceptions) -> Guard[Any]:
        """Return a guard; `default`: none or one."""
        guard: Guard[Any] = Guard(self.book, self._flags, key, context, ignore)
        return guard.otherwise(*default) if default else guard

    def guarded(
        self, key: str, context: Any, fallback: Callable[..., Any] | None, ignore: Exceptions
    ) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        """Return a decorator.

        Raises:
            UsageError: The fallback cannot be called.
        """
        if fallback is not None and not callable(fallback):
            raise UsageError("fallback is a function with the arguments of the guarded one")
        return Guarded(lambda found: Guard(self.book, self._flags, key, found, ignore), context, fallback)

    def serve(self) -> None:
        """Serve the client's current flags, dressed anew."""
        client = self._client()
        if client is None:
            return
        if self._pid != os.getpid():  # in a forked child, where whoever held it does not exist
            self._lock, self._pid = threading.RLock(), os.getpid()
        with self._lock:
            if client._latest is not None:  # noqa: SLF001 - this is a part of the client
                client._flags = dress(client._latest, client._parts)  # noqa: SLF001

    def status(self) -> tuple[Mapping[str, Any], ...]:
        """Return what a client's status says about its guards, as JSON values."""
        return tuple(status.to_dict() for status in self.book.status())

    def _flags(self) -> Evaluating:
        client = self._client()
        return NOT_READY if client is None else client._flags  # noqa: SLF001

    def _without(self, tripped: frozenset[str]) -> Evaluating:
        client = self._client()
        if client is None or client._latest is None:  # noqa: SLF001
            return NOT_READY
        flags = self.book.over(client._latest, tripped)  # noqa: SLF001
        return dress(flags, client._parts._replace(guards=None))  # noqa: SLF001

    def _report(self, step: GuardStep) -> None:
        client = self._client()
        if client is None:
            return
        hub, latest = client._hub, client._latest  # noqa: SLF001
        if hub is not None:
            hub.note("guards", hub.maker.guard, (None if latest is None else latest.digest, step))
        for listener in client._updater.listeners:  # noqa: SLF001
            try:
                listener()
            except Exception:
                import logging  # noqa: PLC0415 - most apps never get here

                logging.getLogger("flagctl").exception("a listener of the flag client failed")


_attaching = threading.Lock()


def attach(client: Any, monotonic: Callable[[], float]) -> Guarding:
    """Return a client's guards; all callers get the same ones."""
    with _attaching:
        if client._guarding is None:  # noqa: SLF001
            guarding = Guarding(client, monotonic)
            client._parts = client._parts._replace(guards=guarding.book.overlay)  # noqa: SLF001
            client._guarding = guarding  # noqa: SLF001
            guarding.serve()
        return client._guarding  # type: ignore[no-any-return]  # noqa: SLF001


def _renew() -> None:
    global _attaching  # noqa: PLW0603 - a lock that a forked child inherits may be held for ever
    _attaching = threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew)
