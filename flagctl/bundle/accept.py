"""What a reader accepts: all of an update or nothing.

The order of the checks is part of the protocol::

    root chain   next_trust, one version at a time                                       (flagctl.bundle.trust)
    manifest     size → envelope → signatures of the role → payload type → type, v, requires
                 → project, environment → epoch → seq against the held one → expiry
    bundle       stored size → stored digest → unpacking, capped → size → digest
                 → structure of the document → project, environment
    kill list    as the manifest, with a role and a sequence of its own and no expiry; never older than the one that the
                 manifest pins

Everything here is a pure function of its arguments. A `Trusted` value is a state; each function returns the next state or
raises `UntrustedError` with a stable `reason`, and the old state goes on being good::

    state = Trusted(environment="production", project="acme-shop", root=root)
    state = accept(state, manifest_bytes, read_blob, now=time.time())
    state.document

A state without a root (``insecure=True`` of the client) checks everything but signatures, project and epoch.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.bundle.blob import unpack
from flagctl.bundle.envelope import parse_envelope, verify_signatures
from flagctl.bundle.kill import PAYLOAD_TYPE as KILL_PAYLOAD_TYPE
from flagctl.bundle.kill import KillList, parse_kill_list
from flagctl.bundle.manifest import PAYLOAD_TYPE, Manifest, parse_manifest
from flagctl.bundle.trust import TrustRoot, next_trust
from flagctl.errors import BundleFormatError, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.bundle.envelope import Role
    from flagctl.bundle.manifest import KillFloor
    from flagctl.evaluator.document import Document


class Terms(NamedTuple):
    """What a source of updates is allowed.

    Attributes:
        expired: A manifest may have expired: it is a copy that this reader (or its image) kept, which is served beyond
            its expiry, as stale.
        accepted_before: The bundle is a copy of one that this reader had accepted. All its digests are checked again,
            but not every entry's structure, which takes most of the time.
    """

    expired: bool = False
    accepted_before: bool = False


STRICT: Final = Terms()
"""For remotes."""


class Trusted(NamedTuple):
    """What a reader holds.

    Attributes:
        environment: The environment it reads.
        project: The project it reads; None accepts any (only without a root).
        root: Current root of trust; None checks no signature.
        manifest: The accepted manifest, None before the first.
        document: The accepted bundle, None before the first.
        kills: The accepted kill list, None before the first. One of an epoch that has ended goes on counting until
            there is one of the current epoch: a rotation of keys must not bring a flag back.
    """

    environment: str
    project: str | None = None
    root: TrustRoot | None = None
    manifest: Manifest | None = None
    document: Document | None = None
    kills: KillList | None = None

    @property
    def killed(self) -> frozenset[str]:
        """Keys of the flags that are forced off; none if the root gives nobody that power any more."""
        if self.kills is None or (self.root is not None and self.environment not in self.root.kill):
            return frozenset()
        return self.kills.flags


def trusting(root: TrustRoot, environment: str) -> Trusted:
    """Return the state of a reader that holds nothing yet but a root of trust.

    Raises:
        UntrustedError: ``unknown-environment`` if the root lists no publisher of the environment.
    """
    _publishers(root, environment)
    return Trusted(environment, root.project, root)


def accept_trust(state: Trusted, data: bytes) -> Trusted:
    """Take one step along the chain of roots; the held manifest and bundle stay.

    Raises:
        UntrustedError: As `next_trust`.
    """
    if state.root is None:
        return state
    return state._replace(root=next_trust(state.root, data))


def check_manifest(state: Trusted, data: bytes, *, now: float, terms: Terms = STRICT) -> Manifest | None:
    """Check a manifest against the state.

    Args:
        state: What is held.
        data: The manifest's envelope, as received.
        now: Seconds since 1970. A clock that shows a time before the manifest was issued expires nothing.
        terms: What the manifest's source is allowed.

    Returns:
        The manifest, or None if it is the held one.

    Raises:
        UntrustedError: With the first reason in the order of this module's table.
    """
    manifest = read_manifest(state, data)
    held = state.manifest
    if held is not None and held.epoch == manifest.epoch:
        if manifest.seq < held.seq:
            raise UntrustedError(
                f"manifest {manifest.seq} is older than manifest {held.seq}, which was seen already", reason="rollback"
            )
        if manifest.seq == held.seq:
            if manifest.digest == held.digest:
                return None
            raise UntrustedError(
                f"there are two different manifests with number {manifest.seq}: somebody who holds the publishing key "
                "has signed both",
                reason="equivocation",
            )
    if not terms.expired and is_expired(manifest, now):
        renewal = f"renew it: flagctl publish {manifest.environment} --heartbeat"
        raise UntrustedError("the manifest has expired", reason="expired", hint=renewal)
    return manifest


def read_manifest(state: Trusted, data: bytes) -> Manifest:
    """Check everything about a manifest that depends neither on time nor on the manifest that is held.

    Raises:
        UntrustedError: As `check_manifest`, but for ``rollback``, ``equivocation`` and ``expired``.
    """
    envelope = parse_envelope(data, what="the manifest")
    root = state.root
    if root is not None:
        verify_signatures(envelope, _publishers(root, state.environment), what="the manifest")
    if envelope.payload_type != PAYLOAD_TYPE:
        raise UntrustedError("the envelope does not hold a manifest", reason="wrong-payload-type")
    manifest = parse_manifest(envelope.payload)
    _check_place(state, manifest, "the manifest")
    return manifest


def _check_place(state: Trusted, pointer: Manifest | KillList, what: str) -> None:
    """Check that a signed document is of the configured project and environment, and of the root's epoch."""
    if state.project is not None and pointer.project != state.project:
        raise UntrustedError(
            f"{what} is of the project '{pointer.project}', not of '{state.project}'", reason="wrong-project"
        )
    if pointer.environment != state.environment:
        raise UntrustedError(
            f"{what} is of the environment '{pointer.environment}', not of '{state.environment}'",
            reason="wrong-environment",
        )
    root = state.root
    if root is not None and pointer.epoch != root.epoch:
        raise UntrustedError(
            f"{what} is of epoch {pointer.epoch}, the trust root of epoch {root.epoch}", reason="wrong-epoch"
        )


def read_kill_list(state: Trusted, data: bytes) -> KillList:
    """Check everything about a kill list that does not depend on what is held.

    Raises:
        UntrustedError: As `check_kill_list`, but for ``rollback`` and ``equivocation``.
    """
    envelope = parse_envelope(data, what="the kill list")
    if state.root is not None:
        verify_signatures(envelope, _killers(state.root, state.environment), what="the kill list")
    if envelope.payload_type != KILL_PAYLOAD_TYPE:
        raise UntrustedError("the envelope does not hold a kill list", reason="wrong-payload-type")
    kills = parse_kill_list(envelope.payload)._replace(data=data)
    _check_place(state, kills, "the kill list")
    return kills


def check_kill_list(state: Trusted, data: bytes) -> KillList | None:
    """Check a kill list against the state.

    Args:
        state: What is held.
        data: The kill list's envelope, as received.

    Returns:
        The kill list, or None if it is the held one.

    Raises:
        UntrustedError: With the first reason in the order of this module's table; ``rollback`` also for a list that is
            older than the one which the held manifest pins.
    """
    kills = read_kill_list(state, data)
    held = state.kills
    if held is not None and held.epoch == kills.epoch:
        if kills.seq < held.seq:
            raise UntrustedError(
                f"kill list {kills.seq} is older than kill list {held.seq}, which was seen already", reason="rollback"
            )
        if kills.seq == held.seq:
            if kills.digest == held.digest:
                return None
            raise UntrustedError(
                f"there are two different kill lists with number {kills.seq}: somebody who holds the kill key has "
                "signed both",
                reason="equivocation",
            )
    manifest = state.manifest
    floor = manifest.kill_floor if manifest is not None and manifest.epoch == kills.epoch else None
    if floor is not None and kills.seq < floor.seq:
        raise UntrustedError(
            f"kill list {kills.seq} is older than kill list {floor.seq}, which the manifest pins", reason="rollback"
        )
    return kills


def missing_floor(state: Trusted, manifest: Manifest) -> KillFloor | None:
    """Return which kill list a reader of `manifest` still needs: the pinned one, unless a newer one is held."""
    floor, held = manifest.kill_floor, state.kills
    if floor is None or (held is not None and held.epoch == manifest.epoch and _covers(held, floor)):
        return None
    return floor


def accept_floor(state: Trusted, floor: KillFloor, data: bytes) -> Trusted:
    """Hold the kill list that a manifest pins.

    Args:
        state: What is held.
        floor: What the manifest says.
        data: The pinned copy, as received.

    Raises:
        UntrustedError: ``wrong-kills-digest``, or as `check_kill_list`.
    """
    if hashlib.sha256(data).hexdigest() != floor.sha256:
        raise UntrustedError("the copy of the kill list is not the one in the manifest", reason="wrong-kills-digest")
    kills = check_kill_list(state, data)
    if kills is None:
        return state
    if kills.seq != floor.seq:
        raise UntrustedError(
            f"the manifest pins kill list {floor.seq}, and its copy is number {kills.seq}", reason="wrong-kills-digest"
        )
    return state._replace(kills=kills)


def _covers(held: KillList, floor: KillFloor) -> bool:
    """Return whether a held list makes fetching the pinned one needless: it is newer, or the very same."""
    return held.seq > floor.seq or held.floor == floor


def accept_bundle(state: Trusted, manifest: Manifest, blob: bytes, *, terms: Terms = STRICT) -> Trusted:
    """Check a stored bundle against a manifest that `check_manifest` returned, and hold both.

    Args:
        state: What is held.
        manifest: Checked manifest.
        blob: Stored bundle, as received.
        terms: What the bundle's source is allowed.

    Raises:
        UntrustedError: With a reason of `unpack`; or a `BundleFormatError` of the document; or ``wrong-bundle``.
    """
    from flagctl.evaluator.document import check_structure, open_bundle  # noqa: PLC0415 - only readers of bundles pay

    document = open_bundle(unpack(manifest.bundle, blob))
    if not terms.accepted_before:
        check_structure(document)
    header = document.header
    if header.project != manifest.project or header.env != manifest.environment:
        raise BundleFormatError(
            "the bundle is of another project or environment than its manifest", reason="wrong-bundle"
        )
    return state._replace(manifest=manifest, document=document)


def accept(
    state: Trusted,
    data: bytes,
    read_blob: Callable[[Manifest], bytes],
    *,
    now: float,
    terms: Terms = STRICT,
) -> Trusted:
    """Accept an update: a manifest and, if it is another one than the held, its bundle.

    Args:
        state: What is held.
        data: The manifest's envelope, as received.
        read_blob: Returns the stored bundle of a manifest; only called when the bundle is not the held one.
        now: Seconds since 1970.
        terms: What the update's source is allowed.

    Returns:
        The next state; the same object if the manifest is the held one.

    Raises:
        UntrustedError: The update is refused as a whole. What `read_blob` raises passes through.
    """
    manifest = check_manifest(state, data, now=now, terms=terms)
    if manifest is None:
        return state
    held = state.manifest
    if held is not None and state.document is not None and held.bundle.sha256 == manifest.bundle.sha256:
        return state._replace(manifest=manifest)
    return accept_bundle(state, manifest, read_blob(manifest), terms=terms)


def is_expired(manifest: Manifest, now: float) -> bool:
    """Return whether a manifest's time is over at `now` (seconds since 1970)."""
    return now >= manifest.expires


def _killers(root: TrustRoot, environment: str) -> Role:
    role = root.kill.get(environment)
    if role is None:
        raise UntrustedError(
            f"the trust root of '{root.project}' lists no key that may force flags of '{environment}' off",
            reason="unknown-key",
        )
    return role


def _publishers(root: TrustRoot, environment: str) -> Role:
    role = root.publish.get(environment)
    if role is None:
        raise UntrustedError(
            f"the trust root of '{root.project}' has no environment '{environment}'",
            reason="unknown-environment",
            hint=f"it has: {', '.join(sorted(root.publish)) or 'none'}",
        )
    return role
