"""The background thread of a client: one per process, restarted in forked children, gone with its client."""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Final, final

from flagctl.errors import FlagctlError
from flagctl.evaluator.pauses import take_rests

if TYPE_CHECKING:
    from flagctl.client.updater import Updater

_running: Final[weakref.WeakSet[Background]] = weakref.WeakSet()


@final
class Background:
    """Runs the passes of an updater on a daemon thread.

    Args:
        updater: What to run.
    """

    __slots__ = ("__weakref__", "_stop", "_thread", "_updater")

    def __init__(self, updater: Updater) -> None:
        self._updater = updater
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread, here and in every child that this process forks."""
        _running.add(self)
        self._launch()

    def stop(self, timeout: float) -> None:
        """Ask the thread to end, and wait up to `timeout` seconds for it."""
        _running.discard(self)
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)

    def restart_after_fork(self) -> None:
        """Start anew in a forked child, where the parent's threads do not exist."""
        self._stop = threading.Event()
        self._updater.renew_after_fork()
        self._launch()

    def _launch(self) -> None:
        # The thread holds no reference while it waits, so that a client nobody has a reference to is collected and its
        # thread ends.
        self._thread = threading.Thread(
            target=_run, args=(weakref.ref(self), self._stop), name="flagctl-client", daemon=True
        )
        self._thread.start()

    def step(self, *, due: bool) -> None:
        """Make one pass if it is `due`; else see whether what is served has expired."""
        if not due:
            self._updater.check_expiry()
            return
        try:
            self._updater.update()
        except FlagctlError:
            return  # recorded by the updater, and seen in the client's status
        except Exception:
            import logging  # noqa: PLC0415 - most apps never get here

            logging.getLogger("flagctl").exception("a pass of the flag client failed")

    def first_delay(self) -> float:
        """Return seconds to the first pass."""
        return self._updater.first_delay()

    def next_delay(self) -> float:
        """Return seconds to the next pass."""
        return self._updater.next_delay()

    def seconds_to_expiry(self) -> float | None:
        """Return seconds until what is served becomes stale."""
        return self._updater.seconds_to_expiry()


def _run(reference: weakref.ref[Background], stop: threading.Event) -> None:
    """Wait and step, until told to stop or until the client is gone."""
    take_rests()
    background = reference()
    if background is None:
        return
    delay = background.first_delay()
    while True:
        expiry = background.seconds_to_expiry()
        del background
        # A moment beyond the expiry: a wait may end a little early.
        early = None if expiry is None or expiry + _MARGIN >= delay else expiry + _MARGIN
        if stop.wait(delay if early is None else early):
            return
        background = reference()
        if background is None:
            return
        background.step(due=early is None)
        delay = background.next_delay() if early is None else delay - early


_MARGIN: Final = 0.01


def _restart_all() -> None:
    for background in list(_running):
        background.restart_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_restart_all)
