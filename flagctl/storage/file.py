"""Remotes in a folder: demos, tests, volumes that a sidecar or Kubernetes fills.

- A write goes to a temporary file that is flushed to disk and renamed over the old one: readers see the old or the new
  object, also after a crash.
- Conditional writes hold a lock (``.lock`` in the object's folder) from comparing to renaming.
- A poll costs one `os.stat`: as long as the file behind the name has the same device, inode, size and times, it is not read.
  Following links, it also sees a Kubernetes volume swap its ``..data`` link.
"""

# Every app that reads a folder imports this module, and pathlib would cost it several milliseconds.
# ruff: noqa: PTH103, PTH105, PTH108, PTH116, PTH118, PTH120, PTH123
from __future__ import annotations

import hashlib
import os
import sys
import time
from typing import TYPE_CHECKING, Final, final

from flagctl.errors import ConflictError, RemoteError, UntrustedError, UsageError
from flagctl.storage.remote import NOT_MODIFIED, Fetched, NotModified, check_key

if TYPE_CHECKING:
    from collections.abc import Iterator

_LOCK_NAME: Final = ".lock"
_TEMPORARY: Final = ".tmp-"
_SETTLED_NS: Final = 2_000_000_000
"""A file that changed less than this long ago may change again within the same clock tick: its times prove nothing."""

_LOCK_SECONDS: Final = 15.0
_LOCK_PAUSE: Final = 0.002

_Stamp = tuple[int, int, int, int, int]


@final
class FileRemote:
    """A remote in a folder.

    Args:
        url: ``file:///absolute/path``; the folder is made by the first write.

    Raises:
        UsageError: If the location names another host or no absolute path.
    """

    __slots__ = ("_root", "_stamps", "_url")

    def __init__(self, url: str) -> None:
        self._root = _path_of(url)
        self._url = url
        # Per key: the stamp of the file when it was last read, and its tag. Whole entries are replaced, so threads may race.
        self._stamps: dict[str, tuple[_Stamp, str]] = {}

    @property
    def url(self) -> str:
        """Where it is."""
        return self._url

    def __repr__(self) -> str:
        return f"FileRemote({self._url!r})"

    def get(self, key: str, *, etag: str | None = None, max_bytes: int) -> Fetched | NotModified | None:
        """Read an object; see `Remote.get`."""
        path = self._path(key)
        try:
            if etag is not None and (known := self._stamps.get(key)) is not None:
                stamp, tag = known
                if tag == etag and stamp == _stamp(os.stat(path)):
                    return NOT_MODIFIED
            with open(path, "rb", opener=_open_without_waiting) as file:
                status = os.fstat(file.fileno())
                data = file.read(max_bytes + 1)
        except (FileNotFoundError, NotADirectoryError):
            self._stamps.pop(key, None)
            return None
        except OSError as error:
            raise _remote_error(f"{path} cannot be read", error) from error
        if len(data) > max_bytes:
            raise UntrustedError(f"{path} is larger than {max_bytes} bytes", reason="too-large")
        tag = _tag(data)
        if abs(time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns)) > _SETTLED_NS:
            self._stamps[key] = (_stamp(status), tag)
        return NOT_MODIFIED if tag == etag else Fetched(data, tag)

    def put(self, key: str, data: bytes, *, if_match: str | None = None, if_none_match: bool = False) -> str:
        """Write an object; see `Remote.put`."""
        path = self._path(key)
        folder = os.path.dirname(path)
        try:
            os.makedirs(folder, exist_ok=True)
            with _Lock(os.path.join(folder, _LOCK_NAME)):
                self._check_condition(path, if_match, if_none_match=if_none_match)
                _replace(path, data)
        except OSError as error:
            raise _remote_error(f"{path} cannot be written", error) from error
        return _tag(data)

    def list(self, prefix: str) -> list[str]:
        """Return the keys that start with `prefix`; see `Remote.list`."""
        folder = check_key(prefix.rpartition("/")[0]) if "/" in prefix else ""
        try:
            return sorted(key for key in self._walk(folder) if key.startswith(prefix))
        except OSError as error:
            raise _remote_error(f"{self._root} cannot be listed", error) from error

    def path_of(self, key: str) -> str:
        """Return the file of an object."""
        return self._path(key)

    def _walk(self, folder: str) -> Iterator[str]:
        try:
            entries = list(os.scandir(os.path.join(self._root, *folder.split("/")) if folder else self._root))
        except (FileNotFoundError, NotADirectoryError):
            return
        for entry in entries:
            if entry.name.startswith("."):
                continue
            key = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir():
                yield from self._walk(key)
            else:
                yield key

    def _path(self, key: str) -> str:
        return os.path.join(self._root, *check_key(key).split("/"))

    def _check_condition(self, path: str, if_match: str | None, *, if_none_match: bool) -> None:
        if if_match is None and not if_none_match:
            return
        try:
            with open(path, "rb") as file:
                tag = _tag(file.read())
        except FileNotFoundError:
            tag = None
        if if_none_match and tag is not None:
            raise ConflictError(f"{path} exists already")
        if if_match is not None and tag != if_match:
            raise ConflictError(f"{path} has changed meanwhile")


class _Lock:
    """An exclusive lock on a file, held by one thread of one process; the system frees it when the process dies.

    A holder that was stopped, or a file server that does not answer, must not hold everybody up for ever.
    """

    __slots__ = ("_descriptor", "_path")

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> None:
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
        try:
            self._wait()
        except BaseException:
            os.close(self._descriptor)
            raise

    def _wait(self) -> None:
        deadline = time.monotonic() + _LOCK_SECONDS
        while not _try_lock(self._descriptor):
            if time.monotonic() > deadline:
                raise RemoteError(
                    f"{self._path} has been locked by another process for {_LOCK_SECONDS:.0f} seconds",
                    hint="is a publisher hanging? the lock goes with its process",
                )
            time.sleep(_LOCK_PAUSE)

    def __exit__(self, *_: object) -> None:
        try:
            _unlock(self._descriptor)
        finally:
            os.close(self._descriptor)


def _unlock(descriptor: int) -> None:
    """Let go of the lock for all who have the descriptor: a child that was forked meanwhile has it, and would keep it."""
    if sys.platform != "win32":
        import fcntl  # noqa: PLC0415

        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    return True


def _replace(path: str, data: bytes) -> None:
    temporary = os.path.join(os.path.dirname(path), f"{_TEMPORARY}{os.getpid()}-{os.urandom(6).hex()}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        _remove(temporary)
        raise
    if sys.platform != "win32":
        # The rename itself must reach the disk, or a crash could bring the old object back after a reader saw the new one.
        folder = os.open(os.path.dirname(path), os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _remove(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a named pipe in its place would otherwise keep the reader waiting for ever."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _stamp(status: os.stat_result) -> _Stamp:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _tag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _remote_error(message: str, error: OSError) -> RemoteError:
    hint = "check the folder's owner and mode" if isinstance(error, PermissionError) else None
    return RemoteError(f"{message}: {error.strerror or error}", hint=hint)


def _path_of(url: str) -> str:
    from urllib.parse import unquote, urlsplit  # noqa: PLC0415 - only opening a remote needs it

    parts = urlsplit(url)
    if parts.netloc not in {"", "localhost"}:
        raise UsageError(f"the location '{url}' names the host '{parts.netloc}'", hint="write file:///absolute/path")
    path = unquote(parts.path)
    if parts.query or parts.fragment or not path.startswith("/") or "\x00" in path:
        raise UsageError(f"the location '{url}' is not an absolute path", hint="write file:///absolute/path")
    if sys.platform == "win32":
        path = path.lstrip("/")
    return os.path.normpath(path)
