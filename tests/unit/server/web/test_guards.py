"""Who gets in, how often, from where; and what every answer carries."""

from __future__ import annotations

import json
import logging
import socket
import time

import httpx
import pytest

from flagctl.errors import UsageError
from flagctl.resources import data_path
from flagctl.server.ofrep.app import AppOptions
from flagctl.server.serve import Origin, ServeOptions, serve
from flagctl.server.web.headers import host_name, is_loopback
from flagctl.server.web.limits import RateLimiter
from flagctl.server.web.serving import Listen, bind
from tests.simulators.flag_server import serving
from tests.simulators.project import Clock, eventually
from tests.unit.server.conftest import TOKEN

BULK = "/ofrep/v1/evaluate/flags"


def origin() -> Origin:
    return Origin(environment="production", root=data_path("flags"))


@pytest.mark.parametrize(
    "headers", [{"authorization": f"Bearer {TOKEN}"}, {"authorization": f"bearer  {TOKEN}"}, {"x-api-key": TOKEN}]
)
def test_a_token_comes_as_bearer_or_as_api_key(guarded_server, headers):
    assert httpx.post(guarded_server.url + BULK, json={}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [{}, {"authorization": "Bearer wrong-token-0123456789"}, {"authorization": f"Basic {TOKEN}"}, {"x-api-key": ""}],
)
@pytest.mark.parametrize(
    "path", [BULK, BULK + "/api-rate-limit", "/ofrep/v1/configuration", "/ofrep/v1/events", "/metrics", "/x"]
)
def test_without_a_valid_one_nothing_is_told(guarded_server, headers, path):
    response = httpx.post(guarded_server.url + path, json={}, headers=headers)
    assert response.status_code == 401
    assert response.headers["www-authenticate"].startswith("Bearer")
    assert response.json() == {"errorDetails": "a valid token is needed"}


def test_a_token_of_another_environment_is_forbidden(guarded_server):
    headers = {"authorization": "Bearer staging-token-0123456"}
    response = httpx.post(guarded_server.url + BULK, json={}, headers=headers)
    assert (response.status_code, response.json()) == (403, {"errorDetails": "this token is not for this environment"})


def test_a_token_in_an_address_is_none(guarded_server):
    for query in (f"?token={TOKEN}", f"?access_token={TOKEN}", f"?ticket={TOKEN}"):
        assert httpx.post(guarded_server.url + BULK + query, json={}).status_code == 401
        assert httpx.get(guarded_server.url + "/ofrep/v1/events" + query).status_code == 401


def test_health_needs_no_token_and_tells_more_with_one(guarded_server):
    assert httpx.get(guarded_server.url + "/healthz").json() == {"status": "ok"}
    assert httpx.get(guarded_server.url + "/readyz").json() == {"status": "ready", "stale": False}
    full = httpx.get(guarded_server.url + "/readyz", headers={"x-api-key": TOKEN}).json()
    assert full["flags"] == 40
    assert httpx.get(guarded_server.url + "/openapi.json").json()["openapi"] == "3.1.0"


def test_every_answer_has_an_id_and_the_headers_that_bind_browsers(guarded_server):
    for path, status in (("/healthz", 200), ("/metrics", 401), ("/nothing", 401)):
        response = httpx.get(guarded_server.url + path)
        assert response.status_code == status
        assert len(response.headers["x-request-id"]) == 32
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["content-security-policy"].startswith("default-src 'none'")
        assert response.headers["cache-control"] == "no-store"
        assert "server" not in response.headers


@pytest.mark.parametrize(
    ("given", "kept"), [("abc-1.2:3_4", True), ("a b", False), ("x" * 129, False), ("a\tb", False)]
)
def test_a_plain_id_of_the_client_is_kept(api, given, kept):
    response = api.get("/healthz", headers={"x-request-id": given})
    assert (response.headers["x-request-id"] == given) is kept


def test_a_foreign_host_name_is_refused_where_no_token_is_asked_for(api, guarded_server):
    assert api.get("/readyz", headers={"host": "evil.example"}).status_code == 421
    assert api.get("/readyz", headers={"host": "LOCALHOST:1"}).status_code == 200
    assert api.get("/readyz", headers={"host": "[::1]:8016"}).status_code == 200
    assert httpx.get(guarded_server.url + "/readyz", headers={"host": "flags.example.com"}).status_code == 200


def test_names_of_hosts_are_read_without_port_and_brackets():
    assert [host_name(text) for text in ("A.b:80", "[::1]:80", "x.", "")] == ["a.b", "::1", "x", ""]
    assert all(is_loopback(text) for text in ("localhost", "127.8.8.8", "::1"))
    assert not any(is_loopback(text) for text in ("0.0.0.0", "::", "flags"))  # noqa: S104 - asked about, not bound


def test_pages_of_listed_origins_may_ask_and_others_may_not():
    app = AppOptions(cors_origins=("https://shop.example",))
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "content-type,if-none-match,authorization",
    }
    with serving(origin(), app=app) as server:
        good = httpx.options(server.url + BULK, headers={"origin": "https://shop.example", **asked})
        assert good.status_code == 200
        assert good.headers["access-control-allow-origin"] == "https://shop.example"
        assert "access-control-allow-credentials" not in good.headers
        bad = httpx.options(server.url + BULK, headers={"origin": "https://evil.example", **asked})
        assert bad.status_code == 400
        assert "access-control-allow-origin" not in bad.headers
        answer = httpx.post(server.url + BULK, json={}, headers={"origin": "https://shop.example"})
        assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        assert "ETag" in answer.headers["access-control-expose-headers"]
        other = httpx.post(server.url + BULK, json={}, headers={"origin": "https://evil.example"})
        assert "access-control-allow-origin" not in other.headers


def test_a_refusal_can_be_read_by_a_page_too(token_file):
    with serving(origin(), app=AppOptions(cors_origins=("https://shop.example",)), token_file=token_file) as server:
        response = httpx.post(server.url + BULK, json={}, headers={"origin": "https://shop.example"})
        assert response.status_code == 401
        assert response.headers["access-control-allow-origin"] == "https://shop.example"


def test_who_asks_too_often_is_told_when_to_come_back(token_file):
    with serving(origin(), app=AppOptions(rate=0.5, burst=3), token_file=token_file) as server:
        headers = {"x-api-key": TOKEN}
        with httpx.Client(base_url=server.url, headers=headers) as client:
            codes = [client.get("/ofrep/v1/configuration").status_code for _ in range(5)]
            assert codes == [200, 200, 200, 429, 429]
            refused = client.get("/ofrep/v1/configuration")
            assert refused.headers["retry-after"] == "2"
            assert "errorDetails" in refused.json()
            assert client.get("/healthz").status_code == 200


def test_a_rate_is_counted_for_each_caller():
    clock = Clock()
    limiter = RateLimiter(2.0, 2.0, clock.monotonic)
    assert [limiter.take("a") for _ in range(3)] == [0.0, 0.0, 0.5]
    assert limiter.take("b") == 0.0
    clock.pass_by(0.5)
    assert [limiter.take("a"), limiter.take("a")] == [0.0, 0.5]
    for number in range(20_000):
        limiter.take(f"@{number}")
    assert len(limiter._buckets) == 10_000


def test_requests_above_the_limit_are_told_to_come_back():
    with serving(origin(), app=AppOptions(at_once=1)) as server:
        with socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as slow:
            slow.sendall(
                f"POST {BULK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{{".encode()
            )
            assert eventually(lambda: httpx.post(server.url + BULK, json={}).status_code == 429)
            assert httpx.post(server.url + BULK, json={}).headers["retry-after"] == "1"
            assert httpx.get(server.url + "/healthz").status_code == 200
            slow.sendall(b"}")
            assert slow.recv(15) == b"HTTP/1.1 200 OK"
        assert eventually(lambda: httpx.post(server.url + BULK, json={}).status_code == 200)


def test_a_head_that_does_not_come_ends_the_connection():
    with serving(origin(), head_seconds=0.3) as server:
        port = int(server.url.rpartition(":")[2])
        with (
            socket.create_connection(("127.0.0.1", port)) as silent,
            socket.create_connection(("127.0.0.1", port)) as drip,
        ):
            drip.sendall(b"POST /ofrep")
            started = time.monotonic()
            for connection in (silent, drip):
                connection.settimeout(5)
                assert connection.recv(1) == b""
            assert time.monotonic() - started < 3
        with httpx.Client(base_url=server.url) as client:  # connections that are used are left alone
            assert client.get("/healthz").status_code == 200
            time.sleep(0.5)
            assert client.get("/healthz").status_code == 200


def test_a_second_head_that_does_not_come_ends_the_connection_too():
    with serving(origin(), head_seconds=0.3) as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.settimeout(5)
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = b""
            while not answer.endswith(b'{"status":"ok"}'):
                answer += connection.recv(4096)
            connection.sendall(b"GET /heal")
            assert connection.recv(1) == b""


def test_a_body_that_drips_is_408():
    from flagctl.server.ofrep.endpoints import ApiOptions
    from flagctl.server.web.bodies import BodyLimits

    app = AppOptions(api=ApiOptions(body=BodyLimits(seconds=0.3)))
    with serving(origin(), app=app) as server:
        port = int(server.url.rpartition(":")[2])
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.settimeout(5)
            head = f"POST {BULK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20\r\n\r\n"
            connection.sendall(head.encode() + b"{")
            answer = b""
            while part := connection.recv(4096):
                answer += part
            assert answer.startswith(b"HTTP/1.1 408")
            assert b"connection: close" in answer.lower()


def test_the_access_log_has_no_context_no_query_and_no_address(guarded_server):
    lines: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = lines.append  # type: ignore[method-assign]
    logger = logging.getLogger("flagctl.access")
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        context = {"targetingKey": "ada", "email": "ada@example.com"}
        httpx.post(guarded_server.url + BULK + "/x?email=ada", json={"context": context}, headers={"x-api-key": TOKEN})
        assert eventually(lambda: lines)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
    fields = lines[0].fields
    assert fields.keys() == {"id", "method", "path", "status", "ms", "bytes", "caller"}
    assert (fields["path"], fields["status"], fields["caller"]) == (BULK + "/x", 404, "shop")
    text = json.dumps(fields)
    assert not any(word in text for word in ("ada", "127.0.0.1", TOKEN))


def test_a_server_for_other_machines_needs_tokens_or_a_word(monkeypatch):
    monkeypatch.delenv("FLAGCTL_SERVER_TOKENS", raising=False)
    with pytest.raises(UsageError, match="there are no tokens"):
        serve(ServeOptions(origin=origin(), listen=Listen(host="0.0.0.0", port=0)))  # noqa: S104


def test_an_address_that_is_taken_is_told():
    with bind(Listen(port=0)) as taken:
        taken.listen()
        with pytest.raises(UsageError, match=r"cannot listen on 127\.0\.0\.1"):
            bind(Listen(port=taken.getsockname()[1]))
    with pytest.raises(UsageError, match="cannot listen"):
        bind(Listen(host="no.such.name.invalid"))
