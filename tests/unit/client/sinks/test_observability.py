"""OpenTelemetry, Prometheus and logging, with their own libraries at the other end."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.semconv._incubating.attributes import feature_flag_attributes as conventions
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

import flagctl.client.sinks
from flagctl.client.sinks import LoggingSink, MemorySink, OpenTelemetrySink, PrometheusSink
from tests.simulators.project import eventually
from tests.unit.client.sinks.events import one_of_each
from tests.unit.client.telemetry.flags import client_of

USER = {"targeting_key": "user-1"}


def points(reader: InMemoryMetricReader) -> dict[str, list[tuple[dict[str, Any], Any]]]:
    data: Any = reader.get_metrics_data()
    found: dict[str, list[tuple[dict[str, Any], Any]]] = {}
    for resource in data.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                found[metric.name] = [
                    (dict(point.attributes), getattr(point, "value", getattr(point, "sum", None)))
                    for point in metric.data.data_points
                ]
    return found


def test_opentelemetry_gets_events_and_metrics_by_the_conventions() -> None:
    exporter, reader = InMemoryLogRecordExporter(), InMemoryMetricReader()
    logs, meters = LoggerProvider(shutdown_on_exit=False), MeterProvider([reader], shutdown_on_exit=False)
    logs.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    client = client_of(
        OpenTelemetrySink(logger_provider=logs, meter_provider=meters, flag_set="acme"), full_log=["button", "missing"]
    )
    client.is_enabled("button", USER)
    client.evaluate("missing", USER)
    client.track_conversion("button-test", USER, 3.5, metric="order", attributes={"page": "cart"})
    client.measure("checkout.ms", 12.5)
    for _ in range(4):
        client.is_enabled("plain", {})
    assert eventually(lambda: len(exporter.get_finished_logs()) == 5)
    evaluations = {
        (attributes[conventions.FEATURE_FLAG_KEY], attributes[conventions.FEATURE_FLAG_RESULT_REASON]): value
        for attributes, value in points(reader)["flagctl.evaluations"]
    }
    assert evaluations == {("button", "split"): 1, ("missing", "error"): 1, ("plain", "static"): 4}
    client.close()
    records = {}
    for data in exporter.get_finished_logs():
        record = data.log_record
        records.setdefault(record.event_name, []).append(dict(record.attributes or {}))
    button, missing = records["feature_flag.evaluation"]
    assert button[conventions.FEATURE_FLAG_KEY] == "button"
    assert button[conventions.FEATURE_FLAG_RESULT_VARIANT] in {"on", "off"}
    assert button[conventions.FEATURE_FLAG_RESULT_VALUE] is (button[conventions.FEATURE_FLAG_RESULT_VARIANT] == "on")
    assert button[conventions.FEATURE_FLAG_RESULT_REASON] == "split"
    assert button[conventions.FEATURE_FLAG_CONTEXT_ID] == "user-1"
    assert button[conventions.FEATURE_FLAG_SET_ID] == "acme"
    assert button[conventions.FEATURE_FLAG_PROVIDER_NAME] == "flagctl"
    assert len(button[conventions.FEATURE_FLAG_VERSION]) == 64
    assert (missing["error.type"], missing[conventions.FEATURE_FLAG_RESULT_REASON]) == ("flag_not_found", "error")
    (exposure,) = records["flagctl.exposure"]
    assert exposure["flagctl.experiment.key"] == "button-test"
    (conversion,) = records["flagctl.conversion"]
    assert (conversion["flagctl.value"], conversion["flagctl.attribute.page"]) == (3.5, "cart")
    (measurement,) = records["flagctl.measurement"]
    assert measurement["flagctl.measurement.name"] == "checkout.ms"
    metrics = points(reader)
    assert [value for _, value in metrics["flagctl.exposures"]] == [1]
    assert metrics["flagctl.conversions"] == [({"flagctl.event": "order"}, 1)]
    assert [value for _, value in metrics["flagctl.measurements"]] == [12.5]
    logs.shutdown()
    meters.shutdown()


def scraped(registry: CollectorRegistry) -> dict[tuple[str, ...], float]:
    text = generate_latest(registry).decode()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


def test_prometheus_reads_counts_as_of_now() -> None:
    registry = CollectorRegistry()
    client = client_of(PrometheusSink(registry=registry), flush_interval=0.01)
    for number in range(5):
        client.is_enabled("plain", {})
        client.is_enabled("button", {"targeting_key": f"user-{number}"})
    assert scraped(registry)["flagctl_evaluations_total", "production", "plain", "STATIC", "on"] == 5
    client.track_conversion("button-test", USER, 2.5, metric="order")
    client.track_conversion("button-test", USER, -1.0, metric="order")
    client.measure("checkout.ms", 12.5)
    client.measure("checkout.ms", float("nan"))
    key = ("flagctl_measurements_count", "production", "checkout.ms")
    assert eventually(lambda: scraped(registry).get(key) == 1)
    found = scraped(registry)
    assert found["flagctl_measurements_sum", "production", "checkout.ms"] == 12.5
    assert found["flagctl_conversions_total", "production", "order"] == 2
    assert found["flagctl_conversion_value_total", "production", "order"] == 2.5
    exposed = [value for key, value in found.items() if key[0] == "flagctl_exposures_total"]
    assert sum(exposed) == 5
    assert found["flagctl_dropped_events_total", "invalid", ""] == 1
    client.close()
    assert scraped(registry) == {}


def test_logging_gets_one_record_for_each_event(caplog: pytest.LogCaptureFixture) -> None:
    sink = LoggingSink()
    with caplog.at_level(logging.INFO, "flagctl.events"):
        sink.open()
        sink.write(one_of_each())
        sink.flush()
        sink.close()
    assert len(caplog.records) == 5
    for record, event in zip(caplog.records, one_of_each(), strict=True):
        kind, _, line = record.getMessage().partition(" ")
        assert (kind, json.loads(line)) == (event.kind, event.to_dict())
        assert record.event == event.to_dict()  # type: ignore[attr-defined]
    caplog.clear()
    sink.write(one_of_each())
    assert not caplog.records


def test_memory_waits_for_events_and_says_how_many_there_were() -> None:
    from flagctl.events import Exposure

    sink = MemorySink(limit=2)
    with pytest.raises(TimeoutError, match="0 events of Exposure instead of 1"):
        sink.wait_for(Exposure, 1, timeout=0.01)
    sink.write(one_of_each())
    assert len(sink.events) == 2


def test_every_named_sink_can_be_imported() -> None:
    for name in flagctl.client.sinks.__all__:
        assert getattr(flagctl.client.sinks, name) is not None
    with pytest.raises(AttributeError, match="KafkaSink"):
        flagctl.client.sinks.KafkaSink  # noqa: B018
