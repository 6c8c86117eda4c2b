"""One attribute provider at work: remembered, waited for no longer than it may take, left alone while it fails.

An evaluation asks for a unit. What is remembered is the answer; else the unit is looked up on one of a few threads, once
however many ask for it at the same time, and each waits for at most `timeout` seconds. An answer that comes later is
remembered nevertheless. After some failures in a row a circuit breaker opens: nobody waits for this provider for a
while, and then one look-up tries again.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any, Final, final

from flagctl.client.breaker import Breaker, Pauses

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.client.attributes import Attributes
    from flagctl.client.breaker import Permit

NOTHING: Final[Mapping[str, Any]] = {}
"""What is known of a unit that nothing is known of. Not to be changed."""

_PAUSES: Final = Pauses(first=1.0, longest=60.0)
_WAITING: Final = 64
"""Units per thread that may wait for one; further ones are refused, because they would time out anyway."""

_IDLE_SECONDS: Final = 10.0
_AFTER_FAILURE: Final = 1.0
"""Seconds for which a unit is not looked up again after it failed."""

_sources: Final[weakref.WeakSet[AttributeSource]] = weakref.WeakSet()


class _Lookup:
    """A unit that is being looked up."""

    __slots__ = ("done", "found", "late", "permit", "unit")

    def __init__(self, unit: str, permit: Permit) -> None:
        self.unit = unit
        self.permit = permit
        self.done = threading.Event()
        self.found: Mapping[str, Any] = NOTHING
        self.late = False  # counted as a failure already: somebody waited in vain


@final
class AttributeSource:
    """Answers for one provider. Never raises.

    Args:
        settings: The provider, and how it is asked.
        monotonic: Seconds that never jump.
        uniform: Random number from 0 to 1.
    """

    def __init__(self, settings: Attributes, monotonic: Callable[[], float], uniform: Callable[[], float]) -> None:
        self.settings = settings
        self.names = frozenset(settings.provider.names)
        self._monotonic = monotonic
        self._breaker = Breaker(monotonic, uniform, pauses=_PAUSES, threshold=settings.failures)
        self._known: OrderedDict[str, tuple[float, Mapping[str, Any]]] = OrderedDict()
        self._counts = dict.fromkeys(("hits", "lookups", "empty", "failures", "timeouts", "refused", "busy"), 0)
        self._last_error: str | None = None
        self._closed = False
        self._begin()
        _sources.add(self)

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._work = threading.Condition(self._lock)
        self._queue: deque[_Lookup] = deque()
        self._running: dict[str, _Lookup] = {}
        self._threads = 0
        self._idle = 0

    def remembered(self, unit: str) -> Mapping[str, Any] | None:
        """Return what is remembered of a unit, None if that is nothing or too old."""
        known = self._known.get(unit)
        if known is None or self._monotonic() >= known[0]:
            return None
        self._counts["hits"] += 1
        with contextlib.suppress(KeyError):  # another thread let go of it
            self._known.move_to_end(unit)
        return known[1]

    def attributes(self, unit: str) -> Mapping[str, Any]:
        """Return what is known of a unit, after waiting for at most the provider's timeout."""
        known = self.remembered(unit)
        if known is not None:
            return known
        lookup = self.begin(unit)
        if lookup is None or lookup.late:
            return NOTHING
        if lookup.done.wait(self.settings.timeout):
            return lookup.found
        self._timed_out(lookup)
        return NOTHING

    def begin(self, unit: str) -> _Lookup | None:
        """Have a unit looked up, unless it is already being; None if the provider is left alone or too busy."""
        with self._lock:
            lookup = self._running.get(unit)
            if lookup is not None:
                return lookup
            if self._closed or len(self._queue) >= _WAITING * self.settings.threads:
                self._counts["busy"] += 1
                return None
            permit = self._breaker.enter()
            if permit is None:
                self._counts["refused"] += 1
                return None
            lookup = self._running[unit] = _Lookup(unit, permit)
            self._queue.append(lookup)
            if self._idle >= len(self._queue):
                self._work.notify()
            elif self._threads < self.settings.threads:
                self._threads += 1
                threading.Thread(target=self._run, name="flagctl-attributes", daemon=True).start()
            return lookup

    def status(self) -> dict[str, Any]:
        """Return what a client's status says about this provider, as JSON values."""
        return {
            "provider": type(self.settings.provider).__name__,
            "names": sorted(self.names),
            "state": self._breaker.state,
            "units": len(self._known),
            **self._counts,
            "last_error": self._last_error,
        }

    def close(self) -> None:
        """Let the threads end; what is remembered goes on being used."""
        with self._lock:
            self._closed = True
            self._queue.clear()
            self._work.notify_all()

    def renew(self) -> None:
        """Begin anew in a forked child, where the threads do not exist."""
        self._begin()
        self._breaker.renew()

    def _timed_out(self, lookup: _Lookup) -> None:
        with self._lock:
            self._counts["timeouts"] += 1
            if lookup.late or lookup.done.is_set():
                return
            lookup.late = True  # of those who wait together, one counts
        if self.settings.timeout > 0:
            self._breaker.failed(lookup.permit)
            self._last_error = f"no answer within {self.settings.timeout:g} s"

    def _run(self) -> None:
        """Look up what waits; ends after a while without work."""
        while True:
            with self._work:
                if not self._queue and not self._closed:
                    self._idle += 1
                    self._work.wait(_IDLE_SECONDS)
                    self._idle -= 1
                if not self._queue:
                    self._threads -= 1
                    return
                lookup = self._queue.popleft()
            self._look_up(lookup)

    def _look_up(self, lookup: _Lookup) -> None:
        settings, breaker = self.settings, self._breaker
        failed = False
        try:
            found = settings.provider.lookup(lookup.unit)
            known = {name: found[name] for name in self.names if name in found} if found else NOTHING
        except Exception as error:  # noqa: BLE001 - foreign code may raise anything
            known, failed = NOTHING, True
            self._last_error = f"{type(error).__name__}: {error}"[:200]
        with self._lock:
            self._counts["lookups"] += 1
            self._counts["failures"] += failed
            self._counts["empty"] += not failed and not known
            self._running.pop(lookup.unit, None)
            self._remember(lookup.unit, known, failed=failed)
            lookup.found = known
            late = lookup.late and settings.timeout > 0
            lookup.done.set()
        if failed:
            breaker.failed(lookup.permit)
        elif not late:
            breaker.succeeded(lookup.permit)

    def _remember(self, unit: str, found: Mapping[str, Any], *, failed: bool) -> None:
        ttl = self.settings.ttl if found else self.settings.negative_ttl
        if failed:
            ttl = min(ttl, _AFTER_FAILURE)
        self._known[unit] = (self._monotonic() + ttl, found)
        self._known.move_to_end(unit)
        while len(self._known) > self.settings.units:
            self._known.popitem(last=False)


def _renew_all() -> None:
    for source in list(_sources):
        source.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
