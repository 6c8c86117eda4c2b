"""Circuit breakers: who keeps failing is left alone for a while, then tried by one caller only.

::

    closed ──(`threshold` failures in a row, or `trip`)──▶ open ──(its pause is over)──▶ half-open
      ▲                                                     ▲                              │ one probe
      └───────────────── the probe succeeded ───────────────┼──────────────────────────────┤
                                                            └── it failed: a longer pause ──┘

Each caller asks for a permit before it does something, and reports what came of it::

    permit = breaker.enter()
    if permit is None:
        ...                       # refused: do without
    else:
        try:
            answer = ask()
        except OSError:
            breaker.failed(permit)
        else:
            breaker.succeeded(permit)

While a breaker is half-open, `enter` gives one permit (`permit.probe` is true) and refuses everybody else until its holder
has reported, or `probe_seconds` are over without a report: its thread may be gone. Reports of permits that were given before
the breaker opened change nothing, so that a slow success from before cannot close it.

It knows nothing about what it guards. The client uses one for its remote and one for its shared cache; whatever else fails
on its own account can have one: attribute providers (a failure is an exception or a timeout), or a flag's own code path, where
a window of results decides and `trip` opens it, with ``Pauses(300, 300, jitter=False)`` for a fixed time to cool down. Safe for
threads; in a forked child call `renew`. No method waits for anything but a lock held for microseconds.
"""

from __future__ import annotations

import random
import threading
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, final

if TYPE_CHECKING:
    from collections.abc import Callable

State = Literal["closed", "open", "half-open"]

uniform: Final = random.SystemRandom().random
"""Returns a random number from 0 to 1, for spreading load. Not from the generator that all of the program shares: what an
application draws after seeding that one must not depend on what threads of ours do meanwhile. It has no state to fork, either."""


class Pauses(NamedTuple):
    """How long a breaker stays open.

    Attributes:
        first: Seconds of the shortest pause.
        longest: Seconds of the longest; the bound doubles with each failure in a row until it gets there.
        jitter: Draw each pause at random between `first` and its bound, so that a fleet does not come back in step.
    """

    first: float = 1.0
    longest: float = 300.0
    jitter: bool = True

    def draw(self, failures: int, uniform: float) -> float:
        """Return seconds to pause after so many failures in a row; `uniform` is a random number from 0 to 1."""
        bound = min(self.longest, self.first * 2.0 ** min(failures, 30))
        return max(self.first, uniform * bound) if self.jitter else bound


REMOTE_PAUSES: Final = Pauses()
"""For stores: from a second to five minutes."""


class Permit(NamedTuple):
    """Leave to try once; `probe` tells that the breaker is half-open and waits for this one's report."""

    generation: int
    probe: bool = False


@final
class Breaker:
    """One circuit breaker.

    Args:
        monotonic: Seconds that never jump.
        uniform: Random number from 0 to 1.
        pauses: How long it stays open.
        threshold: Failures in a row that open it.
        probe_seconds: After so long without a report, another probe is allowed.
    """

    __slots__ = (
        "_failures",
        "_generation",
        "_lock",
        "_monotonic",
        "_opened_times",
        "_pauses",
        "_probe_at",
        "_probe_seconds",
        "_retry_at",
        "_threshold",
        "_uniform",
    )

    def __init__(
        self,
        monotonic: Callable[[], float],
        uniform: Callable[[], float],
        *,
        pauses: Pauses = REMOTE_PAUSES,
        threshold: int = 1,
        probe_seconds: float = 60.0,
    ) -> None:
        self._monotonic = monotonic
        self._uniform = uniform
        self._pauses = pauses
        self._threshold = threshold
        self._probe_seconds = probe_seconds
        self._lock = threading.Lock()
        self._failures = 0
        self._opened_times = 0
        self._generation = 0
        self._retry_at: float | None = None  # None while closed
        self._probe_at: float | None = None  # when the probe that has not reported yet was allowed

    @property
    def state(self) -> State:
        """``closed``, ``open``, or ``half-open`` once the pause is over."""
        retry_at = self._retry_at
        if retry_at is None:
            return "closed"
        return "open" if self._monotonic() < retry_at else "half-open"

    @property
    def failures(self) -> int:
        """Failures in a row."""
        return self._failures

    @property
    def opened_times(self) -> int:
        """How often it has opened since it was made, failed probes included."""
        return self._opened_times

    def retry_in(self) -> float:
        """Return seconds until somebody may try; 0 if it is closed or the pause is over."""
        retry_at = self._retry_at
        return 0.0 if retry_at is None else max(0.0, retry_at - self._monotonic())

    def enter(self, *, insist: bool = False) -> Permit | None:
        """Return a permit to try, or None if nobody should now.

        Args:
            insist: Somebody asked for it explicitly, such as a person: permit it also while open. It counts as the probe.
        """
        with self._lock:
            if self._retry_at is None:
                return Permit(self._generation)
            now = self._monotonic()
            probing = self._probe_at is not None and now - self._probe_at < self._probe_seconds
            if not insist and (now < self._retry_at or probing):
                return None
            self._probe_at = now
            self._generation += 1
            return Permit(self._generation, probe=True)

    def succeeded(self, permit: Permit) -> None:
        """Report that it worked: a probe closes the breaker."""
        with self._lock:
            if permit.generation == self._generation:
                self._failures = 0
                self._retry_at = self._probe_at = None

    def failed(self, permit: Permit) -> None:
        """Report that it did not: the failure that reaches the threshold, and any probe's, opens the breaker."""
        with self._lock:
            if permit.generation != self._generation:
                return
            self._failures += 1
            if permit.probe or self._failures >= self._threshold:
                self._open()

    def gave_up(self, permit: Permit) -> None:
        """Report that nothing was learnt: somebody else may probe."""
        with self._lock:
            if permit.generation == self._generation:
                self._probe_at = None

    def trip(self) -> None:
        """Open it, whatever was counted; an open one starts its pause anew."""
        with self._lock:
            self._failures = max(self._failures + 1, self._threshold)
            self._open()

    def close(self) -> None:
        """Close it: somebody knows that what failed works again."""
        with self._lock:
            self._failures = 0
            self._generation += 1
            self._retry_at = self._probe_at = None

    def renew(self) -> None:
        """Replace the lock in a forked child, where its holder does not exist, and forget the parent's probe."""
        self._lock = threading.Lock()
        self._probe_at = None

    def _open(self) -> None:
        beyond = self._failures - self._threshold + 1
        self._retry_at = self._monotonic() + self._pauses.draw(beyond, self._uniform())
        self._probe_at = None
        self._generation += 1
        self._opened_times += 1
