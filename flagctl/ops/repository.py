"""The author-side Python API: a flag repository on disk."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from flagctl.ops.loading import find_flag, load, readable

if TYPE_CHECKING:
    from flagctl.diagnostics import Diagnostic
    from flagctl.model import Flag, Repository
    from flagctl.source import LoadedRepository


class FlagRepository:
    """A flag repository, read once; make a new one to see later edits.

    >>> repository = FlagRepository("shop-flags")  # doctest: +SKIP
    >>> [flag.key for flag in repository.list_flags() if "checkout" in flag.tags]  # doctest: +SKIP
    ['new-checkout']

    Args:
        path: The folder with `flagctl.yaml`, or one below it.

    Raises:
        UsageError: If there is no flag repository.
        FindingsError: If `flagctl.yaml` is unusable. Other files with errors are left out; `diagnostics` has them.
    """

    def __init__(self, path: str | Path = ".", *, _loaded: tuple[Path, LoadedRepository] | None = None) -> None:
        if _loaded is None:
            from flagctl.source import find_root

            root = find_root(Path(path))
            _loaded = (root, load(root))
        self.root, loaded = _loaded
        self._repository: Repository = readable(loaded)
        self.diagnostics: tuple[Diagnostic, ...] = loaded.diagnostics

    def __repr__(self) -> str:
        return f"FlagRepository({str(self.root)!r})"

    @property
    def project(self) -> str:
        """Name of the project."""
        return self._repository.config.project

    @property
    def environments(self) -> tuple[str, ...]:
        """Names of the environments, in the order written."""
        return tuple(self._repository.config.environments)

    @property
    def model(self) -> Repository:
        """Everything that was read: flags, segments, experiments, layers and the configuration."""
        return self._repository

    def list_flags(self) -> list[Flag]:
        """Return the flags, sorted by key."""
        return list(self._repository.flags.values())

    def get_flag(self, key: str) -> Flag:
        """Return the flag `key`.

        Raises:
            NothingMatchedError: If there is no such flag.
        """
        return find_flag(self._repository, key)

    def at(self, revision: str) -> FlagRepository:
        """Return the repository as it was at a git revision: a commit, branch, tag, or ``HEAD~3``.

        Raises:
            UsageError: If there is no such revision, or the folder is in no git repository.
            NothingMatchedError: If there was no flag repository at that revision.
        """
        return FlagRepository(_loaded=(self.root, load(self.root, revision=revision)))
