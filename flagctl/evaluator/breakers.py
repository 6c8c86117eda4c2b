"""Limits on the code behind a flag, as its entry in a bundle has them. What measures that code is the client's."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from flagctl.evaluator.document import MalformedEntryError

BREAKER_RULE: Final = "breaker"
"""The rule that answers name while a breaker has tripped."""

_RANGES: Final = {
    "cool_down": (1, 86_400_000),
    "error_rate": (0, 100_000),
    "latency_p95": (1, 3_600_000),
    "minimum": (1, 1_000_000),
    "window": (1, 3_600_000),
}
_NEEDED: Final = frozenset({"cool_down", "minimum", "window"})
_LIMITS: Final = frozenset({"error_rate", "latency_p95"})


class BreakerLimits(NamedTuple):
    """When a flag's breaker trips.

    Attributes:
        error_rate: Share of calls that may fail, in thousandths of a percent; None: any.
        latency_p95: Milliseconds that 95 % of calls should stay within; None: any.
        minimum: Calls before anything is decided.
        window: Milliseconds for which a call counts.
        cool_down: Milliseconds from tripping to the first probe.
    """

    error_rate: int | None
    latency_p95: int | None
    minimum: int
    window: int
    cool_down: int


def read_breaker(entry: Any, has_off: bool) -> BreakerLimits:
    """Return the limits of a flag's entry.

    Args:
        entry: Its `breaker`.
        has_off: Whether the flag has an `off` variant.

    Raises:
        MalformedEntryError: It is not as the format says.
    """
    if type(entry) is not dict or not _NEEDED <= entry.keys() <= _RANGES.keys() or entry.keys().isdisjoint(_LIMITS):
        raise MalformedEntryError("a breaker has `minimum`, `window`, `cool_down` and at least one limit")
    for name, value in entry.items():
        low, high = _RANGES[name]
        if type(value) is not int or not low <= value <= high:
            raise MalformedEntryError(f"a breaker's `{name}` is an integer from {low} to {high}")
    if not has_off:
        raise MalformedEntryError("a flag with a breaker has `off`")
    return BreakerLimits(
        entry.get("error_rate"), entry.get("latency_p95"), entry["minimum"], entry["window"], entry["cool_down"]
    )
