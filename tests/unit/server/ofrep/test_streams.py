"""Hearing of changes."""

from __future__ import annotations

import json
import threading
import time

import httpx
import pytest

from flagctl.client import Client
from flagctl.server.ofrep.app import AppOptions
from flagctl.server.ofrep.endpoints import ApiOptions
from flagctl.server.serve import Origin
from flagctl.storage import open_remote
from tests.simulators.flag_server import serving
from tests.simulators.project import Project, bundle_of, eventually

BULK = "/ofrep/v1/evaluate/flags"
EVENTS = "/ofrep/v1/events"
FAR = {"expires": 2**33}


class Listener:
    """Reads a stream on a thread."""

    def __init__(self, url: str, **headers: str) -> None:
        self.lines: list[str] = []
        self.ended = threading.Event()
        self._client = httpx.Client(timeout=httpx.Timeout(5, read=30))
        self._thread = threading.Thread(target=self._read, args=(url, headers), daemon=True)
        self._thread.start()
        assert eventually(lambda: self.lines or self.ended.is_set())

    def _read(self, url, headers) -> None:
        try:
            with self._client.stream("GET", url, headers=headers) as response:
                self.status = response.status_code
                self.type = response.headers["content-type"]
                for line in response.iter_lines():
                    self.lines.append(line)
        except httpx.TransportError:
            pass
        finally:
            self.ended.set()
            self._client.close()

    def stop(self) -> None:
        self._client.close()
        assert self.ended.wait(5)

    def events(self) -> list[dict]:
        return [json.loads(line.removeprefix("data: ")) for line in list(self.lines) if line.startswith("data: ")]

    def last_id(self) -> str | None:
        found = [line.removeprefix("id: ") for line in list(self.lines) if line.startswith("id: ")]
        return found[-1] if found else None


@pytest.fixture
def project():
    return Project()


@pytest.fixture
def remote(tmp_path, project):
    remote = open_remote(f"file://{tmp_path}/remote")
    project.put(remote, bundle_of(a=True, b=False), **FAR)
    return remote


@pytest.fixture
def server(tmp_path, project, remote):
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    origin = Origin(environment="production", url=remote.url, trust=tmp_path / "trust.json", poll_interval=0.05)
    with serving(origin, app=AppOptions(api=ApiOptions(heartbeat=0.2, streams=3))) as server:
        assert eventually(lambda: httpx.get(server.url + "/readyz").status_code == 200)
        # The first flags came after the start and are told as a change to whoever listens early; not to these tests.
        server.quiet_since = time.monotonic()
        yield server


def value(server, key: str):
    return httpx.post(f"{server.url}{BULK}/{key}", json={}).json().get("value")


def test_the_answer_for_all_flags_says_where_changes_are_told(server):
    streams = httpx.post(server.url + BULK, json={}).json()["eventStreams"]
    assert streams == [{"type": "sse", "endpoint": {"requestUri": EVENTS}, "inactivityDelaySec": 120}]


def test_a_publication_is_told_to_listeners_and_is_served(server, project, remote):
    before = httpx.post(server.url + BULK, json={})
    listener = Listener(server.url + EVENTS)
    assert listener.type == "text/event-stream; charset=utf-8"
    project.put(remote, bundle_of(a=False, b=False), seq=2, **FAR)
    assert eventually(listener.events)
    event = listener.events()[-1]
    assert event["type"] == "refetchEvaluation"
    assert isinstance(event["lastModified"], int)
    assert "event: message" in listener.lines
    after = httpx.post(
        server.url + BULK,
        json={},
        params={"flagConfigEtag": event["etag"]},
        headers={"if-none-match": before.headers["etag"]},
    )
    assert after.status_code == 200
    assert event["etag"] == f'"{after.json()["metadata"]["version"]}"' == f'"{listener.last_id()}"'
    assert value(server, "a") is False


def test_a_kill_takes_effect_and_is_told(server, project, remote):
    listener = Listener(server.url + EVENTS)
    etag = httpx.post(server.url + BULK, json={}).headers["etag"]
    assert value(server, "a") is True
    count = len(listener.events())
    project.put_kills(remote, "a")
    assert eventually(lambda: len(listener.events()) > count)
    answer = httpx.post(server.url + BULK + "/a", json={}).json()
    assert (answer["value"], answer["reason"]) == (False, "DISABLED")
    assert httpx.post(server.url + BULK, json={}, headers={"if-none-match": etag}).status_code == 200
    assert httpx.get(server.url + "/readyz").json()["killed"] == ["a"]


def test_who_comes_back_hears_of_what_was_missed_and_of_nothing_else(server, project, remote):
    known = httpx.get(server.url + "/readyz").json()["version"]
    current = Listener(server.url + EVENTS, **{"last-event-id": known})
    assert eventually(lambda: any(line.startswith(": ") for line in current.lines))
    assert current.events() == []
    late = Listener(server.url + EVENTS, **{"last-event-id": "0" * 32})
    assert eventually(late.events)
    assert late.last_id() == known


def test_a_stream_says_how_long_to_wait_and_that_it_lives(server):
    listener = Listener(server.url + EVENTS)
    assert listener.lines[0] == "retry: 2000"
    assert eventually(lambda: listener.lines.count(": still here") >= 2)


def test_more_listeners_than_allowed_are_told_to_come_back(server):
    listeners = [Listener(server.url + EVENTS) for _ in range(3)]
    refused = httpx.get(server.url + EVENTS)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "5")
    listeners[0].stop()
    assert eventually(lambda: "flagctl_event_streams 2.0" in httpx.get(server.url + "/metrics").text)
    assert Listener(server.url + EVENTS).status == 200


def test_streams_end_with_the_server(tmp_path, project, remote):
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    origin = Origin(environment="production", url=remote.url, trust=tmp_path / "trust.json")
    with serving(origin) as server:
        assert eventually(lambda: httpx.get(server.url + "/readyz").status_code == 200)
        listener = Listener(server.url + EVENTS)
        started = time.monotonic()
    assert listener.ended.wait(5)
    assert time.monotonic() - started < 4


def test_a_ticket_opens_the_stream_until_its_token_is_gone(tmp_path, project, remote):
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    tokens = tmp_path / "tokens"
    tokens.write_text("page page-token-0123456789\nshop shop-token-0123456789\n")
    origin = Origin(environment="production", url=remote.url, trust=tmp_path / "trust.json")
    options = AppOptions(api=ApiOptions(heartbeat=0.2, public_url="https://flags.example/base"))
    with serving(origin, app=options, token_file=tokens) as server:
        assert eventually(lambda: httpx.get(server.url + "/readyz").status_code == 200)
        bulk = httpx.post(server.url + BULK, json={}, headers={"x-api-key": "page-token-0123456789"}).json()
        url = bulk["eventStreams"][0]["url"]
        assert url.startswith("https://flags.example/base/ofrep/v1/events?ticket=")
        assert "page-token" not in url
        listener = Listener(server.url + url.removeprefix("https://flags.example/base"))
        assert listener.status == 200
        tokens.write_text("shop shop-token-0123456789\n")
        assert listener.ended.wait(10)
        again = Listener(server.url + url.removeprefix("https://flags.example/base"))
        assert again.status == 401


def test_a_request_with_a_state_from_elsewhere_makes_the_server_look(tmp_path, project, remote):
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    origin = Origin(environment="production", url=remote.url, trust=tmp_path / "trust.json", poll_interval=3600.0)
    with serving(origin) as server, Client(remote.url, environment="production", trust=project.trust_data) as other:
        assert eventually(lambda: httpx.get(server.url + "/readyz").status_code == 200)
        etag = httpx.post(server.url + BULK, json={}).headers["etag"]
        project.put(remote, bundle_of(a=False, b=True), seq=2, **FAR)
        other.refresh()
        assert other.status().seq == 2
        assert value(server, "a") is True
        from flagctl.server.ofrep.served import state_tag

        newer = state_tag(other.snapshot())
        headers = {"if-none-match": etag}
        answer = httpx.post(server.url + BULK, json={}, params={"flagConfigEtag": f'"{newer}"'}, headers=headers)
        assert answer.status_code == 200
        assert answer.json()["metadata"]["version"] == newer
        # A state nobody has: the remote is not asked for every such request, and the answer is whole.
        for _ in range(3):
            headers = {"if-none-match": answer.headers["etag"]}
            again = httpx.post(server.url + BULK, json={}, params={"flagConfigEtag": "made-up"}, headers=headers)
            assert again.status_code == 200
        assert httpx.post(server.url + BULK, json={}, headers=headers).status_code == 304
