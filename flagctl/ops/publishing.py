"""Everything around a publication that is not the publication: which commit, which keys, may it be."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flagctl.errors import ConflictError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from flagctl.model import Environment
    from flagctl.signing import Signer
    from flagctl.vcs import GitRepository

KEY_VARIABLE = "FLAGCTL_PUBLISH_KEY"
"""Environment variable that holds the signing key as PEM, for continuous integration."""

KILL_KEY_VARIABLE = "FLAGCTL_KILL_KEY"
"""The same for the key that may only force flags off."""

KEY_FOLDER = ".flagctl/keys"
"""Where `flagctl init` puts keys, relative to the root; the folder is ignored by git."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where the flags that are published come from.

    Attributes:
        history: The git repository, or None outside of git.
        commit: Full id of the commit, or None outside of git.
        ref: Its branch, for people.
        uncommitted: Flag files that differ from the commit.
    """

    history: GitRepository | None = None
    commit: str | None = None
    ref: str | None = None
    uncommitted: tuple[str, ...] = ()


def find_origin(root: Path, revision: str | None = None) -> Origin:
    """Return where the flags at `root` come from.

    A folder that git does not track, even inside some other repository's work tree, does not come from git.

    Raises:
        UsageError: If a revision is named and does not exist.
    """
    from flagctl.vcs import GitRepository

    try:
        history = GitRepository(root)
    except UsageError:
        if revision is not None:
            raise
        return Origin()
    if revision is not None:
        commit = history.resolve(revision)
        return Origin(history=history, commit=commit, ref=history.ref() if commit == history.head() else None)
    head = history.head()
    if head is None:
        return Origin()
    changed = tuple(path for path in history.changed_paths(head) if path.endswith((".yaml", ".yml")))
    if "flagctl.yaml" in changed and "flagctl.yaml" not in history.yaml_paths(head):
        return Origin()
    return Origin(history=history, commit=head, ref=history.ref(), uncommitted=changed)


def check_may_publish(
    environment: Environment, origin: Origin, *, confirmed: bool, allow_dirty: bool, command: str = "publish"
) -> None:
    """Refuse what a protected environment needs more for.

    Args:
        environment: Where to.
        origin: What.
        confirmed: Whether somebody said `--yes`, or typed the environment's name.
        allow_dirty: Whether uncommitted changes may go there.
        command: Which one asks, for the hint.

    Raises:
        ConflictError: If the environment is protected and something is missing.
    """
    if not environment.protected:
        return
    if origin.uncommitted and not allow_dirty:
        shown = ", ".join(origin.uncommitted[:3]) + (", …" if len(origin.uncommitted) > 3 else "")
        raise ConflictError(
            f"'{environment.name}' is protected, and the work tree has changes that are not committed: {shown}",
            hint=f"commit them, or publish what is committed: flagctl publish {environment.name} --revision HEAD --yes",
        )
    if not confirmed:
        raise ConflictError(
            f"'{environment.name}' is protected",
            hint=f"look at it first: flagctl {command} {environment.name} --dry-run; then add --yes",
        )


def find_signers(root: Path, environment: str, specs: Sequence[str]) -> list[Signer]:
    """Return the signers of a publication.

    The keys named on the command line; else the one in the environment variable FLAGCTL_PUBLISH_KEY; else the file
    ``.flagctl/keys/publish-<environment>.key`` or ``.flagctl/keys/publish.key``.

    Raises:
        UsageError: If there is no key, or it cannot be used; the hint says where it is looked for.
    """
    return _find(root, environment, specs, ("publish", KEY_VARIABLE))


def find_kill_signers(root: Path | None, environment: str, specs: Sequence[str]) -> list[Signer]:
    """Return the signers of a kill list: as `find_signers`, with FLAGCTL_KILL_KEY and files named after ``kill``.

    Args:
        root: The flag repository, None outside of one.
        environment: Name of the environment.
        specs: Keys named on the command line.

    Raises:
        UsageError: If there is no key, or it cannot be used; the hint says where it is looked for.
    """
    return _find(root, environment, specs, ("kill", KILL_KEY_VARIABLE))


def _find(root: Path | None, environment: str, specs: Sequence[str], role: tuple[str, str]) -> list[Signer]:
    from flagctl.ops.signers import open_signer
    from flagctl.signing import MissingKeyError

    stem, variable = role
    files = [] if root is None else [root / KEY_FOLDER / name for name in (f"{stem}-{environment}.key", f"{stem}.key")]
    if not specs:
        if os.environ.get(variable):
            return [open_signer(f"env:{variable}")]
        specs = [str(path) for path in files if path.is_file()][:1]
    if not specs:
        raise UsageError("there is no key to sign with", hint=_where_keys_are(stem, variable, files))
    try:
        return [open_signer(spec) for spec in specs]
    except MissingKeyError as error:
        raise UsageError(error.message, hint=_where_keys_are(stem, variable, files)) from error


def _where_keys_are(stem: str, variable: str, files: Sequence[Path]) -> str:
    """Say where a key is looked for, before anybody makes another one that no root of trust knows."""
    folder = " and then ".join(map(str, files)) or f"{KEY_FOLDER} of a flag repository, which this is not"
    return (
        f"a key is looked for in --key (a file, env:NAME or awskms:ID), then in {variable} (its PEM text), then in {folder}; "
        f"a new one is only for a first set-up: flagctl keys generate {KEY_FOLDER}/{stem}.key"
    )


def find_actor(named: str | None) -> str:
    """Return who acts, for the record: as named, else the actor of a CI job, else the login of this process."""
    import getpass

    if named:
        return named
    for variable in ("FLAGCTL_ACTOR", "GITHUB_ACTOR", "GITLAB_USER_LOGIN"):
        if os.environ.get(variable):
            return os.environ[variable]
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # no such user in this container
        return "unknown"
