"""The repository as the pages see it: kept in memory, looked at again when files change, one thread at a time.

Pages run in threads; a repository in memory is not made for several of them, and every look at it is short, so that one lock
keeps them apart. Writing takes the repository's own lock besides, which other processes respect.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flagctl.errors import FlagctlError, UsageError
from flagctl.ops.graph import graph_of
from flagctl.ops.repository import FlagRepository
from flagctl.ops.workspace import Workspace
from flagctl.server.ui.memory import Memory
from flagctl.server.ui.search import FlagIndex
from flagctl.source.incremental import IncrementalLoader

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from flagctl.model import Repository
    from flagctl.ops.graph import Edge, GraphResult
    from flagctl.source import LoadedRepository
    from flagctl.vcs import GitRepository

_PATIENCE: Final = 1.0
"""Seconds for which a look at the disk holds."""
_KEPT_REVISIONS: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Branches:
    """What saving needs to know of git.

    Attributes:
        current: Name of the branch that is checked out; None if none is.
        default: Name of the default branch, None if unknown.
        guarded: Whether nothing is written to the default branch, because an environment is protected.
    """

    current: str | None
    default: str | None
    guarded: bool

    def may_write(self, branch: str) -> bool:
        """Return whether the UI writes to a branch; where nobody knows which one is the default, it is the one checked out."""
        return not (self.guarded and branch == (self.default or self.current))

    @property
    def offers_current(self) -> bool:
        """Whether saving to the branch that is checked out is offered."""
        return self.current is not None and self.may_write(self.current)


class Desk:
    """A flag repository for pages.

    Args:
        root: Its root.
        clock: Seconds since the epoch.
        monotonic: Seconds that only grow.

    Raises:
        UsageError: If there is no flag repository.
        FindingsError: If `flagctl.yaml` is unusable.
    """

    def __init__(
        self, root: Path, clock: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.clock = clock
        self._monotonic = monotonic
        self._lock = threading.RLock()
        self._loader = IncrementalLoader()
        self._repository = FlagRepository(root, clock=clock, _workspace=Workspace(root, loader=self._loader))
        self._looked = monotonic()
        self._past: OrderedDict[str, FlagRepository] = OrderedDict()
        self._index: tuple[LoadedRepository, FlagIndex] | None = None
        self._edges: tuple[LoadedRepository, tuple[Edge, ...]] | None = None
        self.root = self._repository.root
        self.memory = Memory()

    @property
    def now_ms(self) -> int:
        """The instant, milliseconds since the epoch."""
        return int(self.clock() * 1000)

    def alone(self) -> AbstractContextManager[object]:
        """Return what keeps other threads away from the repository."""
        return self._lock

    def repository(self, revision: str | None = None, *, fresh: bool = False) -> FlagRepository:
        """Return the repository as it lies on disk, or as it is at a revision; inside of `alone`.

        Args:
            revision: Of git; None or an empty text is the work tree.
            fresh: Look at the disk now, however short ago the last look was.

        Raises:
            UsageError: If there is no such revision.
        """
        if revision:
            return self._at(revision)
        if fresh or self._monotonic() - self._looked >= _PATIENCE:
            self._repository.refresh()
            self._looked = self._monotonic()
        return self._repository

    def loaded(self, revision: str | None = None, *, fresh: bool = False) -> LoadedRepository:
        """Return everything that was read; it never changes, so that it may be used outside of `alone`."""
        with self._lock:
            return self.repository(revision, fresh=fresh).loaded

    def model(self, revision: str | None = None) -> Repository:
        """Return flags, segments and experiments; as `loaded`."""
        with self._lock:
            return self.repository(revision).model

    def index(self) -> FlagIndex:
        """Return the index of the work tree's flags."""
        with self._lock:
            repository = self.repository()
            if self._index is None or self._index[0] is not repository.loaded:
                before = self._index[1] if self._index else None
                self._index = (repository.loaded, FlagIndex(repository.model.flags, before))
            return self._index[1]

    def graph(self, key: str | None = None, revision: str | None = None) -> GraphResult:
        """Return what depends on what, in all or around one flag.

        Raises:
            NothingMatchedError: If there is no such flag.
        """
        with self._lock:
            repository = self.repository(revision)
            if self._edges is None or self._edges[0] is not repository.loaded:
                self._edges = (repository.loaded, graph_of(repository.model).edges)
            edges, model = self._edges[1], repository.model
        return graph_of(model, key, edges=edges)

    def git(self) -> GitRepository | None:
        """Return the git repository, or None outside of one or before its first commit."""
        from flagctl.vcs import GitRepository  # noqa: PLC0415 - starting git takes time

        try:
            found = GitRepository(self.root)
            return found if found.head() is not None else None
        except FlagctlError:
            return None

    def branches(self) -> Branches | None:
        """Return what saving needs to know of git; None without git."""
        found = self.git()
        if found is None:
            return None
        ref = found.ref() or ""
        guarded = any(environment.protected for environment in self.model().config.environments.values())
        return Branches(
            current=ref.removeprefix("refs/heads/") if ref.startswith("refs/heads/") else None,
            default=_plain(found.default_branch()),
            guarded=guarded,
        )

    def _at(self, revision: str) -> FlagRepository:
        found = self.git()
        if found is None:
            raise UsageError("there is no git repository, so there are no revisions")
        commit = found.resolve(revision)
        repository = self._past.pop(commit, None)
        if repository is None:
            past = Workspace(self.root, revision=commit, loader=self._loader)
            repository = FlagRepository(self.root, clock=self.clock, _workspace=past)
        self._past[commit] = repository
        while len(self._past) > _KEPT_REVISIONS:
            self._past.popitem(last=False)
        return repository


def _plain(branch: str | None) -> str | None:
    """Return a branch's name without its remote."""
    return None if branch is None else branch.removeprefix("refs/heads/").removeprefix("origin/")
