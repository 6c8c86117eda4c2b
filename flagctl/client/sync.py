"""One pass of reading from a remote: follow the chain of roots, check the manifest, fetch and check bundle and kill list.

Shared by the client (again and again), by its copies on disk (once, when it starts) and by publishers (to read back what
they wrote with the eyes of a client).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.bundle.accept import STRICT, Shortcuts, Terms, Trusted, accept, accept_trust
from flagctl.bundle.accept_kills import accept_floor, check_kill_list, missing_floor
from flagctl.bundle.envelope import MAX_POINTER
from flagctl.bundle.names import blob_key, delta_key, kill_copy_key, kill_key, manifest_key, trust_key
from flagctl.errors import RemoteError, UntrustedError
from flagctl.storage.remote import Fetched, NotModified

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.bundle.manifest import Delta, KillFloor, Manifest
    from flagctl.errors import FlagctlError
    from flagctl.storage.remote import Remote

MAX_STEPS: Final = 64
"""Most versions of the root of trust that are followed in one pass; the next pass goes on."""


class Tags(NamedTuple):
    """Tags of the manifest and the kill list that are held. Remembered after they were taken over, never before."""

    manifest: str | None = None
    kills: str | None = None


NO_TAGS: Final = Tags()


class Pulled(NamedTuple):
    """What a pass led to.

    Attributes:
        state: The next state; the given one if nothing changed.
        tags: Tags of the manifest and the kill list that `state` holds.
        data: The manifest's envelope; None if it has not changed.
        blob: The stored bundle, if it had to be fetched.
        delta: Place and bytes of the delta that led to the bundle, if one did.
        problem: Why the manifest or its bundle was not taken over; the kill list may have been.
        kills_problem: Why the current kill list was not taken over.
    """

    state: Trusted
    tags: Tags = NO_TAGS
    data: bytes | None = None
    blob: bytes | None = None
    delta: tuple[str, bytes] | None = None
    problem: FlagctlError | None = None
    kills_problem: FlagctlError | None = None


class LackingError(RemoteError):
    """The remote answers, but lacks an object that should be there."""


class Source(NamedTuple):
    """Where updates come from, and what is allowed there.

    Attributes:
        remote: The place.
        terms: What is allowed there.
        plain: Returns the plain bundle of a manifest if the place keeps it so.
    """

    remote: Remote
    terms: Terms = STRICT
    plain: Callable[[Manifest], bytes | None] | None = None


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


def pull(source: Source, state: Trusted, *, now: float, tags: Tags = NO_TAGS) -> Pulled:
    """Read the manifest, the bundle if it is new, and the kill list.

    Args:
        source: Where from.
        state: What is held.
        now: Seconds since 1970.
        tags: Of what is held, as an earlier pass returned them.

    Returns:
        What was read. A kill list that was refused is noted in it, as long as the one that the manifest pins is held.

    Raises:
        RemoteError: If the remote cannot be reached, or lacks the manifest, the bundle or the pinned kill list.
        UntrustedError: If the update is refused.
    """
    pulled = look(source, state, now=now, tags=tags)
    if pulled.problem is not None:
        raise pulled.problem
    return pulled


def look(source: Source, state: Trusted, *, now: float, tags: Tags = NO_TAGS) -> Pulled:
    """As `pull`, but a manifest that was refused does not keep the kill list from being taken over, and is noted.

    Raises:
        RemoteError: If the remote cannot be reached.
    """
    try:
        pulled = _pull_manifest(source, state, now, tags)
    except (UntrustedError, LackingError) as error:
        pulled = Pulled(state, tags, problem=error)
    pulled = _pull_kills(source.remote, state, pulled)
    manifest = pulled.state.manifest
    if manifest is None or manifest is state.manifest:
        return pulled
    floor = missing_floor(pulled.state, manifest)
    if floor is None:
        return pulled
    try:
        following = accept_floor(pulled.state, floor, read_kill_copy(source.remote, manifest, floor))
    except (UntrustedError, RemoteError) as error:
        held = state._replace(kills=pulled.state.kills) if pulled.state.kills is not state.kills else state
        return pulled._replace(state=held, tags=tags._replace(kills=pulled.tags.kills), data=None, problem=error)
    if pulled.kills_problem is None and pulled.tags.kills != tags.kills:
        older = UntrustedError("the kill list is older than the one that the manifest pins", reason="rollback")
        pulled = pulled._replace(tags=pulled.tags._replace(kills=None), kills_problem=older)
    return pulled._replace(state=following)


def _pull_manifest(source: Source, state: Trusted, now: float, tags: Tags) -> Pulled:
    remote = source.remote
    fetched = remote.get(manifest_key(state.environment), etag=tags.manifest, max_bytes=MAX_POINTER)
    if isinstance(fetched, NotModified):
        return Pulled(state, tags)
    if fetched is None:
        raise LackingError(
            f"there is no manifest of the environment '{state.environment}' at {remote.url}",
            hint=f"publish it: flagctl publish {state.environment}",
        )
    blobs: list[bytes] = []
    deltas: list[tuple[str, bytes]] = []

    def read_blob(manifest: Manifest) -> bytes:
        blobs.append(read_stored_bundle(remote, manifest))
        return blobs[-1]

    def read_delta(manifest: Manifest, delta: Delta) -> bytes:
        key = delta_key(manifest.environment, delta.source, manifest.bundle.sha256)
        found = remote.get(key, max_bytes=delta.size)
        if not isinstance(found, Fetched):
            raise LackingError(f"the delta that the manifest names is missing: {remote.url.rstrip('/')}/{key}")
        deltas.append((key, found.data))
        return found.data

    shortcuts = Shortcuts(read_delta, source.plain)
    following = accept(state, fetched.data, read_blob, now=now, terms=source.terms, shortcuts=shortcuts)
    led = deltas[-1] if deltas and not blobs else None
    return Pulled(following, tags._replace(manifest=fetched.etag), fetched.data, blobs[-1] if blobs else None, led)


def _pull_kills(remote: Remote, held: Trusted, pulled: Pulled) -> Pulled:
    """Read the current kill list. Trouble with it is only noted: what is held goes on counting."""
    state = pulled.state
    if state.root is not None and state.environment not in state.root.kill:
        return pulled
    try:
        fetched = remote.get(kill_key(state.environment), etag=pulled.tags.kills, max_bytes=MAX_POINTER)
        if not isinstance(fetched, Fetched):
            return pulled
        # Held to what was accepted before: the new manifest may yet be refused for the list that it pins.
        kills = check_kill_list(held, fetched.data)
    except (UntrustedError, RemoteError) as error:
        return pulled._replace(kills_problem=error)
    tags = pulled.tags._replace(kills=fetched.etag)
    return (
        pulled._replace(tags=tags) if kills is None else pulled._replace(state=state._replace(kills=kills), tags=tags)
    )


def read_kill_copy(remote: Remote, manifest: Manifest, floor: KillFloor) -> bytes:
    """Fetch the copy of the kill list that a manifest pins; nothing but its length is checked here.

    Raises:
        RemoteError: If it is missing or cannot be reached.
        UntrustedError: ``too-large``.
    """
    key = kill_copy_key(manifest.environment, floor.sha256)
    fetched = remote.get(key, max_bytes=MAX_POINTER)
    if not isinstance(fetched, Fetched):
        raise LackingError(f"the kill list that the manifest pins is missing: {remote.url.rstrip('/')}/{key}")
    return fetched.data


def read_stored_bundle(remote: Remote, manifest: Manifest) -> bytes:
    """Fetch the stored bundle that a manifest names; nothing but its length is checked here.

    Raises:
        RemoteError: If it is missing or cannot be reached.
        UntrustedError: ``too-large``.
    """
    key = blob_key(manifest.environment, manifest.bundle.blob_sha256)
    fetched = remote.get(key, max_bytes=manifest.bundle.blob_size)
    if not isinstance(fetched, Fetched):
        raise LackingError(f"the bundle that the manifest names is missing: {remote.url.rstrip('/')}/{key}")
    return fetched.data
