"""Go back to a bundle that was published before."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.bundle.fields import format_instant
from flagctl.errors import ConflictError, NothingMatchedError
from flagctl.ops.manifest_log import verified_entries
from flagctl.ops.publication import replace_manifest
from flagctl.ops.publish_base import read_base
from flagctl.ops.publish_model import Draft, PublishOptions, PublishResult, result_document
from flagctl.ops.target import with_newest_root

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flagctl.bundle.manifest import Manifest, Override
    from flagctl.ops.target import Target
    from flagctl.signing import Signer


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """A manifest that was published; `live` marks the current one. Instants are RFC 3339.

    `overrides` are the rules of the policy that were set aside for it.
    """

    epoch: int
    seq: int
    bundle_sha256: str
    size: int
    commit: str | None
    ref: str | None
    issued: str
    expires: str
    live: bool
    overrides: tuple[Override, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the entry as JSON values."""
        return {**result_document(self), "overrides": [override._asdict() for override in self.overrides]}


def history(target: Target, *, limit: int = 50) -> tuple[LogEntry, ...]:
    """Return the verified manifests of the current epoch, newest first, at most `limit`.

    Raises:
        RemoteError: If the remote cannot be reached.
        ConflictError: If the current manifest cannot be verified.
    """
    target = with_newest_root(target)
    base = read_base(target, recover=False)
    live = base.put_back or base.live
    entries: list[LogEntry] = []
    for manifest in _published(target, base.live):
        if len(entries) >= limit:
            break
        entries.append(_entry(manifest, live=live is not None and manifest.digest == live.digest))
    return tuple(entries)


def rollback(
    target: Target, signers: Sequence[Signer], *, to_seq: int | None = None, options: PublishOptions | None = None
) -> PublishResult:
    """Make an earlier bundle current again, under a new, higher number. Nothing is uploaded.

    Args:
        target: Environment and remote.
        signers: Of the environment's publish role.
        to_seq: Number of the manifest whose bundle should be current; None for the newest with another bundle than the
            current one.
        options: How.

    Raises:
        NothingMatchedError: If there is no such manifest in the verified log of this epoch.
        ConflictError: If nothing is published yet, if the current manifest cannot be verified, or if other publishers
            won every round.
        RemoteError: If the remote cannot be reached, or has lost the earlier bundle.
        UsageError: If the signers do not suffice.
    """
    target = with_newest_root(target)

    def plan(live: Manifest | None) -> Draft | None:
        if live is None:
            raise ConflictError(f"nothing is published to '{target.environment}' yet")
        earlier = _find(target, live, to_seq)
        if earlier.bundle.sha256 == live.bundle.sha256:
            return None
        return Draft("rolled-back", earlier.bundle, earlier.commit, earlier.ref)

    return replace_manifest(target, signers, plan, options or PublishOptions())


def _find(target: Target, live: Manifest, to_seq: int | None) -> Manifest:
    for manifest in _published(target, live):
        if manifest.seq == to_seq or (to_seq is None and manifest.bundle.sha256 != live.bundle.sha256):
            return manifest
    wanted = f"number {to_seq}" if to_seq is not None else "an earlier bundle"
    raise NothingMatchedError(
        f"the verified log of '{target.environment}' does not have {wanted}",
        hint=f"see what it has: flagctl rollback {target.environment} --list",
    )


def _published(target: Target, live: Manifest | None) -> Iterator[Manifest]:
    """Yield the current manifest and those of the log; the current one may not have reached the log."""
    if live is not None:
        yield live
    for entry in verified_entries(target):
        # Numbers above the current one were never current, or not for a reader that the current one counts for.
        if live is None or entry.manifest.seq < live.seq:
            yield entry.manifest


def _entry(manifest: Manifest, *, live: bool) -> LogEntry:
    return LogEntry(
        epoch=manifest.epoch,
        seq=manifest.seq,
        bundle_sha256=manifest.bundle.sha256,
        size=manifest.bundle.size,
        commit=manifest.commit,
        ref=manifest.ref,
        issued=format_instant(manifest.issued),
        expires=format_instant(manifest.expires),
        live=live,
        overrides=manifest.overrides,
    )
