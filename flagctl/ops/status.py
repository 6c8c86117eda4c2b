"""What is live in an environment, and whether it needs attention."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from flagctl.bundle.accept import is_expired, read_manifest
from flagctl.bundle.envelope import MAX_POINTER
from flagctl.bundle.fields import format_instant
from flagctl.bundle.names import manifest_key
from flagctl.errors import FlagctlError, RemoteError, UntrustedError
from flagctl.evaluator.document import MalformedEntryError
from flagctl.ops.kill_model import entry_of
from flagctl.ops.looking import pull_live
from flagctl.ops.publish_model import DAY, result_document
from flagctl.ops.target import with_newest_root
from flagctl.storage.remote import Fetched

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.bundle.accept import Trusted
    from flagctl.bundle.manifest import Manifest
    from flagctl.client.sync import Pulled
    from flagctl.ops.target import Target

State = Literal["live", "expired", "missing", "untrusted", "unreachable"]

_TRUST_NOTICE_DAYS = 90


@dataclass(frozen=True, slots=True, kw_only=True)
class KillStatus:
    """A flag that the kill list forces off, and what the published bundle says about it.

    Attributes:
        flag: Key of the flag.
        reason: Why.
        actor: Who did it, as they say.
        time: When, RFC 3339.
        until: When somebody should look at it again, RFC 3339.
        overdue: Whether that time has come.
        published: ``off`` if the bundle disables it too, ``on`` if not, ``missing`` if it has no such flag.
    """

    flag: str
    reason: str
    actor: str
    time: str
    until: str | None
    overdue: bool
    published: Literal["on", "off", "missing"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentStatus:
    """What is live in one environment.

    Attributes:
        environment: Environment.
        project: Project.
        url: The remote.
        state: ``live``; ``expired`` (clients serve it as stale, new ones refuse it); ``missing``; ``untrusted`` (see
            `reason`); ``unreachable`` (see `error`).
        epoch: Epoch of the manifest.
        seq: Number of the manifest.
        bundle_sha256: Digest of the bundle.
        size: Bytes of the plain bundle.
        flag_count: Number of flags in the bundle.
        commit: Git commit of the bundle.
        ref: Git ref of the bundle.
        issued: RFC 3339.
        expires: RFC 3339.
        expires_in_seconds: Negative once it has expired.
        needs_heartbeat: Whether more than half of its life is over.
        drift: ``in-sync`` or ``differs`` from the bundle that the caller compiled; None if it gave none.
        kills: Flags that the kill list forces off.
        kills_seq: Number of the kill list; None if there is none.
        trust_version: Version of the root of trust.
        trust_expires: RFC 3339.
        trust_expired: Whether the root of trust should have been renewed; it goes on being used.
        reason: Stable code of the refusal if `state` is ``untrusted``.
        error: What went wrong, one sentence.
        hint: What to do about it.
        warnings: What needs attention.
        exit_code: 0, 4 (unreachable) or 5 (untrusted).
    """

    environment: str
    project: str
    url: str
    state: State
    epoch: int | None = None
    seq: int | None = None
    bundle_sha256: str | None = None
    size: int | None = None
    flag_count: int | None = None
    commit: str | None = None
    ref: str | None = None
    issued: str | None = None
    expires: str | None = None
    expires_in_seconds: int | None = None
    needs_heartbeat: bool = False
    drift: Literal["in-sync", "differs"] | None = None
    kills: tuple[KillStatus, ...] = ()
    kills_seq: int | None = None
    trust_version: int
    trust_expires: str
    trust_expired: bool
    reason: str | None = None
    error: str | None = None
    hint: str | None = None
    warnings: tuple[str, ...] = ()
    exit_code: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the status as JSON values."""
        return result_document(self)


def status(
    target: Target,
    *,
    local_sha256: str | None = None,
    clock: Callable[[], float] = time.time,
    accepted: set[str] | None = None,
) -> EnvironmentStatus:
    """Return what is live in an environment, as a client would accept it.

    Args:
        target: Environment and remote.
        local_sha256: Digest of the bundle that the flags at hand compile to, for `drift`.
        clock: Seconds since 1970.
        accepted: Digests of bundles whose insides whoever asks has seen to be sound, and where the one that is live is added:
            somebody who looks again and again need not wait for that each time. Digests and signatures are checked always.

    Returns:
        The status; trouble with the remote or with trust is part of it, not an exception.
    """
    now = clock()
    result = _without_manifest(target, now)
    try:
        target = with_newest_root(target)
        result = _without_manifest(target, now)
        fetched = target.remote.get(manifest_key(target.environment), max_bytes=MAX_POINTER)
        if not isinstance(fetched, Fetched):
            hint = f"flagctl publish {target.environment}"
            return replace(result, error=f"nothing is published to '{target.environment}' yet", hint=hint)
        manifest = read_manifest(target.reader(), fetched.data)
        result = _with_manifest(result, manifest, now, local_sha256)
        pulled = pull_live(target, fetched.data, accepted, now)
    except UntrustedError as error:
        return _failed(result, "untrusted", error, reason=error.reason)
    except RemoteError as error:
        return _failed(result, "unreachable", error)
    if pulled.state.document is None:
        return result
    return _with_kills(replace(result, flag_count=len(pulled.state.document.flag_keys())), pulled, now)


def _with_kills(result: EnvironmentStatus, pulled: Pulled, now: float) -> EnvironmentStatus:
    """Add the kill list; it needs attention until git says the same."""
    state, environment = pulled.state, result.environment
    warnings = list(result.warnings)
    if isinstance(pulled.kills_problem, UntrustedError):
        problem = pulled.kills_problem
        warnings.append(f"the current kill list is refused ({problem.reason}): {problem.message}")
    kills = []
    for kill in state.kills.kills if state.kills is not None else ():
        entry = entry_of(kill, now)
        published = _published(state, kill.flag)
        kills.append(KillStatus(**asdict(entry), published=published))
        lift = f"flagctl unkill {kill.flag} --env {environment}"
        if published == "missing":
            warnings.append(
                f"'{kill.flag}' is on the kill list, and no longer among the published flags; lift it: {lift}"
            )
        elif published == "on":
            warnings.append(
                f"'{kill.flag}' is forced off by the kill list, but git still has it on: set enabled: false for "
                f"{environment} and publish, or lift it: {lift}"
            )
        if entry.overdue:
            warnings.append(f"'{kill.flag}' was to be forced off until {entry.until}; it still is; lift it: {lift}")
    return replace(
        result, kills=tuple(kills), kills_seq=state.kills.seq if state.kills else None, warnings=tuple(warnings)
    )


def _published(state: Trusted, flag: str) -> Literal["on", "off", "missing"]:
    """Return what the published bundle says about a flag."""
    document = state.document
    if document is None or not document.has("flags", flag):
        return "missing"
    try:
        return "off" if document.flag(flag).get("enabled") is False else "on"
    except MalformedEntryError:
        return "on"


def _without_manifest(target: Target, now: float) -> EnvironmentStatus:
    return EnvironmentStatus(
        environment=target.environment,
        project=target.project,
        url=target.remote.url,
        state="missing",
        trust_version=target.trust.version,
        trust_expires=format_instant(target.trust.expires),
        trust_expired=now >= target.trust.expires,
        warnings=_trust_warnings(target, now),
    )


def _failed(
    result: EnvironmentStatus, state: State, error: FlagctlError, *, reason: str | None = None
) -> EnvironmentStatus:
    return replace(
        result, state=state, error=error.message, hint=error.hint, reason=reason, exit_code=type(error).exit_code
    )


def _with_manifest(
    result: EnvironmentStatus, manifest: Manifest, now: float, local_sha256: str | None
) -> EnvironmentStatus:
    expired = is_expired(manifest, now)
    past_half = now >= (manifest.issued + manifest.expires) / 2
    warnings = list(result.warnings)
    renew = f"renew it: flagctl publish {manifest.environment} --heartbeat"
    if expired:
        warnings.append(f"the manifest has expired: clients answer with reason STALE; {renew}")
    elif past_half:
        warnings.append(f"more than half of the manifest's life is over; {renew}")
    if now < manifest.issued:
        warnings.append("this machine's clock is earlier than the manifest's issue")
    return replace(
        result,
        state="expired" if expired else "live",
        epoch=manifest.epoch,
        seq=manifest.seq,
        bundle_sha256=manifest.bundle.sha256,
        size=manifest.bundle.size,
        commit=manifest.commit,
        ref=manifest.ref,
        issued=format_instant(manifest.issued),
        expires=format_instant(manifest.expires),
        expires_in_seconds=int(manifest.expires - now),
        needs_heartbeat=past_half,
        drift=None if local_sha256 is None else "in-sync" if local_sha256 == manifest.bundle.sha256 else "differs",
        warnings=tuple(warnings),
    )


def _trust_warnings(target: Target, now: float) -> tuple[str, ...]:
    left = target.trust.expires - now
    if left <= 0:
        return ("the root of trust should have been renewed by now; it goes on being used",)
    if left < _TRUST_NOTICE_DAYS * DAY:
        return (f"the root of trust should be renewed within {int(left // DAY)} days",)
    return ()
