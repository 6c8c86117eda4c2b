"""A forked child has connections of its own to the shared cache; played in a process of its own, so that only it forks."""

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
from flagctl.storage.redis import RedisRemote
from tests.simulators.project import Project, bundle_of, eventually

url, l2 = "file://" + sys.argv[1], sys.argv[2]
project, remote = Project(), open_remote(url)
project.put(remote, bundle_of(a=True, b=True), expires=2**33)
client = Client(url, environment="production", trust=project.trust_data, poll_interval=3600.0, l2=l2)
assert client.wait_until_ready(10)
assert eventually(lambda: client.status().l2["listening"])

def follows():
    return eventually(lambda: not client.is_enabled("a")) and eventually(lambda: client.is_enabled("c"))

children = []
for _ in range(3):
    child = os.fork()
    if child == 0:
        ok = client.is_enabled("a") and eventually(lambda: client.status().l2["listening"]) and follows()
        client.close()
        os._exit(0 if ok else 1)
    children.append(child)
cache = RedisRemote(l2, "acme", timeout=5.0)
assert eventually(lambda: cache.tell("production", b"hello") == 4)  # everybody listens by itself
time.sleep(0.2)
cache.tell("production", project.sealed_kills(project.kill_list("a")))
project.put(cache, bundle_of(a=True, b=True, c=True), seq=2, expires=2**33)
cache.tell("production", b"manifest 1 2")
assert follows()
for child in children:
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
client.close()
cache.close()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
def test_forked_children_listen_and_update_by_themselves(tmp_path, valkey):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(tmp_path / "remote"), f"{valkey.url}?timeout=5"],
        capture_output=True,
        text=True,
        timeout=60,
        cwd=Path(__file__).parents[3],
        check=False,
    )
    assert done.returncode == 0, done.stderr
