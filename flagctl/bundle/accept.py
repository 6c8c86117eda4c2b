"""What a reader accepts: all of an update or nothing.

The order of the checks is part of the protocol::

    root chain   next_trust, one version at a time                                       (flagctl.bundle.trust)
    manifest     size → envelope → signatures of the role → payload type → type, v, requires
                 → project, environment → epoch → seq against the held one → expiry
    bundle       stored size → stored digest → unpacking, capped → size → digest
                 → structure of the document → project, environment
    kill list    as the manifest, with a role and a sequence of its own and no expiry; never older than the one that the
                 manifest pins                                                           (flagctl.bundle.accept_kills)

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
from flagctl.bundle.manifest import PAYLOAD_TYPE, Manifest, parse_manifest
from flagctl.bundle.newer import check_newer
from flagctl.bundle.trust import TrustRoot, next_trust
from flagctl.errors import BundleFormatError, RemoteError, UntrustedError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.bundle.envelope import Role
    from flagctl.bundle.kill import KillList
    from flagctl.bundle.manifest import Delta
    from flagctl.bundle.unit_list import ListPointer
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
    if not check_newer(state.manifest, manifest, "manifest", "publishing key"):
        return None
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
    check_place(state, manifest, "the manifest")
    return manifest


def check_place(state: Trusted, pointer: Manifest | KillList | ListPointer, what: str) -> None:
    """Check that a signed document is of the configured project and environment, and of the root's epoch.

    Raises:
        UntrustedError: ``wrong-project``, ``wrong-environment`` or ``wrong-epoch``.
    """
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
    return _hold(state, manifest, document)


def _hold(state: Trusted, manifest: Manifest, document: Document) -> Trusted:
    header = document.header
    if header.project != manifest.project or header.env != manifest.environment:
        raise BundleFormatError(
            "the bundle is of another project or environment than its manifest", reason="wrong-bundle"
        )
    return state._replace(manifest=manifest, document=document)


class Shortcuts(NamedTuple):
    """Other ways to a bundle than its stored form, tried first; each may raise, and the stored form is fetched.

    Attributes:
        delta: Returns a stored delta.
        plain: Returns the plain bundle, from a copy of one's own.
    """

    delta: Callable[[Manifest, Delta], bytes] | None = None
    plain: Callable[[Manifest], bytes | None] | None = None


NO_SHORTCUTS: Final = Shortcuts()


def accept(  # noqa: PLR0913 - the state, the update, and where to get the rest of it
    state: Trusted,
    data: bytes,
    read_blob: Callable[[Manifest], bytes],
    *,
    now: float,
    terms: Terms = STRICT,
    shortcuts: Shortcuts = NO_SHORTCUTS,
) -> Trusted:
    """Accept an update: a manifest and, if it is another one than the held, its bundle.

    Args:
        state: What is held.
        data: The manifest's envelope, as received.
        read_blob: Returns the stored bundle of a manifest; only called when the bundle is not the held one.
        now: Seconds since 1970.
        terms: What the update's source is allowed.
        shortcuts: Quicker ways to the bundle.

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
    document = _by_delta(state, manifest, shortcuts) or _from_copy(manifest, shortcuts, terms)
    if document is not None:
        return _hold(state, manifest, document)
    return accept_bundle(state, manifest, read_blob(manifest), terms=terms)


def _by_delta(state: Trusted, manifest: Manifest, shortcuts: Shortcuts) -> Document | None:
    """Return the bundle, patched from the held one; None if there is no way, or anything is wrong with it."""
    held = state.document
    delta = next((item for item in manifest.deltas if held is not None and item.leads_from(held.sha256)), None)
    if held is None or delta is None or shortcuts.delta is None:
        return None
    from flagctl.bundle.delta import apply, read_delta  # noqa: PLC0415 - only running clients get here
    from flagctl.evaluator.document import check_changes  # noqa: PLC0415

    reference = manifest.bundle
    try:
        document = apply(held, read_delta(delta, reference.sha256, shortcuts.delta(manifest, delta)))
        if document.size != reference.size:
            return None
        check_changes(held, document)
    except (UntrustedError, RemoteError):
        return None
    return document


def _from_copy(manifest: Manifest, shortcuts: Shortcuts, terms: Terms) -> Document | None:
    """Return the bundle from a plain copy; None if there is none, or it is not the one in the manifest."""
    data = shortcuts.plain(manifest) if shortcuts.plain is not None else None
    reference = manifest.bundle
    if data is None or len(data) != reference.size or hashlib.sha256(data).hexdigest() != reference.sha256:
        return None
    from flagctl.evaluator.document import check_structure, open_bundle  # noqa: PLC0415

    document = open_bundle(data)
    if not terms.accepted_before:
        check_structure(document)
    return document


def is_expired(manifest: Manifest, now: float) -> bool:
    """Return whether a manifest's time is over at `now` (seconds since 1970)."""
    return now >= manifest.expires


def _publishers(root: TrustRoot, environment: str) -> Role:
    role = root.publish.get(environment)
    if role is None:
        raise UntrustedError(
            f"the trust root of '{root.project}' has no environment '{environment}'",
            reason="unknown-environment",
            hint=f"it has: {', '.join(sorted(root.publish)) or 'none'}",
        )
    return role
