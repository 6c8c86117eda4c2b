"""Several processes on one socket: starts them, replaces those that die, passes signals on.

Each worker is a fresh interpreter (no fork: the parent's threads and connections stay where they are) and ends by itself
when the parent is gone.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.errors import FlagctlError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

_log = logging.getLogger("flagctl.server")

_POLL_SECONDS: Final = 0.1
_LONGEST_PAUSE: Final = 30.0
_STEADY_SECONDS: Final = 10.0


class Running(NamedTuple):
    """A worker: its process, our end of the line to it, when it started, how often in a row one died early."""

    process: BaseProcess
    line: Connection
    started: float
    deaths: int


class Supervisor:
    """Keeps a number of workers running.

    Args:
        target: What a worker does, called with the socket; importable by name. It ends after SIGTERM or SIGINT.
        listening: The socket.
        number: How many.
        on_death: Called with the process id of a worker that is gone.
        patience: Seconds for workers to end before they are killed.
    """

    def __init__(
        self,
        target: Callable[[socket.socket], None],
        listening: socket.socket,
        number: int,
        on_death: Callable[[int], None] = lambda _: None,
        patience: float = 60.0,
    ) -> None:
        self._target = target
        self._listening = listening
        self._number = number
        self._on_death = on_death
        self._patience = patience
        self._context = multiprocessing.get_context("spawn")
        self._signal: int | None = None

    def run(self) -> bool:
        """Run until a signal; return whether it was SIGINT."""
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        workers = [self._start(0) for _ in range(self._number)]
        try:
            while self._signal is None:
                time.sleep(_POLL_SECONDS)
                workers = [worker if worker.process.is_alive() else self._replace(worker) for worker in workers]
            self._end(workers)
        finally:
            for worker in workers:
                if worker.process.is_alive():
                    worker.process.kill()
            for number, handler in before.items():
                signal.signal(number, handler)
        return self._signal == signal.SIGINT

    def _note(self, number: int, _frame: object) -> None:
        self._signal = number

    def _start(self, deaths: int) -> Running:
        theirs, ours = self._context.Pipe(duplex=False)
        process = self._context.Process(target=_work, args=(self._target, self._listening, theirs))
        process.start()
        theirs.close()
        return Running(process, ours, time.monotonic(), deaths)

    def _replace(self, dead: Running) -> Running:
        self._on_death(dead.process.pid or 0)
        dead.line.close()
        early = time.monotonic() - dead.started < _STEADY_SECONDS
        deaths = dead.deaths + 1 if early else 0
        pause = min(_LONGEST_PAUSE, 0.5 * 2.0**deaths) if deaths else 0.0
        _log.error("worker %s ended with %s; another one starts", dead.process.pid, dead.process.exitcode)
        deadline = time.monotonic() + pause
        while self._signal is None and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return self._start(deaths)

    @staticmethod
    def _terminate(worker: Running) -> None:
        # SIGTERM also after SIGINT: a terminal has sent that to the workers, too, and a second one would cut requests off.
        if worker.process.pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(worker.process.pid, signal.SIGTERM)

    def _end(self, workers: list[Running]) -> None:
        self._listening.close()  # the last one to close it ends listening, and that should be a worker
        for worker in workers:
            self._terminate(worker)
        deadline = time.monotonic() + self._patience
        for worker in workers:
            worker.process.join(max(0.0, deadline - time.monotonic()))
            if worker.process.is_alive():
                _log.error("worker %s did not end and is killed", worker.process.pid)
                worker.process.kill()
                worker.process.join()
            self._on_death(worker.process.pid or 0)


def _work(target: Callable[[Any], None], listening: socket.socket, line: Connection) -> None:
    threading.Thread(target=_end_with_parent, args=(line,), daemon=True).start()
    try:
        target(listening)
    except FlagctlError as error:
        _log.error("the worker did not start: %s", error.message)
        raise SystemExit(error.exit_code) from None


def _end_with_parent(line: Connection) -> None:
    with contextlib.suppress(EOFError, OSError):
        line.recv_bytes()
    os.kill(os.getpid(), signal.SIGTERM)
