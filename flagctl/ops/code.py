"""Code as it lies in one or several git repositories, and the places in it that name flags."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from flagctl.model import Repository
    from flagctl.references import CodeReference, ReferenceSettings
    from flagctl.references.python_project import Project
    from flagctl.source import LoadedRepository


@dataclass(frozen=True, slots=True, kw_only=True)
class Skipped:
    """A file that was not looked through, and why: ``binary``, ``large`` or ``unreadable``."""

    path: str
    reason: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {"path": self.path, "reason": self.reason}


@dataclass(slots=True)
class Code:
    """Files of code and what was found in them.

    Attributes:
        folders: Git work trees, in order; paths of files in further ones begin with the folder's name.
        places: Files on disk by path.
        references: Of known keys, by file and place.
        unknown: Calls that ask for a key that no flag has.
        skipped: Files not looked through.
        files: How many were.
        lines: How many lines they have.
        project: The Python files that were parsed.
        python: All Python files.
        seconds: How long it took.
    """

    folders: tuple[Path, ...] = ()
    places: dict[str, Path] = field(default_factory=dict)
    references: list[CodeReference] = field(default_factory=list)
    unknown: list[CodeReference] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    files: int = 0
    lines: int = 0
    project: Project | None = None
    python: dict[str, bytes] = field(default_factory=dict)
    seconds: float = 0.0

    def by_key(self) -> dict[str, list[CodeReference]]:
        """Return the references of each key that has any."""
        found: dict[str, list[CodeReference]] = {}
        for one in self.references:
            found.setdefault(one.key, []).append(one)
        return found


def settings_of(repository: Repository) -> ReferenceSettings:
    """Return how keys are looked for, as `flagctl.yaml` says."""
    from flagctl.references import ReferenceSettings

    return ReferenceSettings.from_config(repository.config.references)


def read_code(
    root: Path,
    loaded: LoadedRepository,
    *,
    keys: Iterable[str] = (),
    code: tuple[Path, ...] = (),
    thorough: bool = True,
) -> Code:
    """Look for keys in all files that git tracks.

    Args:
        root: The flag repository's root.
        loaded: The flag repository; its own files are no code, and its configuration says how to look.
        keys: What to look for; empty for all flags and experiments.
        code: Folders to look through; empty for the git repository that the flags are in.
        thorough: Whether to look for unknown keys and for wrappers, too.

    Raises:
        UsageError: If a folder is in no git repository.
        InvalidFlagsError: If `flagctl.yaml` is unusable.
    """
    from flagctl.ops.loading import readable
    from flagctl.references.search import Search

    repository = readable(loaded)
    settings = settings_of(repository)
    known = frozenset({*repository.flags, *repository.experiments})
    own = frozenset({*loaded.documents, "flagctl.yaml"})
    started = time.perf_counter()
    result = Code(folders=code or (root,))
    search = Search(frozenset(keys) or known, known, settings, thorough=thorough)
    for path, place in _files(root, result.folders, own, settings):
        data = _read(place, path, settings, result)
        if data is not None:
            result.files += 1
            result.lines += data.count(b"\n")
            result.places[path] = place
            search.add(path, data)
    result.references, result.unknown = search.finish()
    result.project = search.project
    result.python = search.python
    result.seconds = time.perf_counter() - started
    return result


def _read(place: Path, path: str, settings: ReferenceSettings, result: Code) -> bytes | None:
    from flagctl.references.classify import is_binary

    try:
        # one more byte tells a file that is too large, without asking for every file's size
        with place.open("rb", buffering=0) as file:
            data = file.read(settings.max_bytes + 1)
    except FileNotFoundError:  # deleted, but not staged yet; or a sparse checkout
        return None
    except OSError:
        result.skipped.append(Skipped(path=path, reason="unreadable"))
        return None
    if is_binary(data):
        result.skipped.append(Skipped(path=path, reason="binary"))
        return None
    if len(data) > settings.max_bytes:
        result.skipped.append(Skipped(path=path, reason="large"))
        return None
    return data


def _files(
    root: Path, folders: tuple[Path, ...], own: frozenset[str], settings: ReferenceSettings
) -> Iterator[tuple[str, Path]]:
    from flagctl.source.selection import glob_pattern
    from flagctl.vcs import GitRepository
    from flagctl.vcs.files import tracked_files

    include = [glob_pattern(glob) for glob in settings.include]
    exclude = [glob_pattern(glob) for glob in settings.exclude]
    home = f"{os.path.realpath(root)}{os.sep}"
    seen: set[str] = set()
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"the folder {folder} does not exist")
        repository = GitRepository(folder)
        whole = folder == root and len(folders) == 1
        top = repository.work_tree
        prefix = "" if len(folders) == 1 else f"{top.name}/"
        start = f"{top}{os.sep}"
        for name in tracked_files(repository, whole=whole):
            # As text: paths as objects take longer than git does, where thousands of files are flags.
            place = start + name
            if place in seen or (place.startswith(home) and place[len(home) :].replace(os.sep, "/") in own):
                continue
            if include and not any(pattern.match(name) for pattern in include):
                continue
            if any(pattern.match(name) for pattern in exclude):
                continue
            seen.add(place)
            yield prefix + name, top / name
