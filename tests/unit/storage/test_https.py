from __future__ import annotations

import time

import pytest

from flagctl.client.client import Client
from flagctl.errors import RemoteError, UntrustedError, UsageError
from flagctl.ops.kill import KillRequest, kill
from flagctl.ops.kill_model import KillOptions
from flagctl.ops.publish import publish
from flagctl.ops.status import status
from flagctl.ops.target import Target
from flagctl.storage import NOT_MODIFIED, RemoteOptions, open_remote
from tests.simulators.https_server import WebServer, make_authority
from tests.simulators.project import Project, bundle_of

KEY = "production/manifest.json"


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return make_authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def server(authority, tmp_path, monkeypatch):
    ca, certificate = authority
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    server = WebServer(tmp_path / "www", certificate)
    yield server
    server.close()


@pytest.fixture
def stored(server):
    """Put an object behind the server."""

    def put(data: bytes, key: str = KEY) -> bytes:
        path = server.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return data

    return put


def remote_of(server, **changes):
    return open_remote(server.url, options=RemoteOptions(**{"read_timeout": 2.0, "deadline": 3.0, **changes}))


def test_an_object_is_read_and_not_read_again_while_it_is_the_same(server, stored):
    stored(b"one")
    remote = remote_of(server)
    first = remote.get(KEY, max_bytes=10)
    assert first.data == b"one"
    assert remote.get(KEY, etag=first.etag, max_bytes=10) is NOT_MODIFIED
    stored(b"two")
    assert remote.get(KEY, etag=first.etag, max_bytes=10).data == b"two"
    assert server.requests[1][1] == first.etag
    assert server.connections == 1, "one connection is kept"


def test_what_does_not_exist_is_none(server):
    assert remote_of(server).get(KEY, max_bytes=10) is None


def test_a_server_without_tags_gets_one_from_the_content(server, stored):
    stored(b"one")
    server.mode = "no-etag"
    remote = remote_of(server)
    first = remote.get(KEY, max_bytes=10)
    assert remote.get(KEY, etag=first.etag, max_bytes=10) is NOT_MODIFIED


@pytest.mark.parametrize("mode", ["pass", "no-length"])
def test_nothing_is_read_beyond_the_limit(server, stored, mode):
    stored(b"x" * 100_000)
    server.mode = mode
    with pytest.raises(UntrustedError) as caught:
        remote_of(server).get(KEY, max_bytes=99_999)
    assert caught.value.reason == "too-large"
    assert len(remote_of(server).get(KEY, max_bytes=100_000).data) == 100_000


def test_a_body_that_is_cut_off_is_trouble_and_the_next_attempt_succeeds(server, stored):
    stored(b"x" * 1000)
    remote = remote_of(server)
    server.mode = "cut"
    with pytest.raises(RemoteError, match=r"cut off|cannot be reached"):
        remote.get(KEY, max_bytes=1000)
    server.mode = "pass"
    assert len(remote.get(KEY, max_bytes=1000).data) == 1000


def test_a_slow_drip_ends_with_the_deadline(server, stored):
    stored(b"x" * 1000)
    server.mode = "drip"
    begun = time.monotonic()
    with pytest.raises(RemoteError, match="did not answer within 1 second"):
        remote_of(server, deadline=1.0).get(KEY, max_bytes=1000)
    assert time.monotonic() - begun < 5


def test_a_connection_that_the_server_closed_meanwhile_is_opened_anew(server, stored):
    stored(b"one")
    server.mode = "close"
    remote = remote_of(server)
    for _ in range(3):
        assert remote.get(KEY, max_bytes=10).data == b"one"
    assert server.connections == 3


@pytest.mark.parametrize("code", [400, 401, 403, 429, 500, 503])
def test_an_answer_that_is_an_error_is_told_with_its_number(server, code):
    server.mode, server.status = "status", code
    with pytest.raises(RemoteError, match=str(code)):
        remote_of(server).get(KEY, max_bytes=10)


def test_redirects_to_https_are_followed_but_not_for_ever(server, stored):
    stored(b"one")
    remote = remote_of(server)
    server.mode, server.location = "redirect", f"/elsewhere/{KEY}"
    with pytest.raises(RemoteError, match="redirects too often"):
        remote.get(KEY, max_bytes=10)
    assert len(server.requests) == 4
    send, seen = server.answer, []

    def once(request):
        seen.append(request.path)
        server.mode = "redirect" if len(seen) == 1 else "pass"
        send(request)

    server.answer = once
    assert remote.get(KEY, max_bytes=10).data == b"one"
    assert seen == [f"/flags/{KEY}", f"/elsewhere/{KEY}"]


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/x", "file:///etc/passwd", "", "https://user@127.0.0.1/x"])
def test_redirects_to_anything_else_are_not_followed(server, target):
    server.mode, server.location = "redirect", target
    with pytest.raises(RemoteError):
        remote_of(server).get(KEY, max_bytes=10)


def test_a_certificate_of_a_stranger_is_refused(server, stored, monkeypatch, tmp_path):
    stored(b"one")
    other, _ = make_authority(tmp_path / "other")
    monkeypatch.setenv("SSL_CERT_FILE", str(other))
    with pytest.raises(RemoteError, match="certificate is not accepted") as caught:
        remote_of(server).get(KEY, max_bytes=10)
    assert "SSL_CERT_FILE" in caught.value.hint


@pytest.mark.parametrize("wrong", [{"host": "127.0.0.2"}, {"valid": False}], ids=["another host", "expired"])
def test_a_certificate_of_another_host_or_time_is_refused(tmp_path, monkeypatch, wrong):
    ca, certificate = make_authority(tmp_path / "authority", **wrong)
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    server = WebServer(tmp_path / "www", certificate)
    try:
        with pytest.raises(RemoteError, match="certificate is not accepted"):
            remote_of(server).get(KEY, max_bytes=10)
    finally:
        server.close()


def test_nobody_there_is_trouble(server):
    port = server.port
    server.close()
    with pytest.raises(RemoteError, match="cannot be reached"):
        open_remote(f"https://127.0.0.1:{port}/flags").get(KEY, max_bytes=10)


def test_a_token_in_the_query_goes_along_and_shows_nowhere(server, stored):
    stored(b"one")
    remote = open_remote(f"{server.url}?token=secret")
    assert remote.get(KEY, max_bytes=10).data == b"one"
    assert server.requests[-1][0] == f"/flags/{KEY}?token=secret"
    server.mode = "status"
    with pytest.raises(RemoteError) as caught:
        remote.get(KEY, max_bytes=10)
    assert "secret" not in f"{remote!r} {remote.url} {caught.value.message}"


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/flags",
        "http://127.0.0.1:1/flags",
        "https:///flags",
        "https://user:secret@example.com/flags",
        "https://example.com:port/flags",
        "https://exa mple.com/",
    ],
)
def test_locations_that_cannot_be_used_are_told_without_their_secrets(url):
    with pytest.raises(UsageError) as caught:
        open_remote(url)
    assert "secret" not in caught.value.message


def test_it_can_only_be_read(server):
    remote = remote_of(server)
    for write in (lambda: remote.put(KEY, b""), lambda: remote.list("production/")):
        with pytest.raises(UsageError, match="can only be read"):
            write()
    with pytest.raises(UsageError):
        remote.get("../secret", max_bytes=10)


def test_an_application_reads_flags_kills_and_roots_behind_a_web_server(server, tmp_path):
    project = Project()
    behind = project.target(open_remote(f"file://{server.folder}"))
    publish(behind, bundle_of(a=True, b=True), project.publishers)
    with Client(server.url, environment="production", trust=project.trust_data, poll_interval=3600) as app:
        assert app.wait_until_ready(20)
        assert app.is_enabled("a")
        kill(behind, [project.kill_signer], KillRequest("a", "test", "ada"), KillOptions())
        assert app.refresh()
        assert not app.is_enabled("a")
        publish(behind, bundle_of(a=True, b=False), project.publishers)
        assert app.refresh()
        assert not app.is_enabled("b")
        server.mode = "status"
        with pytest.raises(RemoteError):
            app.refresh()
        assert app.status().state == "ready"
        server.mode = "pass"
        assert app.refresh() is False
    through = Target(remote=open_remote(server.url), environment="production", trust=project.trust)
    assert status(through).state == "live"
    with pytest.raises(UsageError, match="can only be read"):
        publish(through, bundle_of(c=True), project.publishers)


def test_plain_http_is_for_this_machine_and_only_without_a_root_of_trust(tmp_path):
    project = Project()
    server = WebServer(tmp_path / "www")
    try:
        publish(project.target(open_remote(f"file://{server.folder}")), bundle_of(a=True), project.publishers)
        with pytest.raises(UsageError, match="http:// is refused"):
            Client(server.url, environment="production", trust=project.trust_data)
        with pytest.warns(UserWarning, match="without checking"):
            app = Client(server.url, environment="production", insecure=True, poll_interval=3600)
        with app:
            assert app.wait_until_ready(20)
            assert app.is_enabled("a")
        with pytest.raises(UsageError, match="insecure=True is refused"):
            Client("https://example.com/flags", environment="production", insecure=True)
    finally:
        server.close()
