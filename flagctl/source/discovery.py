"""Find a flag repository on disk and read its files."""

from __future__ import annotations

import os
from pathlib import Path

from flagctl.errors import UsageError
from flagctl.source.plain import IrregularError, load_plain
from flagctl.source.selection import CONFIG_NAME, SUFFIXES, exclude_patterns, select_files


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
    if not root.is_dir():
        raise UsageError(f"{root} is not a folder")
    try:
        config = (root / CONFIG_NAME).read_bytes() if (root / CONFIG_NAME).is_file() else b""
        excluded = exclude_patterns(_config_data(config))
        found: list[str] = []
        _walk(root, "", found, excluded, frozenset())
        paths = select_files(found, _config_data(config))
        return {path: (root / path).read_bytes() for path in paths}
    except OSError as error:
        name = error.filename or root
        raise UsageError(f"{name} cannot be read: {error.strerror or error}") from error


def _config_data(content: bytes) -> dict[str, object] | None:
    try:
        return load_plain(content.decode("utf-8-sig"))
    except (IrregularError, UnicodeDecodeError):
        return None


def _walk(root: Path, folder: str, found: list[str], excluded: list, above: frozenset[tuple[int, int]]) -> None:  # type: ignore[type-arg]
    place = root / folder if folder else root
    status = place.stat()
    identity = (status.st_dev, status.st_ino)
    if identity in above:  # a link back to a folder around this one
        return
    with os.scandir(place) as entries:
        names = sorted(entries, key=lambda entry: entry.name)
    if folder and any(entry.name == CONFIG_NAME for entry in names):
        return
    for entry in names:
        path = f"{folder}/{entry.name}" if folder else entry.name
        if entry.name.startswith("."):
            continue
        if entry.name.endswith(SUFFIXES) and entry.is_file():
            found.append(path)
        elif entry.is_dir() and not any(pattern.match(path) for pattern in excluded):
            _walk(root, path, found, excluded, above | {identity})
