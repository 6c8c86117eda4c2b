"""Lists in a real Redis-compatible server."""

from __future__ import annotations

import time
from typing import Any

import pytest

from flagctl.client.client import Client
from flagctl.client.redis_lists import RedisLists
from flagctl.errors import RemoteError
from flagctl.evaluator import load
from flagctl.evaluator.lists import HashList, unit_hash, write_list
from flagctl.ops.unit_lists import fill_redis
from flagctl.storage.redis_lists import RedisListStore
from tests.simulators.project import eventually
from tests.unit.client.test_big_segments import bundle

PLACE = {"project": "acme", "environment": "production"}


@pytest.fixture
def url(valkey: Any) -> str:
    valkey.flush()
    return str(valkey.url)


def test_members_are_found_and_a_new_version_takes_over_in_one_step(url: str) -> None:
    store = RedisListStore(url, "acme", "production", timeout=5)
    units = [f"user-{number}" for number in range(20_000)]
    assert store.fill("vip", sorted(unit_hash("vip", unit) for unit in units), 7) == 20_000
    assert store.which(["vip", "gone"], "user-77") == {"vip": (True, 7)}
    assert store.which(["vip"], "other") == {"vip": (False, 7)}
    assert store.fill("vip", [unit_hash("vip", "other")], 8) == 1
    assert store.which(["vip"], "other") == {"vip": (True, 8)}
    assert store.which(["vip"], "user-77") == {"vip": (False, 8)}
    assert store.fill("vip", [], 9) == 0
    assert store.which(["vip"], "other") == {"vip": (False, 9)}
    store.close()


def test_a_client_asks_redis_and_goes_on_without_it(valkey: Any, url: str) -> None:
    fill_redis(url, ("acme", "production"), "vip-list", write_list("vip-list", ["user-1"], int(time.time() * 1000)))
    lists = RedisLists(url, lists=["vip-list"], timeout=5.0, ttl=0.05, **PLACE)
    client = Client("file:///nowhere", environment="production", fixed=load(bundle("vip")), lists=lists)
    assert client.is_enabled("flag", {"targeting_key": "user-1"})
    assert not client.is_enabled("flag", {"targeting_key": "other"})
    for details in (
        client.evaluate("flag", {"targeting_key": "user-1"}),
        client.evaluate_typed("flag", {"targeting_key": "user-1"}, False, bool),
        client.evaluate_typed("flag", {"targeting_key": "user-1"}, ""),
    ):
        assert details.metadata["big_segments"] == {"vip": "healthy"}
    valkey.stop()
    try:
        for number in range(8):
            assert not client.is_enabled("flag", {"targeting_key": f"unknown-{number}"})
        assert eventually(lambda: lists.health("vip-list") == "unavailable")
        assert client.status().big_segments[0]["last_error"]
        with pytest.raises(RemoteError):
            RedisListStore(url, "acme", "production", timeout=1).which(["vip-list"], "u")
    finally:
        valkey.start()
    client.close()
    lists.close()


def test_a_list_that_is_old_is_stale(url: str) -> None:
    fill_redis(url, ("acme", "production"), "vip-list", write_list("vip-list", ["user-1"], 1_000))
    now = [2.0]
    lists = RedisLists(url, lists=["vip-list"], timeout=5.0, stale_after=10, clock=lambda: now[0], **PLACE)
    assert lists.health("vip-list") == "unavailable"
    assert lists.contains("vip-list", "user-1") is True
    assert lists.health("vip-list") == "healthy"
    now[0] = 11.0
    assert lists.health("vip-list") == "stale"
    assert lists.contains("other-list", "user-1") is None
    lists.close()


def test_what_is_filled_is_what_the_file_holds(url: str) -> None:
    data = write_list("vip-list", (f"user-{number}" for number in range(3_000)), 5)
    assert fill_redis(url, ("acme", "production"), "vip-list", data) == HashList(data, "vip-list").count
    store = RedisListStore(url, "acme", "production", timeout=5)
    assert all(store.which(["vip-list"], f"user-{number}")["vip-list"][0] for number in range(0, 3_000, 101))
    store.close()
