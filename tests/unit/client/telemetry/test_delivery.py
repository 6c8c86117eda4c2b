"""Queues, threads, failing sinks, forks and ends of processes."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from flagctl.client.sinks.memory import MemorySink
from flagctl.client.telemetry import channel
from flagctl.errors import UsageError
from flagctl.events import Event, Exposure, Measurement, Usage
from tests.simulators.project import eventually
from tests.unit.client.telemetry.flags import client_of


class OddSink:
    """Fails, or hangs until it is let go."""

    name = "odd"
    accepts = ("measurements", "usage", "exposures")

    def __init__(self, *, fails: int = 0, hangs: bool = False) -> None:
        self.fails = fails
        self.free = threading.Event()
        if not hangs:
            self.free.set()
        self.calls: list[str] = []
        self.events: list[Event] = []

    def open(self) -> None:
        self.calls.append("open")

    def write(self, batch: Sequence[Event]) -> None:
        self.free.wait()
        self.calls.append("write")
        if self.fails:
            self.fails -= 1
            raise OSError("the disk is full")
        self.events += batch

    def flush(self) -> None:
        self.calls.append("flush")

    def close(self) -> None:
        self.calls.append("close")


def only_sink(client: Any) -> dict[str, Any]:
    return client.status().telemetry["sinks"][0]  # type: ignore[no-any-return]


def test_a_failing_sink_gets_its_batch_again_and_says_so_in_the_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "FIRST_PAUSE", 0.001)
    sink = OddSink(fails=3)
    client = client_of(sink)
    client.measure("m", 1.0)
    assert eventually(lambda: len(sink.events) == 1)
    status = only_sink(client)
    assert (status["failures"], status["delivered"], status["dropped"]) == (3, 1, {})
    assert status["last_error"] == "OSError: the disk is full"
    assert eventually(lambda: only_sink(client)["state"] == "ok")
    client.close()
    assert sink.calls[0] == "open"
    assert sink.calls[-1] == "close"
    assert sink.calls.count("open") == 1
    assert only_sink(client)["state"] == "closed"


def test_a_batch_that_never_gets_through_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "FIRST_PAUSE", 0.001)
    monkeypatch.setattr(channel, "LONGEST_PAUSE", 0.002)
    sink = OddSink(fails=channel.ATTEMPTS)
    client = client_of(sink)
    client.measure("lost", 1.0)
    assert eventually(lambda: only_sink(client)["dropped"] == {"sink_failed": 1})
    client.measure("next", 2.0)
    assert eventually(lambda: [event.name for event in sink.events] == ["next"])  # type: ignore[union-attr]
    client.close()


def test_a_hanging_sink_holds_up_nobody_and_what_does_not_fit_is_counted() -> None:
    hanging, other = OddSink(hangs=True), MemorySink()
    client = client_of(hanging, other, queue=50, batch=10)
    for number in range(200):
        client.measure("m", number)
        if number % 20 == 19:
            other.wait_for(Measurement, number + 1)
    begin = time.monotonic()
    for _ in range(20_000):
        client.is_enabled("button", {"targeting_key": "user-1"})
    assert time.monotonic() - begin < 2.0
    dropped = only_sink(client)["dropped"]["queue_full"]
    assert dropped >= 130
    begin = time.monotonic()
    client.close(timeout=0.2)
    assert time.monotonic() - begin < 2.0
    assert only_sink(client)["dropped"]["not_delivered_at_exit"] >= 50
    assert len(other.of(Measurement)) == 200
    hanging.free.set()


def test_units_are_remembered_in_bounded_memory_and_come_back_when_forgotten() -> None:
    sink = MemorySink(accepts=["exposures"])
    client = client_of(sink, exposure_units=1_000, queue=50_000)
    for number in range(20_000):
        client.is_enabled("button", {"targeting_key": f"user-{number}"})
        client.is_enabled("button", {"targeting_key": "regular"})
    status = client.status().telemetry
    assert status is not None
    assert status["remembered_units"] <= 1_010
    client.is_enabled("button", {"targeting_key": "user-0"})
    client.close()
    units = [exposure.unit_id for exposure in sink.of(Exposure)]
    assert len(units) == 20_002
    assert units.count("regular") == 1
    assert units.count("user-0") == 2


def test_exposures_are_repeated_after_their_window() -> None:
    sink = MemorySink(accepts=["exposures"])
    client = client_of(sink, exposure_window=0.1)

    def twice() -> bool:
        client.is_enabled("button", {"targeting_key": 1})
        return len(sink.events) >= 2

    assert eventually(twice)
    client.close()


def test_an_exposure_that_nobody_could_take_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from flagctl.client.telemetry import hub

    monkeypatch.setattr(hub, "_MOST_NOTES", 3)
    sink = MemorySink(accepts=["exposures"])
    client = client_of(sink, flush_interval=0.2)
    for number in range(10):
        client.is_enabled("button", {"targeting_key": f"user-{number}"})
    status = client.status().telemetry
    assert status is not None
    assert status["dropped"] == {"queue_full": 7}
    sink.wait_for(Exposure, 3)
    client.is_enabled("button", {"targeting_key": "user-9"})
    client.is_enabled("button", {"targeting_key": "user-0"})
    client.close()
    assert [exposure.unit_id for exposure in sink.of(Exposure)] == ["user-0", "user-1", "user-2", "user-9"]


def test_a_client_that_nobody_holds_delivers_the_rest_and_its_threads_end() -> None:
    sink = MemorySink()
    client = client_of(sink)
    client.is_enabled("button", {"targeting_key": "user-1"})
    gone = weakref.ref(client)
    del client
    gc.collect()
    assert gone() is None
    sink.wait_for(Exposure, 1)
    sink.wait_for(Usage, 1)
    names = {"flagctl-telemetry", "flagctl-sink-memory"}
    assert eventually(lambda: not names & {thread.name for thread in threading.enumerate()})


def test_after_close_evaluations_go_on_and_are_not_reported() -> None:
    sink = MemorySink()
    client = client_of(sink)
    client.close()
    written = len(sink.events)
    assert client.is_enabled("plain", {})
    client.is_enabled("button", {"targeting_key": "late"})
    client.measure("m", 1.0)
    client.close()
    assert len(sink.events) == written
    status = client.status().telemetry
    assert status is not None
    assert status["dropped"] == {"closed": 2}


def test_evaluations_before_the_first_bundle_are_counted(tmp_path: Path) -> None:
    from flagctl.client import Client
    from flagctl.client.telemetry import Telemetry

    sink = MemorySink()
    with pytest.warns(UserWarning, match="insecure"):
        client = Client(
            f"file://{tmp_path}/nothing",
            environment="production",
            insecure=True,
            sinks=[sink],
            telemetry=Telemetry(flush_interval=0.01, usage_window=0.02),
        )
    client.is_enabled("a", {})
    client.get_value("a", {}, 1)
    client.evaluate("b", {})
    assert client.evaluate_typed("b", {}, 5, bool) == client.evaluate("b", {}, 5)
    client.get_variant("b", {})
    client.evaluate_all({})
    client.track_conversion(None, {"targeting_key": "u"}, metric="m")
    client.measure("m", 1.0, {"targeting_key": "u"}, attributes={"a": "b"})
    client.close()
    counted = {(usage.flag, usage.reason): usage.count for usage in sink.of(Usage)}
    assert counted == {("a", "ERROR:PROVIDER_NOT_READY"): 2, ("b", "ERROR:PROVIDER_NOT_READY"): 3}
    (measurement,) = sink.of(Measurement)
    assert (measurement.unit_id, measurement.attrs) == (None, {})  # what is personal is not known yet
    status = client.status().telemetry
    assert status is not None
    assert status["dropped"] == {"not_ready": 1}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"log_rate": 2}, "log_rate"),
        ({"usage_window": 0}, "usage_window"),
        ({"queue": 0}, "queue"),
        ({"hash_key": "short"}, "hash_key"),
        ({"full_log": "plain"}, "full_log"),
        ({"exit_timeout": -1}, "exit_timeout"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        client_of(MemorySink(), **options)


def test_what_is_no_list_of_sinks_is_refused() -> None:
    from flagctl.client import Client
    from flagctl.evaluator import load
    from tests.unit.client.telemetry.flags import bundle

    with pytest.raises(UsageError, match="sinks is a list"):
        Client("file:///fixed", environment="production", fixed=load(bundle()), sinks=MemorySink())  # type: ignore[arg-type]


def test_a_sink_of_unknown_kinds_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown kinds of events: clicks"):
        client_of(MemorySink(accepts=["clicks"]))


PROGRAM = """
import json, os, sys
from tests.unit.client.telemetry.flags import client_of

class FileSink:
    name, accepts = "file", ("usage", "exposures", "measurements")
    def open(self): self.file = open(f"{sys.argv[1]}/{os.getpid()}", "a")
    def write(self, batch):
        for event in batch: self.file.write(json.dumps(event.to_dict()) + chr(10))
    def flush(self): self.file.flush()
    def close(self): self.file.close()

client = client_of(FileSink(), flush_interval=60.0, usage_window=60.0)
"""


def run(folder: Path, body: str, status: int = 0) -> dict[str, list[dict[str, Any]]]:
    """Run a program with a client; return what each of its processes wrote, the parent's as ``parent``."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM + body, str(folder)],
        cwd=Path(__file__).parents[4],
        timeout=60,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (status, "")
    return {
        path.name: [json.loads(line) for line in path.read_text().splitlines()] for path in sorted(folder.iterdir())
    }


def evaluations(rows: list[dict[str, Any]]) -> int:
    return sum(row["count"] for row in rows if "count" in row)


def test_the_end_of_the_process_flushes(tmp_path: Path) -> None:
    files = run(tmp_path, "for n in range(7): client.is_enabled('button', {'targeting_key': n})\n")
    (rows,) = files.values()
    assert evaluations(rows) == 7
    assert len(rows) == 7 + len([row for row in rows if "count" in row])


def test_an_exception_that_nobody_catches_flushes_too(tmp_path: Path) -> None:
    files = run(tmp_path, "client.is_enabled('plain', {})\nsys.exit(3)\n", status=3)
    (rows,) = files.values()
    assert evaluations(rows) == 1


def test_a_sink_that_hangs_does_not_keep_the_process_alive(tmp_path: Path) -> None:
    begin = time.monotonic()
    body = "import time\nFileSink.write = lambda self, batch: time.sleep(3600)\nclient.is_enabled('plain', {})\n"
    run(tmp_path, body)
    assert time.monotonic() - begin < 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("way", ["fork", "multiprocessing"])
def test_forked_children_report_their_own_evaluations_and_nothing_twice(tmp_path: Path, way: str) -> None:
    body = """
import multiprocessing
for n in range(5): client.is_enabled('button', {'targeting_key': f'parent-{n}'})
def work():
    for n in range(3): client.is_enabled('button', {'targeting_key': f'child-{n}'})
    client.is_enabled('button', {'targeting_key': 'parent-0'})
if sys.argv[0] == '-c' and WAY == 'fork':
    child = os.fork()
    if not child:
        work()
        sys.exit(0)
    os.waitpid(child, 0)
else:
    process = multiprocessing.get_context('fork').Process(target=work)
    process.start()
    process.join()
for n in range(5): client.is_enabled('button', {'targeting_key': f'parent-{n}'})
"""
    files = run(tmp_path, f"WAY = {way!r}\n" + body)
    assert len(files) == 2
    parent, child = sorted(files.values(), key=evaluations, reverse=True)
    assert (evaluations(parent), evaluations(child)) == (10, 4)
    units = [row["unit_id"] for rows in files.values() for row in rows if "unit_id" in row]
    assert sorted(units) == sorted([f"parent-{n}" for n in range(5)] + [f"child-{n}" for n in range(3)])
    ids = [row["event_id"] for rows in files.values() for row in rows if "event_id" in row]
    assert len(set(ids)) == len(ids)


def in_a_spawned_process(folder: str) -> None:
    class CountingSink(OddSink):
        def write(self, batch: Sequence[Event]) -> None:
            with Path(folder, "spawned").open("a") as file:
                file.writelines(f"{event.kind}\n" for event in batch)

    client = client_of(CountingSink(), flush_interval=60.0)
    client.is_enabled("button", {"targeting_key": "u"})


def test_a_client_made_in_a_child_of_multiprocessing_flushes_at_its_end(tmp_path: Path) -> None:
    process = multiprocessing.get_context("spawn").Process(target=in_a_spawned_process, args=(str(tmp_path),))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert sorted(Path(tmp_path, "spawned").read_text().split()) == ["exposures", "usage"]
