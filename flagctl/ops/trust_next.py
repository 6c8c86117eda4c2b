"""Make the next version of a root of trust: change keys, have it signed by as many people as it takes.

The next version is a draft in a file of its own, which people pass around and sign, each on their own machine; the current one
stays what it is until the draft is complete. Complete means: the thresholds of the current root's keys and of its own. Taking a
key out raises the epoch, so that nothing which that key has signed counts any longer.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from flagctl.bundle.envelope import MAX_SIGNATURES, Role, add_signatures, parse_envelope, valid_signers
from flagctl.bundle.fields import format_instant
from flagctl.bundle.trust import TrustRoot, next_trust, read_draft, write_trust
from flagctl.errors import NothingMatchedError, UsageError
from flagctl.ops.publish_model import DAY, result_document
from flagctl.ops.target import read_trust_file
from flagctl.ops.trust import DEFAULT_LIFETIME_DAYS, RoleResult, roles_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from flagctl.bundle.envelope import PublicKey
    from flagctl.signing import Signer

RoleName = Literal["root", "publish", "kill"]
ROLES: Final = ("root", "publish", "kill")
_SHORTEST_PREFIX: Final = 8


class TrustPlace(NamedTuple):
    """The current root of trust and the draft of the next one.

    Attributes:
        current: File of the root of trust that counts.
        draft: File of the next one; made by the first change.
        clock: Seconds since 1970.
    """

    current: Path
    draft: Path
    clock: Callable[[], float] = time.time


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """Signatures that a draft needs: `of` is ``current`` or ``next``, whose root role has `keyids`."""

    of: Literal["current", "next"]
    threshold: int
    keyids: tuple[str, ...]
    signed: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftResult:
    """The draft of a root of trust.

    Attributes:
        path: File of the draft.
        project: Project.
        version: Version it will be.
        epoch: Epoch it will have.
        previous_epoch: Epoch of the current root.
        expires: RFC 3339.
        roles: Who may do what under it.
        changes: What is different from the current root, one line each.
        needed: Signatures it needs and has.
        complete: Whether it may be pushed.
        dropped: How many signatures this change made void.
    """

    path: str
    project: str
    version: int
    epoch: int
    previous_epoch: int
    expires: str
    roles: tuple[RoleResult, ...]
    changes: tuple[str, ...]
    needed: tuple[Needed, ...]
    complete: bool
    dropped: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the draft as JSON values (`schemas/output-trust-draft.schema.json`)."""
        return result_document(self)


def new_version(
    place: TrustPlace,
    *,
    raise_epoch: bool = False,
    lifetime_days: int = DEFAULT_LIFETIME_DAYS,
    thresholds: Mapping[str, int] | None = None,
) -> DraftResult:
    """Change what is no key: renew the expiry, raise the epoch, set thresholds.

    Args:
        place: Files.
        raise_epoch: Void everything that was signed under the current root.
        lifetime_days: Days until people are reminded to renew it.
        thresholds: By ``root``, ``publish:<env>`` or ``kill:<env>``.

    Raises:
        UsageError: If a file cannot be read or written, or a threshold cannot be met.
        UntrustedError: If one of the files is no root of trust, or the draft does not follow on the current one.
    """
    current, draft = _open(place)
    if raise_epoch:
        draft = draft._replace(epoch=current.epoch + 1)
    for name, threshold in (thresholds or {}).items():
        role, _, environment = name.partition(":")
        roles = _roles_named(draft, role, [environment] if environment else None)
        for found, value in roles.items():
            draft = _with_role(draft, role, found, value._replace(threshold=threshold))
    draft = draft._replace(expires=int(place.clock()) + lifetime_days * DAY)
    return _save(place, current, draft)


def add_key(place: TrustPlace, key: PublicKey, role: str, environments: Sequence[str] | None = None) -> DraftResult:
    """Let a key do something.

    Args:
        place: Files.
        key: The public key.
        role: ``root``, ``publish`` or ``kill``.
        environments: Where it may publish or kill; None is everywhere. An environment that is new to the root of trust
            begins with this key.

    Raises:
        UsageError: If it may already, the role is full or unknown, or a file cannot be read or written.
        UntrustedError: As `new_version`.
    """
    current, draft = _open(place)
    if role == "publish" and environments:
        begun = {name: Role((), 1) for name in environments if name not in draft.publish}
        draft = draft._replace(publish={**draft.publish, **begun})
    if role == "kill":
        begun = {name: Role((), 1) for name in environments or draft.publish if name not in draft.kill}
        draft = draft._replace(kill={**draft.kill, **begun})
    found = _roles_named(draft, role, environments)
    grown = {name: value for name, value in found.items() if key not in value.keys}
    if not grown:
        raise UsageError(f"the key {key.keyid[:16]} is in the role {role} already")
    for name, value in grown.items():
        if len(value.keys) >= MAX_SIGNATURES:
            raise UsageError(f"a role has at most {MAX_SIGNATURES} keys")
        draft = _with_role(draft, role, name, Role((*value.keys, key), value.threshold))
    return _save(place, current, draft)


def remove_key(
    place: TrustPlace, keyid: str, role: str | None = None, environments: Sequence[str] | None = None
) -> DraftResult:
    """Take a key out and raise the epoch: whatever it has signed under the current root does not count any longer.

    Args:
        place: Files.
        keyid: Id of the key, or how it begins (at least 8 characters).
        role: Only out of this role; None is every role.
        environments: Only out of these environments; None is all.

    Raises:
        NothingMatchedError: If there is no such key there.
        UsageError: If too few keys would be left, the id is not unique, or a file cannot be read or written.
        UntrustedError: As `new_version`.
    """
    current, draft = _open(place)
    full = _full_id(draft, keyid)
    removed = 0
    for name in (role,) if role is not None else ROLES:
        if name == "kill" and not draft.kill:
            continue
        for environment, value in _roles_named(draft, name, None if name == "root" else environments).items():
            left = tuple(key for key in value.keys if key.keyid != full)
            if len(left) == len(value.keys):
                continue
            removed += 1
            draft = _with_role(draft, name, environment, Role(left, value.threshold))
    if not removed:
        raise NothingMatchedError(f"the key {full[:16]} is not in the role {role or ''}".rstrip())
    return _save(place, current, draft._replace(epoch=current.epoch + 1))


def sign_draft(place: TrustPlace, signers: Sequence[Signer]) -> DraftResult:
    """Add signatures to the draft.

    Raises:
        UsageError: If there is no draft, or a key has no say in it.
        UntrustedError: As `new_version`.
    """
    current, draft = _open(place)
    if not draft.data:
        raise UsageError(
            "there is nothing to sign yet", hint="make a draft first: flagctl trust add-key, remove-key, new-version"
        )
    voters = {key.keyid for key in (*current.root.keys, *draft.root.keys)}
    for signer in signers:
        if signer.keyid not in voters:
            raise UsageError(
                f"the key {signer.keyid[:16]} is in neither root role, so its signature counts for nothing",
                hint="give a root key: --key FILE, or --key env:NAME",
            )
    envelope = parse_envelope(draft.data)
    present = valid_signers(envelope, (*current.root.keys, *draft.root.keys))
    data = add_signatures(draft.data, [signer for signer in signers if signer.keyid not in present])
    _write(place.draft, data)
    return _result(place, current, draft._replace(data=data))


def show_draft(place: TrustPlace) -> DraftResult:
    """Return what the draft changes, and whose signatures it lacks.

    Raises:
        UsageError: If there is no draft.
        UntrustedError: As `new_version`.
    """
    current, draft = _open(place)
    if not draft.data:
        raise UsageError(f"there is no draft {place.draft}")
    return _result(place, current, draft)


def check_complete(place: TrustPlace) -> None:
    """Check that the draft may follow on the current root.

    Raises:
        UsageError: If a file cannot be read.
        UntrustedError: If signatures are missing, or it does not follow on the current root.
    """
    next_trust(read_trust_file(place.current), _read(place.draft))


def _open(place: TrustPlace) -> tuple[TrustRoot, TrustRoot]:
    """Return the current root, and the draft of the next (with empty `data` if there is none yet)."""
    current = read_trust_file(place.current)
    if not place.draft.exists():
        lifetime = int(place.clock()) + DEFAULT_LIFETIME_DAYS * DAY
        return current, current._replace(version=current.version + 1, expires=lifetime, data=b"")
    draft = read_draft(_read(place.draft))
    if draft.project != current.project or draft.version != current.version + 1:
        raise UsageError(
            f"{place.draft} is version {draft.version} of '{draft.project}', which does not follow on version "
            f"{current.version} of '{current.project}'",
            hint="delete it, or name another file: --draft FILE",
        )
    return current, draft


def _save(place: TrustPlace, current: TrustRoot, draft: TrustRoot) -> DraftResult:
    kill = {name: role for name, role in draft.kill.items() if role.keys}
    draft = draft._replace(kill=kill)
    for name, role in _all_roles(draft):
        if not 1 <= role.threshold <= len(role.keys):
            raise UsageError(
                f"the role {name} would have {len(role.keys)} keys, which cannot reach its threshold of {role.threshold}",
                hint="add the new key before you remove the old one, or set the threshold: flagctl trust new-version",
            )
    before = draft.data
    void = len(parse_envelope(before).signatures) if before else 0
    data = write_trust(draft, [])
    _write(place.draft, data)
    return replace(_result(place, current, draft._replace(data=data)), dropped=void)


def _result(place: TrustPlace, current: TrustRoot, draft: TrustRoot) -> DraftResult:
    envelope = parse_envelope(draft.data)
    needed = tuple(
        Needed(
            of=of,
            threshold=root.root.threshold,
            keyids=tuple(key.keyid for key in root.root.keys),
            signed=tuple(sorted(valid_signers(envelope, root.root.keys))),
        )
        for of, root in _both(current, draft)
    )
    return DraftResult(
        path=str(place.draft),
        project=draft.project,
        version=draft.version,
        epoch=draft.epoch,
        previous_epoch=current.epoch,
        expires=format_instant(draft.expires),
        roles=roles_of(draft),
        changes=tuple(_changes(current, draft)),
        needed=needed,
        complete=all(len(item.signed) >= item.threshold for item in needed),
    )


def _both(current: TrustRoot, draft: TrustRoot) -> tuple[tuple[Literal["current", "next"], TrustRoot], ...]:
    return ("current", current), ("next", draft)


def _changes(current: TrustRoot, draft: TrustRoot) -> Iterable[str]:
    if draft.epoch != current.epoch:
        yield f"epoch {current.epoch} → {draft.epoch}: nothing that was signed before counts any longer"
    before, after = dict(_all_roles(current)), dict(_all_roles(draft))
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name, Role((), 0)), after.get(name, Role((), 0))
        yield from (f"{name}: + {key.keyid[:16]}" for key in new.keys if key not in old.keys)
        yield from (f"{name}: - {key.keyid[:16]}" for key in old.keys if key not in new.keys)
        if old.threshold != new.threshold:
            yield f"{name}: threshold {old.threshold} → {new.threshold}"


def _all_roles(root: TrustRoot) -> list[tuple[str, Role]]:
    return [
        ("root", root.root),
        *((f"publish:{name}", role) for name, role in root.publish.items()),
        *((f"kill:{name}", role) for name, role in root.kill.items()),
    ]


def _roles_named(root: TrustRoot, role: str, environments: Sequence[str] | None) -> dict[str, Role]:
    """Return the roles that a name and environments select, by environment (``""`` for the root role)."""
    if role not in ROLES:
        raise UsageError(f"there is no role '{role}'", hint=f"one of: {', '.join(ROLES)}")
    if role == "root":
        if environments:
            raise UsageError("the root role belongs to no environment", hint="leave out --env")
        return {"": root.root}
    known = root.publish if role == "publish" else root.kill
    unknown = sorted(set(environments or ()) - set(known))
    if unknown:
        raise UsageError(
            f"the root of trust has no role {role} for '{unknown[0]}'", hint=f"there is: {', '.join(known) or 'none'}"
        )
    return {name: value for name, value in known.items() if not environments or name in environments}


def _with_role(root: TrustRoot, role: str, environment: str, value: Role) -> TrustRoot:
    if role == "root":
        return root._replace(root=value)
    if role == "publish":
        return root._replace(publish={**root.publish, environment: value})
    return root._replace(kill={**root.kill, environment: value})


def _full_id(root: TrustRoot, prefix: str) -> str:
    known = sorted({key.keyid for _, role in _all_roles(root) for key in role.keys})
    found = [keyid for keyid in known if keyid.startswith(prefix)]
    if len(prefix) < _SHORTEST_PREFIX or len(found) > 1:
        raise UsageError(f"'{prefix}' is not the id of one key", hint=f"at least {_SHORTEST_PREFIX} characters of one")
    if not found:
        raise NothingMatchedError(
            f"the root of trust has no key '{prefix[:16]}'", hint=f"it has: {', '.join(keyid[:16] for keyid in known)}"
        )
    return found[0]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _write(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
