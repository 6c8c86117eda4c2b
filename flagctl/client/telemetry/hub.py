"""The middle of a client's telemetry: takes notes from evaluations, makes events of them, hands these to the sinks."""

from __future__ import annotations

import math
import sys
import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, final

from flagctl.client.telemetry import lifecycle
from flagctl.client.telemetry.book import Book, Count
from flagctl.client.telemetry.channel import Channel
from flagctl.client.telemetry.exposures import Exposures
from flagctl.client.telemetry.maker import Maker
from flagctl.client.telemetry.unready import Unready
from flagctl.client.telemetry.watcher import Watcher
from flagctl.errors import UsageError
from flagctl.evaluator.buckets import unit_of
from flagctl.evaluator.closures import unit_at
from flagctl.evaluator.flagset import is_stale
from flagctl.evaluator.observed import CarefulFlagSet, ObservedFlagSet
from flagctl.events import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flagctl.client.dress import Evaluating
    from flagctl.client.sinks.protocol import Sink
    from flagctl.client.telemetry.options import Telemetry
    from flagctl.evaluator.flagset import FlagSet
    from flagctl.events import Event

_MOST_NOTES: Final = 100_000
"""Notes that may wait for the hub's thread."""

_FORGOTTEN_SECONDS: Final = 5.0
"""How long the sinks of a client that nobody has a reference to may take to deliver the rest."""


@final
class Hub:
    """Everything between evaluations and sinks.

    Args:
        sinks: Where events go.
        options: How they are made.
        environment: Environment of the client.
        wall: Seconds since 1970.

    Raises:
        UsageError: If a setting makes no sense, or something is no sink.
    """

    def __init__(self, sinks: Sequence[Sink], options: Telemetry, environment: str, wall: Callable[[], float]) -> None:
        options.check()
        if not isinstance(sinks, (list, tuple)):
            raise UsageError("sinks is a list", hint="sinks=[…]")
        for sink in sinks:
            _check_sink(sink)
        self.options = options
        self.environment = environment
        self._wall = wall
        self.book = Book(options)
        self.exposures = Exposures(options.exposure_units)
        # The parent package is loaded whenever this module is; importing it by name would point upwards in the layers.
        self.maker = Maker(environment, f"flagctl-python/{sys.modules['flagctl'].__version__}")
        self.unready = Unready(self.book)
        self._channels = [Channel(sink, options, self) for sink in sinks]
        self._wanted = frozenset().union(*(channel.accepts for channel in self._channels))
        self.wants_exposures = "exposures" in self._wanted
        self._logs = "evaluations" in self._wanted and (options.log_rate > 0 or bool(options.full_log))
        self._watcher: Watcher | None = None
        self.dropped: dict[str, int] = {}
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        self._notes: deque[tuple[Callable[..., Event | None], tuple[Any, ...]]] = deque()
        self._stop = threading.Event()
        self._pumping = threading.Lock()
        self._window_begin = self._wall()
        self._forget_at = monotonic() + self.options.exposure_window
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the threads, here and in every child that this process forks."""
        lifecycle.watch(self)
        self._launch()
        for channel in self._channels:
            channel.start()

    def _launch(self) -> None:
        self._thread = threading.Thread(target=self._run, name="flagctl-telemetry", daemon=True)
        self._thread.start()

    def renew_after_fork(self) -> None:
        """Begin anew in a forked child: what waits, and what was counted, is the parent's to report."""
        self.book.reset()
        self.exposures.renew_after_fork()
        self.maker.renew()
        self.dropped = {}
        self._begin()
        self._launch()
        for channel in self._channels:
            channel.renew_after_fork()

    def dress(self, flags: FlagSet) -> Evaluating:
        """Return flags whose evaluations are counted and reported."""
        watcher = self._watcher = Watcher(self, flags)
        kind = CarefulFlagSet if self._logs or is_stale(flags) else ObservedFlagSet
        return kind.of(flags, watcher)

    def note(self, kind: str, make: Callable[..., Event | None], parts: tuple[Any, ...]) -> bool:
        """Queue what an event is to be made of; return False, and count, if there is no room."""
        if kind not in self._wanted:
            return True
        if self._closed or len(self._notes) >= _MOST_NOTES:
            self.drop("closed" if self._closed else "queue_full")
            return False
        self._notes.append((make, (math.floor(self._wall() * 1_000_000), *parts)))
        return True

    def drop(self, why: str) -> None:
        """Count something that went nowhere."""
        self.dropped[why] = self.dropped.get(why, 0) + 1

    def convert(
        self, experiment: str | None, context: Any, event: object, value: object, attributes: Mapping[str, Any] | None
    ) -> None:
        """Record a conversion of the unit that an experiment draws by; by targeting key without an experiment."""
        watcher = self._watcher
        amount = _finite(value)
        if type(event) is not str or not event or amount is None:
            self.drop("invalid")
            return
        if watcher is None:
            self.drop("not_ready")
            return
        known = watcher.has_experiment(experiment)
        path = watcher.settings(experiment).unit if known and experiment is not None else "targeting_key"
        unit = _unit_of(context, path)
        if unit is None:
            self.drop("no_unit")
            return
        named = experiment if type(experiment) is str else None
        self.note("conversions", self.maker.conversion, (watcher, path, unit, event, amount, named, attributes or {}))

    def measure(self, name: object, value: object, context: Any, attributes: Mapping[str, Any] | None) -> None:
        """Record a measurement."""
        number = _finite(value)
        if type(name) is not str or not name or number is None:
            self.drop("invalid")
            return
        unit = None if context is None else _unit_of(context, "targeting_key")
        self.note("measurements", self.maker.measurement, (self._watcher, unit, name, number, attributes or {}))

    def totals(self) -> list[Count]:
        """Return all counts since the process began, as of now."""
        return self.book.totals()

    def dropped_by_sink(self) -> list[tuple[tuple[str, str], int]]:
        """Return what went nowhere by (sink, why); the sink is empty for what was dropped before them."""
        found = [(("", why), number) for why, number in list(self.dropped.items())]
        for channel in self._channels:
            found += [((channel.sink.name, why), number) for why, number in list(channel.dropped.items())]
        return found

    def status(self) -> dict[str, Any]:
        """Return what a client's status says about telemetry, as JSON values."""
        return {
            "sinks": [channel.status() for channel in self._channels],
            "waiting": len(self._notes),
            "dropped": dict(self.dropped),
            "remembered_units": len(self.exposures),
        }

    def close(self, timeout: float) -> None:
        """Deliver what waits, and end the threads; gives up after `timeout` seconds."""
        if self._closed:
            return
        self._closed = True
        lifecycle.forget(self)
        deadline = monotonic() + timeout
        self._stop.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout)
        self._pump(last=True)
        for channel in self._channels:
            channel.stop(deadline)
        for channel in self._channels:
            channel.join()

    def abandon(self) -> None:
        """Have the threads deliver the rest and end, without waiting for them."""
        self._stop.set()

    def _run(self) -> None:
        stop = self._stop
        while not stop.wait(self.options.flush_interval):
            self._pump()
        if not self._closed:  # abandoned
            self._closed = True
            lifecycle.forget(self)
            self._pump(last=True)
            for channel in self._channels:
                channel.stop(monotonic() + _FORGOTTEN_SECONDS)

    def _pump(self, *, last: bool = False) -> None:
        """Make events of what was noted and counted, and hand them to the sinks."""
        if not self._pumping.acquire(timeout=0 if last else -1):
            return  # the thread is still at it, and was told to end
        try:
            events = self._noted()
            now = self._wall()
            seconds = now - self._window_begin
            if "usage" in self._wanted and (last or not 0 <= seconds < self.options.usage_window):
                begin = math.floor(self._window_begin * 1_000_000)
                events += self.maker.usage(begin, max(0.0, seconds), self.book.collect())
                self._window_begin = now
            if monotonic() >= self._forget_at:
                self.exposures.turn(forget=True)
                self._forget_at = monotonic() + self.options.exposure_window
            if events:
                for channel in self._channels:
                    channel.put([event for event in events if event.kind in channel.accepts])
        finally:
            self._pumping.release()

    def _noted(self) -> list[Event]:
        events = []
        for _ in range(len(self._notes)):
            make, parts = self._notes.popleft()
            try:
                event = make(*parts)
            except Exception:  # noqa: BLE001 - values of an application's own types may raise anything
                self.drop("unreadable")
                continue
            if event is None:
                self.drop("private")
            else:
                events.append(event)
        return events


def _check_sink(sink: object) -> None:
    missing = [
        name for name in ("name", "accepts", "open", "write", "flush", "close") if getattr(sink, name, None) is None
    ]
    if missing:
        raise UsageError(f"{sink!r} is no sink: it has no {', '.join(missing)}", hint="see flagctl.client.sinks.Sink")
    unknown = set(sink.accepts) - set(KINDS)  # type: ignore[attr-defined]
    if unknown:
        raise UsageError(f"the sink {sink.name} accepts unknown kinds of events: {', '.join(sorted(unknown))}")  # type: ignore[attr-defined]


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _unit_of(context: Any, path: Any) -> str | None:
    try:
        return None if context is None else unit_of(unit_at(context, path))
    except Exception:  # noqa: BLE001 - foreign code inside the context may raise anything
        return None
