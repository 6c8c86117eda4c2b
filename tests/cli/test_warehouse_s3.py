"""Events in a real S3 server: lines, packed lines and Parquet, read without DuckDB's own reader."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.simulators import seaweed


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    server = seaweed.start(tmp_path_factory.mktemp("weed"))
    yield server
    seaweed.stop(server)


def test_an_analysis_of_a_store_equals_that_of_the_folder(example, cli, store, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweed.ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweed.SECRET_KEY)
    cli("experiment", "simulate-events", "ranking-test", "--out", "events", "--units", "4000")
    client = seaweed.client_of(store.endpoint_url)
    client.create_bucket(Bucket="shop")
    lines = b'{"ts":"2026-11-21T00:00:00Z","event_id":"m1","environment":"simulated","name":"x","value":1}\n'
    for path in Path("events").rglob("*.parquet"):
        client.put_object(Bucket="shop", Key=f"made up/{path.as_posix()}", Body=path.read_bytes())
    for name, body in (("a.jsonl", lines), ("b.jsonl.gz", gzip.compress(lines.replace(b"m1", b"m2")))):
        client.put_object(Bucket="shop", Key=f"made up/events/measurements/dt=2026-11-21/{name}", Body=body)
    client.close()
    words = ("experiment", "analyze", "ranking-test", "--as-of", "2026-12-15T00:00:00Z", "--events")
    place = ("s3://shop/made up/events", "--endpoint-url", store.endpoint_url)
    own, theirs = cli(*words, "events", exit_code=None), cli(*words, *place, exit_code=None)
    assert own.exit_code in {0, 1}, own.stderr
    assert theirs.exit_code == own.exit_code, theirs.stderr
    assert theirs.stdout.replace(place[0], "events").split() == own.stdout.split()
    data = cli.json("warehouse", "load", "--events", *place)
    assert {one["kind"]: one["rows"] for one in data["kinds"]}["measurements"] == 2
    assert {one["rows"] for one in cli.json("warehouse", "load", "--events", *place)["kinds"]} == {0}


def test_a_store_that_cannot_be_read_is_named(example, cli, store, monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "nothing")
    words = ("usage", "--events", "s3://shop/events", "--endpoint-url", store.endpoint_url)
    done = cli(*words, exit_code=4)
    assert "s3://shop/events cannot be listed" in " ".join(done.stderr.split())
