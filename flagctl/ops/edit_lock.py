"""One writer at a time in a flag repository, across processes and threads."""

from __future__ import annotations

import os
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from flagctl.errors import ConflictError, UsageError
from flagctl.ops.file_lock import try_lock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_NAME: Final = "flagctl-edit.lock"
_PAUSE: Final = 0.01
_held = threading.local()


@contextmanager
def edit_lock(root: Path, *, patience: float = 60.0, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Hold the repository's lock; whoever holds it already gets it again.

    The operating system frees the lock of a process that dies. The file lies in git's own folder, so that nobody commits it.

    Args:
        root: The flag repository's root.
        patience: Seconds to wait for others.
        clock: Seconds that only grow.

    Raises:
        ConflictError: If others held it all the time.
        UsageError: If there is no place for the lock's file.
    """
    place = _lock_file(root.resolve())
    mine: set[Path] = _held.__dict__.setdefault("places", set())
    if place in mine:
        yield
        return
    try:
        handle = os.open(place, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise UsageError(f"{place} cannot be written: {error.strerror or error}") from error
    try:
        until = clock() + patience
        while not try_lock(handle):
            if clock() >= until:
                raise ConflictError(
                    f"others have been editing this repository for {patience:g} seconds", hint="try again in a moment"
                )
            time.sleep(_PAUSE)
        mine.add(place)
        try:
            yield
        finally:
            mine.discard(place)
    finally:
        os.close(handle)


def _lock_file(root: Path) -> Path:
    for folder in (root, *root.parents):
        git = folder / ".git"
        if git.is_dir():
            return git / _NAME
        if git.is_file():  # a linked work tree: its own folder is named in the file
            named = git.read_text(encoding="utf-8", errors="surrogateescape").partition("gitdir:")[2].strip()
            place = (folder / named).resolve()
            if place.is_dir():
                return place / _NAME
    return root / f".{_NAME}"
