"""Events to OpenTelemetry: log records with event names, and metrics; attributes by the feature-flag conventions.

An entry of the evaluation log is the conventions' event ``feature_flag.evaluation``. They know no exposures, conversions
and measurements: those are ``flagctl.exposure``, ``flagctl.conversion`` and ``flagctl.measurement``, with the conventions'
attributes where these fit. Evaluations are counted by ``flagctl.evaluations``, which is read when metrics are exported
and so is never behind.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, final

from flagctl.errors import UsageError
from flagctl.events import KINDS, Conversion, Evaluation, Exposure, Measurement

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from flagctl.events import Event

_SCOPE: Final = "flagctl"
_PROVIDER: Final = "flagctl"
_LONGEST_VALUE: Final = 1_000


@final
class OpenTelemetrySink:
    """Emits log records and metrics through OpenTelemetry's API.

    Args:
        logger_provider: Makes the logger; None: the process's.
        meter_provider: Makes the meter; None: the process's.
        flag_set: The conventions' ``feature_flag.set.id``, such as the project's name; None: the environment.
        accepts: Kinds of events; all without it.
        name: Names the sink.

    Raises:
        UsageError: OpenTelemetry is not installed.
    """

    def __init__(
        self,
        *,
        logger_provider: Any = None,
        meter_provider: Any = None,
        flag_set: str | None = None,
        accepts: Collection[str] | None = None,
        name: str = "opentelemetry",
    ) -> None:
        if find_spec("opentelemetry") is None:
            raise UsageError("this sink needs OpenTelemetry", hint='pip install "flagctl[telemetry]"')
        self.name = name
        self.accepts = frozenset(KINDS if accepts is None else accepts)
        self._flag_set = flag_set
        self._logger_provider = logger_provider
        self._meter_provider = meter_provider
        self._source: Any = None
        self._logger: Any = None
        self._counters: dict[str, Any] = {}
        self._measurements: Any = None

    def bind(self, source: Any) -> None:
        """Take the counts that the metric of evaluations is read from."""
        self._source = source

    def open(self) -> None:
        """Get logger and meter from the providers."""
        from opentelemetry import _logs, metrics  # noqa: PLC0415 - slow to import

        self._logger = _logs.get_logger(_SCOPE, logger_provider=self._logger_provider)
        if self._measurements is not None:
            return  # a forked child: instruments can't be made twice
        meter = metrics.get_meter(_SCOPE, meter_provider=self._meter_provider)
        meter.create_observable_counter(
            "flagctl.evaluations", [self._observe], unit="{evaluation}", description="Evaluations by outcome"
        )
        for name, unit in (("exposures", "{exposure}"), ("conversions", "{conversion}")):
            self._counters[name] = meter.create_counter(f"flagctl.{name}", unit=unit)
        self._measurements = meter.create_histogram("flagctl.measurements", description="What the app measured")

    def write(self, batch: Sequence[Event]) -> None:
        """Emit a batch."""
        for event in batch:
            told = _DESCRIBED.get(type(event))
            if told is None:
                continue
            name, describe = told
            attributes = {key: value for key, value in describe(event).items() if value is not None}
            attributes |= {
                "feature_flag.provider.name": _PROVIDER,
                "feature_flag.set.id": self._flag_set or event.environment,
            }
            self._emit(event.ts, name, attributes)
            self._count(event)

    def flush(self) -> None:
        """Do nothing: the providers have processors and readers that export."""

    def close(self) -> None:
        """Export what the providers hold; they are the application's to shut down."""
        for provider in (self._logger_provider, self._meter_provider):
            flush = getattr(provider, "force_flush", None)
            if flush is not None:
                flush()

    def _emit(self, ts: int, name: str, attributes: dict[str, Any]) -> None:
        from opentelemetry._logs import LogRecord, SeverityNumber  # noqa: PLC0415 - loaded by `open`

        self._logger.emit(
            LogRecord(
                timestamp=ts * 1_000,
                event_name=name,
                severity_number=SeverityNumber.INFO,
                attributes=attributes,
            )
        )

    def _count(self, event: Event) -> None:
        if isinstance(event, Exposure):
            attributes = {
                "flagctl.experiment.key": event.experiment,
                "feature_flag.key": event.flag,
                "feature_flag.result.variant": event.variant,
            }
            self._counters["exposures"].add(1, attributes)
        elif isinstance(event, Conversion):
            self._counters["conversions"].add(1, {"flagctl.event": event.event})
        elif isinstance(event, Measurement):
            self._measurements.record(event.value, {"flagctl.measurement.name": event.name})

    def _observe(self, _options: object) -> Iterable[Any]:
        """Yield the counts of evaluations as of now."""
        from opentelemetry.metrics import Observation  # noqa: PLC0415 - loaded by `open`

        sums: dict[tuple[str, str | None, str], int] = {}
        for flag, variant, reason, times in self._source.totals() if self._source is not None else ():
            sums[flag, variant, reason] = sums.get((flag, variant, reason), 0) + times
        for (flag, variant, reason), times in sums.items():
            name, _, code = reason.partition(":")
            attributes = {"feature_flag.key": flag, "feature_flag.result.reason": name.lower()}
            if variant is not None:
                attributes["feature_flag.result.variant"] = variant
            if code:
                attributes["error.type"] = code.lower()
            yield Observation(times, attributes)


def _evaluation(event: Evaluation) -> dict[str, Any]:
    return {
        "feature_flag.key": event.flag,
        "feature_flag.result.variant": event.variant,
        "feature_flag.result.value": _plain_value(event.value),
        "feature_flag.result.reason": event.reason.lower(),
        "feature_flag.context.id": event.unit_id,
        "feature_flag.version": event.bundle,
        "error.type": None if event.error_code is None else event.error_code.lower(),
        "flagctl.rule.id": event.rule,
        "flagctl.evaluation.duration_ns": event.duration_ns,
    }


def _exposure(event: Exposure) -> dict[str, Any]:
    return {
        "feature_flag.key": event.flag,
        "feature_flag.result.variant": event.variant,
        "feature_flag.result.reason": event.reason.lower(),
        "feature_flag.context.id": event.unit_id,
        "feature_flag.version": event.bundle,
        "flagctl.experiment.key": event.experiment,
        "flagctl.event.id": event.event_id,
        "flagctl.unit.type": event.unit_type,
        **_own(event.attrs),
    }


def _conversion(event: Conversion) -> dict[str, Any]:
    return {
        "feature_flag.context.id": event.unit_id,
        "flagctl.event": event.event,
        "flagctl.value": event.value,
        "flagctl.experiment.key": event.experiment,
        "flagctl.event.id": event.event_id,
        "flagctl.unit.type": event.unit_type,
        **_own(event.attrs),
    }


def _measurement(event: Measurement) -> dict[str, Any]:
    return {
        "feature_flag.context.id": event.unit_id,
        "flagctl.measurement.name": event.name,
        "flagctl.value": event.value,
        "flagctl.event.id": event.event_id,
        **_own(event.attrs),
    }


def _own(attributes: Any) -> dict[str, str]:
    return {f"flagctl.attribute.{key}": value for key, value in attributes.items()}


def _plain_value(text: str) -> Any:
    """Return a value as an attribute can hold it: scalars as they are, others as JSON text of some length."""
    value = json.loads(text)
    return value if isinstance(value, (bool, int, float, str)) else text[:_LONGEST_VALUE]


_DESCRIBED: Final[dict[type, tuple[str, Callable[[Any], dict[str, Any]]]]] = {
    Evaluation: ("feature_flag.evaluation", _evaluation),
    Exposure: ("flagctl.exposure", _exposure),
    Conversion: ("flagctl.conversion", _conversion),
    Measurement: ("flagctl.measurement", _measurement),
}
