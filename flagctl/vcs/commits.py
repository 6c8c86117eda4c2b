"""Commits of named files: in the work tree, or on a branch that nobody has checked out."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flagctl.errors import ConflictError, FlagctlError, UsageError
from flagctl.vcs.plumbing import run_git, run_git_code

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.vcs.repository import GitRepository


class CommitText(NamedTuple):
    """What a commit says; the author is ``Name <address>``, None is whoever runs git."""

    message: str
    author: str | None = None


def commit_files(repository: GitRepository, paths: Iterable[str], text: CommitText) -> str:
    """Commit the present state of exactly these paths, whatever else is staged, and return the commit's id.

    A refusal leaves the index as it was.

    Args:
        repository: The git repository; paths are relative to its folder.
        paths: Changed, new or removed files.
        text: What the commit says.

    Raises:
        GitError: If git refuses, for instance because of a hook, or because no identity is configured.
    """
    named = [repository.prefix + path for path in paths]
    output = run_git(repository.work_tree, "--literal-pathspecs", "ls-files", "-z", "--", *named)
    tracked = set(output.decode("utf-8", "surrogateescape").split("\0"))
    fresh = [name for name in named if name not in tracked]
    if fresh:
        run_git(repository.work_tree, "--literal-pathspecs", "add", "--intent-to-add", "--", *fresh)
    options = ["--author", text.author] if text.author else []
    try:
        run_git(
            repository.work_tree,
            *("--literal-pathspecs", "commit", "--quiet", "--only", *options, "--message", text.message, "--", *named),
        )
    except FlagctlError:
        if fresh:
            run_git(repository.work_tree, "--literal-pathspecs", "rm", "--quiet", "--cached", "--force", "--", *fresh)
        raise
    head = repository.head()
    if head is None:  # pragma: no cover  git has just made a commit
        raise FlagctlError("git made no commit")
    return head


def uncommitted(repository: GitRepository, paths: Iterable[str]) -> frozenset[str]:
    """Return those of the paths that are not as in the last commit: changed, new or removed."""
    named = [repository.prefix + path for path in paths]
    asked = ("--literal-pathspecs", "status", "--porcelain", "-z", "--no-renames", "--untracked-files=all", "--")
    output = run_git(repository.work_tree, *asked, *named)
    lines = output.decode("utf-8", "surrogateescape").split("\0")
    return frozenset(line[3:].removeprefix(repository.prefix) for line in lines if line)


def branch_tip(repository: GitRepository, branch: str) -> str | None:
    """Return the commit a local branch is at, or None if there is none of that name.

    Raises:
        UsageError: If this can't be a branch's name.
    """
    code, _ = run_git_code(repository.folder, "check-ref-format", "--branch", branch, accept=(0, 1, 128))
    if code:
        raise UsageError(f"'{branch}' can't be the name of a branch")
    code, output = run_git_code(
        repository.folder, "rev-parse", "--verify", "--quiet", f"refs/heads/{branch}^{{commit}}", accept=(0, 1, 128)
    )
    return None if code else output.decode().strip()


def commit_on_branch(
    repository: GitRepository,
    branch: str,
    parent: str,
    files: Mapping[str, bytes | None],
    text: CommitText,
) -> str:
    """Put a commit on a branch that nobody has checked out; work tree, index and HEAD stay as they are.

    Args:
        repository: The git repository.
        branch: Name of the branch; it is made if there is none.
        parent: Commit id that the commit builds on: the branch's tip, or where a new branch begins.
        files: New content by path; None removes a file. Modes of existing files stay.
        text: What the commit says.

    Raises:
        UsageError: If the branch is checked out.
        ConflictError: If the branch moved meanwhile.
        GitError: If git refuses, for instance because no identity is configured.
    """
    if repository.ref() == f"refs/heads/{branch}":
        raise UsageError(f"the branch {branch} is checked out", hint="save without naming it, or name another branch")
    committer = run_git(repository.folder, "var", "GIT_COMMITTER_IDENT").strip()
    when = committer.rpartition(b"> ")[2]
    message = text.message.encode()
    # The commit goes to a name of its own first: fast-import can't say "only if the branch is still there".
    scratch = f"refs/flagctl/edits/{parent[:12]}-{abs(hash((branch, message)))}"
    stream = [b"commit %b\n" % scratch.encode()]
    if text.author:
        stream.append(b"author %b %b\n" % (text.author.encode(), when))
    stream += [
        b"committer %b\n" % committer,
        b"data %d\n%b\n" % (len(message), message),
        b"from %b\n" % parent.encode(),
    ]
    for path, data in sorted(files.items()):
        place = repository.prefix + path
        quoted = place.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").encode()
        if data is None:
            stream.append(b'D "%b"\n' % quoted)
            continue
        listing = run_git(repository.work_tree, "--literal-pathspecs", "ls-tree", "--full-tree", parent, "--", place)
        mode = listing[:6] or b"100644"
        stream += [b'M %b inline "%b"\n' % (mode, quoted), b"data %d\n%b\n" % (len(data), data)]
    run_git(repository.folder, "fast-import", "--quiet", "--force", data=b"".join(stream))
    commit = repository.resolve(scratch)
    try:
        old = branch_tip(repository, branch)
        if old not in {None, parent}:
            raise ConflictError(f"the branch {branch} moved meanwhile", hint="look at it again, then repeat the edit")
        run_git(repository.folder, "update-ref", f"refs/heads/{branch}", commit, old or "0" * 40)
    finally:
        run_git(repository.folder, "update-ref", "-d", scratch)
    return commit
