"""One pass of reading from a remote: follow the chain of roots, check the manifest, fetch and check the bundle.

Shared by the client (again and again), by its copies on disk (once, when it starts) and by publishers (to read back what
they wrote with the eyes of a client).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.bundle.accept import STRICT, Terms, Trusted, accept, accept_trust
from flagctl.bundle.envelope import MAX_POINTER
from flagctl.bundle.names import blob_key, manifest_key, trust_key
from flagctl.errors import RemoteError, UntrustedError
from flagctl.storage.remote import Fetched, NotModified

if TYPE_CHECKING:
    from flagctl.bundle.manifest import Manifest
    from flagctl.storage.remote import Remote

MAX_STEPS: Final = 64
"""Most versions of the root of trust that are followed in one pass; the next pass goes on."""


class Pulled(NamedTuple):
    """What a pass led to.

    Attributes:
        state: The next state; the given one if nothing changed.
        etag: Tag of the manifest that `state` holds. To be remembered after the state was taken over, never before.
        data: The manifest's envelope; None if it has not changed.
        blob: The stored bundle, if it had to be fetched.
    """

    state: Trusted
    etag: str | None
    data: bytes | None = None
    blob: bytes | None = None


class Source(NamedTuple):
    """Where updates come from, and what is allowed there."""

    remote: Remote
    terms: Terms = STRICT


def follow_chain(remote: Remote, state: Trusted) -> tuple[Trusted, UntrustedError | None]:
    """Take the steps of the chain of roots that the remote offers.

    Returns:
        The state with the newest root that was reached, and why the next one was refused, if there was a next one.

    Raises:
        RemoteError: If the remote cannot be reached.
    """
    try:
        for _ in range(MAX_STEPS):
            if state.root is None:
                break
            fetched = remote.get(trust_key(state.root.version + 1), max_bytes=MAX_POINTER)
            if not isinstance(fetched, Fetched):
                break
            state = accept_trust(state, fetched.data)
    except UntrustedError as error:
        return state, error
    return state, None


def pull(source: Source, state: Trusted, *, now: float, etag: str | None = None) -> Pulled:
    """Read the manifest and, if it is new, its bundle.

    Args:
        source: Where from.
        state: What is held.
        now: Seconds since 1970.
        etag: Tag of the manifest that is held, as an earlier pass returned it.

    Raises:
        RemoteError: If the remote cannot be reached, or lacks the manifest or the bundle.
        UntrustedError: If the update is refused.
    """
    remote = source.remote
    fetched = remote.get(manifest_key(state.environment), etag=etag, max_bytes=MAX_POINTER)
    if isinstance(fetched, NotModified):
        return Pulled(state, etag)
    if fetched is None:
        raise RemoteError(
            f"there is no manifest of the environment '{state.environment}' at {remote.url}",
            hint=f"publish it: flagctl publish {state.environment}",
        )
    blobs: list[bytes] = []

    def read_blob(manifest: Manifest) -> bytes:
        blobs.append(read_stored_bundle(remote, manifest))
        return blobs[-1]

    following = accept(
        state,
        fetched.data,
        read_blob,
        now=now,
        terms=source.terms,
    )
    return Pulled(following, fetched.etag, fetched.data, blobs[-1] if blobs else None)


def read_stored_bundle(remote: Remote, manifest: Manifest) -> bytes:
    """Fetch the stored bundle that a manifest names; nothing but its length is checked here.

    Raises:
        RemoteError: If it is missing or cannot be reached.
        UntrustedError: ``too-large``.
    """
    key = blob_key(manifest.environment, manifest.bundle.blob_sha256)
    fetched = remote.get(key, max_bytes=manifest.bundle.blob_size)
    if not isinstance(fetched, Fetched):
        raise RemoteError(f"the bundle that the manifest names is missing: {remote.url.rstrip('/')}/{key}")
    return fetched.data
