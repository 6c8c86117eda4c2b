"""What keeps git from answering, and what helps against it."""

from __future__ import annotations

import re
from typing import Final

from flagctl.errors import GitError

_DAMAGED: Final = "git's own data are damaged or incomplete: `git fsck` says where; a fresh clone has everything"
_HINTS: Final = (
    (
        r"detected dubious ownership in repository at '(?P<place>[^']*)'",
        "it belongs to somebody else; if you trust it: git config --global --add safe.directory {place}",
    ),
    (
        r"bad config (line|file)|bad (numeric|boolean) config",
        "mend that file; `git config --list` says when it is fine",
    ),
    (r"index file|bad signature 0x|bad index", "git's index is damaged; make it anew: rm .git/index, then git reset"),
    (r"Unable to create '[^']*\.lock'", "another git runs; if none does, it died: delete the lock"),
    (
        r"identity unknown|empty ident name|unable to auto-detect email",
        "say who you are: git config --global user.name NAME; git config --global user.email ADDRESS",
    ),
    (
        r"loose object|bad object|unable to read (tree|[0-9a-f]{7})|could not read [0-9a-f]{7}|missing (blob|tree|commit)",
        _DAMAGED,
    ),
    (r"inflate:|packfile|corrupt|invalid object|bad tree|not a tree object|object file|bad revision 'HEAD'", _DAMAGED),
)
"""Parts of what git says, and what helps against it."""

_NO_ANSWER: Final = re.compile(
    r"dubious ownership|bad config|bad (numeric|boolean) config|index file|bad signature 0x|bad index"
    r"|loose object .* corrupt|inflate:|packfile .* (corrupt|cannot)",
    re.IGNORECASE,
)
"""What git says when it can't look; that there is no such revision is an answer, and said in other words."""


def trouble(command: str, code: int, said: str) -> GitError:
    """Return the error for a git that did not answer.

    Args:
        command: Which of git's commands it was, such as ``log``.
        code: Its exit code; negative if a signal ended it.
        said: What it wrote to standard error.
    """
    lines = said.strip().splitlines()
    if code < 0:
        return GitError(f"git {command} crashed (signal {-code}){f': {lines[0]}' if lines else ''}", hint=_DAMAGED)
    return GitError(f"git {command} failed: {lines[0] if lines else f'exit code {code}'}", hint=_hint_for(said))


def _hint_for(said: str) -> str | None:
    """Return what helps against what git complains of, None if nothing is known about it."""
    for pattern, hint in _HINTS:
        found = re.search(pattern, said, re.IGNORECASE)
        if found is not None:
            return hint.format(**found.groupdict())
    return None


def could_not_look(said: str) -> bool:
    """Return whether git complains of the repository, not of what it was asked for."""
    return _NO_ANSWER.search(said) is not None


def damaged(what: str) -> GitError:
    """Return the error for something that has to be in the repository and is not."""
    return GitError(what, hint=_DAMAGED)
