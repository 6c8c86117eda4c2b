"""What a client says about itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class ClientStatus(NamedTuple):
    """A snapshot of a client's state, for health checks, dashboards and bug reports.

    Attributes:
        state: ``not-ready`` (no bundle yet), ``ready``, ``stale`` (the manifest has expired) or ``closed``.
        url: The remote.
        environment: Environment.
        project: Project; None without a root of trust and before the first bundle.
        source: Where the current bundle came from: ``remote``, ``l2``, ``cache`` or ``bootstrap``; None before the first.
        epoch: Epoch of the manifest.
        seq: Number of the manifest.
        bundle_sha256: Digest of the bundle.
        flag_count: Number of flags.
        commit: Git commit of the bundle.
        issued: RFC 3339.
        expires: RFC 3339.
        trust_version: Version of the root of trust.
        trust_expired: Whether the root of trust should have been renewed; it goes on being used.
        seconds_since_success: Since the remote was last read without a problem; None if it never was.
        polls: Passes over the remote.
        updates: Manifests taken over.
        failures: Passes that failed since the last one that did not.
        rejected: How often updates were refused, by reason.
        last_error: What went wrong last, None after a pass without a problem.
        last_error_reason: Stable code, if the last error was a refusal.
        killed: Keys of the flags that the kill list forces off.
        kills_seq: Number of the kill list; None before the first.
        kills_error: Why the current kill list at the remote was not taken over; the held one goes on counting.
        cache_error: Why the copy on disk could not be read or written, None if it could.
        conversions_dropped: Calls of `track_conversion` that went nowhere, because the client has no sinks.
        l2: State of the shared cache (`flagctl.client.l2.L2Status`); None without one.
        telemetry: State, queue and drop counters of each sink, and what was dropped before the sinks; None without any.
        guards: Every flag with a breaker that was guarded here: its state, and what was measured of each variant.
        attributes: Every attribute provider: state of its breaker, units remembered, and what came of look-ups.
        big_segments: Every list that segments name: what it is worth, its version, and what went wrong last.
    """

    state: str
    url: str
    environment: str
    project: str | None
    source: str | None
    epoch: int | None
    seq: int | None
    bundle_sha256: str | None
    flag_count: int | None
    commit: str | None
    issued: str | None
    expires: str | None
    trust_version: int | None
    trust_expired: bool
    seconds_since_success: float | None
    polls: int
    updates: int
    failures: int
    rejected: dict[str, int]
    last_error: str | None
    last_error_reason: str | None
    killed: tuple[str, ...]
    kills_seq: int | None
    kills_error: str | None
    cache_error: str | None
    conversions_dropped: int
    l2: dict[str, Any] | None = None
    telemetry: dict[str, Any] | None = None
    guards: tuple[Mapping[str, Any], ...] = ()
    attributes: tuple[Mapping[str, Any], ...] = ()
    big_segments: tuple[Mapping[str, Any], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the status as JSON values."""
        return {"format_version": "1.0", **self._asdict()}
