"""Ready-made providers, against a real HTTP server and a real database."""

from __future__ import annotations

import json
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from flagctl.client.attributes import HttpProvider, SqlProvider, StaticProvider, Typed
from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ANSWERS: dict[str, tuple[int, bytes]] = {
    "/users/user%2F1?fields=all": (200, json.dumps({"plan": "pro", "seats": "20", "other": 1}).encode()),
    "/users/gone?fields=all": (404, b"no"),
    "/users/broken?fields=all": (500, b"no"),
    "/users/list?fields=all": (200, b"[]"),
    "/users/text?fields=all": (200, b"plan"),
    "/users/large?fields=all": (200, b" " * (1024 * 1024 + 1)),
    "/users/moved?fields=all": (302, b""),
}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status, body = ANSWERS[self.path]
        if self.headers["authorization"] != "Bearer token":
            status, body = 401, b""
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def provider(service: str, authorization: str = "Bearer token") -> HttpProvider:
    """Return a provider of the service."""
    return HttpProvider(
        f"{service}/users/{{unit}}?fields=all",
        {"plan": "string", "seats": "number"},
        headers={"authorization": authorization},
    )


def test_a_service_is_asked_with_the_unit_quoted(service: str) -> None:
    assert provider(service).lookup("user/1") == {"plan": "pro", "seats": 20}


def test_a_unit_that_is_not_there_has_no_attributes(service: str) -> None:
    assert provider(service).lookup("gone") == {}


@pytest.mark.parametrize("unit", ["broken", "moved"])
def test_a_service_that_says_no_is_a_failure(service: str, unit: str) -> None:
    with pytest.raises(OSError, match="answers"):
        provider(service).lookup(unit)


def test_a_token_that_does_not_fit_is_a_failure(service: str) -> None:
    with pytest.raises(OSError, match="401"):
        provider(service, "wrong").lookup("user/1")


@pytest.mark.parametrize("unit", ["list", "text", "large"])
def test_what_is_no_small_json_object_is_a_failure(service: str, unit: str) -> None:
    with pytest.raises(ValueError, match=r"service|Expecting"):
        provider(service).lookup(unit)


@pytest.mark.parametrize("url", ["ftp://a/{unit}", "https://a/users", "https://{unit}/", "users/{unit}"])
def test_an_address_without_a_place_for_the_unit_is_refused(url: str) -> None:
    with pytest.raises(UsageError, match="unit"):
        HttpProvider(url, ["plan"])


def test_a_database_is_asked_by_a_query(tmp_path: Path) -> None:
    path = tmp_path / "users.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE users (id TEXT, plan TEXT, seats INTEGER)")
    connection.execute("INSERT INTO users VALUES ('u', 'pro', NULL)")
    connection.commit()
    connection.close()
    sql = SqlProvider(lambda: sqlite3.connect(path), "SELECT plan, seats FROM users WHERE id = ?", ["plan", "seats"])
    assert sql.lookup("u") == {"plan": "pro"}
    assert sql.lookup("v") == {}


@pytest.mark.parametrize(
    ("kind", "value", "fitted"),
    [
        ("string", "a", "a"),
        ("string", 5, None),
        ("number", "5", 5),
        ("number", "-5.5", -5.5),
        ("number", "nan", None),
        ("number", "²", None),
        ("number", True, None),
        ("number", 5.5, 5.5),
        ("boolean", "true", True),
        ("boolean", False, False),
        ("boolean", "yes", None),
        ("boolean", 1, None),
        ("list", ["a"], ["a"]),
        ("list", "a", None),
        ("semver", "1.2.3", "1.2.3"),
        ("semver", 1, None),
        ("datetime", 5, 5),
        ("datetime", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z"),
        ("datetime", True, None),
        ("ip", "::1", "::1"),
        ("json", {"a": 1}, {"a": 1}),
        ("json", None, None),
    ],
)
def test_values_are_given_as_declared_or_not_at_all(kind: str, value: Any, fitted: Any) -> None:
    found = Typed({"x": kind}).fitted({"x": value})
    assert found == ({} if fitted is None else {"x": fitted})
    assert [type(v) for v in found.values()] == ([] if fitted is None else [type(fitted)])


def test_an_unknown_type_is_refused() -> None:
    with pytest.raises(UsageError, match="no type 'text'"):
        StaticProvider({}, {"plan": "text"})
