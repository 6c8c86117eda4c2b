"""Replacing an environment's manifest: what publishing, renewing and going back have in common.

Several publishers may run at once, and any of them may die at any point. So each round

1. reads the current manifest with its tag and verifies it,
2. asks the plan what should follow it (a plan may refuse, or find that there is nothing to do),
3. makes sure that the log has a copy of the current manifest, which is about to be replaced,
4. stores the bundle, under its digest, and the deltas that lead to it, before anything points to them,
5. replaces the manifest on condition that it is still the one that was read.

A lost race starts the next round, after a random pause. A write whose outcome is unknown (the connection broke, or the
store answered "conflict" to our own earlier attempt) is settled by reading: each manifest carries a nonce, so a publisher
knows its own. The log copy and the reading back come last; dying before them leaves a valid manifest, and the next
publisher writes the missing copy.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Final, NamedTuple, final

from flagctl.bundle.accept import accept
from flagctl.bundle.envelope import MAX_POINTER, seal
from flagctl.bundle.fields import format_instant
from flagctl.bundle.manifest import (
    MIN_VERSION,
    PAYLOAD_TYPE,
    Manifest,
    parse_manifest,
    without_old_deltas,
    write_manifest,
)
from flagctl.bundle.names import blob_key, manifest_key
from flagctl.client.sync import Source, pull, read_stored_bundle
from flagctl.errors import ConflictError, RemoteError, UntrustedError, UsageError
from flagctl.ops.kill_base import next_floor
from flagctl.ops.manifest_log import key_of, write_entry
from flagctl.ops.publish_base import read_base
from flagctl.ops.publish_deltas import make_deltas, write_deltas
from flagctl.ops.publish_model import DAY, MAX_LIFETIME_DAYS, Draft, PublishOptions, PublishResult
from flagctl.ops.push import push_published
from flagctl.ops.target import with_newest_root
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flagctl.bundle.manifest import KillFloor, Override
    from flagctl.ops.publish_base import Base
    from flagctl.ops.publish_deltas import StoredDelta
    from flagctl.ops.target import Target
    from flagctl.signing import Signer

    Plan = Callable[[Manifest | None], Draft | None]

_FIRST_PAUSE: Final = 0.05
_LONGEST_PAUSE: Final = 2.0
_MAX_UNKNOWN_OUTCOMES: Final = 3


def replace_manifest(target: Target, signers: Sequence[Signer], plan: Plan, options: PublishOptions) -> PublishResult:
    """Replace the manifest with what `plan` makes of the current one, round by round.

    Args:
        target: Environment and remote.
        signers: Of the environment's publish role.
        plan: Gets the verified current manifest (or None) and returns what should follow, or None for nothing to do.
        options: How.

    Raises:
        ConflictError: If other publishers won every round, or the plan or the state refuses.
        RemoteError: If the remote cannot be reached.
        UntrustedError: If the remote's chain of roots is broken, or what was written does not read back.
        UsageError: If the signers do not suffice, or an option is out of bounds.
    """
    target = with_newest_root(target)
    check_signers(target, signers)
    if not 1 <= options.lifetime_days <= MAX_LIFETIME_DAYS:
        raise UsageError(f"a manifest lives from 1 to {MAX_LIFETIME_DAYS} days, not {options.lifetime_days}")
    result = _Publisher(target, signers, plan, options).run()
    if options.dry_run:
        return result
    pushed, warnings = push_published(target)
    return replace(result, pushed=pushed, warnings=(*result.warnings, *warnings))


def check_signers(target: Target, signers: Sequence[Signer]) -> None:
    """Check that the signers can reach the threshold of the environment's publish role, before anything is done.

    Raises:
        UsageError: If they cannot.
    """
    role = target.trust.publish[target.environment]
    listed = {key.keyid for key in role.keys}
    usable = {signer.keyid for signer in signers} & listed
    if len({signer.keyid for signer in signers}) != len(signers):
        raise UsageError("the same key was given twice")
    if len(usable) < role.threshold:
        raise UsageError(
            f"publishing to '{target.environment}' needs {role.threshold} of the keys "
            f"{', '.join(sorted(keyid[:16] for keyid in listed))}; {len(usable)} of them "
            f"{'was' if len(usable) == 1 else 'were'} given",
            hint="give the private key of the environment: --key FILE, or --key env:NAME",
        )


class _Written(NamedTuple):
    """A manifest that was sent to the remote; whether it arrived may not be known."""

    manifest: Manifest
    data: bytes
    result: PublishResult


@final
class _Publisher:
    """The rounds of one publication."""

    def __init__(self, target: Target, signers: Sequence[Signer], plan: Plan, options: PublishOptions) -> None:
        self._target = target
        self._remote = target.remote
        self._key = manifest_key(target.environment)
        self._signers = signers
        self._plan = plan
        self._options = options
        self._written: dict[str, _Written] = {}
        self._overrides: tuple[Override, ...] = ()
        self._floor_warnings: tuple[str, ...] = ()
        self._deltas: tuple[StoredDelta, ...] = ()

    def run(self) -> PublishResult:
        options = self._options
        unknown = 0
        # One more look than attempts: the last write may have arrived although its answer did not.
        for attempt in range(1, options.attempts + 2):
            base = read_base(self._target, recover=options.recover)
            arrived = self._arrived(base)
            if arrived is not None:
                return self._finish(arrived)
            if attempt > options.attempts:
                break
            if options.check_live is not None:
                self._overrides = tuple(options.check_live(base.live) or ())
            draft = self._plan(base.live)
            if draft is None and base.put_back is not None and base.live is not None:
                draft = Draft("heartbeat", base.live.bundle, base.live.commit, base.live.ref)
            if draft is None:
                return self._unchanged(base, attempt)
            manifest, payload = self._next(base, draft)
            result = self._result(base, draft, manifest, attempt)
            if options.dry_run:
                return result
            prepared = self._prepare(base, draft, manifest, payload, result)
            try:
                self._remote.put(self._key, prepared.data, if_match=base.etag, if_none_match=base.etag is None)
            except ConflictError:
                options.sleep(self._pause(attempt))
            except RemoteError:
                unknown += 1
                if unknown > _MAX_UNKNOWN_OUTCOMES:
                    raise
                options.sleep(self._pause(attempt))
            else:
                return self._finish(prepared)
        raise ConflictError(
            f"other publishers of '{self._target.environment}' were faster {options.attempts} times in a row",
            hint="try again",
        )

    def _arrived(self, base: Base) -> _Written | None:
        """Return the write of an earlier round that did arrive, though its answer did not say so."""
        for written in self._written.values():
            if base.live is not None and base.live.digest == written.manifest.digest:
                return written
            # It may have been replaced already; whoever did that has put a copy of it into the log first.
            if base.newest is not None and base.newest.seq > written.manifest.seq:
                copy = self._remote.get(key_of(written.manifest), max_bytes=MAX_POINTER)
                if isinstance(copy, Fetched):
                    return written
        return None

    def _next(self, base: Base, draft: Draft) -> tuple[Manifest, bytes]:
        """Return the manifest that follows, with its payload."""
        now = int(self._options.clock())
        self._deltas = () if self._options.dry_run else make_deltas(self._target, base.live, draft.bundle, draft.blob)
        manifest = Manifest(
            project=self._target.project,
            environment=self._target.environment,
            epoch=self._target.trust.epoch,
            seq=base.next_seq,
            previous=base.previous,
            issued=now,
            expires=now + self._options.lifetime_days * DAY,
            trust=self._target.trust.version,
            commit=draft.commit,
            ref=draft.ref,
            bundle=draft.bundle,
            deltas=tuple(item.delta for item in self._deltas),
            kill_floor=self._floor(base),
            min_version=MIN_VERSION,
            nonce=os.urandom(8).hex(),
            overrides=self._overrides,
        )
        manifest = without_old_deltas(manifest)
        self._deltas = self._deltas[: len(manifest.deltas)]
        payload = write_manifest(manifest)
        return parse_manifest(payload), payload

    def _floor(self, base: Base) -> KillFloor | None:
        """Return the newest verified kill list, so that whoever deletes it brings nothing back."""
        before = base.newest.kill_floor if base.newest else None
        floor, self._floor_warnings = next_floor(self._target, before, write=not self._options.dry_run)
        return floor

    def _prepare(self, base: Base, draft: Draft, manifest: Manifest, payload: bytes, result: PublishResult) -> _Written:
        """Do everything that must be done before the manifest may point to the bundle, and sign."""
        if base.live is not None:
            write_entry(self._target, base.live, base.data)
        data = seal(PAYLOAD_TYPE, payload, self._signers)
        blob = draft.blob if draft.blob is not None else read_stored_bundle(self._remote, manifest)
        # Nothing is published that a client would refuse.
        accept(self._target.reader(), data, lambda _: blob, now=manifest.issued)
        uploaded = draft.blob is not None and self._store(manifest, draft.blob)
        write_deltas(self._target, self._deltas)
        written = _Written(manifest, data, replace(result, uploaded=uploaded))
        self._written[manifest.digest] = written
        return written

    def _store(self, manifest: Manifest, blob: bytes) -> bool:
        """Store a bundle under its digest; return whether it was not there already."""
        key = blob_key(manifest.environment, manifest.bundle.blob_sha256)
        try:
            self._remote.put(key, blob, if_none_match=True)
        except ConflictError:
            try:
                intact = read_stored_bundle(self._remote, manifest) == blob
            except UntrustedError:
                intact = False
            if intact:
                return False
            self._remote.put(key, blob)
        return True

    def _finish(self, written: _Written) -> PublishResult:
        """Write the log copy and read everything back as a client would."""
        warnings = list(written.result.warnings)
        try:
            write_entry(self._target, written.manifest, written.data)
        except RemoteError as error:
            warnings.append(f"the log has no copy yet, the next publish will write it: {error.message}")
        try:
            state = pull(Source(self._remote), self._target.reader(), now=self._options.clock()).state
        except RemoteError as error:
            warnings.append(f"published, but not read back: {error.message}")
        else:
            if state.manifest is None or state.manifest.seq < written.manifest.seq:
                warnings.append("published, but the remote still answers with an older manifest")
        return replace(written.result, warnings=tuple(warnings))

    def _unchanged(self, base: Base, attempt: int) -> PublishResult:
        live = base.live
        if live is None:
            raise ConflictError(f"nothing is published to '{self._target.environment}' yet")
        draft = Draft("unchanged", live.bundle, live.commit, live.ref)
        result = self._result(base, draft, live, attempt)
        return replace(result, previous_seq=live.seq)

    def _result(self, base: Base, draft: Draft, manifest: Manifest, attempt: int) -> PublishResult:
        live = base.live
        warnings = list(self._floor_warnings)
        if live is not None and base.put_back is not None:
            warnings.append(
                f"an older manifest, number {base.put_back.seq}, had been put back in the place of number {live.seq}"
            )
        if live is not None and manifest.issued < live.issued:
            warnings.append("this machine's clock is earlier than the issue of the manifest that was replaced")
        return PublishResult(
            action=draft.action,
            dry_run=self._options.dry_run,
            environment=manifest.environment,
            project=manifest.project,
            url=self._remote.url,
            epoch=manifest.epoch,
            seq=manifest.seq,
            previous_seq=live.seq if live else None,
            bundle_sha256=manifest.bundle.sha256,
            previous_bundle_sha256=live.bundle.sha256 if live else None,
            size=manifest.bundle.size,
            blob_size=manifest.bundle.blob_size,
            issued=format_instant(manifest.issued),
            expires=format_instant(manifest.expires),
            commit=manifest.commit,
            ref=manifest.ref,
            uploaded=False,
            attempts=attempt,
            log_key=key_of(manifest),
            overrides=manifest.overrides if draft.action != "unchanged" else (),
            warnings=tuple(warnings),
        )

    def _pause(self, attempt: int) -> float:
        """Return seconds to wait: random up to a bound that doubles, so that publishers come apart."""
        return self._options.uniform() * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**attempt)
