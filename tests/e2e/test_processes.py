"""Clients in processes that are forked, spawned, stopped and resumed: each updates by itself, and none hangs.

The scripts run in processes of their own, so that only they fork; each has a watchdog that shows where it hangs.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flagctl.storage import RemoteOptions, open_remote
from tests.simulators.project import Project, bundle_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")

ROOT = Path(__file__).parents[2]
FOREVER = {"expires": 2**33}

HEAD = """
import faulthandler, multiprocessing, os, random, sys, threading, time, warnings
faulthandler.dump_traceback_later(100, exit=True)
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of every fork of a process with threads
from pathlib import Path
from flagctl.client import Client
from flagctl.storage import open_remote
from tests.simulators.project import Project, bundle_of, eventually

FOREVER = {"expires": 2**33}

def client_of(url, trust, **more):
    return Client(url, environment="production", trust=trust, poll_interval=0.05, **more)
"""

MULTIPROCESSING = (
    HEAD
    + """
def child(url, trust, ready):
    client = client_of(url, trust)
    ok = client.wait_until_ready(20) and client.is_enabled("a")
    ready.set()
    ok = ok and eventually(lambda: client.is_enabled("b"), seconds=20)
    client.close()
    sys.exit(0 if ok else 1)

def child_with_a_client_from_before(ready):
    ok = parents_client.is_enabled("a")
    ready.set()
    sys.exit(0 if ok and eventually(lambda: parents_client.is_enabled("b"), seconds=20) else 1)

if __name__ == "__main__":
    method, url = sys.argv[1], "file://" + sys.argv[2]
    project, remote = Project(), open_remote(url)
    project.put(remote, bundle_of(a=True), **FOREVER)
    parents_client = client_of(url, project.trust_data)
    assert parents_client.wait_until_ready(20)
    context = multiprocessing.get_context(method)
    events = [context.Event() for _ in range(4)]
    if method == "fork":
        children = [context.Process(target=child_with_a_client_from_before, args=(event,)) for event in events]
    else:
        children = [context.Process(target=child, args=(url, project.trust_data, event)) for event in events]
    for process in children:
        process.start()
    assert all(event.wait(60) for event in events)
    project.put(remote, bundle_of(a=True, b=True), seq=2, **FOREVER)
    for process in children:
        process.join(60)
    assert [process.exitcode for process in children] == [0] * 4
    assert eventually(lambda: parents_client.is_enabled("b"))
    try:
        context.Process(target=child, args=(parents_client, None, None)).start() if method != "fork" else None
    except TypeError as error:
        assert "each process" in str(error), error
    else:
        assert method == "fork"
"""
)

PREFORK = (
    HEAD
    + """
url, cache, forks = "file://" + sys.argv[1] + "/remote", sys.argv[1] + "/cache", int(sys.argv[2])
project, remote, rng = Project(), open_remote(url), random.Random(7)
project.put(remote, bundle_of(a=True), **FOREVER)
client = Client(url, environment="production", trust=project.trust_data, poll_interval=0.002, cache_dir=cache)
assert client.wait_until_ready(20)
stop, errors = threading.Event(), []

def look():
    while not stop.is_set():
        try:
            client.refresh()
        except Exception as error:
            errors.append(error)
        time.sleep(0.0005)

def evaluate():
    while not stop.is_set():
        client.evaluate_all({"targeting_key": "u"})
        client.status()
        time.sleep(0)

def publish():
    seq = 1
    while not stop.is_set():
        seq += 1
        project.put(remote, bundle_of(a=True, b=seq % 2 == 0), seq=seq, **FOREVER)
        project.put_kills(remote, *(["a"] if seq % 3 == 0 else []), seq=seq)
        time.sleep(0.01)
    project.put(remote, bundle_of(a=True, last=True), seq=seq + 1, **FOREVER)
    project.put_kills(remote, seq=seq + 1)

def be_a_child(grandchild):
    ok = client.evaluate("a").error_code is None
    if grandchild:
        pid = os.fork()
        if pid == 0:
            be_a_child(False)
        ok = ok and os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    # the last kill list comes a moment after the last bundle
    ok = ok and eventually(lambda: client.is_enabled("last") and client.is_enabled("a"), seconds=60)
    client.refresh()
    ok = ok and client.status().cache_error is None
    client.close()
    os._exit(0 if ok else 1)

threads = [threading.Thread(target=work) for work in (look, evaluate, evaluate, publish)]
for thread in threads:
    thread.start()
children = []
for number in range(forks):
    time.sleep(rng.random() * 0.03)
    pid = os.fork()
    if pid == 0:
        be_a_child(number % 8 == 0)
    children.append(pid)
stop.set()
for thread in threads:
    thread.join(60)
    assert not thread.is_alive()
codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children]
assert codes == [0] * forks, codes
assert errors == [], errors[:3]
assert eventually(lambda: client.is_enabled("last"))
client.close()
"""
)

FIRST_LOOK = (
    HEAD
    + """
# Forks while the parent's thread makes its first pass: modules are being loaded, connections opened.
client = client_of(sys.argv[1], Path(sys.argv[3]).read_bytes(), endpoint_url=sys.argv[4])
time.sleep(float(sys.argv[2]))
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        ok = client.wait_until_ready(40) and client.is_enabled("a")
        client.refresh()
        os._exit(0 if ok else 1)
    children.append(pid)
assert [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in children] == [0] * 3
assert client.wait_until_ready(20)
"""
)

FIRST_EVALUATIONS = (
    HEAD
    + """
# Hot flags are compiled by modules that are loaded when there is the first; a fork may come just then.
import flagctl
from flagctl.ops.bench_flags import FULL_CONTEXT, case_bundle

flags = flagctl.load(case_bundle())
begin, hot = threading.Event(), []

def evaluate():
    begin.wait()
    for _ in range(3000):
        flags.evaluate_all(FULL_CONTEXT)
        hot.append(1)

threads = [threading.Thread(target=evaluate, daemon=True) for _ in range(3)]
for thread in threads:
    thread.start()
begin.set()
while not hot:
    time.sleep(0.0001)
time.sleep(float(sys.argv[1]))
pid = os.fork()
if pid == 0:
    evaluate()
    os._exit(0)
deadline = time.monotonic() + 40
while (done := os.waitpid(pid, os.WNOHANG)) == (0, 0) and time.monotonic() < deadline:
    time.sleep(0.01)
if done == (0, 0):
    os.kill(pid, 9)
    sys.exit("the child hangs")
assert os.waitstatus_to_exitcode(done[1]) == 0
"""
)

FROZEN = (
    HEAD
    + """
client = client_of("file://" + sys.argv[1], Path(sys.argv[2]).read_bytes())
assert client.wait_until_ready(20)
print("ready", flush=True)
while not client.is_enabled("b"):
    time.sleep(0.001)
print("seen", client.status().failures, flush=True)
"""
)


def run(script: Path | str, *arguments: str, **settings) -> None:
    command = [sys.executable, *(["-c", script] if isinstance(script, str) else [str(script)]), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=150, env=environment, check=False, **settings
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "Traceback" not in done.stderr, done.stderr[-4000:]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_children_of_multiprocessing_update_by_themselves(tmp_path, method):
    script = tmp_path / "script.py"  # children that are spawned load it again
    script.write_text(MULTIPROCESSING)
    run(script, method, str(tmp_path / "remote"))


def test_forks_at_hostile_moments_under_load_leave_every_child_updating(tmp_path):
    """As celery does it, but while the parent's threads look, evaluate, save and publish all the time."""
    run(PREFORK, str(tmp_path), "40")


@pytest.mark.parametrize("delay", ["0", "0.02", "0.1", "0.25", "0.4"])
def test_forks_during_the_first_look_at_a_store_hang_nobody(tmp_path, s3_bucket, delay):
    project = Project()
    remote = open_remote(s3_bucket.url, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url))
    project.put(remote, bundle_of(a=True), **FOREVER)
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    run(FIRST_LOOK, s3_bucket.url, delay, str(tmp_path / "trust.json"), s3_bucket.endpoint_url)


@pytest.mark.parametrize("delay", ["0", "0.002", "0.005", "0.01", "0.02"])
def test_forks_during_the_first_evaluations_hang_nobody(delay):
    run(FIRST_EVALUATIONS, delay)


def test_a_process_that_was_frozen_looks_at_once_when_it_goes_on(tmp_path):
    project, remote = Project(), open_remote(f"file://{tmp_path}/remote")
    project.put(remote, bundle_of(a=True), **FOREVER)
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    command = [sys.executable, "-c", FROZEN, str(tmp_path / "remote"), str(tmp_path / "trust.json")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout.readline() == "ready\n"
            process.send_signal(signal.SIGSTOP)
            project.put(remote, bundle_of(a=True, b=True), seq=2, **FOREVER)
            time.sleep(1.5)
            begun = time.monotonic()
            process.send_signal(signal.SIGCONT)
            assert process.stdout.readline() == "seen 0\n"
            assert time.monotonic() - begun < 5
            assert process.wait(10) == 0
        finally:
            process.kill()
