"""Redis over TLS: a real server behind a proxy that speaks it, with a certificate of a CA made for the test."""

from __future__ import annotations

import pytest

from flagctl.client import Client
from flagctl.errors import RemoteError
from flagctl.storage.redis import RedisRemote
from flagctl.storage.remote import Fetched
from tests.simulators.https_server import make_authority
from tests.simulators.project import Project, bundle_of, eventually
from tests.simulators.tls_proxy import TlsProxy

HELLO = "production/manifest.json"


@pytest.fixture
def authority(tmp_path, monkeypatch):
    ca, server = make_authority(tmp_path / "ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    return server


def test_objects_and_hints_travel_over_tls(valkey, authority):
    with TlsProxy(valkey.port, authority) as proxy:
        remote = RedisRemote(f"rediss://127.0.0.1:{proxy.port}/0", "acme", timeout=10.0)
        remote.put(HELLO, b"signed")
        found = remote.get(HELLO, max_bytes=100)
        assert isinstance(found, Fetched)
        assert found.data == b"signed"
        assert remote.url == f"rediss://127.0.0.1:{proxy.port}/0"
        remote.close()


def test_a_client_reads_and_listens_over_tls(valkey, authority):
    project = Project()
    with TlsProxy(valkey.port, authority) as proxy:
        url = f"rediss://127.0.0.1:{proxy.port}/0?timeout=10"
        cache = RedisRemote(url, "acme")
        project.put(cache, bundle_of(a=True), expires=2**33)
        with Client(url, environment="production", trust=project.trust_data, poll_interval=3600.0) as client:
            assert client.wait_until_ready(20)
            assert client.is_enabled("a")
            assert eventually(lambda: client.status().l2["listening"])
            cache.tell("production", project.sealed_kills(project.kill_list("a")))
            assert eventually(lambda: not client.is_enabled("a"))
        cache.close()


def test_a_certificate_that_nobody_vouches_for_is_refused(valkey, authority, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with TlsProxy(valkey.port, authority) as proxy:
        remote = RedisRemote(f"rediss://:secret@127.0.0.1:{proxy.port}/0", "acme", timeout=10.0)
        with pytest.raises(RemoteError, match="certificate") as caught:
            remote.get(HELLO, max_bytes=100)
        assert "secret" not in str(caught.value)
        remote.close()


def test_a_certificate_of_another_host_is_refused(valkey, tmp_path, monkeypatch):
    ca, server = make_authority(tmp_path / "ca", host="127.0.0.2")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    with TlsProxy(valkey.port, server) as proxy:
        remote = RedisRemote(f"rediss://127.0.0.1:{proxy.port}/0", "acme", timeout=10.0)
        with pytest.raises(RemoteError, match="certificate"):
            remote.get(HELLO, max_bytes=100)
        remote.close()


def test_a_server_without_tls_is_an_error_and_no_hang(valkey):
    remote = RedisRemote(f"rediss://127.0.0.1:{valkey.port}/0", "acme", timeout=2.0)
    with pytest.raises(RemoteError):
        remote.get(HELLO, max_bytes=100)
    remote.close()
