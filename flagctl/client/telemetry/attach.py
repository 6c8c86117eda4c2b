"""Gives a client its telemetry."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

from flagctl.client.telemetry.hub import Hub
from flagctl.client.telemetry.options import Telemetry

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flagctl.client.sinks.protocol import Sink


def attach(
    client: object, sinks: Sequence[Sink], options: Telemetry | None, environment: str, wall: Callable[[], float]
) -> Hub:
    """Return a hub, not started yet, whose threads end when the client is collected without having been closed.

    Raises:
        UsageError: If a setting makes no sense, or something is no sink.
    """
    hub = Hub(sinks, options or Telemetry(), environment, wall)
    weakref.finalize(client, hub.abandon).atexit = False  # the end of the process is `lifecycle`'s
    return hub
