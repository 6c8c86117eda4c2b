"""What guarded calls did lately: counts over a sliding window in bounded memory, and when they are too bad for chance.

A window is a ring of 60 slots, each a sixtieth of it wide. A call counts from when it ended until its slot leaves the
ring, which is between 59/60 of the window and all of it later. Adding a call takes the same time whatever the window
holds.

Whether 95 % of calls stay within a limit is counted exactly: the 95th percentile lies above it just when more than 5 % of
the calls took longer. The percentile itself, for people, is read from a histogram whose buckets are 10 % wide; it is
never off by more than 5 %.
"""

from __future__ import annotations

from math import log
from typing import Final

SLOTS: Final = 60
"""Parts that a window moves by."""

DEVIATIONS: Final = 3.0
"""Standard deviations beyond a limit from where on it is no chance any more."""

SLOW_SHARE: Final = 0.05
"""Share of calls that may take longer than the limit of a 95th percentile."""

_RATIO: Final = 1.1
_PER_LOG: Final = 1 / log(_RATIO)
_SHORTEST: Final = 1e-5
_BUCKETS: Final = 208  # 10 µs to more than an hour


class Window:
    """Calls that ended within the last `seconds`.

    Args:
        seconds: Length of the window.
        slow: Seconds beyond which a call counts as slow; None: none does.

    Attributes:
        calls: How many there are.
        errors: How many of them failed.
        slow_calls: How many of them took longer than `slow`.
    """

    __slots__ = ("_current", "_per_second", "_slots", "_slow", "calls", "errors", "slow_calls")

    def __init__(self, seconds: float, slow: float | None) -> None:
        self._per_second = SLOTS / seconds
        self._slow = float("inf") if slow is None else slow
        self.clear()

    def clear(self) -> None:
        """Forget everything."""
        self.calls = self.errors = self.slow_calls = 0
        self._current: int | None = None
        self._slots: list[_Slot | None] = [None] * SLOTS

    def add(self, now: float, failed: bool, seconds: float) -> bool:
        """Count a call that ended `now` and took `seconds`; return whether it failed or was slow."""
        number = int(now * self._per_second)
        if number != self._current:
            self._move(number)
        slot = self._slots[number % SLOTS]
        if slot is None:
            slot = self._slots[number % SLOTS] = _Slot()
        slow = seconds > self._slow
        slot.calls += 1
        self.calls += 1
        if failed:
            slot.errors += 1
            self.errors += 1
        if slow:
            slot.slow_calls += 1
            self.slow_calls += 1
        bucket = 0 if seconds <= _SHORTEST else min(int(log(seconds / _SHORTEST) * _PER_LOG) + 1, _BUCKETS)
        histogram = slot.histogram
        histogram[bucket] = histogram.get(bucket, 0) + 1
        return failed or slow

    def move(self, now: float) -> None:
        """Let go of what has become too old."""
        number = int(now * self._per_second)
        if number != self._current:
            self._move(number)

    def p95(self) -> float | None:
        """Return the 95th percentile of the calls' seconds, within 5 %; None without calls."""
        if not self.calls:
            return None
        counts: dict[int, int] = {}
        for slot in self._slots:
            if slot is not None:
                for bucket, count in slot.histogram.items():
                    counts[bucket] = counts.get(bucket, 0) + count
        left = -(-self.calls * 19 // 20)  # nearest rank: so many calls are not above it
        for bucket in sorted(counts):
            left -= counts[bucket]
            if left <= 0:
                break
        return float(_SHORTEST * _RATIO ** (bucket - 0.5)) if bucket else _SHORTEST

    def _move(self, number: int) -> None:
        """Go to another slot, emptying those in between; a clock that went back does not empty anything."""
        current = self._current
        if current is not None and number < current:
            return
        self._current = number
        if current is None:
            return
        for gone in range(current + 1, min(number, current + SLOTS) + 1):
            slot = self._slots[gone % SLOTS]
            if slot is not None:
                self.calls -= slot.calls
                self.errors -= slot.errors
                self.slow_calls -= slot.slow_calls
                self._slots[gone % SLOTS] = None


class _Slot:
    """A sixtieth of a window."""

    __slots__ = ("calls", "errors", "histogram", "slow_calls")

    def __init__(self) -> None:
        self.calls = self.errors = self.slow_calls = 0
        self.histogram: dict[int, int] = {}


def exceeds(events: int, calls: int, share: float) -> bool:
    """Return whether `events` of `calls` are so many that a true share of at most `share` is no explanation.

    They are three standard deviations beyond it. A rate right at the limit is taken for one above it about once in
    700 independent windows, one well below it practically never.
    """
    excess = events - calls * share
    return excess > 0 and excess * excess > DEVIATIONS**2 * calls * share * (1 - share)


def worse(events: int, calls: int, other_events: int, other_calls: int) -> bool:
    """Return whether one share is above another by more than three standard deviations of their difference."""
    difference = events / calls - other_events / other_calls
    pooled = (events + other_events) / (calls + other_calls)
    variance = pooled * (1 - pooled) * (1 / calls + 1 / other_calls)
    return difference > 0 and difference * difference > DEVIATIONS**2 * variance
