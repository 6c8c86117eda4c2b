"""The background thread of a client: one per process, restarted in forked children, gone with its client.

A thread can die although its code catches everything: an exception can be put into it from outside, and a fork leaves it
behind. So the thread starts a successor when it ends without having been told to, a forked child starts one of its own, and whoever
asks a client for its status has it looked after on the way. Evaluations have no part in any of this.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Final, final

from flagctl.errors import FlagctlError
from flagctl.evaluator.pauses import take_rests
from flagctl.storage.loading import load_before_fork

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.client.listener import Listener
    from flagctl.client.updater import Updater

_running: Final[weakref.WeakSet[Background]] = weakref.WeakSet()
_still: Final[dict[int, list[threading.Lock]]] = {}
"""The locks of clients that stand still, by the thread that is about to fork."""

_AGAIN_SECONDS: Final = 1.0
"""Pause of a thread that replaces one that died, so that whatever killed it cannot keep a processor busy."""

_LOADED_LATE: Final = (
    "cryptography.hazmat.primitives.asymmetric.ec",
    "cryptography.hazmat.primitives.asymmetric.ed25519",
    "flagctl.bundle.delta",
    "flagctl.evaluator.codegen",
    "flagctl.evaluator.flagset",
    "flagctl.evaluator.shapes",
    "flagctl.evaluator.structure",
)
"""What passes and evaluations load on their first use."""

_FAREWELL_SECONDS: Final = 0.2
"""How long all clients of a program that ends may take to finish what they are at."""


@final
class Background:
    """Runs the passes of an updater on a daemon thread, and listens to its shared cache on another, if it has one.

    Args:
        updater: What to run.
    """

    __slots__ = ("__weakref__", "_bell", "_listener", "_process", "_stop", "_thread", "_updater")

    def __init__(self, updater: Updater) -> None:
        self._updater = updater
        self._stop = threading.Event()
        self._bell = threading.Event()  # ends a wait: there is a hint, or the end has come
        self._thread: threading.Thread | None = None
        self._listener: Listener | None = None
        self._process = 0

    def start(self) -> None:
        """Start the thread, here and in every child that this process forks."""
        _set_up()
        _running.add(self)
        if self._updater.shared is not None:
            from flagctl.client.listener import Listener  # noqa: PLC0415 - only clients with a shared cache pay

            self._listener = Listener(self._updater, self._updater.shared, weakref.WeakMethod(self.ring))
        self._launch()
        if self._listener is not None:
            self._listener.start()

    def stop(self, timeout: float) -> None:
        """Ask the thread to end, and wait up to `timeout` seconds for it."""
        _running.discard(self)
        self.wind_up()
        self.join(timeout)

    def wind_up(self) -> None:
        """Ask the thread to end."""
        self._stop.set()
        self._bell.set()
        if self._listener is not None:
            self._listener.wind_up()

    def ring(self) -> None:
        """Ask for a pass over the shared cache soon."""
        self._bell.set()

    def join(self, timeout: float) -> None:
        """Wait up to `timeout` seconds for the thread's end."""
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)
        if self._listener is not None:
            self._listener.join(timeout)

    def look_after(self) -> None:
        """Start the thread anew if it is gone without having been told to go."""
        if self._stop.is_set():
            return
        if self._process != os.getpid():
            self.restart_after_fork()  # forked by something that does not tell Python
        elif self._thread is None or not self._thread.is_alive():
            self.replace()
        if self._listener is not None:
            self._listener.look_after()

    def replace(self) -> None:
        """Put a new thread in the place of one that died."""
        import logging  # noqa: PLC0415 - most apps never get here

        logging.getLogger("flagctl").warning("the flag client's thread has died; another one takes over")
        self._launch(_AGAIN_SECONDS)

    def hold_still(self) -> threading.Lock | None:
        """Let a pass that has just begun come to its end, so that a forked child inherits nothing half done."""
        return self._updater.hold_still()

    def restart_after_fork(self) -> None:
        """Start anew in a forked child, where the parent's threads do not exist."""
        self._stop = threading.Event()
        self._bell = threading.Event()
        try:
            self._updater.renew_after_fork()
        finally:
            self._launch()
            if self._listener is not None:
                self._listener.start()

    def is_run_by(self, thread: threading.Thread) -> bool:
        """Return whether it is this thread's turn."""
        return self._thread is thread

    def _launch(self, pause: float = 0.0) -> None:
        # The thread holds no reference while it waits, so that a client nobody has a reference to is collected and its
        # thread ends.
        self._process = os.getpid()
        thread = threading.Thread(
            target=_run, args=(weakref.ref(self), self._stop, self._bell, pause), name="flagctl-client", daemon=True
        )
        self._thread = thread  # before it starts: a thread ends when another one has its place
        try:
            thread.start()
        except RuntimeError:
            # No more threads, or the interpreter is ending. The flags go on being served; `look_after` tries again.
            self._thread = None
            import logging  # noqa: PLC0415 - most apps never get here

            logging.getLogger("flagctl").warning("the flag client got no thread, flags are not updated", exc_info=True)

    def step(self, *, due: bool) -> None:
        """Make one pass if it is `due`; else see whether what is served has expired."""
        if due:
            self._try(self._updater.update)
        else:
            self._updater.check_expiry()

    def answer(self, stop: threading.Event) -> float | None:
        """Make a pass because of a hint, after a moment, so that a fleet does not come all at once.

        Returns:
            Seconds until it should be tried again, None if it need not be.
        """
        if stop.wait(self._updater.hint_delay()):
            return None
        self._bell.clear()
        self._try(self._updater.update_shared)
        return self._updater.hint_again()

    @staticmethod
    def _try(update: Callable[[], bool]) -> None:
        try:
            update()
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


def _run(reference: weakref.ref[Background], stop: threading.Event, bell: threading.Event, pause: float) -> None:
    try:
        if not stop.wait(pause):
            _work(reference, stop, bell)
    except BaseException:
        background = reference()
        if background is not None and not stop.is_set() and background.is_run_by(threading.current_thread()):
            background.replace()
        raise


def _work(reference: weakref.ref[Background], stop: threading.Event, bell: threading.Event) -> None:
    """Wait and step, until told to stop or until the client is gone."""
    take_rests()
    background = reference()
    if background is None:
        return
    delay = background.first_delay()
    again: float | None = None  # until a hint that could not be followed is followed again
    while background.is_run_by(threading.current_thread()):
        expiry = background.seconds_to_expiry()
        del background
        # A moment beyond the expiry: a wait may end a little early.
        early = None if expiry is None or expiry + _MARGIN >= delay else expiry + _MARGIN
        wait = delay if early is None else early
        begin = time.monotonic()
        rang = bell.wait(wait if again is None else min(wait, again))
        background = None if stop.is_set() else reference()
        if background is None:
            return
        if rang or (again is not None and again < wait):
            again = background.answer(stop)
            delay = max(0.0, delay - (time.monotonic() - begin))
            continue
        again = None
        background.step(due=early is None)
        delay = background.next_delay() if early is None else delay - early


_MARGIN: Final = 0.01


def _before_fork() -> None:
    running = list(_running)
    if not running:
        return
    locks = [background.hold_still() for background in running]
    _still[threading.get_ident()] = [lock for lock in locks if lock is not None]
    # Last, since other threads went on meanwhile: a module that is being loaded now could never be loaded in the child.
    load_before_fork()
    for name in _LOADED_LATE:
        import_module(name)


def _after_fork_in_parent() -> None:
    for lock in _still.pop(threading.get_ident(), ()):
        lock.release()


def _restart_all() -> None:
    _still.clear()
    for background in list(_running):
        try:
            background.restart_after_fork()
        except Exception:
            import logging  # noqa: PLC0415 - most apps never get here

            logging.getLogger("flagctl").exception("the flag client could not be set up in a forked process")


def _stop_all() -> None:
    """End all threads before the interpreter does, which would cut them off in the middle of something."""
    backgrounds = list(_running)
    for background in backgrounds:
        background.wind_up()
    deadline = time.monotonic() + _FAREWELL_SECONDS
    for background in backgrounds:
        background.join(max(0.0, deadline - time.monotonic()))


@cache
def _set_up() -> None:
    """Register what is to happen when a process forks or ends, once; apps without a client have no part in it.

    Hooks before a fork run in the opposite order of their registration. Those of logging and of concurrent.futures take
    locks that a pass may need to come to its end, for instance to load boto3; so both are loaded first.
    """
    import concurrent.futures.thread  # noqa: F401, PLC0415
    import logging  # noqa: F401, PLC0415

    atexit.register(_stop_all)
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(before=_before_fork, after_in_parent=_after_fork_in_parent, after_in_child=_restart_all)
