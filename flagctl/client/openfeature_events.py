"""What happened between two looks at a client, as OpenFeature's events. Knows nothing of OpenFeature's SDK."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, NamedTuple

from flagctl.client.changes import changed_flags

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.client.status import ClientStatus
    from flagctl.client.still import StillUpdater
    from flagctl.client.updater import Updater


class Health(Enum):
    """What OpenFeature thinks of a provider that has been initialised; the values name the events that say so."""

    READY = "PROVIDER_READY"
    STALE = "PROVIDER_STALE"
    ERROR = "PROVIDER_ERROR"


class Event(NamedTuple):
    """One event.

    Attributes:
        name: OpenFeature's name of it.
        message: What happened, as a sentence.
        flags_changed: Keys of the flags that may answer otherwise now; None if it is not about that.
        metadata: Scalars by name.
    """

    name: str
    message: str | None
    flags_changed: tuple[str, ...] | None
    metadata: Mapping[str, Any]


class Watch:
    """Compares a client with how it was at the last look.

    Args:
        updater: Of the client.
        health: What was told last.
    """

    __slots__ = ("_document", "_health", "_killed", "_updater")

    def __init__(self, updater: Updater | StillUpdater, health: Health) -> None:
        self._updater = updater
        self._health = health
        state = updater.held.state
        self._document = state.document
        self._killed = state.killed

    def look(self, status: ClientStatus, stale_after: float) -> list[Event]:
        """Return what is to be told, in order.

        Args:
            status: Of the client, now.
            stale_after: Seconds without success that make it stale.
        """
        metadata = {
            name: value
            for name, value in (("seq", status.seq), ("bundle", status.bundle_sha256), ("commit", status.commit))
            if value is not None
        }
        health, message = _health_of(status, stale_after)
        events = []
        if health is not self._health:
            events.append(Event(health.value, message, None, metadata))
            self._health = health
        events += self._change(metadata)
        return events

    def _change(self, metadata: Mapping[str, Any]) -> Iterator[Event]:
        state = self._updater.held.state
        document, killed = state.document, state.killed
        before, flipped = self._document, killed ^ self._killed
        if document is None or (document is before and not flipped):
            return
        self._document, self._killed = document, killed
        if before is None:
            return  # the first flags: becoming ready says that
        keys = changed_flags(before, document, flipped)
        if keys:
            yield Event("PROVIDER_CONFIGURATION_CHANGED", None, keys, metadata)


def _health_of(status: ClientStatus, stale_after: float) -> tuple[Health, str | None]:
    if status.state in {"not-ready", "closed"}:
        return Health.ERROR, status.last_error or "there are no flags yet"
    if status.state == "stale":
        return Health.STALE, "what is served has expired and could not be renewed"
    if status.last_error_reason is not None:
        return Health.ERROR, f"an update was refused: {status.last_error} ({status.last_error_reason})"
    silent = status.seconds_since_success
    if status.failures and (silent is None or silent >= stale_after):
        return Health.STALE, f"the remote cannot be reached: {status.last_error}"
    return Health.READY, None
