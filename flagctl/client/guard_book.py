"""Which flags' own code is failing in this process: windows of guarded calls, and the breakers they trip.

What happens to a flag with a ``breaker``, here and in no other process::

    closed ──(a variant other than `off` is beyond a limit)──▶ open: everybody gets `off`, rule ``breaker``
      ▲                                                          │ cool_down
      │ the probe succeeded                                      ▼
      └───────────────────────────────────────────── half-open: one guarded call gets the real answer,
                                                       everybody else still `off`; if it fails, open again

A limit is exceeded when the window holds `minimum` calls of the variant, and the share of failed (or slow) ones is beyond
the limit by more than chance explains; and, once `off` has `minimum` calls in its window, too, only if the variant is also
worse than `off` by more than chance. When a store that both need is down, switching to `off` would help nobody.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, final

from flagctl.client.breaker import Breaker, Pauses, Permit
from flagctl.client.guard_window import SLOW_SHARE, Window, exceeds, worse
from flagctl.evaluator.breakers import BreakerLimits, read_breaker
from flagctl.evaluator.document import MalformedEntryError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.client.dress import Evaluating
    from flagctl.evaluator.flagset import FlagSet

Step = Literal["tripped", "probing", "closed", "reopened"]
Cause = Literal["error_rate", "latency_p95"]

_FULL: Final = 100_000
_SHORTEST_PROBE: Final = 60.0
_books: Final[weakref.WeakSet[GuardBook]] = weakref.WeakSet()


class VariantCalls(NamedTuple):
    """Guarded calls of one variant within the window.

    Attributes:
        variant: Its name.
        calls: How many ended within the window.
        errors: How many of them failed.
        slow: How many of them took longer than the limit of the flag's breaker.
        p95_ms: Their 95th percentile in milliseconds, within 5 %; None without calls.
    """

    variant: str
    calls: int
    errors: int
    slow: int
    p95_ms: float | None


class GuardStatus(NamedTuple):
    """A guarded flag in this process.

    Attributes:
        flag: Its key.
        state: ``closed``, ``open``, or ``half-open`` when the next guarded call will be a probe.
        tripped: How often its breaker has opened, failed probes included.
        cause: Which limit was exceeded last: ``error_rate`` or ``latency_p95``; None if none ever was.
        retry_in: Seconds until a call may probe; None while closed.
        variants: What was measured, by variant.
    """

    flag: str
    state: str
    tripped: int
    cause: str | None
    retry_in: float | None
    variants: tuple[VariantCalls, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the status as JSON values."""
        return {**self._asdict(), "variants": [variant._asdict() for variant in self.variants]}


class GuardStep(NamedTuple):
    """A breaker went from one state to another.

    Attributes:
        flag: The flag.
        step: ``tripped``, ``probing``, ``closed`` or ``reopened``.
        variant: Variant whose calls decided; None for one that begins to probe.
        cause: Which limit was exceeded.
        seen: What was measured of the variant when the breaker tripped, else None.
        baseline: The same of `off`.
        cool_down: Seconds until the next probe; 0 unless open.
    """

    flag: str
    step: Step
    variant: str | None = None
    cause: Cause | None = None
    seen: VariantCalls | None = None
    baseline: VariantCalls | None = None
    cool_down: float = 0.0


@final
class FlagGuard:
    """One flag's windows and breaker.

    Attributes:
        key: The flag.
        limits: When it trips.
        off: Name of its `off` variant.
        breaker: Whether it has.
        is_open: Whether it has tripped and not closed since.
        generation: Raised whenever calls that began before must not count any more.
        cause: Which limit was exceeded last.
        lock: Held while windows change.
    """

    __slots__ = ("_windows", "breaker", "cause", "generation", "is_open", "key", "limits", "lock", "off", "slow")

    def __init__(self, key: str, limits: BreakerLimits, off: str, monotonic: Callable[[], float]) -> None:
        self.key = key
        self.limits = limits
        self.off = off
        self.slow = None if limits.latency_p95 is None else limits.latency_p95 / 1000
        seconds = limits.cool_down / 1000
        self.breaker = Breaker(
            monotonic,
            lambda: 0.0,
            pauses=Pauses(seconds, seconds, jitter=False),
            probe_seconds=max(_SHORTEST_PROBE, seconds),
        )
        self.is_open = False
        self.generation = 0
        self.cause: Cause | None = None
        self.lock = threading.Lock()
        self._windows: dict[str, Window] = {}

    def add(self, variant: str, failed: bool, now: float, seconds: float) -> Cause | None:
        """Count a call, and return the limit that its variant exceeds now."""
        with self.lock:
            window = self._windows.get(variant)
            if window is None:
                window = self._windows[variant] = Window(self.limits.window / 1000, self.slow)
            bad = window.add(now, failed, seconds)
            if not bad or variant == self.off or self.is_open or window.calls < self.limits.minimum:
                return None
            return self._exceeded(window, now)

    def is_bad(self, failed: bool, seconds: float) -> bool:
        """Return whether a probe with this outcome has failed."""
        return failed or (self.slow is not None and seconds > self.slow)

    def forget(self) -> None:
        """Empty the windows of all variants but `off`."""
        with self.lock:
            self.generation += 1
            for name, window in self._windows.items():
                if name != self.off:
                    window.clear()

    def seen(self, now: float) -> tuple[VariantCalls, ...]:
        """Return what was measured, by variant."""
        with self.lock:
            found = []
            for name, window in sorted(self._windows.items()):
                window.move(now)
                p95 = window.p95()
                milliseconds = None if p95 is None else round(p95 * 1000, 3)
                found.append(VariantCalls(name, window.calls, window.errors, window.slow_calls, milliseconds))
            return tuple(found)

    def _exceeded(self, window: Window, now: float) -> Cause | None:
        other = self._windows.get(self.off)
        if other is not None:
            other.move(now)
            if other.calls < self.limits.minimum:
                other = None
        rate = self.limits.error_rate
        calls, errors, slow = window.calls, window.errors, window.slow_calls
        if (
            rate is not None
            and exceeds(errors, calls, rate / _FULL)
            and (other is None or worse(errors, calls, other.errors, other.calls))
        ):
            return "error_rate"
        if (
            self.slow is not None
            and exceeds(slow, calls, SLOW_SHARE)
            and (other is None or worse(slow, calls, other.slow_calls, other.calls))
        ):
            return "latency_p95"
        return None


@final
class GuardBook:
    """All guarded flags of one client.

    Args:
        monotonic: Seconds that never jump.
        redress: Serves the current flags anew, after `tripped` has changed.
        without: Returns the served flags as if these alone had tripped.
        report: Takes note of a step; called outside of all locks, on the thread that made it.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        redress: Callable[[], None],
        without: Callable[[frozenset[str]], Evaluating],
        report: Callable[[GuardStep], None],
    ) -> None:
        self.monotonic = monotonic
        self.tripped: frozenset[str] = frozenset()
        self._redress = redress
        self._without = without
        self._report = report
        self._lock = threading.RLock()
        self._flags: FlagSet | None = None
        self._version = 0
        self._known: dict[str, tuple[int, FlagGuard | None]] = {}
        self._probing: dict[str, tuple[int, frozenset[str], Evaluating]] = {}
        _books.add(self)

    def overlay(self, flags: FlagSet) -> FlagSet:
        """Take over flags to be served, and return them with what has tripped switched off."""
        if flags is not self._flags:
            self._flags = flags
            self._version += 1
        return self.over(flags, self.tripped)

    def over(self, flags: FlagSet, tripped: frozenset[str]) -> FlagSet:
        """Return flags with these switched off, unless their breaker is another one by now."""
        still = {key for key in tripped if self._limits_are_the_same(flags, key)}
        return flags.with_tripped(frozenset(still)) if still else flags

    def find(self, key: str) -> FlagGuard | None:
        """Return what is known of a flag; None if it has no breaker."""
        try:
            version, guard = self._known[key]
        except (KeyError, TypeError):
            return self._find(key)
        return guard if version == self._version else self._find(key)

    def probe(self, guard: FlagGuard) -> tuple[Permit, Evaluating] | None:
        """Return a permit and the flags to evaluate, if this call is to find out whether the code works again."""
        permit = guard.breaker.enter()
        if permit is None or not permit.probe:
            return None
        with self._lock:
            others = self.tripped - {guard.key}
            kept = self._probing.get(guard.key)
            if kept is None or kept[:2] != (self._version, others):
                kept = self._probing[guard.key] = (self._version, others, self._without(others))
        return permit, kept[2]

    def probing(self, guard: FlagGuard, variant: str) -> None:
        """Take note that a probe runs the code of a variant."""
        self._report(GuardStep(guard.key, "probing", variant, guard.cause))

    def probed(self, guard: FlagGuard, permit: Permit, variant: str, bad: bool) -> None:
        """Close or reopen a breaker after its probe."""
        with self._lock:
            if bad:
                guard.breaker.failed(permit)
                step = GuardStep(guard.key, "reopened", variant, guard.cause, cool_down=guard.limits.cool_down / 1000)
            else:
                guard.breaker.succeeded(permit)
                if guard.breaker.state != "closed":
                    return  # another probe took over meanwhile
                guard.forget()
                guard.is_open = False
                self._serve(self.tripped - {guard.key})
                self._probing.pop(guard.key, None)
                step = GuardStep(guard.key, "closed", variant, guard.cause)
        self._report(step)

    def trip(self, guard: FlagGuard, variant: str, cause: Cause) -> None:
        """Open a breaker: from now on this process serves `off`."""
        with self._lock:
            known = self._known.get(guard.key)
            if guard.is_open or known is None or known[1] is not guard:
                return
            by_name = {seen.variant: seen for seen in guard.seen(self.monotonic())}
            guard.is_open = True
            guard.cause = cause
            guard.forget()
            guard.breaker.trip()
            self._serve(self.tripped | {guard.key})
        seconds = guard.limits.cool_down / 1000
        self._report(
            GuardStep(guard.key, "tripped", variant, cause, by_name.get(variant), by_name.get(guard.off), seconds)
        )

    def status(self) -> tuple[GuardStatus, ...]:
        """Return all guarded flags with a breaker, by key."""
        now = self.monotonic()
        found = []
        for key in sorted(self._known.copy()):
            guard = self.find(key)
            if guard is not None:
                breaker = guard.breaker
                retry = breaker.retry_in() if guard.is_open else None
                found.append(GuardStatus(key, breaker.state, breaker.opened_times, guard.cause, retry, guard.seen(now)))
        return tuple(found)

    def renew(self) -> None:
        """Replace locks in a forked child, whose holders do not exist there."""
        self._lock = threading.RLock()
        for _, guard in self._known.values():
            if guard is not None:
                guard.lock = threading.Lock()
                guard.breaker.renew()

    def _serve(self, tripped: frozenset[str]) -> None:
        self.tripped = tripped
        self._redress()

    def _find(self, key: str) -> FlagGuard | None:
        with self._lock:
            version, flags = self._version, self._flags  # in this order: the version is raised last
            exists = flags is not None and type(key) is str and flags.document.has("flags", key)
            found = _limits(flags, key) if exists and flags is not None else None
            known = self._known.get(key)
            before = guard = known[1] if known is not None else None
            if found is None:
                guard = None
            elif guard is None or (guard.limits, guard.off) != found:
                guard = FlagGuard(key, found[0], found[1], self.monotonic)
            if exists:
                self._known[key] = (version, guard)
            else:
                self._known.pop(key, None)  # nothing is kept of keys that no flag has: they may be any number
            if guard is not before and key in self.tripped:
                self._serve(self.tripped - {key})
            return guard

    def _limits_are_the_same(self, flags: FlagSet, key: str) -> bool:
        known = self._known.get(key)
        if known is None or known[1] is None or not flags.document.has("flags", key):
            return False
        return _limits(flags, key) == (known[1].limits, known[1].off)


def _limits(flags: FlagSet, key: str) -> tuple[BreakerLimits, str] | None:
    """Return the limits of a flag's breaker and its `off` variant, None if it has no breaker."""
    if b'"breaker":' not in flags.document.raw_line("flags", key):
        return None
    try:
        entry = flags.document.flag(key)
        if "breaker" not in entry:
            return None
        return read_breaker(entry["breaker"], "off" in entry), str(entry["variants"][entry["off"]][0])
    except (MalformedEntryError, LookupError, TypeError):
        return None


def _renew_all() -> None:
    for book in list(_books):
        book.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
