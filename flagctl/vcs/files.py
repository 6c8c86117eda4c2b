"""Files that git tracks, as they are in the work tree."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flagctl.vcs.plumbing import run_git

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flagctl.vcs.repository import GitRepository

_REGULAR = (b"100644", b"100755")


def tracked_files(repository: GitRepository, *, whole: bool = True) -> tuple[str, ...]:
    """Return the regular files in the index, as paths from the git repository's root, sorted.

    Symbolic links and submodules are left out, and each file in conflict counts once.

    Args:
        repository: The repository.
        whole: Of all of the git repository; else of the folder that `repository` was opened with.
    """
    within = ("--", repository.prefix) if repository.prefix and not whole else ()
    output = run_git(repository.work_tree, "ls-files", "--stage", "-z", *within)
    found = set()
    for entry in output.split(b"\0"):
        meta, _, name = entry.partition(b"\t")
        if name and meta.split(b" ", 1)[0] in _REGULAR:
            found.add(os.fsdecode(name))
    return tuple(sorted(found))


def commit_places(repository: GitRepository, places: Sequence[Path], message: str) -> str:
    """Commit exactly these files of the work tree, also deleted ones, whatever else is staged; return the commit id.

    Raises:
        GitError: If git refuses.
    """
    names = [place.relative_to(repository.work_tree).as_posix() for place in places]
    run_git(repository.work_tree, "--literal-pathspecs", "add", "--all", "--", *names)
    run_git(repository.work_tree, "--literal-pathspecs", "commit", "--quiet", "--only", "-m", message, "--", *names)
    return repository.resolve("HEAD")
