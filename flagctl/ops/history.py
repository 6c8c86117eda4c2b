"""What an operation asks the version control system."""

from __future__ import annotations

from typing import Protocol


class History(Protocol):
    """The order of commits; `flagctl.vcs.GitRepository` fits."""

    def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """Return whether `descendant` is `ancestor` or builds on it.

        Args:
            ancestor: Full commit id; a commit that is not known here is no ancestor.
            descendant: Full commit id.
        """
