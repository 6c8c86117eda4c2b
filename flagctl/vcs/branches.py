"""Commits on branches that nobody has checked out: the work tree, the index and the current branch stay as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.errors import UsageError
from flagctl.vcs.plumbing import run_git, run_git_code

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.vcs.repository import GitRepository

_MOST_NAMES = 100


def commit_on_new_branch(
    repository: GitRepository, name: str, base: str, files: Mapping[str, bytes], message: str
) -> tuple[str, str]:
    """Make a branch with one commit that changes some files.

    Args:
        repository: The git repository.
        name: Wanted name of the branch; a number is added if there is one already.
        base: Revision to start from.
        files: New content by path, relative to the repository's folder. Modes of existing files stay.
        message: Of the commit.

    Returns:
        Name of the branch and id of the commit.

    Raises:
        UsageError: If there is no such revision, or a hundred branches of that name.
        GitError: If git refuses, for instance because no identity is configured.
    """
    parent = repository.resolve(base)
    branch = _free_name(repository, name)
    committer = run_git(repository.folder, "var", "GIT_COMMITTER_IDENT").strip()
    text = message.encode()
    stream = [
        b"commit refs/heads/%b\n" % branch.encode(),
        b"committer %b\n" % committer,
        b"data %d\n%b\n" % (len(text), text),
        b"from %b\n" % parent.encode(),
    ]
    for path, data in sorted(files.items()):
        place = repository.prefix + path
        listing = run_git(repository.work_tree, "--literal-pathspecs", "ls-tree", "--full-tree", parent, "--", place)
        mode = listing[:6] or b"100644"
        quoted = place.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        stream += [b'M %b inline "%b"\n' % (mode, quoted.encode()), b"data %d\n%b\n" % (len(data), data)]
    run_git(repository.folder, "fast-import", "--quiet", data=b"".join(stream))
    return branch, repository.resolve(f"refs/heads/{branch}")


def _free_name(repository: GitRepository, name: str) -> str:
    for number in range(1, _MOST_NAMES):
        candidate = name if number == 1 else f"{name}-{number}"
        code, _ = run_git_code(
            repository.folder, "show-ref", "--verify", "--quiet", f"refs/heads/{candidate}", accept=(0, 1)
        )
        if code:
            return candidate
    raise UsageError(f"there are too many branches named {name}", hint="delete those that are merged")
