"""Flag repositories as operations need them: read, and where necessary free of errors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import Severity, did_you_mean
from flagctl.errors import FindingsError, NothingMatchedError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from flagctl.diagnostics import Diagnostic
    from flagctl.model import Flag, Repository
    from flagctl.source import LoadedRepository


class InvalidFlagsError(FindingsError):
    """The flag files have errors, and the operation needs files without.

    Attributes:
        diagnostics: The errors.
    """

    def __init__(self, message: str, diagnostics: Sequence[Diagnostic]) -> None:
        super().__init__(message, hint="all of them, with the lines: flagctl validate")
        self.diagnostics = tuple(diagnostics)


def load(root: Path, *, revision: str | None = None) -> LoadedRepository:
    """Read the flag repository at `root`, as it lies there or as it was at a git revision.

    Raises:
        UsageError: If there is no such revision.
        NothingMatchedError: If the revision has no flag repository there.
    """
    from flagctl.source import load_tree, read_tree

    if revision is None:
        return load_tree(read_tree(root))
    from flagctl.vcs import GitRepository

    files = GitRepository(root).read_tree(revision)
    if "flagctl.yaml" not in files:
        raise NothingMatchedError(
            f"there is no flagctl.yaml at '{revision}'", hint="the flag repository is newer than that"
        )
    return load_tree(files)


def readable(loaded: LoadedRepository) -> Repository:
    """Return the repository as far as it could be read.

    Raises:
        InvalidFlagsError: If `flagctl.yaml` itself is unusable.
    """
    if loaded.repository is None:
        errors = errors_of(loaded.diagnostics)
        raise InvalidFlagsError(
            "flagctl.yaml cannot be used", [d for d in errors if d.path == "flagctl.yaml"] or errors
        )
    return loaded.repository


def checked(loaded: LoadedRepository, now_ms: int) -> Repository:
    """Return the repository after all rules have passed.

    Args:
        loaded: As read.
        now_ms: Instant that rules about time use, milliseconds since the epoch.

    Raises:
        InvalidFlagsError: If a file has an error.
    """
    from flagctl.lint import LintOptions, lint

    repository = readable(loaded)
    errors = errors_of(lint(loaded, LintOptions(now_ms=now_ms)).diagnostics)
    if errors:
        count = "an error" if len(errors) == 1 else f"{len(errors)} errors"
        raise InvalidFlagsError(f"the flag files have {count}", errors)
    return repository


def errors_of(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Return the findings that are errors, in order."""
    return [diagnostic for diagnostic in diagnostics if diagnostic.severity is Severity.ERROR]


def find_flag(repository: Repository, key: str) -> Flag:
    """Return the flag `key`.

    Raises:
        NothingMatchedError: If there is none; the hint names the closest key.
    """
    flag = repository.flags.get(key)
    if flag is not None:
        return flag
    if ("flag", key) in repository.broken:
        raise UsageError(f"the flag '{key}' has errors", hint="flagctl validate shows them")
    close = did_you_mean(key, repository.flags)
    raise NothingMatchedError(
        f"there is no flag '{key}'", hint=f"did you mean '{close}'?" if close else "flagctl list shows all flags"
    )


def check_environment(repository: Repository, name: str) -> str:
    """Return `name` if the repository has such an environment.

    Raises:
        UsageError: If not; the hint names the closest one, or all.
    """
    environments = repository.config.environments
    if name not in environments:
        close = did_you_mean(name, environments)
        raise UsageError(
            f"there is no environment '{name}'",
            hint=f"did you mean '{close}'?" if close else f"there are: {', '.join(environments)}",
        )
    return name


def one_environment(repository: Repository, name: str | None) -> str:
    """Return `name` if the repository has such an environment; without a name, the only one there is.

    Raises:
        UsageError: If there is no such one, or several and no name; the hint says which ones.
    """
    if name is not None:
        return check_environment(repository, name)
    names = list(repository.config.environments)
    if len(names) == 1:
        return names[0]
    raise UsageError("which environment?", hint=f"add --env with one of: {', '.join(names)}")
