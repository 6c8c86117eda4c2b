"""Where the flags come from: a remote, through a client; or a flag repository's folder, compiled in memory."""

from __future__ import annotations

import logging
import os
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol, final

from flagctl.client.snapshot import Snapshot
from flagctl.errors import FlagctlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flagctl.client.client import Client
    from flagctl.evaluator.details import EvaluationDetails
    from flagctl.evaluator.flagset import FlagSet

_log = logging.getLogger("flagctl.server")


class SourceState(NamedTuple):
    """What is known about the flags beside themselves.

    Attributes:
        status: ``ready``, ``stale``, ``not-ready``, or ``untrusted`` (there are none because what came was refused).
        origin: Location they come from.
        problem: Why the newest flags are not the ones served; None if they are.
        seconds_since_success: Since the origin was last read without a problem; None if it never was.
        failures: Attempts to read it that failed since then.
    """

    status: str
    origin: str
    problem: str | None = None
    seconds_since_success: float | None = None
    failures: int = 0


class FlagSource(Protocol):
    """Keeps the flags of one environment."""

    environment: str
    project: str | None

    def start(self, on_change: Callable[[], None]) -> None:
        """Begin; `on_change` is called, on any thread, when other flags are served or their state changed."""

    def snapshot(self) -> Snapshot | None:
        """Return the flags that are served now."""

    def evaluate(self, key: str, context: Mapping[str, Any], default: Any) -> EvaluationDetails:
        """Evaluate one flag for an application."""

    def state(self) -> SourceState:
        """Return what is known about the flags."""

    def refresh(self) -> None:
        """Look for other flags now, waiting for the origin; what fails is kept for `state`."""

    def close(self) -> None:
        """End."""


@final
class ClientSource:
    """Flags of a remote, verified and kept up to date by a client.

    Args:
        client: The client; closed with the source.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        status = client.status()
        self.environment = status.environment
        self.project = status.project

    def start(self, on_change: Callable[[], None]) -> None:
        """Listen to the client."""
        self._client.add_listener(lambda _: on_change())

    def snapshot(self) -> Snapshot | None:
        """Return the client's flags."""
        return self._client.snapshot()

    def evaluate(self, key: str, context: Mapping[str, Any], default: Any) -> EvaluationDetails:
        """Evaluate as the application's own client would, exposures included."""
        return self._client.evaluate(key, context, default)

    def state(self) -> SourceState:
        """Return the client's state."""
        status = self._client.status()
        name = status.state
        if name == "not-ready" and status.last_error_reason is not None:
            name = "untrusted"
        return SourceState(
            name,
            status.url,
            status.last_error or status.kills_error,
            status.seconds_since_success,
            status.failures,
        )

    def refresh(self) -> None:
        """Look at the remote."""
        try:
            self._client.refresh()
            self._client.refresh_lists()
        except FlagctlError as error:
            _log.warning("a look at the remote failed: %s", error.message)

    def close(self) -> None:
        """Close the client."""
        self._client.close()


@final
class FolderSource:
    """Flags of a folder, compiled whenever a file changes; if they have errors, the last good ones go on being served.

    Args:
        root: The flag repository's root.
        environment: Environment to serve.
        interval: Seconds between looks at the folder.
        lists: Files with the units of lists that segments name, by the lists' names.
        clock: Seconds since 1970.

    Raises:
        UsageError: If there is no such environment, or a list cannot be read.
        InvalidFlagsError: If the flags have errors.
    """

    def __init__(
        self,
        root: Path,
        environment: str,
        *,
        interval: float = 0.5,
        lists: Mapping[str, Path] | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._root = root
        self._interval = interval
        self._clock = clock
        self.environment = environment
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._on_change: Callable[[], None] = lambda: None
        self._thread: threading.Thread | None = None
        self._problem: str | None = None
        self._failures = 0
        self._seen = _signature(root)
        self._lists = lists or {}
        self._flags = self._compile(None)
        self._use_lists()
        self.project: str | None = self._flags.header.project
        self._good_at = time.monotonic()

    def start(self, on_change: Callable[[], None]) -> None:
        """Begin to watch the folder."""
        self._on_change = on_change
        self._thread = threading.Thread(target=self._watch, name="flagctl-folder", daemon=True)
        self._thread.start()

    def snapshot(self) -> Snapshot:
        """Return the last good flags."""
        return Snapshot(self._flags)

    def evaluate(self, key: str, context: Mapping[str, Any], default: Any) -> EvaluationDetails:
        """Evaluate one flag."""
        return self._flags.evaluate(key, context, default)

    def state(self) -> SourceState:
        """Return whether the folder is what is served."""
        return SourceState("ready", str(self._root), self._problem, time.monotonic() - self._good_at, self._failures)

    def refresh(self) -> None:
        """Look at the folder, and compile it if a file has changed."""
        with self._lock:
            signature = _signature(self._root)
            if signature == self._seen:
                if self._problem is None:
                    self._good_at = time.monotonic()
                return
            self._seen = signature
            changed = self._renew()
        if changed:
            self._on_change()

    def close(self) -> None:
        """Stop watching."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)

    def _renew(self) -> bool:
        before, problem = self._flags.digest, self._problem
        try:
            self._flags = self._compile(self._flags)
        except (FlagctlError, OSError) as error:
            self._failures += 1
            self._problem = _sentence(error)
            _log.error("the flags have errors, the last good ones go on being served: %s", self._problem)
        else:
            self._failures = 0
            self._problem = None
            self._good_at = time.monotonic()
            if self._flags.digest != before:
                _log.info("other flags are served: %s", self._flags.digest[:12])
        return self._flags.digest != before or self._problem != problem

    def _compile(self, before: FlagSet | None) -> FlagSet:
        from flagctl.evaluator.document import open_bundle  # noqa: PLC0415 - only servers of folders need the author side
        from flagctl.evaluator.flagset import FlagSet  # noqa: PLC0415
        from flagctl.ops.compile import CompileOptions, compile_bundle  # noqa: PLC0415

        options = CompileOptions(root=self._root, environment=self.environment, now_ms=int(self._clock() * 1000))
        document = open_bundle(compile_bundle(options).bundle.data)
        return FlagSet(document, self._clock) if before is None else before.replace(document)

    def _use_lists(self) -> None:
        from flagctl.client.listed import list_names  # noqa: PLC0415 - only servers of folders need it
        from flagctl.ops.unit_lists import FileLists  # noqa: PLC0415

        if self._lists:
            self._flags.use_lists(FileLists(self._lists))
        for name in list_names(self._flags.document):
            if name not in self._lists:
                _log.warning(
                    "the list '%s' is not at hand, so nobody is in it; give its units: --list %s=FILE", name, name
                )

    def _watch(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self.refresh()
            except Exception:  # noqa: BLE001 - the watch goes on, whatever one look came to
                _log.exception("a look at the folder failed")


_SUFFIXES: Final = (".yaml", ".yml")


def _signature(root: Path) -> dict[str, tuple[int, int]]:
    """Return what changes when a flag file does."""
    found: dict[str, tuple[int, int]] = {}
    folders = [str(root)]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    if entry.name.startswith("."):
                        continue
                    if entry.is_dir():
                        folders.append(entry.path)
                    elif entry.name.endswith(_SUFFIXES):
                        status = entry.stat()
                        found[entry.path] = (status.st_mtime_ns, status.st_size)
        except OSError:
            continue  # gone meanwhile; compiling will say what is missing
    return found


def _sentence(error: FlagctlError | OSError) -> str:
    """Return what is wrong, with the first finding's place."""
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}"
    for diagnostic in getattr(error, "diagnostics", ()):
        line = f":{diagnostic.span.line}" if diagnostic.span is not None else ""
        return f"{error.message}; {diagnostic.path}{line}: {diagnostic.code} {diagnostic.message}"
    return error.message
