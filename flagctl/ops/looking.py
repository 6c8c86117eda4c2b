"""Looking at what is live, as a client would accept it, by somebody who looks again and again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.bundle.accept import Terms, read_manifest
from flagctl.client.sync import Source, pull

if TYPE_CHECKING:
    from flagctl.client.sync import Pulled
    from flagctl.ops.target import Target


def pull_live(target: Target, manifest: bytes, accepted: set[str] | None, now: float) -> Pulled:
    """Read the manifest, the bundle and the kill list of a target; an expired manifest counts.

    Signatures and digests are checked always. That a bundle is sound inside takes longest, and is checked once.

    Args:
        target: Environment and remote.
        manifest: The manifest as it was just received, which says whether the bundle is a known one.
        accepted: Digests of bundles that were found to be sound; the one that is live is added. None knows none.
        now: Seconds since 1970.

    Raises:
        RemoteError: If the remote cannot be reached or lacks the bundle.
        UntrustedError: If what is there is not to be trusted.
    """
    known = set() if accepted is None else accepted
    sound = bool(known) and read_manifest(target.reader(), manifest).bundle.sha256 in known
    pulled = pull(Source(target.remote, Terms(expired=True, accepted_before=sound)), target.reader(), now=now)
    document = pulled.state.document
    if document is not None and document.sha256 not in known:
        if sound:  # another one was published this very moment
            from flagctl.evaluator.document import check_structure

            check_structure(document)
        known.add(document.sha256)
    return pulled
