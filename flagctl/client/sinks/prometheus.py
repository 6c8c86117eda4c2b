"""Counts for Prometheus.

Evaluations are read when Prometheus asks, so that they are never behind; exposures, conversions and measurements are
counted as they come by. Labels are flags, variants, reasons, experiments and names of events: never units.
"""

from __future__ import annotations

from importlib.util import find_spec
from threading import Lock
from typing import TYPE_CHECKING, Any, Final, final

from flagctl.errors import UsageError
from flagctl.events import Conversion, Exposure, Measurement

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flagctl.events import Event

_ACCEPTS: Final = frozenset({"exposures", "conversions", "measurements"})
_MOST_SERIES: Final = 10_000

_Key = tuple[str, ...]


@final
class PrometheusSink:
    """A collector of `prometheus_client`.

    Metrics: ``flagctl_evaluations_total{environment,flag,variant,reason}``, ``flagctl_exposures_total{environment,experiment,variant}``,
    ``flagctl_conversions_total{environment,event}`` and ``flagctl_conversion_value_total``,
    ``flagctl_measurements{environment,name}`` (a summary: count and sum), ``flagctl_dropped_events_total{sink,reason}``.

    Args:
        registry: Where the collector registers itself; None: the process's.
        name: Names the sink.

    Raises:
        UsageError: prometheus-client is not installed.
    """

    accepts = _ACCEPTS

    def __init__(self, *, registry: Any = None, name: str = "prometheus") -> None:
        if find_spec("prometheus_client") is None:
            raise UsageError("this sink needs prometheus-client", hint='pip install "flagctl[telemetry]"')
        self.name = name
        self._registry = registry
        self._registered = False
        self._source: Any = None
        self._reset()

    def _reset(self) -> None:
        self._lock = Lock()
        self._counts: dict[str, dict[_Key, float]] = {name: {} for name in _LABELS}

    def bind(self, source: Any) -> None:
        """Take the counts that evaluations are read from, and register."""
        self._source = source
        if not self._registered:
            self._place().register(self)
            self._registered = True

    def open(self) -> None:
        """Begin at zero, in a forked child too."""
        self._reset()

    def write(self, batch: Sequence[Event]) -> None:
        """Count a batch."""
        with self._lock:
            for event in batch:
                if isinstance(event, Exposure):
                    self._add("exposures", (event.environment, event.experiment, event.variant), 1)
                elif isinstance(event, Conversion):
                    self._add("conversions", (event.environment, event.event), 1)
                    self._add("conversion_value", (event.environment, event.event), event.value)
                elif isinstance(event, Measurement):
                    self._add("measurement_count", (event.environment, event.name), 1)
                    self._add("measurement_sum", (event.environment, event.name), event.value)

    def flush(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Unregister."""
        if self._registered:
            self._registered = False
            self._place().unregister(self)

    def describe(self) -> list[Any]:
        """Return nothing, so that registering collects nothing."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield the metrics as of now."""
        from prometheus_client.core import (  # noqa: PLC0415 - slow to import
            CounterMetricFamily,
            SummaryMetricFamily,
        )

        evaluations = CounterMetricFamily(
            "flagctl_evaluations", "Evaluations by outcome.", labels=["environment", "flag", "variant", "reason"]
        )
        sums: dict[_Key, int] = {}
        for flag, variant, reason, times in self._source.totals():
            outcome = (self._source.environment, flag, variant or "", reason)
            sums[outcome] = sums.get(outcome, 0) + times
        for labels, times in sums.items():
            evaluations.add_metric(labels, times)
        yield evaluations
        with self._lock:
            counts = {name: dict(found) for name, found in self._counts.items()}
        for name, about in _ABOUT.items():
            family = CounterMetricFamily(f"flagctl_{name}", about, labels=_LABELS[name])
            for labels, number in counts[name].items():
                family.add_metric(labels, number)
            yield family
        summary = SummaryMetricFamily(
            "flagctl_measurements", "What the app measured.", labels=_LABELS["measurement_count"]
        )
        for labels, number in counts["measurement_count"].items():
            summary.add_metric(labels, int(number), counts["measurement_sum"][labels])
        yield summary
        dropped = CounterMetricFamily("flagctl_dropped_events", "Events that went nowhere.", labels=["sink", "reason"])
        for place, times in self._source.dropped_by_sink():
            dropped.add_metric(place, times)
        yield dropped

    def _add(self, name: str, labels: _Key, number: float) -> None:
        found = self._counts[name]
        if labels in found or len(found) < _MOST_SERIES:
            # A counter never falls; amounts that are given back are not what it counts.
            found[labels] = found.get(labels, 0) + (number if name == "measurement_sum" else max(0.0, number))

    def _place(self) -> Any:
        if self._registry is None:
            from prometheus_client import REGISTRY  # noqa: PLC0415 - slow to import

            self._registry = REGISTRY
        return self._registry


_LABELS: Final = {
    "exposures": ["environment", "experiment", "variant"],
    "conversions": ["environment", "event"],
    "conversion_value": ["environment", "event"],
    "measurement_count": ["environment", "name"],
    "measurement_sum": ["environment", "name"],
}
_ABOUT: Final = {
    "exposures": "Units that were newly served a variant by an experiment.",
    "conversions": "Conversions.",
    "conversion_value": "Sum of the values of conversions.",
}
