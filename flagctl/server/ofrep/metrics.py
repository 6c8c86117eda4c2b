"""Prometheus metrics of a server, of one process or of all its workers together.

With several workers each writes its numbers into files (prometheus_client's multiprocess mode, switched on by the variable
``PROMETHEUS_MULTIPROC_DIR``, which `serve` sets for them), and any of them answers for all. Flags, variants and reasons are
labels of single evaluations only: a request for all flags says nothing about which of them an application uses.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any, Final, final

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client.metrics_core import Metric

    from flagctl.evaluator.details import EvaluationDetails
    from flagctl.server.ofrep.sources import SourceState

CONTENT_TYPE: Final = CONTENT_TYPE_LATEST

MOST_SERIES: Final = 5_000
"""Triples of flag, variant and reason in one process; whatever comes later is counted under the flag ``_other``."""

_BUCKETS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SINGLE: Final = "/ofrep/v1/evaluate/flags/"
_KNOWN: Final = frozenset(
    {
        "/ofrep/v1/evaluate/flags",
        "/ofrep/v1/configuration",
        "/ofrep/v1/events",
        "/metrics",
        "/healthz",
        "/readyz",
        "/openapi.json",
    }
)


def route_of(path: str) -> str:
    """Return the route of a path, so that nobody can make up labels."""
    if path in _KNOWN:
        return path
    return _SINGLE + "{key}" if path.startswith(_SINGLE) else "other"


@final
class Metrics:
    """Counts what a server does.

    Args:
        environment: Label of all metrics of the flags.
        version: flagctl's version.
        most_series: See `MOST_SERIES`.
    """

    def __init__(self, environment: str, version: str, most_series: int = MOST_SERIES) -> None:
        own = self._own = CollectorRegistry()
        self._most_series = most_series
        self._series: dict[tuple[str, str, str], Any] = {}
        self._requests = Counter("flagctl_http_requests", "Requests.", ["route", "status"], registry=own)
        self._seconds = Histogram(
            "flagctl_http_request_seconds", "Time to answer.", ["route"], buckets=_BUCKETS, registry=own
        )
        self._evaluations = Counter(
            "flagctl_evaluations", "Evaluations of single flags.", ["flag", "variant", "reason"], registry=own
        )
        self._errors = Counter(
            "flagctl_evaluation_errors", "Evaluations without an answer.", ["error_code"], registry=own
        )
        self._bulk = Counter(
            "flagctl_bulk", "Requests for all flags, by where the answer came from.", ["source"], registry=own
        )
        self._streams = Gauge("flagctl_event_streams", "Open event streams.", registry=own, multiprocess_mode="livesum")
        self._ready = Gauge("flagctl_ready", "1 if there are flags.", registry=own, multiprocess_mode="livemin")
        self._stale = Gauge("flagctl_stale", "1 if the flags have expired.", registry=own, multiprocess_mode="livemax")
        self._problem = Gauge(
            "flagctl_sync_problem", "1 if the newest flags are not served.", registry=own, multiprocess_mode="livemax"
        )
        self._failures = Gauge(
            "flagctl_sync_failures", "Failed looks since the last good one.", registry=own, multiprocess_mode="livemax"
        )
        self._success = Gauge(
            "flagctl_sync_success_timestamp_seconds",
            "When the remote was last read without a problem.",
            registry=own,
            multiprocess_mode="livemin",
        )
        self._flags = Gauge("flagctl_flags", "Flags that are served.", registry=own, multiprocess_mode="livemin")
        self._seq = Gauge("flagctl_manifest_seq", "Number of the manifest.", registry=own, multiprocess_mode="livemin")
        info = Gauge("flagctl_info", "Always 1.", ["version", "environment"], registry=own, multiprocess_mode="livemax")
        info.labels(version, environment).set(1)

    def request(self, path: str, status: int, seconds: float) -> None:
        """Count one request."""
        route = route_of(path)
        self._requests.labels(route, str(status)).inc()
        if route != "/ofrep/v1/events":  # streams last as long as their clients like
            self._seconds.labels(route).observe(seconds)

    def evaluation(self, key: str, details: EvaluationDetails) -> None:
        """Count one evaluation of one flag."""
        if details.error_code is not None:
            self._errors.labels(details.error_code.value).inc()
            return  # keys that do not exist are whatever somebody makes up
        mark = (key, details.variant or "", details.reason.value)
        counter = self._series.get(mark)
        if counter is None:
            if len(self._series) >= self._most_series:
                mark = ("_other", "", mark[2])
            counter = self._evaluations.labels(*mark)
            self._series[mark] = counter
        counter.inc()

    def bulk(self, source: str) -> None:
        """Count one request for all flags: ``evaluated``, ``cache`` or ``not_modified``."""
        self._bulk.labels(source).inc()

    def streams(self, number: int) -> None:
        """Note how many event streams are open."""
        self._streams.set(number)

    def sync(self, state: SourceState, flags: int, seq: int | None) -> None:
        """Note the state of the flags."""
        self._ready.set(state.status in {"ready", "stale"})
        self._stale.set(state.status == "stale")
        self._problem.set(state.problem is not None)
        self._failures.set(state.failures)
        self._flags.set(flags)
        self._seq.set(seq or 0)
        if state.seconds_since_success is not None:
            self._success.set(time.time() - state.seconds_since_success)

    def render(self) -> bytes:
        """Return all metrics as text, those of the other workers included."""
        folder = os.environ.get("PROMETHEUS_MULTIPROC_DIR")
        registry = self._own
        if folder:
            registry = CollectorRegistry()
            MultiProcessCollector(registry, folder)  # type: ignore[no-untyped-call]
        return generate_latest(_WithAge(registry))


class _WithAge:
    """Metrics of a registry, and the age that goes with the oldest success among the workers."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def collect(self) -> Iterable[Metric]:
        """Yield the metrics."""
        for metric in self._registry.collect():
            yield metric
            if metric.name == "flagctl_sync_success_timestamp_seconds":
                moments = [sample.value for sample in metric.samples if sample.value > 0]
                if moments:
                    yield GaugeMetricFamily(
                        "flagctl_sync_age_seconds",
                        "Since the remote was last read without a problem.",
                        value=max(0.0, time.time() - min(moments)),
                    )
