"""Find a flag repository on disk and read its files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from flagctl.errors import UsageError
from flagctl.source.plain import IrregularError, load_plain
from flagctl.source.reading import MAX_BYTES
from flagctl.source.selection import CONFIG_NAME, SUFFIXES, exclude_patterns, select_files

if TYPE_CHECKING:
    import re

_READ: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_USUAL: Final = 65_536
"""Most flag files are shorter, in bytes, and are read at once."""


def find_root(start: Path) -> Path:
    """Return the folder of the `flagctl.yaml` that is in charge of `start`.

    Looked for in `start` and every folder above it up to the git root (or up to the top outside of git), then in the
    folder `flags` of the git root or of `start`.

    Raises:
        UsageError: If there is none, or `start` does not exist.
    """
    start = Path(os.path.abspath(start))  # noqa: PTH100  resolve() would follow links, and messages would show other paths
    if not start.exists():
        raise UsageError(f"{start} does not exist")
    folder = start if start.is_dir() else start.parent
    visited = [folder, *folder.parents]
    git_root = next((place for place in visited if (place / ".git").exists()), None)
    if git_root is not None:
        visited = visited[: visited.index(git_root) + 1]
    for candidate in visited:
        if (candidate / CONFIG_NAME).is_file():
            return candidate
    for place in (folder, git_root):
        if place is not None and (place / "flags" / CONFIG_NAME).is_file():
            return place / "flags"
    border = f"the git root {git_root}" if git_root else "the top of the file system"
    raise UsageError(
        f"no {CONFIG_NAME} in {folder}, nor in a folder above it up to {border}",
        hint="run `flagctl init` where the flags shall live, or name the folder with --root",
    )


def read_tree(root: Path) -> dict[str, bytes]:
    """Read the configuration and all YAML documents below `root`.

    Returns:
        Content by path relative to `root`, with forward slashes, sorted by path. Left out is what `flagctl.yaml` excludes,
        folders whose name begins with a dot, folders with a `flagctl.yaml` of their own, and links to folders that lead
        back to a folder around them.

    Raises:
        UsageError: If `root` is no folder or a file in it cannot be read.
    """
    try:
        return {path: file_content(place) for path, place in tree_files(root).items()}
    except OSError as error:
        name = error.filename or root
        raise UsageError(f"{name} cannot be read: {error.strerror or error}") from error


def tree_files(root: Path) -> dict[str, str]:
    """Return where the files are that `read_tree` reads, by the same paths, without reading any but `flagctl.yaml`.

    Raises:
        UsageError: If `root` is no folder or a folder in it cannot be read.
    """
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder")
    try:
        config = _config_data(file_content(root / CONFIG_NAME) if (root / CONFIG_NAME).is_file() else b"")
        found = _Walk(root, exclude_patterns(config)).files()
        return {path: found[path] for path in select_files(found, config)}
    except OSError as error:
        name = error.filename or root
        raise UsageError(f"{name} cannot be read: {error.strerror or error}") from error


def file_content(path: str | Path) -> bytes:
    """Return a file's bytes; of one that is too large only so much that this shows.

    Raises:
        OSError: If it cannot be read.
    """
    return seen_content(path)[0]


def seen_content(path: str | Path) -> tuple[bytes, os.stat_result]:
    """Return a file's bytes as `file_content` does, and its status from before they were read.

    Raises:
        OSError: If it cannot be read.
    """
    # Ten thousand file objects take seven times as long as the system calls that are needed.
    file = os.open(path, _READ)
    try:
        status = os.fstat(file)
        content = os.read(file, _USUAL)
        if len(content) == _USUAL:
            parts = [content]
            left = MAX_BYTES + 1 - _USUAL  # one more, so that the limit shows
            while left and (content := os.read(file, left)):
                parts.append(content)
                left -= len(content)
            content = b"".join(parts)
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error
    finally:
        os.close(file)
    return content, status


def _config_data(content: bytes) -> dict[str, object] | None:
    try:
        return load_plain(content.decode("utf-8-sig"))
    except (IrregularError, UnicodeDecodeError):
        return None


class _Walk:
    """All YAML files below a folder: path relative to it, as messages show it, to the file."""

    def __init__(self, root: Path, excluded: list[re.Pattern[str]]) -> None:
        self.root = root
        self.excluded = excluded
        self.found: dict[str, str] = {}

    def files(self) -> dict[str, str]:
        self.folder(os.fspath(self.root), "", frozenset())
        return self.found

    def folder(self, place: str, prefix: str, above: frozenset[tuple[int, int]]) -> None:
        status = os.stat(place)  # noqa: PTH116  paths are text here: thousands of objects take long
        identity = (status.st_dev, status.st_ino)
        if identity in above:  # a link back to a folder around this one
            return
        with os.scandir(place) as entries:
            children = sorted(entries, key=lambda entry: entry.name)
        if prefix and any(child.name == CONFIG_NAME for child in children):
            return
        for child in children:
            # A file name that is no UTF-8 could not be printed.
            path = prefix + os.fsencode(child.name).decode(errors="replace")
            if child.name.startswith("."):
                continue
            if child.is_symlink() and not os.path.exists(child.path):  # noqa: PTH110  leads nowhere, or back to itself
                continue
            if child.name.endswith(SUFFIXES) and child.is_file():
                self.found[path] = child.path
            elif child.is_dir() and not any(pattern.match(path) for pattern in self.excluded):
                self.folder(child.path, f"{path}/", above | {identity})
