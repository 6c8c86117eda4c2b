"""A forked child keeps its flags up to date by itself; played in a process of its own, so that only it forks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys, time, warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of every fork of a process with threads
from flagctl.client import Client
from flagctl.storage import open_remote
from tests.simulators.project import Project, bundle_of, eventually

url = "file://" + sys.argv[1]
held = sys.argv[2] == "held"
project, remote = Project(), open_remote(url)
project.put(remote, bundle_of(a=True), expires=2**33)
client = Client(url, environment="production", trust=project.trust_data, poll_interval=0.05)
assert client.wait_until_ready(10)
thread = client._background._thread
if held:
    client._updater._lock.acquire()
child = os.fork()
if child == 0:
    ok = client.is_enabled("a") and client.wait_until_ready(0)
    ok = ok and client._background._thread is not thread and client._background._thread.is_alive()
    ok = ok and eventually(lambda: client.is_enabled("b"))
    client.close()
    os._exit(0 if ok else 1)
if held:
    client._updater._lock.release()
time.sleep(0.2)
project.put(remote, bundle_of(a=True, b=True), seq=2, expires=2**33)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert eventually(lambda: client.is_enabled("b"))
assert client._background._thread is thread
client.close()
closed = os.fork()
if closed == 0:
    os._exit(0 if not client._background._thread.is_alive() else 1)
assert os.waitstatus_to_exitcode(os.waitpid(closed, 0)[1]) == 0
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize("lock", ["free", "held"])
def test_a_forked_child_updates_by_itself(tmp_path, lock):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "remote"), lock],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert done.returncode == 0, done.stderr
