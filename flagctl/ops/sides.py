"""Both sides of a comparison: what a name such as ``main``, ``worktree`` or ``dir:../other`` stands for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from flagctl.errors import FindingsError, NothingMatchedError, UsageError

if TYPE_CHECKING:
    from flagctl.source import LoadedRepository
    from flagctl.vcs import GitRepository

WORK_TREE = "worktree"
INDEX = "index"


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """A loaded side of a comparison.

    Attributes:
        label: As people read it: ``main (1a2b3c4)``, ``work tree``.
        commit: Full commit id, or None.
        loaded: The repository.
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


def load_side(name: str, root: Path) -> Side:
    """Load one side.

    Args:
        name: A git revision, ``worktree``, ``index``, or ``dir:PATH``.
        root: The flag repository's root in the work tree.

    Raises:
        UsageError: If there is no such revision or folder.
        NothingMatchedError: If that side holds no flag repository.
    """
    from flagctl.source import load_tree, read_tree
    from flagctl.vcs import GitRepository

    commit = None
    if name == WORK_TREE:
        files, label = read_tree(root), "work tree"
    elif name.startswith("dir:"):
        folder = Path(name.removeprefix("dir:"))
        if not folder.is_dir():
            raise UsageError(f"the folder {folder} does not exist")
        files, label = read_tree(folder), name
    elif name == INDEX:
        files, label = GitRepository(root).read_index(), "index"
    else:
        vcs = GitRepository(root)
        commit = vcs.resolve(name)
        files = vcs.read_tree(commit)
        label = commit[:7] if commit.startswith(name) else f"{name} ({commit[:7]})"
    if "flagctl.yaml" not in files:
        raise NothingMatchedError(
            f"there is no flagctl.yaml at {label}", hint="is the flag repository newer than that?"
        )
    loaded = load_tree(files)
    if loaded.repository is None:
        raise FindingsError(f"flagctl.yaml cannot be read at {label}", hint="run: flagctl validate")
    return Side(label=label, commit=commit, loaded=loaded)
