"""What breaks around a client: each promise of the table in docs/security.md that no other test tries with real servers."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flagctl.client.client import Client
from flagctl.errors import RemoteError
from flagctl.evaluator import Reason
from flagctl.ops.publish import publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.storage import RemoteOptions, open_remote
from tests.simulators.project import Clock, Project, bundle_of, eventually

ONE, TWO = bundle_of(a=True), bundle_of(a=True, b=True)
ROOT = Path(__file__).parents[2]
DAY = 86_400


@pytest.fixture(scope="module")
def project():
    return Project()


def client_of(project, url, endpoint_url, **more) -> Client:
    settings = {"environment": "production", "trust": project.trust_data, "poll_interval": 3600, "clock": Clock()}
    return Client(url, endpoint_url=endpoint_url, **{**settings, **more})


def cost(client: Client) -> float:
    """CPU seconds of a thousand evaluations, the least of several."""
    best = 9.0
    for _ in range(15):
        begun = time.thread_time()
        for _ in range(1000):
            client.is_enabled("a", {"targeting_key": "u"})
        best = min(best, time.thread_time() - begun)
    return best


TROUBLE = {
    "down": ("refuse", {}),
    "503": ("status", {"status": 503}),
    "500": ("status", {"status": 500}),
    "cut": ("cut", {"count": 400}),
    "silent": ("silent", {}),
}


@pytest.mark.parametrize("name", TROUBLE)
def test_a_store_in_trouble_changes_no_answer_and_no_speed_and_is_asked_once_for_each_wait(
    project, s3_bucket, fault_proxy, name
):
    remote = open_remote(s3_bucket.url, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url))
    project.put(remote, ONE)
    clock = Clock()
    with client_of(project, s3_bucket.url, fault_proxy.url, clock=clock) as client:
        assert client.wait_until_ready(20)
        quiet = cost(client)
        project.put(remote, TWO, seq=2)
        mode, settings = TROUBLE[name]
        fault_proxy.set(mode, **settings)
        asked = fault_proxy.requests
        waits = []
        for _ in range(1 if name == "silent" else 3):
            with pytest.raises(RemoteError):
                client._updater.update()
            waits.append(client._updater.next_delay())
        if mode != "refuse":
            assert fault_proxy.requests - asked == len(waits)
        assert all(0.5 < wait <= 2.0 ** (number + 1) for number, wait in enumerate(waits))
        assert client.evaluate_all() == {"a": True}
        assert cost(client) < quiet * 2 + 0.001
        clock.pass_by(31 * DAY)
        client._updater.check_expiry()
        assert client.evaluate("a").reason is Reason.STALE
        assert client.is_enabled("a")
        clock.pass_by(-31 * DAY)
        fault_proxy.set("pass")
        assert client.refresh()
        assert client.evaluate_all() == {"a": True, "b": True}
        assert client.evaluate("a").reason is Reason.STATIC


def test_a_name_that_no_longer_resolves_leaves_the_last_known_good(project, s3_bucket, tmp_path):
    remote = open_remote(s3_bucket.url, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url))
    project.put(remote, ONE)
    with client_of(project, s3_bucket.url, s3_bucket.endpoint_url, cache_dir=tmp_path / "cache") as client:
        client.refresh()
    gone = "http://store.invalid:9000"
    with client_of(project, s3_bucket.url, gone, cache_dir=tmp_path / "cache") as client:
        assert client.wait_until_ready(0)
        assert client.evaluate("a").reason is Reason.STATIC
        with pytest.raises(RemoteError, match="cannot be reached"):
            client.refresh()
        assert client.is_enabled("a")
        assert client.status().source == "cache"


FULL = """
import resource, signal, sys, time
from pathlib import Path
from flagctl.client import Client

url, trust, cache = sys.argv[1:4]
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no byte more fits, as on a disk that is full
client = Client(url, environment="production", trust=Path(trust).read_bytes(), cache_dir=cache, poll_interval=3600)
assert client.wait_until_ready(20)
assert client.is_enabled("a") and not client.is_enabled("b")
for _ in range(500):
    if client.status().cache_error:
        break
    time.sleep(0.01)
assert "cannot be written" in client.status().cache_error
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such limits")
def test_a_disk_that_is_full_leaves_everything_in_memory_working(project, tmp_path):
    remote = open_remote(f"file://{tmp_path}/remote")
    project.put(remote, ONE, expires=2**33)
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    command = [sys.executable, "-c", FULL, remote.url, str(tmp_path / "trust.json"), str(tmp_path / "cache")]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert done.returncode == 0, done.stderr


def test_publishers_and_readers_on_a_real_store_never_see_a_number_fall(project, s3_bucket):
    """Two publishers and a client on S3; the unit tests have eight publishers."""
    import threading

    remote = open_remote(s3_bucket.url, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url))
    target = project.target(remote)
    publish(target, bundle_of(a=True), project.publishers, PublishOptions(clock=Clock()))
    seen: list[int] = []
    with client_of(project, s3_bucket.url, s3_bucket.endpoint_url, poll_interval=0.02) as client:
        assert client.wait_until_ready(20)
        client.add_listener(lambda status: seen.append(status.seq))

        def work(name: str) -> None:
            for number in range(4):
                data = bundle_of(**{"a": True, f"{name}_{number}": True})
                publish(target, data, project.publishers, PublishOptions(clock=Clock(), allow_rollback=True))

        threads = [threading.Thread(target=work, args=(name,)) for name in ("left", "right")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert eventually(lambda: client.status().seq == 9, seconds=20)
    assert seen == sorted(set(seen))
