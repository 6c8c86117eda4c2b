"""What a round of publishing starts from: the verified current manifest, or the number to go on from without one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.bundle.accept import read_manifest
from flagctl.bundle.envelope import parse_envelope
from flagctl.bundle.manifest import Manifest, parse_manifest
from flagctl.bundle.names import log_prefix, manifest_key, parse_log_key
from flagctl.errors import ConflictError, UntrustedError
from flagctl.ops.manifest_log import has_number, newest_entry, verified_entries
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from flagctl.ops.manifest_log import Logged
    from flagctl.ops.target import Target


_MAX_ANYTHING: Final = 64 * 1024 * 1024
"""More than a manifest may have: whatever lies in its place must be read to be replaced on condition."""

_NEWER: Final = frozenset({"unsupported-version", "requires-newer"})


class Base(NamedTuple):
    """What a round starts from.

    Attributes:
        live: The verified manifest that was published last, None if there is none that counts.
        data: Its envelope.
        etag: Tag of whatever is in the manifest's place, None if nothing is.
        newest: The newest manifest of this epoch that is known: the current one, or one from the log.
        previous: Digest of the payload that the next manifest follows.
        next_seq: Number of the next manifest.
        put_back: An older manifest that lies in the place of `live`: it was replayed, or restored from a backup.
    """

    live: Manifest | None
    data: bytes
    etag: str | None
    newest: Manifest | None
    previous: str | None
    next_seq: int
    put_back: Manifest | None = None


def read_base(target: Target, *, recover: bool) -> Base:
    """Read and verify the current manifest; without one, or with one put back, find what to go on from in the log.

    Raises:
        RemoteError: If the remote cannot be reached.
        ConflictError: If the manifest cannot be verified and `recover` is not set, or nothing says which number to go
            on from.
        UntrustedError: If the manifest was written by a newer flagctl.
    """
    fetched = target.remote.get(manifest_key(target.environment), max_bytes=_MAX_ANYTHING)
    if not isinstance(fetched, Fetched):
        return _from_log(None, newest_entry(target))
    try:
        live = read_manifest(target.reader(), fetched.data)
    except UntrustedError as error:
        return _without_trust(target, fetched, error, recover=recover)
    newest = _published_after(target, live)
    if newest is not None:
        manifest, data = newest
        return Base(manifest, data, fetched.etag, manifest, manifest.digest, manifest.seq + 1, put_back=live)
    return Base(live, fetched.data, fetched.etag, live, live.digest, live.seq + 1)


def _published_after(target: Target, live: Manifest) -> Logged | None:
    """Return the newest entry of the log if it is newer than the current manifest.

    A manifest reaches its place before it reaches the log. So the log is ahead only if an older manifest was put back, or if
    somebody publishes at this moment, whom the conditional write will notice. To go on from the older one would sign a
    number for the second time, and clients that have seen the newer ones would refuse it.
    """
    # Recovering leaves one number out, so the next entry has one of two numbers; asking for these is cheap in a long log.
    if has_number(target, live.seq + 1) or has_number(target, live.seq + 2):
        return next(verified_entries(target), None)
    return None


def _without_trust(target: Target, fetched: Fetched, error: UntrustedError, *, recover: bool) -> Base:
    if error.reason in _NEWER:
        raise error  # written by a newer flagctl, not by an intruder: nothing to recover from
    newest = newest_entry(target)
    if error.reason == "wrong-epoch":
        # Its signatures are good (they are checked first): it is the last manifest of an epoch that has ended.
        ended = parse_manifest(parse_envelope(fetched.data).payload)
        if ended.epoch < target.trust.epoch:
            base = _from_log(fetched.etag, newest)
            return base if newest else base._replace(previous=ended.digest)
    if not recover:
        raise ConflictError(
            f"the current manifest of '{target.environment}' cannot be verified ({error.reason}): {error.message}",
            hint=f"find out who wrote it; then replace it: flagctl publish {target.environment} --recover",
        ) from error
    if newest is None and _is_new_epoch(target, fetched.data):
        return _from_log(fetched.etag, None)
    if newest is None:
        raise ConflictError(
            f"the log of '{target.environment}' has no verified manifest of epoch {target.trust.epoch} to go on from",
            hint="raise the epoch of the root of trust, so that numbers may start again",
        ) from error
    base = _from_log(fetched.etag, newest)
    # One number is left out: a publisher may have died between its manifest and the log, and readers may hold that one.
    return base._replace(next_seq=base.next_seq + 1)


def _is_new_epoch(target: Target, data: bytes) -> bool:
    """Return whether nothing claims to be of this epoch: it was raised, and this is its first publication."""
    epoch = target.trust.epoch
    claims = (parse_log_key(key) for key in target.remote.list(log_prefix(target.environment)))
    if epoch == 1 or any(claim is not None and claim[0] == epoch for claim in claims):
        return False
    try:
        return parse_manifest(parse_envelope(data).payload).epoch != epoch
    except UntrustedError:
        return True


def _from_log(etag: str | None, newest: Manifest | None) -> Base:
    return Base(None, b"", etag, newest, newest.digest if newest else None, newest.seq + 1 if newest else 1)
