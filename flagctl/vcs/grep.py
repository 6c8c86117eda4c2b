"""Exact texts in the files that git tracks."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from flagctl.vcs.plumbing import run_git

if TYPE_CHECKING:
    from flagctl.vcs.repository import GitRepository


def find_quoted(repository: GitRepository, word: str) -> tuple[tuple[str, int], ...]:
    """Return where tracked text files have a word in quotes or backticks, as path from the git root and line from 1.

    Looks at the files as they are in the work tree.
    """
    patterns = [part for quote in "\"'`" for part in ("-e", f"{quote}{word}{quote}")]
    output = run_git(
        repository.work_tree, "grep", "-I", "-n", "-z", "--fixed-strings", "--full-name", *patterns, accept=(0, 1)
    )
    found = []
    for line in output.split(b"\n"):
        path, _, rest = line.partition(b"\0")
        number, separator, _ = rest.partition(b"\0")
        if separator and number.isdigit():
            found.append((os.fsdecode(path), int(number)))
    return tuple(found)
