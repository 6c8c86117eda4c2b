"""Which kill list counts at a remote: for writers of the next one, and for publishers, who pin it.

The current list lies at one place; a copy of each lies under its digest. So a list that was deleted, garbled or replaced by an
older one is found again: by what the manifest pins, or among the copies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.bundle.accept import read_manifest, trusting
from flagctl.bundle.accept_kills import read_kill_list
from flagctl.bundle.envelope import MAX_POINTER, parse_envelope
from flagctl.bundle.kill import KillList, parse_kill_list
from flagctl.bundle.names import kill_copy_key, kill_key, kills_prefix, manifest_key
from flagctl.errors import ConflictError, UntrustedError
from flagctl.storage.remote import Fetched, NotModified

if TYPE_CHECKING:
    from flagctl.bundle.manifest import KillFloor
    from flagctl.bundle.trust import TrustRoot
    from flagctl.ops.target import Target

_MAX_ANYTHING: Final = 64 * 1024 * 1024
"""More than a kill list may have: whatever lies in its place must be read to be replaced on condition."""

_MAX_COPIES: Final = 2_000
"""Most copies that are looked through for the newest."""

_NEWER: Final = frozenset({"unsupported-version", "requires-newer"})


class KillBase(NamedTuple):
    """What the next kill list starts from.

    Attributes:
        kills: The list that goes on, None if there is none; it may be of an epoch that has ended.
        etag: Tag of whatever is in the list's place, None if nothing is.
        next_seq: Number of the next list.
        warnings: What is wrong with the place.
    """

    kills: KillList | None
    etag: str | None
    next_seq: int
    warnings: tuple[str, ...] = ()


def read_kill_base(target: Target, *, shipped: TrustRoot, recover: bool) -> KillBase:
    """Find the newest verified kill list and the number to go on from.

    Args:
        target: Environment, remote, and the newest root of trust.
        shipped: The root of trust that the caller came with: a list made before a rotation counts if that root vouches
            for it.
        recover: Begin a new list if nothing says what the current one is.

    Raises:
        ConflictError: If the list that counts is gone or cannot be verified, and `recover` is not set.
        RemoteError: If the remote cannot be reached.
        UntrustedError: If the list was written by a newer flagctl.
    """
    fetched = target.remote.get(kill_key(target.environment), max_bytes=_MAX_ANYTHING)
    etag = fetched.etag if isinstance(fetched, Fetched) else None
    problem: UntrustedError | None = None
    current: KillList | None = None
    if isinstance(fetched, Fetched):
        current, problem = _read(target, fetched.data, shipped)
    floor = live_floor(target)
    lowest = floor.seq if floor is not None else 0
    epoch = target.trust.epoch
    if current is not None and (current.epoch == epoch and current.seq >= lowest):
        return KillBase(current, etag, current.seq + 1)
    found = _newest_copy(target)
    if found is not None and found.seq >= lowest:
        warning = (
            f"the current kill list was {'missing' if etag is None else 'not the newest'}; it goes on from number "
        )
        # One number is left out: a writer may have died between the list and its copy, and readers may hold that one.
        return KillBase(found, etag, found.seq + 2, (f"{warning}{found.seq}, of which there is a copy",))
    if current is not None and current.epoch < epoch and floor is None:
        ended = f"the kill list of epoch {current.epoch}, which has ended, is carried over into epoch {epoch}"
        return KillBase(current, etag, 1, (ended,))
    if etag is None and floor is None:
        return KillBase(None, None, 1)
    if recover:
        lost = "the kill list begins anew: what was forced off before is no longer, unless you force it off again"
        return KillBase(None, etag, lowest + 2 if floor is not None else 1, (lost,))
    what = "is missing, and so is its copy" if problem is None else f"cannot be verified ({problem.reason})"
    raise ConflictError(
        f"the kill list of '{target.environment}' {what}",
        hint="find out who did that; after a rotation of keys, give the root of trust from before with --trust, so that the "
        "old list still counts; to begin a new list: --recover",
    ) from problem


def live_floor(target: Target) -> KillFloor | None:
    """Return the kill list that the current manifest pins; None also if there is no manifest that counts."""
    fetched = target.remote.get(manifest_key(target.environment), max_bytes=_MAX_ANYTHING)
    if not isinstance(fetched, Fetched):
        return None
    try:
        return read_manifest(target.reader(), fetched.data).kill_floor
    except UntrustedError:
        return None


def next_floor(target: Target, before: KillFloor | None, *, write: bool) -> tuple[KillFloor | None, tuple[str, ...]]:
    """Return which kill list the next manifest should pin, and what is wrong.

    Args:
        target: Environment, remote, and the newest root of trust.
        before: What the manifest before pins.
        write: Whether to write the copy that readers need, if it is missing.

    Raises:
        ConflictError: If flags would come back that a list of an ended epoch forces off, or the pinned list is lost.
        RemoteError: If the remote cannot be reached.
    """
    if target.environment not in target.trust.kill:
        return None, ()
    renew = f"flagctl kills --env {target.environment} --renew"
    fetched: Fetched | NotModified | None = None
    try:
        fetched = target.remote.get(kill_key(target.environment), max_bytes=MAX_POINTER)
        if not isinstance(fetched, Fetched):
            return _carried(target, before, f"the kill list is missing; write it again: {renew}")
        kills = read_kill_list(target.reader(), fetched.data)
    except UntrustedError as error:
        ended = _ended(target, fetched.data) if error.reason == "wrong-epoch" and isinstance(fetched, Fetched) else None
        if ended is not None and ended.kills and before is None:
            raise ConflictError(
                f"the kill list of epoch {ended.epoch}, which has ended, forces off {', '.join(sorted(ended.flags))}: "
                "a manifest of the new epoch would bring that back",
                hint=f"sign the list again: {renew}",
            ) from error
        warning = f"the current kill list is not pinned, because it cannot be verified ({error.reason}); see: {renew}"
        pinned, warnings = _carried(target, before, warning)
        return pinned, warnings or (warning,)
    if before is not None and kills.seq < before.seq:
        warning = f"somebody put kill list {kills.seq} back, which is older than {before.seq}; see: {renew}"
        return _carried(target, before, warning)
    if write:
        write_copy(target, kills)
    return kills.floor, ()


def _carried(target: Target, before: KillFloor | None, warning: str) -> tuple[KillFloor | None, tuple[str, ...]]:
    """Go on pinning what was pinned before, as long as readers can get it."""
    if before is None:
        return None, ()
    try:
        copy = target.remote.get(kill_copy_key(target.environment, before.sha256), max_bytes=MAX_POINTER)
        kills = read_kill_list(target.reader(), copy.data) if isinstance(copy, Fetched) else None
    except UntrustedError:
        kills = None
    if kills is not None and kills.floor == before:
        return before, (warning,)
    raise ConflictError(
        f"kill list {before.seq} of '{target.environment}', which the manifest pins, is lost: new readers refuse all that "
        "is published",
        hint=f"begin a new list: flagctl kills --env {target.environment} --renew --recover",
    )


def write_copy(target: Target, kills: KillList) -> None:
    """Write a kill list's copy; an intact one that is there already stays.

    Raises:
        RemoteError: If the remote cannot be reached.
    """
    key = kill_copy_key(target.environment, kills.floor.sha256)
    try:
        target.remote.put(key, kills.data, if_none_match=True)
    except ConflictError:
        try:
            present = target.remote.get(key, max_bytes=MAX_POINTER)
        except UntrustedError:
            present = None
        if not isinstance(present, Fetched) or present.data != kills.data:
            target.remote.put(key, kills.data)


def _read(target: Target, data: bytes, shipped: TrustRoot) -> tuple[KillList | None, UntrustedError | None]:
    """Read whatever is in the list's place: a list of this epoch, else one of an ended epoch that was good then."""
    try:
        return read_kill_list(target.reader(), data), None
    except UntrustedError as error:
        if error.reason in _NEWER:
            raise
        problem = error
    if problem.reason == "wrong-epoch":
        return _ended(target, data), problem
    if shipped.epoch < target.trust.epoch:
        try:
            return read_kill_list(trusting(shipped, target.environment), data), problem
        except UntrustedError:
            return None, problem
    return None, problem


def _ended(target: Target, data: bytes) -> KillList | None:
    """Return a list that was refused for its epoch alone (signatures are checked first), if that epoch has ended."""
    kills = parse_kill_list(parse_envelope(data).payload)._replace(data=data)
    return kills if kills.epoch < target.trust.epoch else None


def _newest_copy(target: Target) -> KillList | None:
    newest: KillList | None = None
    for key in target.remote.list(kills_prefix(target.environment))[:_MAX_COPIES]:
        try:
            fetched = target.remote.get(key, max_bytes=MAX_POINTER)
            if not isinstance(fetched, Fetched):
                continue
            kills = read_kill_list(target.reader(), fetched.data)
        except UntrustedError:
            continue
        # A copy under another name than its own is somebody's doing, but its signature is as good.
        if newest is None or kills.seq > newest.seq:
            newest = kills
    return newest
