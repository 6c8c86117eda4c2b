"""Events in a real S3 server, read by a real Spark."""

from __future__ import annotations

import gzip
import os
import tempfile
from pathlib import Path

import pytest
from pyarrow import fs

from flagctl.model import Decision, Metric
from flagctl.warehouse.aggregate import AggregateOptions, aggregate
from flagctl.warehouse.copies import Copies
from flagctl.warehouse.duck import DuckEngine
from flagctl.warehouse.listing import list_events
from flagctl.warehouse.spark import SparkEngine
from tests.simulators import seaweed
from tests.spark.test_engines_agree import QUIET, agree
from tests.unit.experiments.samples import DAY, START, experiment
from tests.unit.warehouse.test_aggregation import KINDS, SETUP, story, write_lines, write_parquet

pytestmark = [pytest.mark.spark, *QUIET]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    server = seaweed.start(tmp_path_factory.mktemp("weed"))
    yield server
    seaweed.stop(server)


@pytest.fixture
def bucket(store, monkeypatch, tmp_path):
    """Put the files of a folder into a bucket of their own; returns how to list them."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweed.ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweed.SECRET_KEY)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()

    def put(folder: Path, name: str):
        client = seaweed.client_of(store.endpoint_url)
        client.create_bucket(Bucket=name)
        for path in folder.rglob("*"):
            if path.is_file():
                key = f"all events/{path.relative_to(folder).as_posix()}"
                client.put_object(Bucket=name, Key=key, Body=path.read_bytes())
        client.close()
        return list_events(f"s3://{name}/all events", KINDS, endpoint_url=store.endpoint_url)

    return put


def read(engine, listing, setup):
    try:
        engine.load(listing)
        return aggregate(engine, setup, AggregateOptions(as_of_ms=START + 14 * DAY, details=False), engine.findings)
    finally:
        engine.close()


def test_spark_reads_a_store_as_duckdb_reads_the_folder(running, bucket, tmp_path):
    exposures, conversions = story(3, units=300)
    folder = tmp_path / "events"
    write_parquet(folder, "exposures", exposures)
    write_lines(folder, conversions)
    packed = folder / "conversions" / "dt=2025-10-09" / "part [1].jsonl.gz"
    packed.parent.mkdir(parents=True, exist_ok=True)
    # Delivered twice, and packed; a name with signs that Spark takes for a pattern.
    packed.write_bytes(gzip.compress(next((folder / "conversions").rglob("*.jsonl")).read_bytes()))
    setup = experiment(**SETUP)
    theirs = read(SparkEngine(), bucket(folder, "whole"), setup)
    own = read(DuckEngine(), list_events(str(folder), KINDS), setup)
    assert own.metrics["order"].arms[0].moments.n > 50
    agree(own, theirs)
    assert not list((tmp_path / "temporary").glob("flagctl-events-*"))


def test_files_of_a_store_that_break_off_are_named_by_their_place_in_it(running, bucket, tmp_path):
    exposures, conversions = story(4, units=200)
    folder = tmp_path / "events"
    write_parquet(folder, "exposures", exposures)
    write_lines(folder, conversions)
    day = next((folder / "conversions").glob("dt=*"))
    (day / "broken.jsonl.gz").write_bytes(gzip.compress(os.urandom(4000))[:-500])
    whole = next((folder / "exposures").rglob("*.parquet")).read_bytes()
    (folder / "exposures" / day.name).mkdir(exist_ok=True)
    (folder / "exposures" / day.name / "cut.parquet").write_bytes(whole[: len(whole) // 2])
    setup = experiment(primary=Metric(kind="mean", event="order"), decision=Decision(maturity="all"))
    listing = bucket(folder, "broken")
    theirs, own = read(SparkEngine(), listing, setup), read(DuckEngine(), listing, setup)
    assert [one.message.split(":")[0].rpartition("/")[2] for one in theirs.findings if one.blocks] == [
        "cut.parquet",
        "broken.jsonl.gz",
    ]
    agree(own, theirs)


def test_a_file_is_copied_once_and_names_do_not_collide(tmp_path):
    for day in ("a", "b"):
        (tmp_path / day).mkdir()
        (tmp_path / day / "_part.jsonl").write_text(day)
    paths = [(tmp_path / day / "_part.jsonl").as_posix() for day in ("a", "b")]
    copies = Copies(fs.LocalFileSystem())
    copies.fetch(paths[:1])
    Path(paths[0]).write_text("changed")
    copies.fetch(paths)
    assert [copies.path_of(path).read_text() for path in paths] == ["a", "b"]
    folder = copies.path_of(paths[0]).parent
    with pytest.raises(FileNotFoundError):
        copies.fetch([(tmp_path / "gone.jsonl").as_posix()])
    copies.close()
    assert not folder.exists()
