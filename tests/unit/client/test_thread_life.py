"""The client's thread dies, the interpreter ends, clocks jump, an event loop waits: the application does not notice."""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from flagctl.evaluator import Reason
from flagctl.ops.bench_flags import large_bundle
from flagctl.storage import open_remote
from tests.simulators.project import Clock, Project, bundle_of, eventually

FOREVER = {"expires": 2**33}
ROOT = Path(__file__).parents[3]
DAY = 86_400


@pytest.fixture
def settings():
    return {"poll_interval": 0.02}


def put_into(thread, exception) -> None:
    """Raise an exception in another thread, wherever it is."""
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(exception)) == 1


class Shot(BaseException):
    """Nothing catches this by accident."""


@pytest.fixture
def quiet_threads(monkeypatch):
    """Threads may die here without a word; what they died of is kept."""
    died = []
    monkeypatch.setattr(threading, "excepthook", lambda arguments: died.append(arguments.exc_type))
    return died


@pytest.mark.parametrize("exception", [SystemExit, KeyboardInterrupt, Shot])
def test_a_thread_that_is_shot_has_a_successor(project, remote, make, caplog, quiet_threads, monkeypatch, exception):
    monkeypatch.setattr("flagctl.client.background._AGAIN_SECONDS", 0.05)
    project.put(remote, bundle_of(a=True), **FOREVER)
    client = make()
    assert client.wait_until_ready(10)
    for shot in range(5):
        thread = client._background._thread
        with caplog.at_level(logging.WARNING, "flagctl"):
            put_into(thread, exception)
            assert eventually(lambda thread=thread: not thread.is_alive())
        assert eventually(lambda thread=thread: client._background._thread is not thread)
        project.put(remote, bundle_of(**{"a": True, f"flag-{shot}": True}), seq=shot + 2, **FOREVER)
        assert eventually(lambda shot=shot: client.is_enabled(f"flag-{shot}"))
    assert caplog.text.count("another one takes over") == 5
    assert sum(thread.name == "flagctl-client" and thread.is_alive() for thread in threading.enumerate()) >= 1


def test_a_thread_that_is_gone_without_a_word_is_noticed_by_whoever_looks_at_the_client(project, remote, make, caplog):
    project.put(remote, bundle_of(a=True), **FOREVER)
    client = make()
    assert client.wait_until_ready(10)
    background = client._background
    lost, background._thread = background._thread, threading.Thread(target=int)
    background._thread.start()
    background._thread.join()
    assert eventually(lambda: not lost.is_alive())  # not its turn any more
    with caplog.at_level(logging.WARNING, "flagctl"):
        assert client.status().state == "ready"
    assert background._thread.is_alive()
    assert "another one takes over" in caplog.text
    project.put(remote, bundle_of(b=True), seq=2, **FOREVER)
    assert eventually(lambda: client.is_enabled("b"))


def test_a_machine_without_threads_to_spare_still_gets_answers_and_a_thread_later(
    project, remote, make, monkeypatch, caplog
):
    project.put(remote, bundle_of(a=True), **FOREVER)

    def refuse(_self):
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as scarce, caplog.at_level(logging.WARNING, "flagctl"):
        scarce.setattr(threading.Thread, "start", refuse)
        client = make()
        client.refresh()
        assert client.is_enabled("a")
    assert "got no thread" in caplog.text
    project.put(remote, bundle_of(b=True), seq=2, **FOREVER)
    assert client.status().seq == 1
    assert eventually(lambda: client.is_enabled("b"))


def test_a_closed_client_stays_without_a_thread(project, remote, make):
    project.put(remote, bundle_of(a=True), **FOREVER)
    client = make()
    client.wait_until_ready(10)
    client.close()
    client.status()
    assert not client._background._thread.is_alive()


ENDING = """
import atexit, sys, threading, time
from pathlib import Path
from flagctl.client import Client

how, url, trust = sys.argv[1:4]
client = Client(url, environment="production", trust=Path(trust).read_bytes(), poll_interval=0.01)
assert client.wait_until_ready(20)
if how == "at exit":
    atexit.register(lambda: print(client.is_enabled("a"), client.status().state, flush=True))
elif how == "closed at exit":
    atexit.register(client.close)
elif how == "in a module that goes":
    class Last:
        def __del__(self):
            print(client.is_enabled("a"), flush=True)
    last = Last()
elif how == "daemon":
    def ask():
        while True:
            client.evaluate_all({"targeting_key": "u"})
            client.status()
    for _ in range(3):
        threading.Thread(target=ask, daemon=True).start()
    time.sleep(0.1)
elif how == "refreshing":
    def refresh():
        while True:
            client.refresh()
    threading.Thread(target=refresh, daemon=True).start()
    time.sleep(0.1)
elif how == "error":
    client.add_listener(print)
    sys.exit("the program's own failure")
print("end", time.monotonic(), flush=True)
"""


@pytest.mark.parametrize(
    "how", ["unclosed", "at exit", "closed at exit", "in a module that goes", "daemon", "refreshing", "error", "silent"]
)
def test_a_program_ends_at_once_and_without_a_word_though_nobody_closes_its_client(project, url, remote, tmp_path, how):
    project.put(remote, bundle_of(a=True), **FOREVER)
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    command = [sys.executable, "-X", "dev", "-c", ENDING, how, url, str(tmp_path / "trust.json")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    now = time.monotonic()
    if how == "error":
        assert (done.returncode, done.stderr) == (1, "the program's own failure\n")
        return
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    if how == "at exit":
        assert lines.pop() == "True ready"
    if how == "in a module that goes":
        assert lines.pop() == "True"
    word, instant = lines.pop().split()
    assert word == "end"
    assert now - float(instant) < 1.5


def test_a_program_ends_though_the_store_never_answers(tmp_path, project):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        (tmp_path / "trust.json").write_bytes(project.trust_data)
        script = ENDING.replace("poll_interval=0.01", f'poll_interval=0.01, endpoint_url="http://127.0.0.1:{port}"')
        script = script.replace("assert client.wait_until_ready(20)", "assert not client.wait_until_ready(1)")
        command = [sys.executable, "-c", script, "unclosed", "s3://bucket/flags", str(tmp_path / "trust.json")]
        keys = {"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_EC2_METADATA_DISABLED": "true"}
        environment = {**os.environ, "PYTHONPATH": str(ROOT), **keys}
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
        now = time.monotonic()
    assert (done.returncode, done.stderr) == (0, "")
    assert now - float(done.stdout.split()[1]) < 1.5


def test_an_event_loop_waits_without_being_blocked(project, remote, make):
    async def play():
        client = make()
        assert await client.ready(0.05) is False
        waiting = asyncio.ensure_future(client.ready())
        await asyncio.sleep(0.05)
        assert not waiting.done()
        project.put(remote, bundle_of(a=True), **FOREVER)
        await asyncio.to_thread(client.refresh)
        assert await asyncio.wait_for(waiting, 10) is True
        assert await client.ready(0) is True
        also = await asyncio.get_running_loop().run_in_executor(None, client.wait_until_ready, 5)
        assert also is True
        return client.is_enabled("a")

    assert asyncio.run(play())


def test_an_event_loop_that_evaluates_goes_on_while_ten_thousand_flags_are_swapped(url, make, monkeypatch):
    """What a tick of the loop waits for is at most a few milliseconds, though taking a bundle over takes hundreds."""
    base = large_bundle(10_000, 1)
    project = Project(name="bench")
    remote = open_remote(url)
    project.put(remote, base, **FOREVER)
    client = make(trust=project.trust_data)
    assert client.wait_until_ready(60)
    seq = iter(range(2, 100))

    def publish() -> None:
        number = next(seq)
        project.put(remote, base.replace(b'"owner":"team-', b'"owner":"team%d-' % number), seq=number, **FOREVER)

    async def ticks(seconds: float) -> list[float]:
        late, end = [], time.monotonic() + seconds
        while time.monotonic() < end:
            due = time.perf_counter() + 0.002
            await asyncio.sleep(0.002)
            client.is_enabled("flag-00001", {"targeting_key": "u"})
            late.append(time.perf_counter() - due)
        return sorted(late)

    async def play() -> tuple[list[float], list[float]]:
        quiet = await ticks(1.5)
        publishing = asyncio.to_thread(publish)
        before = client.status().updates
        swapping, _ = await asyncio.gather(ticks(4.0), publishing)
        assert client.status().updates > before
        return quiet, swapping

    quiet, swapping = asyncio.run(play())
    middle = swapping[len(swapping) // 2]
    assert middle < quiet[len(quiet) // 2] + 0.005, "most ticks wait for the thread that updates"
    # Taking the bundle over takes some 300 ms of computing; in one piece, all ticks meanwhile would be late by that.
    assert sum(value > 0.05 for value in swapping) < 5


def test_evaluations_during_swaps_neither_fail_nor_mix_bundles(project, remote, make):
    """Flags a and b are never both on: neither in one snapshot nor, to one thread, going back in time."""
    versions = [bundle_of(a=True, b=False), bundle_of(a=False, b=True)]
    project.put(remote, versions[1], **FOREVER)
    client = make(poll_interval=0.001)
    assert client.wait_until_ready(10)
    wrong, stop = [], threading.Event()

    def read() -> None:
        last = 0
        while not stop.is_set():
            values = client.evaluate_all({"targeting_key": "u"})
            details = client.evaluate("a")
            seq = client.status().seq
            if values["a"] == values["b"] or details.error_code is not None or seq < last:
                wrong.append((values, details, seq, last))
            last = seq
            time.sleep(0.0002)

    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for seq in range(2, 40):
        project.put(remote, versions[seq % 2], seq=seq, **FOREVER)
        time.sleep(0.01)
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert eventually(lambda: client.status().seq == 39)
    assert client.status().updates > 10


def test_a_wall_clock_that_jumps_ahead_and_back_makes_answers_stale_and_fresh_and_stops_no_poll(project, remote, make):
    clock = Clock()
    project.put(remote, bundle_of(a=True))
    client = make(clock=clock)
    assert client.wait_until_ready(10)
    assert client.evaluate("a").reason is Reason.STATIC
    for jump, reason in ((3650 * DAY, Reason.STALE), (-3650 * DAY, Reason.STATIC), (-36500 * DAY, Reason.STATIC)):
        clock.now += jump
        assert eventually(lambda reason=reason: client.evaluate("a").reason is reason)
        polls = client.status().polls
        assert eventually(lambda polls=polls: client.status().polls > polls + 3)
    project.put(remote, bundle_of(a=True, b=True), seq=2)
    assert eventually(lambda: client.is_enabled("b"))
