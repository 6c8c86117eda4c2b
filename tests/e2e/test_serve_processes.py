"""`flagctl serve` as a process: signals, workers, tokens that change, flags that are edited."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest

from flagctl.resources import data_path
from flagctl.storage import open_remote
from tests.simulators.flag_server import ROOT, process
from tests.simulators.project import Project, bundle_of, eventually
from tests.unit.server.conftest import SPLIT_FLAGS

BULK = "/ofrep/v1/evaluate/flags"
FAR = {"expires": 2**33}
FRESH = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))
"""Asks every question on a connection of its own, so that all workers get some."""

TOKEN = "process-token-0123456789"  # noqa: S105 - of servers in tests


@pytest.fixture
def project():
    return Project()


@pytest.fixture
def published(tmp_path, project):
    """A remote, and the words that serve it."""
    remote = open_remote(f"file://{tmp_path}/remote")
    project.put(remote, bundle_of(a=True), **FAR)
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    words = ("--remote", remote.url, "--environment", "production", "--trust", str(tmp_path / "trust.json"))
    return remote, words


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "repository"
    folder.mkdir()
    for name, text in SPLIT_FLAGS.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture(autouse=True, scope="module")
def _client():
    with FRESH:
        yield


def value(url: str, key: str):
    return FRESH.post(f"{url}{BULK}/{key}", json={"context": {"targetingKey": "u"}}).json().get("value")


def test_edits_are_served_and_bad_ones_keep_the_last_good_flags(folder):
    with process("--root", str(folder), "--env", "production") as server:
        assert value(server.url, "limit") == 100
        (folder / "limit.yaml").write_text("kind: flag\nkey: limit\nowner: team\ntype: number\nvalue: 200\n")
        assert eventually(lambda: value(server.url, "limit") == 200)
        (folder / "limit.yaml").write_text("kind: flag\nkey: limit\nowner: team\ntype: number\nvalue: many\n")
        assert eventually(lambda: httpx.get(server.url + "/readyz").json()["problem"])
        ready = httpx.get(server.url + "/readyz")
        assert ready.status_code == 200
        assert "limit.yaml:5" in ready.json()["problem"]
        assert value(server.url, "limit") == 200
        assert any("limit.yaml:5" in entry["message"] for entry in server.entries() if entry["level"] == "error")
        (folder / "limit.yaml").write_text("kind: flag\nkey: limit\nowner: team\ntype: number\nvalue: 300\n")
        assert eventually(lambda: value(server.url, "limit") == 300)
        assert httpx.get(server.url + "/readyz").json()["problem"] is None
        assert server.end() == 0


def test_flags_with_errors_are_not_served_at_all_at_first(folder):
    (folder / "limit.yaml").write_text("kind: flag\n")
    words = [sys.executable, "-m", "flagctl", "serve", "--root", str(folder), "--env", "production", "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, env=environment)
    assert done.returncode == 1
    assert "limit.yaml" in done.stderr


def test_not_ready_until_there_are_flags_and_untrusted_ones_are_none(tmp_path, project):
    url = f"file://{tmp_path}/remote"
    (tmp_path / "remote").mkdir()
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    from flagctl.server.serve import Origin
    from tests.simulators.flag_server import serving

    origin = Origin(environment="production", url=url, trust=tmp_path / "trust.json", poll_interval=0.05)
    with serving(origin) as server:
        ready = httpx.get(server.url + "/readyz")
        assert (ready.status_code, ready.json()["status"]) == (503, "not-ready")
        assert httpx.get(server.url + "/healthz").status_code == 200
        for path in (BULK, BULK + "/a"):
            answer = httpx.post(server.url + path, json={})
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
            assert answer.json()["errorCode"] == "GENERAL"
        remote = open_remote(url)
        Project().put(remote, bundle_of(a=True), **FAR)  # of another project's keys
        server.source.refresh()
        assert eventually(lambda: httpx.get(server.url + "/readyz").json()["status"] == "untrusted")
        assert httpx.get(server.url + "/readyz").status_code == 503
        project.put(remote, bundle_of(a=True), **FAR)
        server.source.refresh()
        assert httpx.get(server.url + "/readyz").json()["status"] == "ready"
        assert value(server.url, "a") is True


def test_stale_flags_are_ready_and_say_so(tmp_path, project):
    remote = open_remote(f"file://{tmp_path}/remote")
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    from flagctl.server.serve import Origin
    from tests.simulators.flag_server import serving

    project.put(remote, bundle_of(a=True), issued=int(time.time()) - 60, expires=int(time.time()) + 2)
    origin = Origin(environment="production", url=remote.url, trust=tmp_path / "trust.json")
    with serving(origin) as server:
        assert eventually(lambda: httpx.get(server.url + "/readyz").status_code == 200)
        fresh = httpx.post(server.url + BULK, json={})
        assert eventually(lambda: httpx.get(server.url + "/readyz").json()["status"] == "stale")
        assert httpx.get(server.url + "/readyz").json()["stale"] is True
        answer = httpx.post(server.url + BULK, json={}, headers={"if-none-match": fresh.headers["etag"]})
        assert answer.status_code == 200
        assert answer.json()["metadata"]["stale"] is True
        assert answer.json()["flags"][0]["reason"] == "STALE"
        assert "flagctl_stale 1.0" in httpx.get(server.url + "/metrics").text


def test_tokens_change_without_a_restart(tmp_path, published):
    tokens = tmp_path / "tokens"
    tokens.write_text(f"shop {TOKEN}\n")
    _, words = published
    with process(*words, "--token-file", str(tokens)) as server:

        def status(token):
            return httpx.post(server.url + BULK, json={}, headers={"authorization": f"Bearer {token}"}).status_code

        assert status(TOKEN) == 200
        assert status("second-token-0123456789") == 401
        tokens.write_text(f"shop {TOKEN}\nshop second-token-0123456789\n")
        assert eventually(lambda: status("second-token-0123456789") == 200)
        tokens.write_text("shop second-token-0123456789\n")
        assert eventually(lambda: status(TOKEN) == 401)
        assert not any(TOKEN in line or "second-token" in line for line in server.log)


def test_tokens_come_from_the_environment_too(published):
    _, words = published
    with process(*words, env={"FLAGCTL_SERVER_TOKENS": TOKEN}) as server:
        assert httpx.post(server.url + BULK, json={}).status_code == 401
        assert httpx.post(server.url + BULK, json={}, headers={"x-api-key": TOKEN}).status_code == 200


def test_two_workers_agree_and_count_together(published, project):
    remote, words = published
    with process(*words, "--workers", "2", "--poll-interval", "3600") as server:

        def both_answer():
            # The first worker that is ready says so for the server; the other one may not even listen yet.
            answered = all(FRESH.post(server.url + BULK, json={}).is_success for _ in range(20))
            return answered and len(pids_of(server)) == 2

        assert eventually(both_answer)
        tags = {FRESH.post(server.url + BULK, json={}).headers["etag"] for _ in range(20)}
        assert len(tags) == 1
        project.put(remote, bundle_of(a=False), seq=2, **FAR)

        def all_off():
            return not any(value(server.url, "a") for _ in range(20))

        # One of them is made to look; the other one hears of it, since nobody looks by itself for an hour.
        httpx.post(server.url + BULK, json={}, params={"flagConfigEtag": "heard-of-elsewhere"})
        assert eventually(all_off)
        time.sleep(1.1)  # that often a request may ask for a look
        project.put_kills(remote, "a")
        httpx.post(server.url + BULK, json={}, params={"flagConfigEtag": "heard-of-elsewhere"})
        assert eventually(lambda: all(answer(server.url)["reason"] == "DISABLED" for _ in range(20)))
        count = 60
        for _ in range(count):
            value(server.url, "a")
        metrics = {FRESH.get(server.url + "/metrics").text for _ in range(6)}
        for text in metrics:
            found = [line for line in text.splitlines() if line.startswith("flagctl_evaluations_total{")]
            assert sum(float(line.rpartition(" ")[2]) for line in found) > count
            assert "flagctl_ready 1.0" in text
            assert "flagctl_sync_age_seconds" in text
        assert server.end() == 0


def pids_of(server):
    """Workers that answered."""
    return {entry["pid"] for entry in server.entries() if entry["logger"] == "flagctl.access"}


def answer(url: str):
    return FRESH.post(f"{url}{BULK}/a", json={}).json()


def test_a_worker_that_dies_is_replaced(published):
    _, words = published
    with process(*words, "--workers", "2") as server:

        def pids():
            for _ in range(10):
                value(server.url, "a")
            return pids_of(server)

        assert eventually(lambda: len(pids()) == 2)
        before = pids()
        os.kill(min(before), signal.SIGKILL)

        def replaced():
            try:
                return len(pids() - before) == 1
            except httpx.TransportError:
                return False

        assert eventually(replaced, seconds=30)
        assert server.end() == 0


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_loses_no_request(published, workers):
    _, words = published
    with process(*words, "--workers", workers, "--drain", "2") as server:
        port = int(server.url.rpartition(":")[2])
        halves = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
        body = b'{"context": {"targetingKey": "u"}}'
        head = f"POST {BULK}/a HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        for half in halves:
            half.sendall(head.encode() + body[:5])
        answers: list[int | str] = []
        stop = threading.Event()
        threads = [threading.Thread(target=ask, args=(server.url, kept, answers, stop)) for kept in (True, False) * 2]
        for thread in threads:
            thread.start()
        assert eventually(lambda: len(answers) > 50)
        server.tell(signal.SIGTERM)
        assert eventually(lambda: status_of(server.url + "/readyz") == 503, seconds=2)
        time.sleep(2.3)  # the listener is closed by now
        for half in halves:
            half.sendall(body[5:])
            half.settimeout(10)
            assert half.recv(15) == b"HTTP/1.1 200 OK"
            half.close()
        stop.set()
        for thread in threads:
            thread.join(20)
        assert server.end() == 0
        assert set(answers) == {200}
        assert len(answers) > 100


def status_of(url: str) -> int:
    try:
        return httpx.get(url).status_code
    except httpx.TransportError:
        return 0


def ask(url: str, kept: bool, answers: list, stop: threading.Event) -> None:
    """Ask again and again, until the server takes no connections any more."""
    client = httpx.Client()
    while not stop.is_set():
        if not kept:
            client.close()
            client = httpx.Client()
        try:
            answers.append(client.post(f"{url}{BULK}/a", json={}).status_code)
        except httpx.ConnectError:
            break  # nothing was sent
        except httpx.TransportError as error:
            answers.append(repr(error))
    client.close()


def test_sigint_is_an_interruption(published):
    _, words = published
    with process(*words) as server:
        started = time.monotonic()
        assert server.end(signal.SIGINT) == 130
        assert time.monotonic() - started < 5


def test_the_parent_s_death_ends_its_workers(published):
    _, words = published
    with process(*words, "--workers", "2") as server:
        server.tell(signal.SIGKILL)
        server.process.wait(10)
        assert eventually(lambda: status_of(server.url + "/healthz") == 0, seconds=15)


def test_the_example_repository_is_served_from_within(tmp_path):
    with process("--env", "production", cwd=data_path("flags")) as server:
        assert len(httpx.post(server.url + BULK, json={}).json()["flags"]) == 40
