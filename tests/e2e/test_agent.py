"""The agent and pushes, with a real store, a real Redis-compatible server and clients that read what they leave there."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from flagctl.bundle.layout import BundleContents, write_bundle
from flagctl.client import Client
from flagctl.errors import UsageError
from flagctl.evaluator.lists import write_list
from flagctl.ops.agent import Agent, AgentOptions, AgentSource
from flagctl.ops.kill import KillRequest, kill, unkill
from flagctl.ops.publish import heartbeat, publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.ops.rollback import rollback
from flagctl.ops.target import Target, check_store
from flagctl.ops.unit_lists import ListVersion, publish_list
from flagctl.storage import RemoteOptions, open_remote
from flagctl.storage.redis import RedisRemote
from tests.simulators.project import Project, bundle_of, eventually

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "schemas" / "output-agent.schema.json").read_text())
MANIFEST = "production/manifest.json"


class Place:
    """A project whose root of trust is valid now, published at a bucket."""

    def __init__(self, url, endpoint_url=None, l2=None):
        self.project = Project()
        self.url, self.endpoint_url = url, endpoint_url
        self.remote = open_remote(url, options=RemoteOptions(endpoint_url=endpoint_url))
        self.target = Target(remote=self.remote, environment="production", trust=self.project.trust, l2=l2)

    def publish(self, **flags):
        options = PublishOptions(allow_rollback=True)
        return publish(self.target, bundle_of(**flags), self.project.publishers, options)

    def kill(self, flag):
        return kill(self.target, [self.project.kill_signer], KillRequest(flag, "test", "ada"))

    def agent(self, *to, log=None, **changes):
        source = AgentSource(
            environment="production", url=self.url, trust=self.project.trust, to=to, endpoint_url=self.endpoint_url
        )
        lines = [] if log is None else log
        return Agent(AgentOptions(sources=(source,), **{"poll": 0.2, **changes}), lines.append)

    def client(self, url=None, **settings):
        settings = {"environment": "production", "trust": self.project.trust_data, "poll_interval": 3600.0} | settings
        return Client(url or self.url, **settings)


@pytest.fixture
def running():
    """Runs agents in threads, and ends them."""
    started = []

    def run(agent):
        thread = threading.Thread(target=agent.run, daemon=True)
        thread.start()
        started.append((agent, thread))
        return agent

    yield run
    for agent, _ in started:
        agent.stop()
    for _, thread in started:
        thread.join(20)
        assert not thread.is_alive()


def test_clients_live_on_redis_and_a_folder_that_an_agent_fills_from_s3(s3_bucket, valkey, tmp_path, running):
    place = Place(s3_bucket.url, s3_bucket.endpoint_url)
    many = {f"flag{number}": True for number in range(400)}  # enough that a delta is worth while
    place.publish(a=True, **many)
    folder = f"file://{tmp_path}/volume"
    agent = running(place.agent(valkey.url, folder))
    assert eventually(lambda: agent.state().healthy)
    jsonschema.validate(json.loads(json.dumps(agent.state().to_dict())), SCHEMA)
    with place.client(f"{valkey.url}?timeout=5") as by_redis, place.client(folder, poll_interval=0.2) as by_folder:
        clients = (by_redis, by_folder)
        assert all(client.wait_until_ready(10) for client in clients)
        assert eventually(lambda: by_redis.status().l2["listening"])
        for number in range(3):
            place.publish(a=True, **many, **{f"v{number}": True})
        assert eventually(lambda: all(client.is_enabled("v2") for client in clients))
        place.kill("a")
        assert eventually(lambda: not any(client.is_enabled("a") for client in clients))
        assert {client.status().seq for client in clients} == {4}
    # Everything a reader may ask for is there, the chain's, deltas' and the log's objects too.
    present = {path.relative_to(tmp_path / "volume").parts[1] for path in (tmp_path / "volume").rglob("*.*")}
    assert present >= {"blobs", "deltas", "kills", "log", "manifest.json", "kill.json"}


def test_an_agent_fills_what_was_flushed_also_while_the_remote_is_down(tmp_path, valkey, running):
    place = Place(f"file://{tmp_path}/remote")
    place.publish(a=True)
    log = []
    agent = running(place.agent(valkey.url, log=log))
    assert eventually(lambda: agent.state().healthy)
    (tmp_path / "remote").rename(tmp_path / "away")
    assert eventually(lambda: any(line["event"] == "trouble" for line in log))
    valkey.flush()
    with place.client(f"{valkey.url}?timeout=5", poll_interval=0.3) as client:
        assert eventually(lambda: client.is_enabled("a"), seconds=20)
    (tmp_path / "away").rename(tmp_path / "remote")
    place.publish(a=True, b=True)
    assert eventually(lambda: agent.state().environments[0].seq == 2, seconds=40)
    assert eventually(lambda: any(line["event"] == "recovered" for line in log))


def test_an_agent_survives_its_cache_and_replaces_poison(tmp_path, valkey, running):
    place = Place(f"file://{tmp_path}/remote")
    place.publish(a=True)
    log = []
    agent = running(place.agent(valkey.url, log=log))
    assert eventually(lambda: agent.state().healthy)
    cache = RedisRemote(valkey.url, "acme", timeout=5.0)
    good = cache.get(MANIFEST, max_bytes=10_000).data
    for poison in (b"garbage", b"x" * 300_000):
        cache.put(MANIFEST, poison)
        assert eventually(lambda: cache.get(MANIFEST, max_bytes=1_000_000).data == good)
    valkey.stop()
    assert eventually(lambda: any(line["event"] == "trouble" for line in log))
    place.publish(a=True, b=True)
    valkey.start()
    assert eventually(lambda: cache.get(MANIFEST, max_bytes=10_000) is not None, seconds=20)
    cache.close()


def test_an_agent_copies_nothing_that_a_client_would_refuse(tmp_path):
    place = Place(f"file://{tmp_path}/remote")
    place.publish(a=True)
    to = f"file://{tmp_path}/copy"
    agent = place.agent(to)
    assert agent.run_once().healthy
    before = open_remote(to).get(MANIFEST, max_bytes=10_000)
    stranger = Project()
    for forged in (stranger.sealed(stranger.manifest(bundle_of(a=False), seq=9, expires=2**33)), b"{}", b"x" * 100_000):
        place.remote.put(MANIFEST, forged)
        state = agent.run_once()
        assert state.environments[0].reason is not None
        assert agent.first_problem() is not None
        assert open_remote(to).get(MANIFEST, max_bytes=10_000) == before


def test_an_agent_follows_and_copies_the_chain_of_roots(tmp_path, valkey):
    place = Place(f"file://{tmp_path}/remote")
    place.publish(a=True)
    to = f"file://{tmp_path}/copy"
    agent = place.agent(to, valkey.url)
    assert agent.run_once().healthy
    from flagctl.bundle.trust import next_trust

    second = place.project.next_trust(epoch=2)
    place.remote.put("trust/2.json", second)
    place.target = replace(place.target, trust=next_trust(place.project.trust, second))
    place.publish(a=True, b=True)
    assert agent.run_once().environments[0].epoch == 2
    for url in (to, f"{valkey.url}?timeout=5"):
        with place.client(url) as client:
            assert client.wait_until_ready(10)
            assert (client.status().epoch, client.status().trust_version) == (2, 2)


def test_old_bundles_leave_a_folder_after_a_day(tmp_path):
    place = Place(f"file://{tmp_path}/remote")
    first = place.publish(a=True)
    assert first.action == "published"
    to = tmp_path / "copy"
    agent = place.agent(f"file://{to}")
    agent.run_once()
    (old,) = (to / "production" / "blobs").glob("*.gz")
    os.utime(old, (1, 1))
    place.publish(a=False)
    agent.run_once()
    assert not old.exists()
    assert len(list((to / "production" / "blobs").glob("*.gz"))) == 1


# --- the command


@pytest.fixture
def trust(tmp_path):
    def write(place):
        path = tmp_path / "trust.json"
        path.write_bytes(place.project.trust_data)
        return str(path)

    return write


def command(*words):
    return [sys.executable, "-m", "flagctl", *words]


def test_the_command_copies_once_and_says_so(tmp_path, trust):
    place = Place(f"file://{tmp_path}/remote")
    place.publish(a=True)
    words = ["agent", "--once", "--env", "production", "--remote", place.url, "--trust", trust(place)]
    words += ["--to", f"file://{tmp_path}/copy"]
    done = subprocess.run(command(*words, "--output-format", "json"), capture_output=True, text=True, check=True)
    state = json.loads(done.stdout)
    jsonschema.validate(state, SCHEMA)
    assert state["environments"][0]["seq"] == 1
    shutil.rmtree(tmp_path / "remote")
    done = subprocess.run(command(*words), capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert "no manifest" in done.stderr


def test_the_command_runs_until_it_is_told_to_stop_and_answers_probes(tmp_path, trust, valkey):
    place = Place(f"file://{tmp_path}/remote")
    place.publish(a=True)
    words = ["agent", "--env", "production", "--remote", place.url, "--trust", trust(place), "--to", valkey.url]
    words += ["--poll", "0.2", "--health-port", "0", "--status-file", str(tmp_path / "state.json")]
    process = subprocess.Popen(command(*words), stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        lines = [json.loads(process.stdout.readline()) for _ in range(3)]
        assert {line["event"] for line in lines} == {"listening", "started", "copied"}
        (health,) = [line["health"] for line in lines if line["event"] == "listening"]
        with urllib.request.urlopen(health, timeout=5) as answer:  # noqa: S310 - of the agent
            assert json.load(answer)["healthy"] is True
        assert json.loads((tmp_path / "state.json").read_text())["healthy"] is True
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(health.replace("healthz", "secrets"), timeout=5)  # noqa: S310
        caught.value.close()
        place.publish(a=True, b=True)
        copied = json.loads(process.stdout.readline())
        assert (copied["event"], copied["seq"]) == ("copied", 2)
        process.send_signal(signal.SIGTERM)
        rest, _ = process.communicate(timeout=20)
        assert json.loads(rest.splitlines()[-1])["event"] == "stopped"
        assert process.returncode == 0
    finally:
        process.kill()
        process.wait()


# --- pushes


def test_publications_and_kills_are_pushed_to_those_who_listen(s3_bucket, valkey):
    place = Place(s3_bucket.url, s3_bucket.endpoint_url, l2=valkey.url)
    assert place.publish(a=True).pushed.readers == 0
    with place.client(endpoint_url=s3_bucket.endpoint_url, l2=f"{valkey.url}?timeout=5") as client:
        assert client.wait_until_ready(10)
        assert eventually(lambda: client.status().l2["listening"])
        assert place.publish(a=True, b=True).pushed.readers == 1
        assert eventually(lambda: client.is_enabled("b"))
        begin = time.monotonic()
        assert place.kill("b").pushed.readers == 1
        assert eventually(lambda: not client.is_enabled("b"))
        assert time.monotonic() - begin < 2.0
        unkill(place.target, [place.project.kill_signer], "b")
        assert eventually(lambda: client.is_enabled("b"))
        rollback(place.target, place.project.publishers)
        assert eventually(lambda: client.evaluate_all() == {"a": True})
        seq = heartbeat(place.target, place.project.publishers).seq
        assert eventually(lambda: client.status().seq == seq)


def test_a_cache_that_is_down_is_a_warning_and_nothing_more(tmp_path, valkey):
    place = Place(f"file://{tmp_path}/remote", l2=valkey.url)
    valkey.stop()
    result = place.publish(a=True)
    assert (result.action, result.pushed) == ("published", None)
    assert any("not pushed" in warning for warning in result.warnings)
    result = place.kill("a")
    assert (result.action, result.pushed) == ("killed", None)
    assert any("not pushed" in warning for warning in result.warnings)
    valkey.start()
    again = place.publish(a=True)
    assert (again.action, again.pushed.url) == ("unchanged", valkey.url)
    cache = RedisRemote(valkey.url, "acme", timeout=5.0)
    assert cache.get("production/kill.json", max_bytes=10_000) is not None
    cache.close()


def test_a_dry_run_pushes_nothing(tmp_path, valkey):
    place = Place(f"file://{tmp_path}/remote", l2=valkey.url)
    publish(place.target, bundle_of(a=True), place.project.publishers, PublishOptions(dry_run=True))
    assert valkey.command("DBSIZE") == b":0\r\n"


def test_with_eight_publishers_that_push_readers_never_see_the_number_fall(s3_bucket, valkey):
    place = Place(s3_bucket.url, s3_bucket.endpoint_url, l2=valkey.url)
    place.publish(start=True)
    cache = RedisRemote(valkey.url, "acme", timeout=5.0)
    seen, in_cache, stop = [], [], threading.Event()

    def watch():
        from flagctl.bundle.accept import read_manifest

        while not stop.is_set():
            in_cache.append(read_manifest(place.target.reader(), cache.get(MANIFEST, max_bytes=10_000).data).seq)
            time.sleep(0.002)

    watcher = threading.Thread(target=watch)
    watcher.start()
    results = []

    def work(number):
        results.extend(place.publish(**{f"p{number}-{turn}": True}).seq for turn in range(3))

    with place.client(endpoint_url=s3_bucket.endpoint_url, l2=f"{valkey.url}?timeout=5") as client:
        assert client.wait_until_ready(10)
        client.add_listener(lambda status: seen.append(status.seq))
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert eventually(lambda: client.status().seq == 25)
        assert client.status().rejected == {}
    stop.set()
    watcher.join()
    cache.close()
    assert sorted(results) == list(range(2, 26))
    assert seen == sorted(seen)
    assert in_cache == sorted(in_cache)
    assert in_cache[-1] == 25


def test_redis_is_no_place_to_publish_to():
    with pytest.raises(UsageError, match="Redis is a cache"):
        check_store("redis://localhost/0")


LISTED = {
    "type": "boolean",
    "variants": [["on", True], ["off", False]],
    "off": 1,
    "default": {"serve": 1},
    "rules": [{"id": "r", "when": [{"segment": "vip"}], "serve": 0}],
}


def test_an_agent_carries_the_lists_of_big_segments(tmp_path, valkey):
    place = Place(f"file://{tmp_path}/remote")
    data = write_bundle(
        BundleContents(
            project="acme",
            environment="production",
            capabilities=frozenset({"lists", "segments"}),
            flags={"flag": LISTED},
            segments={"vip": {"list": "vip-list"}},
        )
    )
    publish(place.target, data, place.project.publishers, PublishOptions(allow_rollback=True))
    to = f"file://{tmp_path}/copy"
    agent = place.agent(to, valkey.url)
    assert agent.run_once().healthy  # the list was not published yet, which is no trouble of the agent's

    def publish_members(*units):
        version = ListVersion("vip-list", write_list("vip-list", units, 0))
        return publish_list(place.target, place.project.publishers, version)

    def members(url):
        with place.client(url) as client:
            assert client.wait_until_ready(10)
            user = {"targeting_key": "user-1"}
            # The list comes on a thread of its own.
            eventually(lambda: client.evaluate("flag", user).metadata["big_segments"] == {"vip": "healthy"})
            return client.is_enabled("flag", user), client.status().big_segments[0]["seq"]

    publish_members("user-1", *(f"unit-{number}" for number in range(200_000)))
    assert agent.run_once().healthy
    for url in (to, valkey.url):
        assert members(url) == (True, 1)

    # A publication is pushed without them.
    valkey.flush()
    place.target = replace(place.target, l2=valkey.url)
    heartbeat(place.target, place.project.publishers, PublishOptions())
    cache = RedisRemote(valkey.url, "acme", timeout=5.0)
    assert cache.list("production/manifest") == ["production/manifest.json"]
    assert cache.list("production/list") == []
    cache.close()

    # Places that lose them get them back, also while the remote is away.
    (tmp_path / "remote").rename(tmp_path / "away")
    valkey.flush()
    shutil.rmtree(tmp_path / "copy")
    agent.run_once()
    for url in (to, valkey.url):
        assert members(url) == (True, 1)
    (tmp_path / "away").rename(tmp_path / "remote")

    publish_members("user-2")
    assert agent.run_once().healthy
    for url in (to, valkey.url):
        assert members(url) == (False, 2)

    # A forged one is not copied, and does not replace the good one.
    key = "production/lists/vip-list.json"
    good = open_remote(to).get(key, max_bytes=10_000)
    place.remote.put(key, b"{}")
    assert agent.run_once().environments[0].reason is not None
    assert open_remote(to).get(key, max_bytes=10_000) == good
