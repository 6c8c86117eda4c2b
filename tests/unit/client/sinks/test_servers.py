"""Sinks that deliver to a real S3 store and a real Valkey."""

from __future__ import annotations

import gzip
import io
from pathlib import Path
from typing import Any

import pytest
import redis
from pyarrow import parquet

from flagctl.client.sinks import RedisStreamSink, S3Sink, Sizes
from flagctl.client.telemetry import channel
from flagctl.errors import RemoteError, UsageError
from flagctl.events import from_json_line
from flagctl.storage.remote import RemoteOptions, open_remote
from tests.simulators.fault_proxy import FaultProxy
from tests.simulators.fixtures import Bucket
from tests.simulators.project import eventually
from tests.simulators.valkey import Valkey
from tests.unit.client.sinks.events import exposure, one_of_each
from tests.unit.client.telemetry.flags import client_of


def stored(bucket: Bucket) -> dict[str, bytes]:
    remote = open_remote(bucket.url, options=RemoteOptions(endpoint_url=bucket.endpoint_url))
    found: dict[str, bytes] = {}
    for key in remote.list(""):
        fetched: Any = remote.get(key, max_bytes=10**7)
        found[key] = fetched.data
    return found


def test_batches_go_to_s3_as_lines_of_json(s3_bucket: Bucket) -> None:
    sink = S3Sink(s3_bucket.url, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url))
    sink.open()
    sink.write(one_of_each())
    sink.write([exposure(2)])
    sink.close()
    objects = stored(s3_bucket)
    assert len(objects) == 5
    for key, data in objects.items():
        kind, day, name = key.split("/")
        assert day == "dt=2026-11-20"
        assert name.endswith(".jsonl.gz")
        lines = gzip.decompress(data).splitlines()
        assert len(lines) == (2 if kind == "exposures" else 1)
        assert all(from_json_line(kind, line).kind == kind for line in lines)


def test_batches_go_to_s3_as_parquet(s3_bucket: Bucket) -> None:
    sink = S3Sink(
        s3_bucket.url,
        format="parquet",
        accepts=["exposures"],
        options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url),
    )
    sink.open()
    sink.write([exposure(number) for number in range(10)])
    sink.close()
    ((key, data),) = stored(s3_bucket).items()
    assert key.endswith(".parquet")
    assert parquet.read_table(io.BytesIO(data)).num_rows == 10


def test_uploads_go_on_when_the_store_is_back(
    s3_bucket: Bucket, fault_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(channel, "FIRST_PAUSE", 0.02)
    fault_proxy.set("refuse")
    options = RemoteOptions(endpoint_url=f"http://127.0.0.1:{fault_proxy.port}", connect_timeout=0.5, read_timeout=0.5)
    sink = S3Sink(s3_bucket.url, sizes=Sizes(max_seconds=0.0), accepts=["exposures"], options=options)
    client = client_of(sink)
    for number in range(20):
        client.is_enabled("button", {"targeting_key": f"user-{number}"})

    def state() -> Any:
        status = client.status().telemetry
        assert status is not None
        return status["sinks"][0]

    assert eventually(lambda: state()["failures"] >= 1)
    assert state()["state"] == "failing"
    assert state()["dropped"] == {}
    fault_proxy.set("pass")
    assert eventually(lambda: len(stored(s3_bucket)) >= 1, seconds=20)
    client.close()
    lines = [line for data in stored(s3_bucket).values() for line in gzip.decompress(data).splitlines()]
    assert len(lines) == 20


def test_a_place_that_cannot_be_written_to_is_refused() -> None:
    with pytest.raises(UsageError, match="can't be uploaded"):
        S3Sink("https://example.com/events")
    with pytest.raises(UsageError, match="no format 'csv'"):
        S3Sink("s3://bucket/events", format="csv")


def test_events_go_to_a_stream(valkey: Valkey) -> None:
    sink = RedisStreamSink(valkey.url)
    sink.open()
    sink.write(one_of_each())
    sink.close()
    with redis.Redis.from_url(valkey.url) as server:
        entries: Any = server.xrange("flagctl:events")
    read = [from_json_line(entry[b"kind"].decode(), entry[b"event"]) for _, entry in entries]
    assert read == one_of_each()


def test_a_stream_keeps_its_length_and_a_batch_comes_whole_or_not_at_all(valkey: Valkey) -> None:
    sink = RedisStreamSink(valkey.url + "/acme", stream="mine", max_length=200, timeout=0.3)
    sink.open()
    for begin in range(0, 2_000, 100):
        sink.write([exposure(begin + number) for number in range(100)])
    with redis.Redis.from_url(valkey.url) as server:
        assert 200 <= int(server.xlen("acme:mine")) <= 400  # type: ignore[arg-type]
    valkey.stop()
    with pytest.raises(RemoteError, match=r"127\.0\.0\.1"):
        sink.write([exposure(1)])
    valkey.start()
    sink.write([exposure(1), exposure(2)])
    with redis.Redis.from_url(valkey.url) as server:
        assert server.xlen("acme:mine") == 2
    sink.close()


def test_a_password_shows_in_no_message(tmp_path: Path) -> None:
    with Valkey(tmp_path, password="s3cret-word").start() as server:  # noqa: S106 - of a test
        sink = RedisStreamSink(f"redis://:wrong-word@127.0.0.1:{server.port}/0")
        sink.open()
        with pytest.raises(RemoteError) as caught:
            sink.write([exposure(1)])
        assert "wrong-word" not in str(caught.value)
        good = RedisStreamSink(server.url)
        good.open()
        good.write([exposure(1)])
        good.close()
