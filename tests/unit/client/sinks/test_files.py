"""Files of events: complete under their names, whole after failures, any number of processes."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import dataset, parquet

from flagctl.client.sinks import JsonlSink, ParquetSink, Sizes
from flagctl.client.sinks import jsonl as jsonl_module
from flagctl.events import COLUMNS, KINDS, Event, from_json_line
from tests.unit.client.sinks.events import DAY, exposure, one_of_each
from tests.unit.client.telemetry.flags import client_of


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def read(folder: Path) -> list[Event]:
    """Return the events of all complete files, as a reader finds them."""
    events = []
    for path in sorted(folder.glob("*/dt=*/[!.]*")):
        data = path.read_bytes()
        lines = (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines()
        events += [from_json_line(path.parts[-3], line) for line in lines]
    return events


def hidden(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/dt=*/.*"))


def test_a_file_gets_its_name_when_it_is_complete(tmp_path: Path) -> None:
    sink = JsonlSink(tmp_path)
    sink.open()
    sink.write(one_of_each())
    assert read(tmp_path) == []
    assert len(hidden(tmp_path)) == 5
    sink.close()
    assert hidden(tmp_path) == []
    assert {event.kind for event in read(tmp_path)} == {event.kind for event in one_of_each()}
    assert sorted(path.parts[-2] for path in tmp_path.glob("*/dt=*/*")) == ["dt=2026-11-20"] * 5


@pytest.mark.parametrize("compress", [False, True])
def test_size_and_age_complete_a_file(tmp_path: Path, compress: bool) -> None:
    clock = Time()
    sink = JsonlSink(tmp_path, max_bytes=1_000, max_seconds=60, compress=compress, monotonic=clock)
    sink.open()
    sink.write([exposure(1)])
    sink.flush()
    assert read(tmp_path) == []
    sink.write([exposure(number) for number in range(2, 6)])
    assert len(read(tmp_path)) == 5
    sink.write([exposure(6), exposure(7, ts=exposure().ts + DAY)])
    clock.now = 61.0
    sink.flush()
    assert len(read(tmp_path)) == 7
    assert hidden(tmp_path) == []
    ending = ".jsonl.gz" if compress else ".jsonl"
    assert all(path.name.endswith(ending) for path in tmp_path.glob("*/dt=*/*"))
    sink.close()


def test_a_write_that_fails_half_way_leaves_nothing_of_its_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = JsonlSink(tmp_path)
    sink.open()
    sink.write(one_of_each())
    real, calls = os.write, []

    def full_disk(descriptor: int, data: memoryview) -> int:
        calls.append(descriptor)
        if len(calls) == 4:
            raise OSError(28, "No space left on device")
        return real(descriptor, data[: max(1, len(data) // 2)] if len(calls) == 3 else data)

    monkeypatch.setattr(jsonl_module.os, "write", full_disk)
    with pytest.raises(OSError, match="No space"):
        sink.write(one_of_each())
    monkeypatch.undo()
    sink.write(one_of_each())
    sink.close()
    found = read(tmp_path)
    assert len(found) == 10
    assert all(found.count(event) == 2 for event in one_of_each())


WRITER = """
import sys, time
from flagctl.client.sinks import JsonlSink
from tests.unit.client.sinks.events import exposure
sink = JsonlSink(sys.argv[1], max_bytes=12_000)
sink.open()
for number in range(int(sys.argv[2]), int(sys.argv[2]) + 200):
    sink.write([exposure(number)])
print("written", flush=True)
if sys.argv[3] == "hang":
    time.sleep(60)
sink.close()
"""


def writer(folder: Path, begin: int, end: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder), str(begin), end],
        cwd=Path(__file__).parents[4],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_processes_share_a_folder_and_what_a_killed_one_left_is_completed(tmp_path: Path) -> None:
    processes = [writer(tmp_path, 0, "close"), writer(tmp_path, 1_000, "close"), writer(tmp_path, 2_000, "hang")]
    hanging = processes[2]
    assert hanging.stdout is not None
    assert hanging.stdout.readline() == "written\n"
    for process in processes[:2]:
        assert process.wait(120) == 0
    (left,) = hidden(tmp_path)
    alive = JsonlSink(tmp_path)
    alive.open()
    assert hidden(tmp_path) == [left]  # its owner is alive
    hanging.send_signal(signal.SIGKILL)
    hanging.wait()
    with left.open("ab") as file:
        file.write(b'{"half a line')
    JsonlSink(tmp_path).open()
    assert hidden(tmp_path) == []
    units = {event.unit_id for event in read(tmp_path)}  # type: ignore[union-attr]
    assert units == {f"user-{begin + number}" for begin in (0, 1_000, 2_000) for number in range(200)}
    for process in processes:
        assert process.stdout is not None
        process.stdout.close()


@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=30)
@given(
    st.lists(st.sampled_from([*one_of_each(), exposure(2, unit_id="ü\n\u2028\x00"), exposure(3, ts=5)]), max_size=20)
)
def test_what_was_written_is_read_again_in_both_formats(
    tmp_path_factory: pytest.TempPathFactory, events: list[Event]
) -> None:
    lines, tables = tmp_path_factory.mktemp("lines"), tmp_path_factory.mktemp("tables")
    for sink in (JsonlSink(lines), ParquetSink(tables)):
        sink.open()
        for event in events:
            sink.write([event])
        sink.close()
    found = read(lines)
    assert sorted(map(repr, found)) == sorted(map(repr, events))
    for kind in KINDS:
        rows = []
        for path in tables.glob(f"{kind}/dt=*/*.parquet"):
            for row in parquet.ParquetFile(path).read().to_pylist():
                instant = row["ts"]
                row["ts"] = instant.isoformat(timespec="microseconds").replace("+00:00", "Z")
                rows.append(KINDS[kind].from_dict({**row, **({"attrs": dict(row["attrs"])} if "attrs" in row else {})}))
        assert sorted(map(repr, rows)) == sorted(repr(event) for event in events if event.kind == kind)


def test_parquet_files_have_the_columns_of_their_kind_and_microseconds(tmp_path: Path) -> None:
    sink = ParquetSink(tmp_path, sizes=Sizes(max_events=2))
    sink.open()
    sink.write([exposure(1)])
    sink.flush()
    assert not list(tmp_path.rglob("*.parquet"))
    sink.write([exposure(2), *one_of_each()])
    sink.flush()
    (path,) = tmp_path.rglob("*.parquet")
    schema = parquet.read_schema(path)
    assert schema.names == [column.name for column in COLUMNS["exposures"]]
    assert schema.field("ts").type == pa.timestamp("us", tz="UTC")
    assert not schema.field("unit_id").nullable
    sink.close()
    assert len(list(tmp_path.rglob("*.parquet"))) == 5
    assert dataset.dataset(tmp_path / "exposures", partitioning="hive").count_rows() == 3


def test_a_parquet_file_that_cannot_be_written_is_written_later(tmp_path: Path) -> None:
    place = tmp_path / "events"
    place.write_text("in the way")
    sink = ParquetSink(place, sizes=Sizes(max_events=1, spool_bytes=10_000))
    sink.open()
    sink.write([exposure(1)])
    with pytest.raises(OSError, match="events"):
        sink.flush()
    for number in range(2, 6):
        sink.write([exposure(number)])
    status = sink.status()
    assert status["waiting_objects"] + status["given_up_objects"] == 5
    assert status["given_up_objects"] > 0
    place.unlink()
    sink.flush()
    assert len(list(place.rglob("*.parquet"))) == 5 - status["given_up_objects"]
    sink.close()


def test_a_client_writes_files_while_it_runs(tmp_path: Path) -> None:
    client = client_of(JsonlSink(tmp_path, max_seconds=0.05))
    client.is_enabled("button", {"targeting_key": "user-1"})
    until = time.monotonic() + 10
    while not list(tmp_path.glob("exposures/dt=*/*.jsonl")):
        assert time.monotonic() < until
        time.sleep(0.01)
    client.close()
    assert {event.kind for event in read(tmp_path)} == {"exposures", "usage"}
