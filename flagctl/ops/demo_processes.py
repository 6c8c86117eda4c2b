"""Processes of the demo: commands that run to their end, and the application that runs beside them."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from flagctl.errors import FlagctlError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_HIDDEN = ("FLAGCTL_", "GIT_", "GITHUB_")
"""Beginnings of variables that would make commands behave otherwise than the demo says."""


class Ran(NamedTuple):
    """A command that has ended; `output` is what it wrote to both streams, in order."""

    exit_code: int
    output: str
    seconds: float


class Processes:
    """Starts processes in one folder.

    Args:
        folder: Where commands run.
        color: Whether flagctl's commands shall write colours.
        columns: Width of the terminal their output will be shown in, or None.
    """

    def __init__(self, folder: Path, *, color: bool, columns: int | None = None) -> None:
        self._folder = folder
        self._environment = _environment(color=color)
        if columns is not None:
            self._environment["FLAGCTL_COLUMNS"] = str(columns)

    def run(self, words: Sequence[str]) -> Ran:
        """Run ``flagctl …`` or ``git …`` and return what it did.

        Raises:
            UsageError: If git is not installed.
            FlagctlError: If the command does not come to an end.
        """
        command = [sys.executable, "-P", "-m", "flagctl", *words[1:]] if words[0] == "flagctl" else list(words)
        started = time.perf_counter()
        try:
            done = subprocess.run(  # noqa: S603 - the demo's own commands
                command,
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                check=False,
                timeout=120,
            )
        except FileNotFoundError as error:
            raise UsageError(f"{words[0]} is not installed", hint=f"install {words[0]}, then try again") from error
        except subprocess.TimeoutExpired as error:
            raise FlagctlError(f"{' '.join(words[:3])} took more than two minutes") from error
        return Ran(done.returncode, done.stdout.decode("utf-8", "replace").rstrip(), time.perf_counter() - started)

    def start(self, words: Sequence[str]) -> Application:
        """Start ``python …`` beside everything else."""
        return Application([sys.executable, "-P", *words[1:]], self._folder, self._environment)


class Application:
    """A running process whose lines can be waited for. It ends when it is closed, and when this process ends."""

    def __init__(self, command: Sequence[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - the demo's own application
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
        )
        self._lines: queue.Queue[tuple[float, str] | None] = queue.Queue()
        self.last_line_at = 0.0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=5)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def wait_for(self, lines: int, holds: Callable[[str], bool], timeout: float = 30.0) -> list[str]:
        """Wait until `lines` lines for which `holds` is true have come, and return everything that has come.

        `last_line_at` is then when the last one came, as `time.perf_counter` has it.

        Raises:
            FlagctlError: If the process ends, or they do not come in time.
        """
        seen: list[str] = []
        deadline = time.monotonic() + timeout
        while sum(map(holds, seen)) < lines:
            try:
                item = self._lines.get(timeout=max(deadline - time.monotonic(), 0.01))
            except queue.Empty:
                raise FlagctlError(f"the application did not see the change within {timeout:.0f} seconds") from None
            if item is None:
                raise FlagctlError("the application ended: " + (" | ".join(seen[-3:]) or "it said nothing"))
            self.last_line_at = item[0]
            seen.append(item[1])
        return seen

    def _read(self) -> None:
        if self._process.stdout is not None:
            for line in self._process.stdout:
                self._lines.put((time.perf_counter(), line.rstrip()))
        self._lines.put(None)


def _environment(*, color: bool) -> dict[str, str]:
    """Return variables under which commands do the same for everybody, and find this flagctl."""
    import flagctl

    environment = {name: value for name, value in os.environ.items() if not name.startswith(_HIDDEN)}
    package = str(Path(flagctl.__file__).resolve().parents[1])
    paths = [package, *(path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path)]
    environment |= {
        "FLAGCTL_COLOR": "always" if color else "never",
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONIOENCODING": "utf-8",
        # The user's own git settings may sign commits, run hooks or forbid made-up addresses.
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
    }
    for role in ("AUTHOR", "COMMITTER"):
        environment |= {f"GIT_{role}_NAME": "flagctl demo", f"GIT_{role}_EMAIL": "demo@example.com"}
    return environment
