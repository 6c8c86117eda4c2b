"""What an updater notes about its passes, and the status that a client makes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

from flagctl.bundle.fields import format_instant
from flagctl.client.status import ClientStatus
from flagctl.errors import UntrustedError

if TYPE_CHECKING:
    from flagctl.client.held import Clocks, Held
    from flagctl.client.sync import Pulled
    from flagctl.errors import FlagctlError


@final
class Notes:
    """Counters and the last troubles.

    Attributes:
        polls: Passes.
        updates: Manifests and kill lists taken over.
        rejected: How often updates were refused, by reason.
        success_at: When the remote was last read without a problem, monotonic; None if it never was.
        last_error: What went wrong last at the remote.
        kills_error: Why the current kill list was not taken over.
        cache_error: Why the copy on disk could not be read or written.
    """

    __slots__ = ("cache_error", "kills_error", "last_error", "polls", "rejected", "success_at", "updates")

    def __init__(self) -> None:
        self.polls = 0
        self.updates = 0
        self.rejected: dict[str, int] = {}
        self.success_at: float | None = None
        self.last_error: FlagctlError | None = None
        self.kills_error: FlagctlError | None = None
        self.cache_error: str | None = None

    def count_rejection(self, error: FlagctlError | None) -> None:
        """Count a refusal; other errors are none."""
        if isinstance(error, UntrustedError):
            self.rejected[error.reason] = self.rejected.get(error.reason, 0) + 1

    def note_kills(self, pulled: Pulled) -> None:
        """Record trouble with the kill list. Some stores answer "forbidden" for one that was never written."""
        error = pulled.kills_problem
        if isinstance(error, UntrustedError):
            self.count_rejection(error)
        elif error is not None and pulled.state.kills is None:
            error = None
        self.kills_error = error

    def note_copy(self, error: FlagctlError, source: str) -> None:
        """Record trouble with a copy; one that is merely older is none."""
        if not isinstance(error, UntrustedError):
            self.cache_error = f"{source}: {error.message}"
        elif error.reason != "rollback":
            self.count_rejection(error)
            self.cache_error = f"{source}: {error.message} ({error.reason})"


def status_of(held: Held, notes: Notes, clocks: Clocks, *, url: str, failures: int) -> ClientStatus:
    """Return what a client says about itself.

    Args:
        held: What is served.
        notes: What was noted.
        clocks: Time.
        url: The remote.
        failures: Passes over the remote that failed in a row.
    """
    manifest, root, document = held.state.manifest, held.state.root, held.state.document
    error, kills_error = notes.last_error, notes.kills_error
    state = "not-ready" if held.flags is None else "stale" if held.stale else "ready"
    return ClientStatus(
        state=state,
        url=url,
        environment=held.state.environment,
        project=held.state.project or (manifest.project if manifest else None),
        source=held.source,
        epoch=manifest.epoch if manifest else None,
        seq=manifest.seq if manifest else None,
        bundle_sha256=manifest.bundle.sha256 if manifest else None,
        flag_count=len(document.flag_keys()) if document else None,
        commit=manifest.commit if manifest else None,
        issued=format_instant(manifest.issued) if manifest else None,
        expires=format_instant(manifest.expires) if manifest else None,
        trust_version=root.version if root else None,
        trust_expired=root is not None and clocks.wall() >= root.expires,
        seconds_since_success=None if notes.success_at is None else clocks.monotonic() - notes.success_at,
        polls=notes.polls,
        updates=notes.updates,
        failures=failures,
        rejected=dict(notes.rejected),
        last_error=error.message if error else None,
        last_error_reason=error.reason if isinstance(error, UntrustedError) else None,
        killed=tuple(sorted(held.state.killed)),
        kills_seq=held.state.kills.seq if held.state.kills else None,
        kills_error=kills_error.message if kills_error else None,
        cache_error=notes.cache_error,
        conversions_dropped=0,
    )
