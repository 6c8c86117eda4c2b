"""What is counted, and that strangers cannot make up labels."""

from __future__ import annotations

import httpx

from flagctl.evaluator.details import ErrorCode, EvaluationDetails, Reason
from flagctl.server.ofrep.metrics import Metrics, route_of
from flagctl.server.ofrep.sources import SourceState

BULK = "/ofrep/v1/evaluate/flags"


def lines(metrics: Metrics, name: str) -> list[str]:
    return [line for line in metrics.render().decode().splitlines() if line.startswith(name)]


def test_evaluations_are_counted_by_flag_variant_and_reason():
    metrics = Metrics("production", "1")
    for variant in ("on", "on", "off"):
        metrics.evaluation("a", EvaluationDetails(True, variant, Reason.TARGETING_MATCH))
    assert sorted(lines(metrics, "flagctl_evaluations_total")) == [
        'flagctl_evaluations_total{flag="a",reason="TARGETING_MATCH",variant="off"} 1.0',
        'flagctl_evaluations_total{flag="a",reason="TARGETING_MATCH",variant="on"} 2.0',
    ]


def test_unknown_flags_have_no_label_of_their_own():
    metrics = Metrics("production", "1")
    for number in range(100):
        error = EvaluationDetails(None, None, Reason.ERROR, ErrorCode.FLAG_NOT_FOUND)
        metrics.evaluation(f"made-up-{number}", error)
    assert lines(metrics, "flagctl_evaluations_total") == []
    assert lines(metrics, "flagctl_evaluation_errors_total") == [
        'flagctl_evaluation_errors_total{error_code="FLAG_NOT_FOUND"} 100.0'
    ]


def test_series_are_bounded():
    metrics = Metrics("production", "1", most_series=3)
    for number in range(10):
        metrics.evaluation(f"f{number}", EvaluationDetails(True, "on", Reason.STATIC))
    metrics.evaluation("f0", EvaluationDetails(True, "on", Reason.STATIC))
    assert sorted(lines(metrics, "flagctl_evaluations_total")) == [
        'flagctl_evaluations_total{flag="_other",reason="STATIC",variant=""} 7.0',
        'flagctl_evaluations_total{flag="f0",reason="STATIC",variant="on"} 2.0',
        'flagctl_evaluations_total{flag="f1",reason="STATIC",variant="on"} 1.0',
        'flagctl_evaluations_total{flag="f2",reason="STATIC",variant="on"} 1.0',
    ]


def test_routes_are_templates():
    assert route_of(BULK + "/a/b") == BULK + "/{key}"
    assert route_of(BULK) == BULK
    assert route_of("/made/up") == route_of("/ofrep") == "other"


def test_the_state_of_the_flags_is_told():
    metrics = Metrics("production", "1")
    metrics.sync(SourceState("stale", "x", "trouble", 12.0, 3), 7, 5)
    text = metrics.render().decode()
    for line in (
        "flagctl_ready 1.0",
        "flagctl_stale 1.0",
        "flagctl_sync_problem 1.0",
        "flagctl_sync_failures 3.0",
        "flagctl_flags 7.0",
        "flagctl_manifest_seq 5.0",
        'flagctl_info{environment="production",version="1"} 1.0',
    ):
        assert line in text.splitlines()
    age = lines(metrics, "flagctl_sync_age_seconds")
    assert 12.0 <= float(age[0].rpartition(" ")[2]) < 15.0


def test_a_server_counts_requests_evaluations_and_streams(split_server):
    with httpx.Client(base_url=split_server.url) as client:
        for _ in range(3):
            client.post(BULK + "/limit", json={})
        first = client.post(BULK, json={})
        client.post(BULK, json={})
        client.post(BULK, json={}, headers={"if-none-match": first.headers["etag"]})
        client.get("/made/up/path")
        response = client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    found = response.text.splitlines()
    for line in (
        'flagctl_evaluations_total{flag="limit",reason="STATIC",variant="default"} 3.0',
        'flagctl_http_requests_total{route="/ofrep/v1/evaluate/flags/{key}",status="200"} 3.0',
        'flagctl_http_requests_total{route="other",status="404"} 1.0',
        'flagctl_http_request_seconds_count{route="/ofrep/v1/evaluate/flags/{key}"} 3.0',
        'flagctl_bulk_total{source="evaluated"} 1.0',
        'flagctl_bulk_total{source="cache"} 1.0',
        'flagctl_bulk_total{source="not_modified"} 1.0',
        "flagctl_event_streams 0.0",
    ):
        assert line in found
