"""Locks on files, which the operating system frees when a process dies."""

from __future__ import annotations

import os

if os.name == "nt":  # pragma: no cover - Windows
    import msvcrt

    def try_lock(handle: int) -> bool:
        """Lock a file, or return at once; closing it frees the lock."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(handle: int) -> bool:
        """Lock a file, or return at once; closing it frees the lock."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
