"""Publish a bundle, or renew the expiry of the current one."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from flagctl.bundle.blob import pack, unpack
from flagctl.bundle.fields import COMMIT, LINE
from flagctl.bundle.manifest import MAX_BLOB, MAX_BUNDLE, BundleRef
from flagctl.client.sync import read_stored_bundle
from flagctl.errors import ConflictError, RemoteError, UntrustedError, UsageError
from flagctl.ops.publication import replace_manifest
from flagctl.ops.publish_model import Draft, PublishOptions, PublishResult

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.bundle.manifest import Manifest
    from flagctl.ops.target import Target
    from flagctl.signing import Signer

_MAX_REF = 200


def publish(
    target: Target, bundle: bytes, signers: Sequence[Signer], options: PublishOptions | None = None
) -> PublishResult:
    """Make a compiled bundle the current one of its environment.

    Args:
        target: Environment and remote.
        bundle: Plain bytes of the bundle, compiled for this environment.
        signers: Of the environment's publish role, as many as its threshold needs.
        options: How.

    Returns:
        What was done: ``published``, or ``unchanged`` if this bundle is the current one already. A current bundle that
        was lost or damaged at the remote is published again.

    Raises:
        BundleFormatError: If the bytes are no bundle of this project and environment.
        ConflictError: If the current manifest was published from a commit that this one does not build on, if it
            cannot be verified, or if other publishers won every round.
        RemoteError: If the remote cannot be reached.
        UsageError: If the signers do not suffice, or an option is out of bounds.
    """
    options = options or PublishOptions()
    if options.commit is not None and COMMIT.fullmatch(options.commit) is None:
        raise UsageError(f"'{options.commit[:80]}' is not the full id of a commit")
    blob = pack(bundle)
    if len(bundle) > MAX_BUNDLE or len(blob) > MAX_BLOB:
        raise UsageError(f"a bundle of {len(bundle)} bytes ({len(blob)} packed) is larger than readers accept")
    reference = BundleRef(
        sha256=hashlib.sha256(bundle).hexdigest(),
        size=len(bundle),
        blob_sha256=hashlib.sha256(blob).hexdigest(),
        blob_size=len(blob),
    )

    def plan(live: Manifest | None) -> Draft | None:
        if live is not None:
            if live.bundle.sha256 != reference.sha256:
                _check_order(live, options)
            elif _is_intact(target, live):
                return None
        return Draft("published", reference, options.commit, _line(options.ref), blob)

    return replace_manifest(target, signers, plan, options)


def heartbeat(target: Target, signers: Sequence[Signer], options: PublishOptions | None = None) -> PublishResult:
    """Renew the expiry of the current manifest: same bundle, next number.

    Raises:
        ConflictError: If nothing is published yet, or the manifest cannot be verified, or other publishers won every
            round.
        RemoteError: If the remote cannot be reached, or lacks the current bundle.
        UsageError: If the signers do not suffice, or an option is out of bounds.
    """

    def plan(live: Manifest | None) -> Draft | None:
        return None if live is None else Draft("heartbeat", live.bundle, live.commit, live.ref)

    return replace_manifest(target, signers, plan, options or PublishOptions())


def _line(ref: str | None) -> str | None:
    """Return a ref as a manifest may have it: it is for people, and no reason to refuse a publication."""
    if ref is None:
        return None
    printable = "".join(character if LINE.fullmatch(character) else "?" for character in ref)
    return printable[:_MAX_REF] or None


def _is_intact(target: Target, live: Manifest) -> bool:
    """Return whether clients can get the current bundle."""
    try:
        unpack(live.bundle, read_stored_bundle(target.remote, live))
    except (RemoteError, UntrustedError):
        return False
    return True


def _check_order(live: Manifest, options: PublishOptions) -> None:
    """Refuse to replace newer flags by older ones: conditional writes do not stop an old pipeline that finishes late."""
    if options.allow_rollback or live.commit is None or live.commit == options.commit:
        return
    published = f"commit {live.commit[:12]}, which is published as number {live.seq}"
    if options.commit is None or options.history is None:
        raise ConflictError(
            f"the flags are not from a git commit, so nothing tells whether they build on {published}",
            hint="publish from a git checkout, or insist with --rollback",
        )
    if not options.history.is_ancestor(live.commit, options.commit):
        raise ConflictError(
            f"commit {options.commit[:12]} does not build on {published}",
            hint="merge or rebase onto the published commit (in a shallow clone, fetch the history first); "
            "to replace newer flags on purpose: --rollback",
        )
