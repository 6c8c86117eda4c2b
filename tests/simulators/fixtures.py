"""Fixtures with real servers and simulated faults; `tests/conftest.py` makes them known everywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple
from uuid import uuid4

import pytest

from tests.simulators import seaweed
from tests.simulators.fault_proxy import FaultProxy
from tests.simulators.valkey import Valkey


class Bucket(NamedTuple):
    """An empty bucket at a real S3 server; `url` has a prefix."""

    url: str
    endpoint_url: str
    name: str
    port: int


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[seaweed.Server]:
    """A real S3 server, one for each test process."""
    server = seaweed.start(tmp_path_factory.mktemp("seaweed"))
    yield server
    seaweed.stop(server)


@pytest.fixture
def s3_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials of the server in the environment, and nothing of this machine's own configuration."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweed.ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweed.SECRET_KEY)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def s3_bucket(s3_server: seaweed.Server, s3_credentials: None) -> Iterator[Bucket]:
    """An empty bucket, with credentials in the environment."""
    name = f"flags-{uuid4().hex[:12]}"
    client = seaweed.client_of(s3_server.endpoint_url)
    client.create_bucket(Bucket=name)
    client.close()
    yield Bucket(f"s3://{name}/acme/flags", s3_server.endpoint_url, name, s3_server.port)
    # Each bucket takes volumes of its own, and a server has only so many.
    client = seaweed.client_of(s3_server.endpoint_url)
    with contextlib.suppress(Exception):
        client.delete_bucket(Bucket=name)
    client.close()


@pytest.fixture
def fault_proxy(s3_server: seaweed.Server) -> Iterator[FaultProxy]:
    """A proxy in front of the S3 server that breaks connections on request."""
    proxy = FaultProxy(s3_server.port)
    yield proxy
    proxy.close()


@pytest.fixture
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Valkey]:
    """A real Redis-compatible server of the test's own, which it may stop, freeze and flush."""
    with Valkey.start(tmp_path_factory.mktemp("valkey")) as server:
        yield server


@pytest.fixture
def valkey_proxy(valkey: Valkey) -> Iterator[FaultProxy]:
    """A proxy in front of that server that breaks connections on request."""
    proxy = FaultProxy(valkey.port)
    yield proxy
    proxy.close()
