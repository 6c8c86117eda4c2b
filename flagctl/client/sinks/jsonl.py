"""Events as lines of JSON in local files, a file for each kind and day.

::

    <folder>/exposures/dt=2026-11-20/.101500-4711-9f3c….jsonl.part   being written, hidden
    <folder>/exposures/dt=2026-11-20/101500-4711-9f3c….jsonl         complete, never touched again

A file gets its final name when it is large or old enough, or at the end; readers see complete files only. Any number of
processes may write to one folder, each has files of its own. A file being written is locked by its process; one that
nobody holds the lock of was left behind by a process that was killed, and is completed by the next sink that opens the
folder, up to its last whole line.
"""

from __future__ import annotations

import contextlib
import gzip
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, final

from flagctl.events import KINDS, folder_of, to_json_line

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from flagctl.events import Event

_PART: Final = ".part"


class _Open(NamedTuple):
    """A file being written."""

    descriptor: int
    path: Path
    since: float


@final
class JsonlSink:
    """Writes events as lines of JSON.

    Args:
        folder: Where the folders of the kinds lie; made if need be.
        max_bytes: Size at which a file is completed.
        max_seconds: Age at which it is.
        compress: Complete files with gzip, as ``.jsonl.gz``.
        accepts: Kinds of events; all without it.
        name: Names the sink.
        monotonic: Seconds that never jump.
    """

    def __init__(  # noqa: PLR0913 - all optional but the first
        self,
        folder: str | os.PathLike[str],
        *,
        max_bytes: int = 64 * 1024 * 1024,
        max_seconds: float = 300.0,
        compress: bool = False,
        accepts: Collection[str] | None = None,
        name: str = "jsonl",
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.accepts = frozenset(KINDS if accepts is None else accepts)
        self._folder = Path(folder)
        self._max_bytes = max_bytes
        self._max_seconds = max_seconds
        self._compress = compress
        self._monotonic = monotonic
        self._files: dict[str, _Open] = {}

    def open(self) -> None:
        """Complete what was left behind; in a forked child, leave the parent's files alone."""
        for file in self._files.values():
            os.close(file.descriptor)
        self._files = {}
        self._folder.mkdir(parents=True, exist_ok=True)
        for kind in KINDS:
            for path in sorted(self._folder.glob(f"{kind}/dt=*/.*{_PART}")):
                _adopt(path, compress=self._compress)

    def write(self, batch: Sequence[Event]) -> None:
        """Append a batch; if that fails, what was appended of it is cut off again."""
        lines: dict[str, list[bytes]] = {}
        for event in batch:
            lines.setdefault(folder_of(event), []).append(to_json_line(event))
        sizes: list[tuple[int, int]] = []
        try:
            for folder, parts in lines.items():
                descriptor = self._file(folder).descriptor
                sizes.append((descriptor, os.fstat(descriptor).st_size))
                _write_all(descriptor, b"".join(parts))
        except OSError:
            for descriptor, size in sizes:
                with contextlib.suppress(OSError):
                    os.ftruncate(descriptor, size)
            raise
        self._complete_due()

    def flush(self) -> None:
        """Complete the files that are old enough."""
        self._complete_due()

    def close(self) -> None:
        """Complete all files."""
        for folder in list(self._files):
            self._complete(folder)

    def _file(self, folder: str) -> _Open:
        file = self._files.get(folder)
        if file is None:
            place = self._folder / folder
            place.mkdir(parents=True, exist_ok=True)
            while file is None:
                name = f"{time.strftime('%H%M%S', time.gmtime())}-{os.getpid()}-{os.urandom(6).hex()}.jsonl"
                path = place / f".{name}{_PART}"
                descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
                # Before it was locked, somebody may have taken the empty file for one that was left behind, and removed it.
                if _lock(descriptor) and os.fstat(descriptor).st_nlink:
                    file = _Open(descriptor, path, self._monotonic())
                else:
                    os.close(descriptor)
            self._files[folder] = file
        return file

    def _complete_due(self) -> None:
        now = self._monotonic()
        for folder, file in list(self._files.items()):
            if now - file.since >= self._max_seconds or os.fstat(file.descriptor).st_size >= self._max_bytes:
                self._complete(folder)

    def _complete(self, folder: str) -> None:
        file = self._files[folder]
        _give_name(file.path, compress=self._compress)
        del self._files[folder]
        os.close(file.descriptor)


def _write_all(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _lock(descriptor: int) -> bool:
    """Lock a file for this process; return whether it is locked now. Where there are no such locks, it counts as locked."""
    try:
        import fcntl  # noqa: PLC0415 - not everywhere
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _adopt(path: Path, *, compress: bool) -> None:
    """Complete a file if nobody is writing it."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return  # its owner completed it meanwhile
    try:
        if not _lock(descriptor) or not path.exists():
            return
        size = _end_of_lines(descriptor)
        if size:
            os.ftruncate(descriptor, size)
            _give_name(path, compress=compress)
        else:
            path.unlink()
    except OSError:
        return  # read-only, or somebody else's
    finally:
        os.close(descriptor)


def _end_of_lines(descriptor: int) -> int:
    """Return how many bytes of a file are whole lines."""
    end = os.fstat(descriptor).st_size
    while end > 0:
        begin = max(0, end - 65_536)
        os.lseek(descriptor, begin, os.SEEK_SET)
        found = os.read(descriptor, end - begin).rfind(b"\n")
        if found >= 0:
            return begin + found + 1
        end = begin
    return 0


def _give_name(path: Path, *, compress: bool) -> None:
    """Give a complete file its name."""
    final = path.with_name(path.name.removeprefix(".").removesuffix(_PART))
    if not compress:
        path.rename(final)
        return
    packed = path.with_name(f".{final.name}.gz{_PART}z")
    with path.open("rb") as plain, packed.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as target:
        while chunk := plain.read(1 << 20):
            target.write(chunk)
    packed.rename(final.with_name(f"{final.name}.gz"))
    path.unlink()
