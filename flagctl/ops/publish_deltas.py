"""Deltas that lead to a new bundle: from the current one, and from those that have a delta to the current one.

The first comes from comparing two bundles. The others are joined from it and the deltas that the current manifest names, so that
publishing reads one bundle, not eight. Deltas are a convenience: whatever is wrong with an old one, it is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.bundle.blob import unpack
from flagctl.bundle.delta import compare, join, read_delta, write_delta
from flagctl.bundle.manifest import MAX_DELTAS, BundleRef, Delta, Manifest, delta_of
from flagctl.bundle.names import blob_key, delta_key
from flagctl.client.sync import read_stored_bundle
from flagctl.errors import ConflictError, RemoteError, UntrustedError
from flagctl.evaluator.document import open_bundle
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from flagctl.bundle.delta import Patch
    from flagctl.ops.target import Target

_WORTH: Final = 4
"""A delta is kept if it is at least so many times smaller than the stored bundle."""


class StoredDelta(NamedTuple):
    """A delta as the manifest names it, and its bytes if they are yet to be written."""

    delta: Delta
    key: str
    data: bytes | None


def make_deltas(
    target: Target, live: Manifest | None, bundle: BundleRef, blob: bytes | None
) -> tuple[StoredDelta, ...]:
    """Return the deltas of the next manifest.

    Args:
        target: Environment and remote.
        live: The current manifest.
        bundle: The bundle that is to be current.
        blob: Its stored form; None if it is at the remote.
    """
    if live is None:
        return ()
    if live.bundle.sha256 == bundle.sha256:
        return tuple(
            StoredDelta(delta, delta_key(live.environment, delta.source, bundle.sha256), None) for delta in live.deltas
        )
    try:
        before = open_bundle(unpack(live.bundle, read_stored_bundle(target.remote, live)))
        if blob is None:
            blob = _read(target, blob_key(live.environment, bundle.blob_sha256), bundle.blob_size)
        after = open_bundle(unpack(bundle, blob))
    except (RemoteError, UntrustedError):
        return ()
    step = compare(before, after)
    patches = [step]
    for delta in live.deltas:
        earlier = _earlier(target, live, delta)
        if earlier is not None and earlier.source != bundle.sha256:
            patches.append(join(earlier, step))
    stored = (_stored(live.environment, patch, bundle) for patch in patches)
    return tuple(item for item in stored if item is not None)[:MAX_DELTAS]


def write_deltas(target: Target, deltas: tuple[StoredDelta, ...]) -> None:
    """Write deltas before a manifest names them.

    Raises:
        RemoteError: If the remote cannot be reached.
    """
    for item in deltas:
        if item.data is None:
            continue
        try:
            target.remote.put(item.key, item.data, if_none_match=True)
        except ConflictError:
            if not _is_there(target, item):
                # Another way from the one bundle to the other; the manifest that named it is about to be replaced.
                target.remote.put(item.key, item.data)


def _stored(environment: str, patch: Patch, bundle: BundleRef) -> StoredDelta | None:
    data = write_delta(patch)
    if data is None or len(data) * _WORTH > bundle.blob_size:
        return None
    delta = delta_of(patch.source, data)
    return StoredDelta(delta, delta_key(environment, delta.source, patch.result), data)


def _earlier(target: Target, live: Manifest, delta: Delta) -> Patch | None:
    """Return the patch that leads from an earlier bundle to the current one, None if it is lost or damaged."""
    key = delta_key(live.environment, delta.source, live.bundle.sha256)
    try:
        return read_delta(delta, live.bundle.sha256, _read(target, key, delta.size))
    except (RemoteError, UntrustedError):
        return None


def _read(target: Target, key: str, size: int) -> bytes:
    fetched = target.remote.get(key, max_bytes=size)
    if not isinstance(fetched, Fetched):
        raise RemoteError(f"{key} is missing")
    return fetched.data


def _is_there(target: Target, item: StoredDelta) -> bool:
    try:
        return _read(target, item.key, item.delta.size) == item.data
    except UntrustedError:
        return False
