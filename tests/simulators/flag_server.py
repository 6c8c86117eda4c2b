"""`flagctl serve` on this machine: in a thread of the test, or as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx

from flagctl.server.ofrep.app import AppOptions
from flagctl.server.serve import Origin, ServeOptions, _checked, build, open_source
from flagctl.server.web.serving import Listen
from tests.simulators.thread_server import ThreadServer

ROOT = Path(__file__).resolve().parents[2]


class FlagServer(ThreadServer):
    """A server in a thread; `source` may be looked at."""

    def __init__(self, options: ServeOptions) -> None:
        options = _checked(options)
        self.source = open_source(options.origin)
        super().__init__(partial(build, options, self.source), options.listen)


@contextlib.contextmanager
def serving(
    origin: Origin, *, app: AppOptions | None = None, token_file: Path | None = None, **listen
) -> Iterator[FlagServer]:
    """Serve on a free port; settings of `Listen` may be given."""
    settings = {"port": 0, "drain_seconds": 0.0, "grace_seconds": 5, **listen}
    options = ServeOptions(
        origin=origin, listen=Listen(**settings), app=app or AppOptions(), token_file=token_file, allow_anonymous=False
    )
    server = FlagServer(options)
    try:
        yield server
    finally:
        server.stop()


class ProcessServer:
    """`flagctl serve` as people start it."""

    def __init__(self, *words: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "flagctl", "serve", "--port", "0", "--log-format", "json", *words],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            cwd=cwd,
            env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        )
        self.log: list[str] = []
        self._told = False
        self.url = ""
        self._found = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        assert self._found.wait(60), self.log
        assert self.url, self.log

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.log.append(line)
            if not self.url and (found := re.search(r'"url": "(http[^"]+)"', line)):
                self.url = found[1]
                self._found.set()
        self._found.set()

    def entries(self) -> list[dict]:
        return [json.loads(line) for line in self.log]

    def wait_until_ready(self, seconds: float = 30.0) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if httpx.get(self.url + "/readyz").status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(self.log)

    def tell(self, number: int) -> None:
        self._told = True
        self.process.send_signal(number)

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None and not self._told:
            self.tell(number)
        try:
            code = self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        self._reader.join(10)
        self.process.stderr.close()
        return code


@contextlib.contextmanager
def process(*words: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> Iterator[ProcessServer]:
    """Run `flagctl serve` on a free port until the block ends."""
    server = ProcessServer(*words, env=env, cwd=cwd)
    try:
        server.wait_until_ready()
        yield server
    finally:
        server.end()
