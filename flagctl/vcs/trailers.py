"""Authors and trailers of the commits between two revisions."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flagctl.review.approvals import CommitTrailers
from flagctl.vcs.plumbing import run_git

if TYPE_CHECKING:
    from flagctl.vcs.repository import GitRepository

_FORMAT = "%x02%H%x00%P%x00%ae%x00%(trailers:only=true,unfold=true)%x00"


def read_trailers(repository: GitRepository, base: str, head: str) -> tuple[CommitTrailers, ...]:
    """Return what the commits that are in the history of `head` and not in that of `base` say, newest first.

    Commits that touch nothing in the repository's folder are marked: in a larger repository they are others' business. A
    merge touches what differs from all its parents: what somebody wrote while merging.

    Raises:
        UsageError: If a revision does not exist.
    """
    return _read(repository, f"{repository.resolve(base)}..{repository.resolve(head)}")


def read_all_trailers(repository: GitRepository, head: str) -> tuple[CommitTrailers, ...]:
    """Return the same for the whole history of `head`.

    Raises:
        UsageError: If the revision does not exist.
    """
    return _read(repository, repository.resolve(head))


def _read(repository: GitRepository, span: str) -> tuple[CommitTrailers, ...]:
    output = run_git(
        repository.work_tree, "log", "-z", "--cc", "--name-only", "--no-renames", f"--format={_FORMAT}", span
    )
    found = []
    for record in output.split(b"\x02")[1:]:
        commit, parents, email, trailers, *names = record.split(b"\0")
        paths = (os.fsdecode(name.lstrip(b"\n")) for name in names)
        merged = parents.split()[1:]
        found.append(
            CommitTrailers(
                commit=commit.decode(),
                email=email.decode("utf-8", "replace"),
                trailers=_pairs(trailers.decode("utf-8", "replace")),
                brought=_brought(repository, commit.decode()) if merged else frozenset(),
                touches=any(path.startswith(repository.prefix) for path in paths if path),
            )
        )
    return tuple(found)


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    lines = (line.partition(":") for line in text.splitlines())
    return tuple((name.strip(), value.strip()) for name, colon, value in lines if colon)


def _brought(repository: GitRepository, merge: str) -> frozenset[str]:
    """Return the commits that a merge brought: in its history, and not in its first parent's."""
    return frozenset(run_git(repository.work_tree, "rev-list", merge, f"^{merge}^1").decode().split()) - {merge}
