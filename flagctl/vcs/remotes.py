"""Branches on the way to others: where a clone pushes to, and pushing one branch there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.vcs.plumbing import run_git, run_git_code

if TYPE_CHECKING:
    from flagctl.vcs.repository import GitRepository


def remote_url(repository: GitRepository, name: str = "origin") -> str | None:
    """Return the address of a remote, or None if the clone has none of that name."""
    code, output = run_git_code(repository.folder, "remote", "get-url", "--push", name, accept=(0, 2, 128))
    return None if code else output.decode("utf-8", "replace").strip() or None


def push_branch(repository: GitRepository, branch: str, name: str = "origin") -> None:
    """Push a branch and let it follow what was pushed; never forces.

    Raises:
        FlagctlError: If the remote refuses, or cannot be reached.
    """
    ref = f"refs/heads/{branch}"
    run_git(repository.work_tree, "push", "--quiet", "--set-upstream", name, f"{ref}:{ref}")
