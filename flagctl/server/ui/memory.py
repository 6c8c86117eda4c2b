"""What the pages need not find out again: bundles of commits, checked files, what commits changed, bundles known to be sound.

Everything here is a function of something that never changes: a repository that was read, a commit, a digest. What is published
is compiled and checked anew all the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from flagctl.compiler import compile_environment
from flagctl.ops.audit import approvals
from flagctl.ops.loading import checked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.bundle.kill import KillList
    from flagctl.compiler import CompiledBundle
    from flagctl.model import Repository
    from flagctl.ops.past import Known
    from flagctl.ops.target import Target
    from flagctl.source import LoadedRepository
    from flagctl.vcs import GitRepository

_KEPT: Final = 8
_MOST_COMMITS: Final = 5000
_CHECK_MS: Final = 60_000
"""How long a check holds: some rules look at the date."""


class Memory:
    """Remembers a few results; several threads may ask."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[Any, ...], tuple[LoadedRepository, Any]] = OrderedDict()
        self._commits: Known = {}
        self._approvals: tuple[str, Mapping[str, tuple[str, ...]]] = ("", {})
        self._kill_lists: dict[tuple[str, int], dict[str, KillList]] = {}
        self.accepted: set[str] = set()

    @property
    def commits(self) -> Known:
        """What commits changed; emptied when it has become large."""
        if len(self._commits) > _MOST_COMMITS:
            self._commits = {}
        return self._commits

    def approvals(self, git: GitRepository) -> Mapping[str, tuple[str, ...]]:
        """Return who agreed to each commit in the history of what is checked out."""
        head = git.head() or ""
        if head and self._approvals[0] != head:
            self._approvals = (head, approvals(git, head))
        return self._approvals[1] if head else {}

    def kill_lists(self, target: Target) -> dict[str, KillList]:
        """Return the kill lists of an environment that were verified under its root of trust, by their names."""
        return self._kill_lists.setdefault((target.environment, target.trust.version), {})

    def checked(self, loaded: LoadedRepository, now_ms: int) -> Repository:
        """Return a repository after all rules have passed.

        Raises:
            InvalidFlagsError: If a file has an error.
        """
        found: Repository = self._once((now_ms // _CHECK_MS,), loaded, lambda: checked(loaded, now_ms))
        return found

    def compiled(self, loaded: LoadedRepository, repository: Repository, environment: str) -> CompiledBundle:
        """Return the bundle of a repository that was checked.

        Raises:
            FindingsError: If something keeps the bundle from being right.
        """
        found: CompiledBundle = self._once((environment,), loaded, lambda: compile_environment(repository, environment))
        return found

    def _once(self, key: tuple[Any, ...], loaded: LoadedRepository, make: Callable[[], Any]) -> Any:
        key = (id(loaded), *key)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept[0] is loaded:
                self._kept.move_to_end(key)
                return kept[1]
        made = make()
        with self._lock:
            self._kept[key] = (loaded, made)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return made
