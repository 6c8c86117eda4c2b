"""The log of an environment's manifests at its remote: copies that are never changed, for audit and for going back.

Anybody who can write to the remote can put files there, so names are only claims: an entry counts when its signatures
hold under the current root of trust and its content says what its name says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.bundle.accept import read_manifest
from flagctl.bundle.envelope import MAX_POINTER
from flagctl.bundle.names import log_key, log_of_number, log_prefix, parse_log_key
from flagctl.errors import ConflictError, UntrustedError
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.bundle.manifest import Manifest
    from flagctl.ops.target import Target

MAX_UNREADABLE: Final = 200
"""So many entries in a row that cannot be verified are somebody's doing; the search ends."""


class Logged(NamedTuple):
    """A verified entry: the manifest and its envelope as received."""

    manifest: Manifest
    data: bytes


def key_of(manifest: Manifest) -> str:
    """Return the place of a manifest's copy."""
    return log_key(manifest.environment, manifest.epoch, manifest.seq, manifest.digest)


def write_entry(target: Target, manifest: Manifest, data: bytes) -> None:
    """Write a manifest's copy; one that is there already stays.

    Raises:
        RemoteError: If the remote cannot be reached.
    """
    try:
        target.remote.put(key_of(manifest), data, if_none_match=True)
    except ConflictError:
        return


def verified_entries(target: Target) -> Iterator[Logged]:
    """Yield the verified entries of the current epoch, newest first.

    Raises:
        RemoteError: If the remote cannot be reached.
        UntrustedError: ``unreadable-log`` if too many entries in a row cannot be verified.
    """
    claims = []
    for key in target.remote.list(log_prefix(target.environment)):
        claim = parse_log_key(key)
        if claim is not None and claim[0] == target.trust.epoch:
            claims.append((claim, key))
    unreadable = 0
    for claim, key in sorted(claims, reverse=True):
        entry = _verify(target, key, claim)
        if entry is not None:
            unreadable = 0
            yield entry
            continue
        unreadable += 1
        if unreadable >= MAX_UNREADABLE:
            raise UntrustedError(
                f"{unreadable} entries of the log of '{target.environment}' in a row cannot be verified",
                reason="unreadable-log",
                hint=f"look at {target.remote.url.rstrip('/')}/{log_prefix(target.environment)}",
            )


def newest_entry(target: Target) -> Manifest | None:
    """Return the newest verified manifest of the current epoch in the log, or None."""
    return next((entry.manifest for entry in verified_entries(target)), None)


def has_number(target: Target, seq: int) -> bool:
    """Return whether the log has a verified manifest of this number in the current epoch.

    Raises:
        RemoteError: If the remote cannot be reached.
    """
    claim = (target.trust.epoch, seq)
    keys = target.remote.list(log_of_number(target.environment, *claim))
    return any(_verify(target, key, claim) is not None for key in keys[:MAX_UNREADABLE])


def _verify(target: Target, key: str, claim: tuple[int, int]) -> Logged | None:
    try:
        fetched = target.remote.get(key, max_bytes=MAX_POINTER)
        if not isinstance(fetched, Fetched):
            return None
        manifest = read_manifest(target.reader(), fetched.data)
    except UntrustedError:
        return None
    return (
        Logged(manifest, fetched.data) if (manifest.epoch, manifest.seq) == claim and key_of(manifest) == key else None
    )
