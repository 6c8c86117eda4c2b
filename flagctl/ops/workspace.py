"""The files of a flag repository, kept in memory: asked again, only what changed on disk is read again."""

from __future__ import annotations

import hashlib
import os
import time
from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from flagctl.source import LoadedRepository
    from flagctl.source.incremental import IncrementalLoader

_RACY_NS: Final = 2_000_000_000
"""A file that was written so shortly before it was read may be written once more without a new time stamp."""


class _Seen(NamedTuple):
    signature: tuple[int, int, int]
    read_ns: int

    def is_still(self, status: os.stat_result) -> bool:
        """Return whether the file is as it was read, for sure."""
        return self.signature == _signature(status) and self.read_ns - status.st_mtime_ns > _RACY_NS


def _signature(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mtime_ns, status.st_size, status.st_ino


class Workspace:
    """Files of a repository, and what they say.

    Args:
        root: The flag repository's root.
        revision: Read the files of this git revision, which never change, instead of those on disk.
        loader: Remembers what files say; one may serve several workspaces of one thread.

    Raises:
        UsageError: If a file cannot be read, or there is no such revision.
        NothingMatchedError: If there was no flag repository at that revision.
    """

    def __init__(self, root: Path, *, revision: str | None = None, loader: IncrementalLoader | None = None) -> None:
        from flagctl.source.incremental import IncrementalLoader

        self.root = root
        self.revision = revision
        self._files: dict[str, bytes] = {}
        self._seen: dict[str, _Seen] = {}
        self._loader = loader or IncrementalLoader()
        self._whole: LoadedRepository | None = None
        if revision is not None:
            self._files = _files_at(root, revision)
        else:
            self.refresh()

    @property
    def files(self) -> Mapping[str, bytes]:
        """Content by path, as last read."""
        return self._files

    def refresh(self) -> bool:
        """Read again what changed on disk; return whether anything did."""
        from flagctl.source.discovery import seen_content, tree_files

        if self.revision is not None:
            return False
        files: dict[str, bytes] = {}
        changed = False
        try:
            for path, place in tree_files(self.root).items():
                seen = self._seen.get(path)
                if seen and seen.is_still(os.stat(place)):  # noqa: PTH116  ten thousand times
                    files[path] = self._files[path]
                    continue
                now = time.time_ns()
                content, status = seen_content(place)
                self._seen[path] = _Seen(_signature(status), now)
                changed = changed or self._files.get(path) != content
                files[path] = content
        except OSError as error:
            raise UsageError(f"{error.filename or self.root} cannot be read: {error.strerror or error}") from error
        changed = changed or len(files) != len(self._files)
        if changed or not self._files:
            self._files, self._whole = files, None
        return changed

    def loaded(self) -> LoadedRepository:
        """Return the whole repository as last read."""
        if self._whole is None:
            self._whole = self._loader.load(self._files)
        return self._whole

    def load(self, files: Mapping[str, bytes], only: Iterable[str]) -> LoadedRepository:
        """Return a part of a repository that differs from this one in few files."""
        return self._loader.load(files, only)


def digest(content: bytes | None) -> str | None:
    """Return the SHA-256 of a file's bytes in hexadecimal; None for a file that is not there."""
    return None if content is None else hashlib.sha256(content).hexdigest()


def _files_at(root: Path, revision: str) -> dict[str, bytes]:
    from flagctl.errors import NothingMatchedError
    from flagctl.vcs import GitRepository

    files = GitRepository(root).read_tree(revision)
    if "flagctl.yaml" not in files:
        raise NothingMatchedError(
            f"there is no flagctl.yaml at '{revision}'", hint="the flag repository is newer than that"
        )
    return files
