"""Both sides of a comparison: what a name such as ``main``, ``worktree`` or ``dir:../other`` stands for.

Two sides of one git repository are loaded only where they differ, plus what the difference reaches: git knows which files
changed, and of the others only those are parsed that mention a changed key, so that comparing ten thousand flags costs little more
than reading their bytes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flagctl.errors import FindingsError, NothingMatchedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.model import EnvironmentOverride, Experiment, Flag, Segment
    from flagctl.source import LoadedRepository
    from flagctl.vcs import GitRepository

WORK_TREE = "worktree"
INDEX = "index"
_CONFIG = "flagctl.yaml"
_MOST_CHANGED = 0.3
"""Share of changed files above which loading everything is no slower."""
_FEW_WORDS = 8
"""Up to so many keys are looked for one by one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A loaded side of a comparison.

    Attributes:
        label: As people read it: ``main (1a2b3c4)``, ``work tree``.
        commit: Full commit id, or None.
        loaded: The repository; of two sides in git only what differs and what that reaches.
    """

    label: str
    commit: str | None
    loaded: LoadedRepository


def default_base(vcs: GitRepository) -> str:
    """Return the commit that a change is compared with unless told: the merge base with the default branch, else HEAD.

    Raises:
        UsageError: If there is no commit yet.
    """
    if vcs.head() is None:
        raise UsageError("there is no commit to compare with yet", hint="commit the flag files first")
    branch = vcs.default_branch()
    return vcs.merge_base(branch, "HEAD") if branch else "HEAD"


def load_sides(base: str, head: str, root: Path, *, complete: bool = False) -> tuple[Side, Side]:
    """Load both sides of a comparison.

    Args:
        base: A git revision, ``worktree``, ``index``, or ``dir:PATH``.
        head: Likewise.
        root: The flag repository's root in the work tree.
        complete: Load everything, for what evaluates flags and not only compares them.

    Raises:
        UsageError: If there is no such revision or folder.
        NothingMatchedError: If a side holds no flag repository.
        FindingsError: If a side's configuration cannot be read.
    """
    names = (_Name.parse(base, root), _Name.parse(head, root))
    if not complete and all(name.vcs is not None and name.folder is None and not name.is_index for name in names):
        return _load_difference(names[0], names[1])
    return names[0].side(names[0].everything()), names[1].side(names[1].everything())


def load_side(name: str, root: Path) -> Side:
    """Load one side whole; as :func:`load_sides`."""
    found = _Name.parse(name, root)
    return found.side(found.everything())


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    """A side that was found but not loaded yet."""

    label: str
    root: Path
    vcs: GitRepository | None = None
    commit: str | None = None
    folder: Path | None = None
    is_index: bool = False

    @classmethod
    def parse(cls, name: str, root: Path) -> _Name:
        from flagctl.vcs import GitRepository

        if name.startswith("dir:"):
            folder = Path(name.removeprefix("dir:"))
            if not folder.is_dir():
                raise UsageError(f"the folder {folder} does not exist")
            return cls(label=name, root=root, folder=folder)
        if name == WORK_TREE:
            try:
                return cls(label="work tree", root=root, vcs=GitRepository(root))
            except UsageError:  # a work tree needs no git to be compared with another folder
                return cls(label="work tree", root=root, folder=root)
        vcs = GitRepository(root)
        if name == INDEX:
            return cls(label="index", root=root, vcs=vcs, is_index=True)
        commit = vcs.resolve(name)
        label = commit[:7] if commit.startswith(name) else f"{name} ({commit[:7]})"
        return cls(label=label, root=root, vcs=vcs, commit=commit)

    def everything(self) -> dict[str, bytes]:
        from flagctl.source import read_tree

        if self.vcs is not None and self.is_index:
            return self.vcs.read_index()
        if self.vcs is not None and self.commit is not None:
            return self.vcs.read_tree(self.commit)
        return read_tree(self.folder or self.root)

    def some(self, paths: Iterable[str]) -> dict[str, bytes]:
        if self.vcs is not None and self.commit is not None:
            return self.vcs.read_paths(self.commit, paths)
        files = ((path, self.root / path) for path in paths)
        return {path: file.read_bytes() for path, file in files if file.is_file()}

    def side(self, files: dict[str, bytes]) -> Side:
        from flagctl.source import load_tree

        if _CONFIG not in files:
            raise NothingMatchedError(
                f"there is no flagctl.yaml at {self.label}", hint="is the flag repository newer than that?"
            )
        loaded = load_tree(files)
        if loaded.repository is None:
            raise FindingsError(f"flagctl.yaml cannot be read at {self.label}", hint="run: flagctl validate")
        return Side(label=self.label, commit=self.commit, loaded=loaded)


def _load_difference(base: _Name, head: _Name) -> tuple[Side, Side]:
    vcs = base.vcs
    if vcs is None or (base.commit is None and head.commit is None):
        return base.side(base.everything()), head.side(head.everything())
    changed = (
        vcs.changed_paths(base.commit or "", head.commit)
        if base.commit is not None
        else vcs.changed_paths(head.commit or "")
    )
    changed = tuple(path for path in changed if path.endswith((".yaml", ".yml")))
    if len(changed) > 200 and len(changed) > _MOST_CHANGED * len(vcs.tracked_yaml()):
        return base.side(base.everything()), head.side(head.everything())
    paths = {_CONFIG, *changed}
    sides = (base.side(base.some(paths)), head.side(head.some(paths)))
    words = _deciding_keys(sides, changed)
    if not words:
        return sides
    # What did not change is the same on both sides, and git gives a commit's files faster than the file system does.
    unchanged = (base if base.commit is not None else head).everything()
    same = {path: content for path, content in unchanged.items() if path not in paths}
    found = set(changed)
    while words and (found := _files_with(words, same)):
        paths |= found
        for path in found:
            del same[path]
        sides = (base.side(base.some(paths)), head.side(head.some(paths)))
        words = {d.key for path in found if (d := sides[1].loaded.documents.get(path)) and d.key is not None}
    return sides


_WORD = re.compile(rb"[a-z0-9][a-z0-9._-]*")


def _files_with(words: set[str], files: Mapping[str, bytes]) -> set[str]:
    """Return the files that may mention one of the keys; too many do no harm.

    A file with a backslash may spell a key in escapes, so it always counts.
    """
    wanted = {word.encode() for word in words}
    if len(wanted) <= _FEW_WORDS:
        return {path for path, content in files.items() if b"\\" in content or any(word in content for word in wanted)}
    return {
        path for path, content in files.items() if b"\\" in content or not wanted.isdisjoint(_WORD.findall(content))
    }


def _deciding_keys(sides: tuple[Side, Side], paths: Iterable[str]) -> set[str]:
    """Return the keys of the documents that may decide differently on both sides, and of the experiments of their flags."""
    wanted = set(paths)
    decisions = [_decisions(side, wanted) for side in sides]
    keys = set()
    for kind, key in {*decisions[0], *decisions[1]}:
        if decisions[0].get((kind, key)) == decisions[1].get((kind, key)):
            continue
        keys.add(key)
        for side in sides:
            flag = side.loaded.repository.flags.get(key) if kind == "flag" and side.loaded.repository else None
            parts: tuple[Flag | EnvironmentOverride, ...] = (flag, *flag.environments.values()) if flag else ()
            keys.update(rule.experiment for part in parts for rule in part.rules if rule.experiment is not None)
    return keys


def _decisions(side: Side, paths: set[str]) -> dict[tuple[str, str], Any]:
    """Return what decides answers in the documents of these files: the model without what only people read."""
    from dataclasses import replace

    from flagctl.review.meaning import meaning

    repository = side.loaded.repository
    if repository is None:
        return {}
    kinds: dict[str, Mapping[str, Flag | Segment | Experiment]] = {
        "flag": repository.flags,
        "segment": repository.segments,
        "experiment": repository.experiments,
    }
    found: dict[tuple[str, str], Any] = {}
    for kind, items in kinds.items():
        for key, item in items.items():
            if item.path in paths:
                found[kind, key] = meaning(replace(item, name=None, owner=None, tags=()))
    return found
