"""Who changed, published and forced off what, from git and from what was signed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.cli.conftest import git
from tests.cli.test_experiment_results import obeys


@pytest.fixture
def shop(repo, cli):
    git(repo, "init", "-q")
    git(repo, "add", ".")
    git(repo, "commit", "-qm", "First flags")
    cli("publish", "development")
    path = repo / "flags" / "new-checkout.yaml"
    path = path if path.exists() else next(repo.rglob("new-checkout.yaml"))
    path.write_text(path.read_text(encoding="utf-8").replace("percentage: 25", "percentage: 50"), encoding="utf-8")
    git(repo, "commit", "-qam", "Half of them\n\nApproved-by: Ann <ann@example.com>")
    cli("publish", "development")
    cli("kill", "new-checkout", "--env", "development", "--reason", "errors since noon")
    cli("unkill", "new-checkout", "--env", "development")
    cli("rollback", "development")
    return repo


def test_everything_that_happened_is_there_with_who_did_it(shop, cli):
    data = cli.json("audit", "--env", "development")
    obeys("audit", data)
    actions = [one["action"] for one in data["entries"]]
    assert sorted(actions) == ["change", "change", "kill", "publish", "publish", "rollback", "unkill"]
    change = next(one for one in data["entries"] if one["action"] == "change" and one["summary"] == "Half of them")
    assert change["approved_by"] == ["Ann <ann@example.com>"]
    assert change["keys"] == ["new-checkout"]
    kill = next(one for one in data["entries"] if one["action"] == "kill")
    assert (kill["details"], kill["environment"]) == (["errors since noon"], "development")
    assert {one["rebuilt"] for one in data["entries"] if one["action"] in {"publish", "rollback"}} == {"same"}
    assert data["problems"] == []
    text = cli("audit", "--env", "development").stdout
    assert "3 of 3 publications compile to the published bytes" in text


def test_one_flag_and_a_time_narrow_it(shop, cli):
    data = cli.json("audit", "new-checkout", "--env", "development")
    assert {one["action"] for one in data["entries"]} == {"change", "kill", "unkill"}
    assert cli.json("audit", "--env", "development", "--since", "2100-01-01T00:00:00Z")["entries"] == []


def test_a_bundle_that_its_commit_does_not_compile_to_is_a_finding(shop, cli):
    path = next(shop.rglob("new-checkout.yaml"))
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("percentage: 50", "percentage: 75"), encoding="utf-8")
    cli("publish", "development", "--allow-dirty")
    done = cli("audit", "--env", "development", exit_code=1)
    assert "which does not compile to its bytes" in done.stdout


def test_what_cannot_be_read_is_a_problem_and_the_rest_is_shown(shop, cli):
    (shop / "trust.json").rename(shop / "elsewhere.json")
    data = cli.json("audit", "--env", "development", exit_code=1)
    assert {one["action"] for one in data["entries"]} == {"change"}
    assert "root of trust" in data["problems"][0]


@pytest.mark.parametrize(
    ("folder", "number", "said"),
    [("log", 2, "the manifest before number 3"), ("kills", 1, "the kill list before number 2")],
)
@pytest.mark.parametrize("change", ["removed", "garbled"])
def test_a_record_that_is_gone_or_was_changed_is_missed(shop, cli, folder, number, said, change):
    for path in (shop / ".flagctl" / "remote" / "development" / folder).glob("[!.]*.json"):
        envelope = json.loads(path.read_text(encoding="utf-8"))
        if json.loads(base64.b64decode(envelope["payload"]))["seq"] != number:
            continue
        if change == "removed":
            path.unlink()
        else:
            path.write_text(json.dumps(envelope | {"signatures": []}), encoding="utf-8")
    data = cli.json("audit", "--env", "development", exit_code=1)
    assert data["problems"] == [f"development: {said} was removed from the log, or changed there"]


def test_kill_lists_that_are_all_gone_are_missed_if_a_manifest_pins_one(shop, cli):
    cli("publish", "development", "--heartbeat")
    folder = shop / ".flagctl" / "remote" / "development"
    for path in [folder / "kill.json", *(folder / "kills").iterdir()]:
        path.unlink()
    data = cli.json("audit", "--env", "development", exit_code=1)
    assert data["problems"] == ["development: kill list 2, which a manifest pins, was removed, or changed"]


def test_a_publication_whose_publisher_died_before_the_log_is_there(shop, cli):
    before = cli.json("audit", "--env", "development")
    log = shop / ".flagctl" / "remote" / "development" / "log"
    max(log.glob("[!.]*.json"), key=lambda path: path.name).unlink()
    assert cli.json("audit", "--env", "development") == before


def test_lines_are_one_entry_each_oldest_first(shop, cli):
    lines = cli("audit", "--env", "development", "--output-format", "jsonl").stdout.splitlines()
    entries = [json.loads(line) for line in lines]
    assert [one["time_ms"] for one in entries] == sorted(one["time_ms"] for one in entries)
    assert len(entries) == 7


class Service(BaseHTTPRequestHandler):
    """Takes audit entries, after failing once."""

    received: list[tuple[dict, bytes]]
    failures: int

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if type(self).failures:
            type(self).failures -= 1
            self.send_response(503)
        else:
            type(self).received.append((dict(self.headers), body))
            self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_entries_go_to_an_audit_service_signed_and_again_after_a_failure(shop, cli, monkeypatch):
    Service.received, Service.failures = [], 1
    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("FLAGCTL_WEBHOOK_SECRET", "very secret")
    try:
        url = f"http://127.0.0.1:{server.server_port}/audit"
        assert "sent 7 entries" in cli("audit", "--env", "development", "--to", url).stderr
    finally:
        server.shutdown()
        server.server_close()
    ((headers, body),) = Service.received
    expected = hmac.new(b"very secret", body, hashlib.sha256).hexdigest()
    assert headers["X-Flagctl-Signature"] == f"sha256={expected}"
    assert len(body.splitlines()) == 7


class Elsewhere(BaseHTTPRequestHandler):
    """Sends everybody to another page, which says that all is well."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(302)
        self.send_header("Location", "/login")
        self.end_headers()

    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


def test_entries_do_not_count_as_sent_when_a_service_points_elsewhere(shop, cli):
    server = HTTPServer(("127.0.0.1", 0), Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        url = f"http://127.0.0.1:{server.server_port}/audit"
        done = cli("audit", "--env", "development", "--to", url, exit_code=4)
    finally:
        server.shutdown()
        server.server_close()
    assert "did not take the entries: it answered 302" in done.stderr
    assert "it wants them at /login" in done.stderr


@pytest.mark.parametrize("place", ["ftp://audit.example.com/", "audit.log", "https://"])
def test_what_is_no_audit_service_is_refused_before_anything_is_read(shop, cli, place):
    done = cli("audit", "--env", "development", "--to", place, exit_code=2)
    assert "audit entries go to https://… or otel:" in done.stderr
    assert not done.stdout


def test_an_audit_log_does_not_go_over_plain_http(shop, cli):
    assert "over https" in cli("audit", "--env", "development", "--to", "http://audit.example.com/", exit_code=2).stderr


def test_entries_become_log_records(shop, cli):
    from opentelemetry import _logs
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    _logs.set_logger_provider(provider)
    cli("audit", "--env", "development", "--to", "otel:")
    names = [one.log_record.event_name for one in exporter.get_finished_logs()]
    assert names.count("flagctl.audit.change") == 2
    assert "flagctl.audit.kill" in names


def alone(*words, **variables):
    """Run the command in a process of its own, where nobody has set OpenTelemetry up."""
    kept = {name: text for name, text in os.environ.items() if not name.startswith("OTEL_")}
    command = [sys.executable, "-m", "flagctl", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=kept | variables, timeout=60)


def test_without_a_logger_of_the_process_records_go_to_the_collector(shop):
    Service.received, Service.failures = [], 1
    server = HTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        place = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{server.server_port}/",
            "OTEL_EXPORTER_OTLP_HEADERS": "api-key=very%20secret",
        }
        done = alone("audit", "--env", "development", "--to", "otel:", **place)
    finally:
        server.shutdown()
        server.server_close()
    assert "sent 7 entries" in done.stderr
    ((headers, body),) = Service.received
    assert (headers["Content-Type"], headers["Api-Key" if "Api-Key" in headers else "Api-key"]) == (
        "application/json",
        "very secret",
    )
    (resource,) = json.loads(body)["resourceLogs"]
    records = resource["scopeLogs"][0]["logRecords"]
    assert len(records) == 7
    times = [int(one["timeUnixNano"]) for one in records]
    assert times == sorted(times)
    kill = next(one for one in records if one["eventName"] == "flagctl.audit.kill")
    found = {one["key"]: one["value"] for one in kill["attributes"]}
    assert found["flagctl.environment"] == {"stringValue": "development"}
    assert isinstance(found["flagctl.keys"]["arrayValue"]["values"][0]["stringValue"], str)
    assert isinstance(found["flagctl.seq"]["intValue"], str)


def test_records_that_nobody_would_get_are_not_said_to_be_sent(shop):
    done = alone("audit", "--env", "development", "--to", "otel:")
    assert done.returncode == 2
    assert "nobody has said where OpenTelemetry's logs go" in done.stderr
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in done.stderr
    assert "sent" not in done.stderr
