"""What an application may set about its telemetry."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Collection

_SHORTEST_KEY = 16


class Telemetry(NamedTuple):
    """How events are made; the sinks say where they go.

    Attributes:
        log_rate: Share of evaluations that go into the evaluation log, 0 to 1. Every so many evaluations of each outcome
            one is logged, the first included, so that rare outcomes are seen.
        full_log: Keys of flags of which every evaluation goes into the log.
        log_context: Whether the log holds contexts, without personal attributes.
        usage_window: Seconds that counts are added up for.
        exposure_units: How many units are remembered as reported, over all experiments and variants. Those that were
            not seen for the longest are forgotten, and reported again when they come back.
        exposure_window: Seconds after which all are forgotten, so that an exposure that got lost is repeated some day.
        exposure_attributes: Attributes of the context that exposures carry along, for segments.
        bot_attribute: Attribute of the context that is true for units that are no human.
        hash_key: At least 16 bytes (text is taken as UTF-8), with which personal attributes are hashed instead of left
            out: the first 32 hexadecimal digits of their HMAC-SHA-256. Giving it is a decision to let these leave.
        queue: Events that may wait for each sink.
        batch: Most events of one batch.
        flush_interval: Seconds between looks at what is waiting.
        exit_timeout: Seconds that the end of the process may wait for the sinks.
    """

    log_rate: float = 0.0
    full_log: Collection[str] = ()
    log_context: bool = True
    usage_window: float = 60.0
    exposure_units: int = 100_000
    exposure_window: float = 86_400.0
    exposure_attributes: Collection[str] = ()
    bot_attribute: str = "is_bot"
    hash_key: bytes | str | None = None
    queue: int = 10_000
    batch: int = 500
    flush_interval: float = 1.0
    exit_timeout: float = 2.0

    def check(self) -> None:
        """Raise UsageError if a setting makes no sense."""
        if not 0 <= self.log_rate <= 1:
            raise UsageError("telemetry: log_rate is a share from 0 to 1")
        for name in ("usage_window", "exposure_window", "flush_interval"):
            if not 0 < getattr(self, name) < math.inf:
                raise UsageError(f"telemetry: {name} is a number of seconds above 0")
        if not 0 <= self.exit_timeout < math.inf:
            raise UsageError("telemetry: exit_timeout is a number of seconds")
        for name in ("exposure_units", "queue", "batch"):
            if getattr(self, name) < 1:
                raise UsageError(f"telemetry: {name} is at least 1")
        for name in ("full_log", "exposure_attributes"):
            if isinstance(getattr(self, name), str):
                raise UsageError(f"telemetry: {name} is a list of names", hint=f"{name}=[{getattr(self, name)!r}]")
        if self.hash_key is not None and len(self.hash_key) < _SHORTEST_KEY:
            raise UsageError("telemetry: hash_key has at least 16 bytes", hint="secrets.token_bytes(32) makes one")
