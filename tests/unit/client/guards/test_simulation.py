"""How sure a breaker is: code that fails at a known rate, over and over."""

from __future__ import annotations

import random

from flagctl.client.guard_book import FlagGuard
from flagctl.evaluator.breakers import BreakerLimits
from tests.scale import scaled

LIMITS = BreakerLimits(error_rate=5_000, latency_p95=None, minimum=200, window=60_000, cool_down=300_000)


def trips_after(rate: float, calls: int, seed: int) -> int | None:
    """Return after how many calls, ten a second, a breaker tripped whose code fails at a rate."""
    draw = random.Random(seed)
    guard = FlagGuard("checkout", LIMITS, "off", lambda: 0.0)
    for number in range(calls):
        if guard.add("on", draw.random() < rate, number / 10, 0.01):
            return number + 1
    return None


def test_code_that_fails_at_3_percent_does_not_trip_a_limit_of_5_percent() -> None:
    runs = scaled(30, 1000)
    assert [trips_after(0.03, 6_000, seed) for seed in range(runs)] == [None] * runs


def test_code_that_fails_at_10_percent_trips_within_the_first_minute_or_so() -> None:
    found = [trips_after(0.10, 6_000, seed) for seed in range(100)]
    assert all(found)
    assert sorted(calls or 0 for calls in found)[50] <= 400
    assert max(calls or 0 for calls in found) <= 1_500
