"""Options and results of everything that replaces an environment's manifest."""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flagctl.bundle.manifest import BundleRef, Manifest, Override
    from flagctl.ops.history import History
    from flagctl.ops.push import Pushed

FORMAT_VERSION: Final = "1.0"
DAY: Final = 86_400
DEFAULT_LIFETIME_DAYS: Final = 30
MAX_LIFETIME_DAYS: Final = 3_660

Action = Literal["published", "heartbeat", "rolled-back", "unchanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishOptions:
    """Options of everything that replaces a manifest.

    Attributes:
        commit: Full id of the git commit that the bundle was compiled from, None outside git.
        ref: Its git ref, for people.
        history: Answers whether a commit builds on another; needed wherever the current manifest has a commit.
        check_live: Called with the verified current manifest (or None) each time one is read, before anything is written;
            raises `ConflictError` to refuse, for instance because a saved plan was made against another one. What it returns are
            rules of the policy that were set aside, for the manifest.
        allow_rollback: Publish even if the commit does not build on the published one.
        recover: Replace a manifest that cannot be verified.
        dry_run: Do everything but write.
        lifetime_days: Days until the manifest expires.
        attempts: Rounds before a publisher that always loses gives up.
        clock: Seconds since 1970.
        sleep: Waits a number of seconds.
        uniform: Random number from 0 to 1.
    """

    commit: str | None = None
    ref: str | None = None
    history: History | None = None
    check_live: Callable[[Manifest | None], Sequence[Override] | None] | None = None
    allow_rollback: bool = False
    recover: bool = False
    dry_run: bool = False
    lifetime_days: int = DEFAULT_LIFETIME_DAYS
    attempts: int = 24
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    uniform: Callable[[], float] = random.random


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishResult:
    """What was published, or with `dry_run` would be.

    Attributes:
        action: ``published``, ``heartbeat``, ``rolled-back``, or ``unchanged`` if there was nothing to do.
        dry_run: Whether nothing was written.
        environment: Environment.
        project: Project.
        url: The remote.
        epoch: Epoch of the manifest.
        seq: Number of the manifest.
        previous_seq: Number of the manifest it replaced; None for the first.
        bundle_sha256: Digest of the bundle.
        previous_bundle_sha256: Digest of the bundle that was current before.
        size: Bytes of the plain bundle.
        blob_size: Bytes of the stored bundle.
        issued: RFC 3339.
        expires: RFC 3339.
        commit: Git commit of the bundle.
        ref: Git ref of the bundle.
        uploaded: Whether the bundle had to be stored.
        attempts: Rounds it took.
        log_key: Place of the manifest's copy.
        warnings: What went wrong without spoiling the result.
        overrides: Rules of the policy that were set aside for it.
        pushed: The shared cache that was told; None without one, and if that failed.
    """

    action: Action
    dry_run: bool
    environment: str
    project: str
    url: str
    epoch: int
    seq: int
    previous_seq: int | None
    bundle_sha256: str
    previous_bundle_sha256: str | None
    size: int
    blob_size: int
    issued: str
    expires: str
    commit: str | None
    ref: str | None
    uploaded: bool
    attempts: int
    log_key: str
    warnings: tuple[str, ...] = ()
    overrides: tuple[Override, ...] = ()
    pushed: Pushed | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the result as JSON values."""
        return {**result_document(self), "overrides": [override._asdict() for override in self.overrides]}


def result_document(result: Any) -> dict[str, Any]:
    """Return a result dataclass as JSON values, with the version of the format."""
    return {"format_version": FORMAT_VERSION, **asdict(result)}


class Draft(NamedTuple):
    """What a plan wants to be current.

    Attributes:
        action: What this is, for the result.
        bundle: Which bundle.
        commit: Its git commit.
        ref: Its git ref.
        blob: The stored bundle, if it may have to be uploaded; None if it must be at the remote already.
    """

    action: Action
    bundle: BundleRef
    commit: str | None
    ref: str | None
    blob: bytes | None = None
