"""The server with everything behind it: flags in a real S3, kills pushed through a real Redis, events that leave."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from flagctl.compiler import compile_environment
from flagctl.resources import data_path
from flagctl.source import load_tree, read_tree
from flagctl.storage import RemoteOptions, open_remote
from flagctl.storage.redis import RedisRemote
from tests.simulators.flag_server import process
from tests.simulators.project import Project, eventually

BULK = "/ofrep/v1/evaluate/flags"
FAR = {"expires": 2**33}
FRESH = httpx.Client(limits=httpx.Limits(max_keepalive_connections=0))
"""Asks every question on a connection of its own, so that all workers get some."""

USER = {"targetingKey": "user-1", "country": "DE", "platform": "web"}


@pytest.fixture
def project():
    return Project(name="acme-shop")


@pytest.fixture
def shop(tmp_path, s3_bucket, project):
    """The example flags in a bucket, and the words that serve them."""
    repository = load_tree(read_tree(data_path("flags"))).repository
    remote = open_remote(s3_bucket.url, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url))
    project.put(remote, compile_environment(repository, "production").data, **FAR)
    (tmp_path / "trust.json").write_bytes(project.trust_data)
    words = ("--remote", s3_bucket.url, "--endpoint-url", s3_bucket.endpoint_url, "--env", "production")
    return remote, (*words, "--trust", str(tmp_path / "trust.json"))


@pytest.fixture(autouse=True, scope="module")
def _client():
    with FRESH:
        yield


def answer(server, key, **attributes):
    return FRESH.post(f"{server.url}{BULK}/{key}", json={"context": {**USER, **attributes}}).json()


def test_a_kill_that_is_pushed_takes_effect_within_a_second_in_all_workers(shop, project, valkey):
    _, words = shop
    with process(*words, "--l2", valkey.url, "--poll-interval", "3600", "--workers", "2") as server:
        assert answer(server, "recommendations")["value"] is True
        cache = RedisRemote(valkey.url, "acme-shop", timeout=5.0)
        data = project.sealed_kills(project.kill_list("recommendations"))
        time.sleep(1.0)  # both workers listen by now
        begin = time.monotonic()
        cache.tell("production", data)
        cache.close()

        def off():
            return all(answer(server, "recommendations")["reason"] == "DISABLED" for _ in range(16))

        assert eventually(off)
        assert time.monotonic() - begin < 5.0  # a second, and what the questions take on a busy machine


def test_a_restart_without_the_store_serves_what_was_there(shop, tmp_path):
    _, words = shop
    with process(*words, "--cache-dir", str(tmp_path / "cache")) as server:
        before = answer(server, "api-rate-limit")
    offline = [word.replace(words[3], "http://127.0.0.1:9") for word in words]
    with process(*offline, "--cache-dir", str(tmp_path / "cache"), "--poll-interval", "1") as server:
        assert answer(server, "api-rate-limit") == before
        assert eventually(lambda: httpx.get(server.url + "/readyz").json()["problem"], seconds=30)
        assert httpx.get(server.url + "/readyz").status_code == 200


def test_experiments_that_are_served_are_reported(shop, tmp_path):
    _, words = shop
    folder = tmp_path / "events"
    with process(*words, "--events", folder.as_uri()) as server:
        users = [f"user-{number}" for number in range(60)]
        answers = {user: answer(server, "search-ranking", targetingKey=user, country="FR") for user in users}
        httpx.post(server.url + BULK, json={"context": {**USER, "country": "FR", "targetingKey": "bulk-only"}})
        assert server.end() == 0
    lines = [json.loads(line) for path in folder.glob("exposures/**/*.jsonl") for line in path.read_text().splitlines()]
    exposed = {line["unit_id"]: line["variant"] for line in lines if line["flag"] == "search-ranking"}
    decided = {
        user: body["variant"] for user, body in answers.items() if body["metadata"].get("rule") == "ranking-test"
    }
    assert exposed == decided
    assert exposed
    assert "bulk-only" not in {line["unit_id"] for line in lines}
    counted = [json.loads(line) for path in folder.glob("usage/**/*.jsonl") for line in path.read_text().splitlines()]
    assert sum(line["count"] for line in counted if line["flag"] == "search-ranking") == len(users)
