"""Make, show and distribute the root of trust."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from flagctl.bundle.envelope import MAX_POINTER, Role
from flagctl.bundle.fields import NAME, format_instant
from flagctl.bundle.names import trust_key
from flagctl.bundle.trust import TrustRoot, next_trust, read_trust, write_trust
from flagctl.errors import ConflictError, UsageError
from flagctl.ops.publish_model import DAY, result_document
from flagctl.ops.signers import open_signer
from flagctl.ops.target import read_trust_file
from flagctl.signing import read_public_key
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from flagctl.storage import Remote

DEFAULT_LIFETIME_DAYS = 5 * 365


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustInit:
    """What the first version of a root of trust should say.

    Attributes:
        project: Name of the project.
        environments: Names of the environments.
        out: File to make; the root of trust that goes into git and into apps.
        root_keys: Signers (files or ``env:NAME``) of the root role; all of them sign.
        publish_keys: By environment, key files (private or public) that may publish. The key ``*`` stands for every
            environment that is not named.
        kill_keys: By environment, key files that may force flags off; may be empty. ``*`` as above.
        root_threshold: How many of the root keys it takes to make the next version.
        publish_threshold: How many of an environment's keys it takes to publish.
        lifetime_days: Days until people are reminded to renew it.
        clock: Seconds since 1970.
    """

    project: str
    environments: tuple[str, ...]
    out: Path
    root_keys: tuple[str, ...]
    publish_keys: Mapping[str, tuple[Path, ...]]
    kill_keys: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    root_threshold: int = 1
    publish_threshold: int = 1
    lifetime_days: int = DEFAULT_LIFETIME_DAYS
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleResult:
    """A role of a root: `role` is ``root``, ``publish`` or ``kill``; `environment` is None for ``root``."""

    role: str
    environment: str | None
    threshold: int
    keyids: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustResult:
    """A root of trust. `expires` is RFC 3339; `pushed_to` is the place at the remote it was written to, if it was."""

    path: str
    project: str
    version: int
    epoch: int
    expires: str
    expired: bool
    roles: tuple[RoleResult, ...]
    pushed_to: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return result_document(self)


def init_trust(options: TrustInit) -> TrustResult:
    """Make version 1 of a root of trust, signed by all given root keys.

    Raises:
        ConflictError: If the file exists.
        UsageError: If a name or key is unusable, an environment has no publisher, or a threshold cannot be met.
    """
    signers = [open_signer(spec) for spec in options.root_keys]
    for name in (options.project, *options.environments):
        if NAME.fullmatch(name) is None:
            raise UsageError(
                f"'{name}' cannot be the name of a project or environment",
                hint="lower-case letters, digits, '.', '_' and '-', starting with a letter or digit, up to 255",
            )
    if not options.environments:
        raise UsageError("a root of trust needs at least one environment")
    root = TrustRoot(
        project=options.project,
        version=1,
        epoch=1,
        expires=int(options.clock()) + options.lifetime_days * DAY,
        root=_checked(Role(tuple(signer.public_key for signer in signers), options.root_threshold), "root"),
        publish=_roles(options, options.publish_keys, "publish", options.publish_threshold),
        kill=_roles(options, options.kill_keys, "kill", 1) if options.kill_keys else {},
    )
    data = write_trust(root, signers)
    read_trust(data)
    _create(options.out, data)
    return _result(str(options.out), root, options.clock())


def show_trust(path: Path, *, clock: Callable[[], float] = time.time) -> TrustResult:
    """Return what a root of trust says, after checking its own signatures.

    Raises:
        UsageError: If the file cannot be read.
        UntrustedError: If it is no intact root of trust.
    """
    return _result(str(path), read_trust_file(path), clock())


def push_trust(remote: Remote, path: Path, *, clock: Callable[[], float] = time.time) -> TrustResult:
    """Write a root of trust to its place at a remote, where readers and publishers follow the chain.

    Raises:
        ConflictError: If another root of the same version is there.
        RemoteError: If the remote cannot be reached.
        UsageError: If the file cannot be read.
        UntrustedError: If it is no intact root of trust, or does not follow on the version before, so that readers would
            refuse it: a version is never replaced, so they would be stuck.
    """
    root = read_trust_file(path)
    key = trust_key(root.version)
    _check_follows(remote, root)
    try:
        remote.put(key, root.data, if_none_match=True)
    except ConflictError as error:
        present = remote.get(key, max_bytes=MAX_POINTER)
        if not isinstance(present, Fetched) or present.data != root.data:
            raise ConflictError(
                f"{remote.url} has another root of trust with version {root.version}",
                hint="a version is never replaced; make the next one",
            ) from error
    result = _result(str(path), root, clock())
    return replace(result, pushed_to=f"{remote.url.rstrip('/')}/{key}")


def _check_follows(remote: Remote, root: TrustRoot) -> None:
    """Check a root against the version before, if the remote has it."""
    before = remote.get(trust_key(root.version - 1), max_bytes=MAX_POINTER) if root.version > 1 else None
    if isinstance(before, Fetched):
        next_trust(read_trust(before.data), root.data)


def _roles(options: TrustInit, files: Mapping[str, tuple[Path, ...]], name: str, threshold: int) -> dict[str, Role]:
    unknown = sorted(set(files) - set(options.environments) - {"*"})
    if unknown:
        raise UsageError(
            f"there is no environment '{unknown[0]}'", hint=f"there are: {', '.join(options.environments)}"
        )
    roles = {}
    for environment in options.environments:
        paths = files.get(environment, files.get("*", ()))
        if not paths and name == "kill":
            continue
        keys = tuple(read_public_key(path) for path in paths)
        roles[environment] = _checked(Role(keys, threshold), f"{name} of '{environment}'")
    return roles


def _checked(role: Role, name: str) -> Role:
    if len(set(role.keys)) != len(role.keys):
        raise UsageError(f"the role {name} has the same key twice")
    if not 1 <= role.threshold <= len(role.keys):
        raise UsageError(
            f"the role {name} has {len(role.keys)} keys, which cannot reach a threshold of {role.threshold}"
        )
    return role


def _create(path: Path, data: bytes) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except FileExistsError as error:
        raise ConflictError(
            f"{path} exists already", hint="a root of trust is never overwritten; apps rely on it"
        ) from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error


def roles_of(root: TrustRoot) -> tuple[RoleResult, ...]:
    """Return the roles of a root of trust as results show them."""

    def role(name: str, environment: str | None, value: Role) -> RoleResult:
        return RoleResult(
            role=name,
            environment=environment,
            threshold=value.threshold,
            keyids=tuple(key.keyid for key in value.keys),
        )

    return (
        role("root", None, root.root),
        *(role("publish", name, value) for name, value in root.publish.items()),
        *(role("kill", name, value) for name, value in root.kill.items()),
    )


def _result(path: str, root: TrustRoot, now: float) -> TrustResult:
    return TrustResult(
        path=path,
        project=root.project,
        version=root.version,
        epoch=root.epoch,
        expires=format_instant(root.expires),
        expired=now >= root.expires,
        roles=roles_of(root),
    )
