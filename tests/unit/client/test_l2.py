"""The shared cache against a real server: what it is good for, and that nothing it does matters otherwise."""

from __future__ import annotations

import threading
import time

import pytest

from flagctl.bundle.blob import pack
from flagctl.client import Client
from flagctl.client.l2 import hint_of
from flagctl.errors import RemoteError, UsageError
from flagctl.evaluator import ErrorCode
from flagctl.storage import open_remote
from flagctl.storage.redis import RedisRemote
from tests.simulators.project import Project, bundle_of, eventually

FAR = 2**33
ONE, TWO = bundle_of(a=True, b=True), bundle_of(a=False, b=True, c=True)
MANIFEST, KILLS = "production/manifest.json", "production/kill.json"


@pytest.fixture
def cache(valkey):
    """The cache, as somebody with all the time in the world sees it."""
    cache = RedisRemote(valkey.url, "acme", timeout=5.0)
    yield cache
    cache.close()


@pytest.fixture
def settings(valkey):
    """Clients look around at once, and then only when told to or after a hint."""
    # Generous: what is measured here is not this machine's load.
    return {"poll_interval": 3600.0, "l2": f"{valkey.url}?timeout=5"}


def ready(client):
    assert client.wait_until_ready(20), client.status()
    assert eventually(lambda: client.status().polls >= 1)
    with client._updater._lock:  # the first pass is over, with everything that it writes back
        return client


def listening(client):
    assert eventually(lambda: client.status().l2["listening"])
    return client


def gone(url):
    return f"{url}/gone"


# --- what it is good for


def test_what_a_client_accepted_from_the_remote_is_there_for_the_next_one(project, remote, make, url, cache):
    project.put(remote, ONE, expires=FAR)
    project.put_kills(remote, "b")
    first = ready(make())
    assert first.status().source == "remote"
    assert eventually(lambda: first.status().l2["repairs"] == 3)
    second = ready(make(url=gone(url)))
    assert second.status().source == "l2"
    assert second.evaluate_all() == {"a": True, "b": False}
    assert second.status().killed == ("b",)
    assert cache.get(MANIFEST, max_bytes=10_000).data == remote.get(MANIFEST, max_bytes=10_000).data


def test_the_first_answer_comes_from_disk_then_cache_then_remote_then_image_then_the_callers_default(
    project, remote, make, url, tmp_path, cache
):
    image = open_remote(f"file://{tmp_path}/image")
    project.put(image, bundle_of(image=True), seq=1, expires=FAR)
    project.put(remote, bundle_of(remote=True), seq=2, expires=FAR)
    baked = {"bootstrap": tmp_path / "image"}
    assert ready(make(l2=None)).status().source == "remote"
    project.put(cache, bundle_of(cache=True), seq=3, expires=FAR)
    client = make(**baked, url=gone(url))
    assert (client.status().source, client.status().seq) == ("l2", 3)  # at once
    disk = open_remote(f"file://{tmp_path}/disk/acme")
    project.put(disk, bundle_of(disk=True), seq=4, expires=FAR)
    client = make(**baked, cache_dir=tmp_path / "disk", url=gone(url))
    assert (client.status().source, client.status().seq) == ("cache", 4)
    cache.put(MANIFEST, b"{}")
    client = make(**baked, url=gone(url))
    assert (client.status().source, client.status().seq) == ("bootstrap", 1)
    client = make(url=gone(url))
    assert client.evaluate("a").error_code is ErrorCode.PROVIDER_NOT_READY


def test_a_hint_leads_to_a_pass_within_a_second(project, remote, make, cache):
    project.put(remote, ONE, expires=FAR)
    client = listening(ready(make()))
    assert eventually(lambda: client.status().l2["repairs"] == 2)
    project.put(cache, TWO, seq=2, expires=FAR)
    cache.tell("production", hint_of(1, 2))
    assert eventually(lambda: client.status().seq == 2, seconds=5)
    assert client.status().source == "l2"
    polls = client.status().polls
    cache.tell("production", hint_of(1, 2))  # known already
    cache.tell("production", b"manifest")
    time.sleep(0.3)
    assert client.status().polls == polls


def test_what_one_client_learns_from_the_remote_all_know_without_asking_it(project, remote, make):
    project.put(remote, ONE, expires=FAR)
    clients = [listening(ready(make())) for _ in range(3)]
    project.put(remote, TWO, seq=2, expires=FAR)
    assert clients[0].refresh() is True
    assert eventually(lambda: all(client.is_enabled("c") for client in clients))
    assert [client.status().source for client in clients] == ["remote", "l2", "l2"]


def test_a_pushed_kill_list_is_effective_at_once_and_kept_on_disk(project, remote, make, cache, tmp_path):
    project.put(remote, ONE, expires=FAR)
    told = []
    client = listening(ready(make(cache_dir=tmp_path / "disk")))
    client.add_listener(lambda status: told.append(status.killed))
    polls = client.status().polls
    data = project.sealed_kills(project.kill_list("a"))
    begin = time.monotonic()
    cache.tell("production", data)
    assert eventually(lambda: not client.is_enabled("a"))
    assert time.monotonic() - begin < 2.0
    assert client.status().polls == polls
    assert eventually(lambda: told == [("a",)])
    assert (tmp_path / "disk/acme/production/kill.json").read_bytes() == data
    cache.tell("production", data)
    lifted = project.sealed_kills(project.kill_list(seq=2))
    cache.tell("production", lifted)
    assert eventually(lambda: client.is_enabled("a"))


def test_a_kill_does_not_wait_for_a_pass_that_waits_for_the_remote(project, remote, make, cache):
    project.put(remote, ONE, expires=FAR)
    client = listening(ready(make()))
    assert client._updater._lock.acquire()
    try:
        cache.tell("production", project.sealed_kills(project.kill_list("a")))
        assert eventually(lambda: not client.is_enabled("a"))
    finally:
        client._updater._lock.release()


def test_a_kill_that_was_pushed_during_a_pass_is_not_lost(project, remote, make):
    project.put(remote, ONE, expires=FAR)
    client = ready(make(l2=None))
    project.put(remote, TWO, seq=2, expires=FAR)
    real = client._updater._remote

    class Slow:
        url = real.url

        def get(self, key, **settings):
            found = real.get(key, **settings)
            if key == KILLS:
                client._updater.take_kills(project.sealed_kills(project.kill_list("b")))
            return found

    client._updater._remote = Slow()
    assert client.refresh()
    assert client.evaluate_all() == {"a": False, "b": False, "c": True}
    assert client.status().kills_seq == 1


def test_pushed_lists_are_held_to_all_checks(project, remote, make, cache):
    project.put(remote, ONE, expires=FAR)
    client = listening(ready(make()))
    stranger = Project()
    for data, reason in (
        (stranger.sealed_kills(stranger.kill_list("a")), "unknown-key"),
        (project.sealed_kills(project.kill_list("a", environment="staging")), "wrong-environment"),
        (project.sealed_kills(project.kill_list("a", epoch=2)), "wrong-epoch"),
        (project.sealed_kills(project.kill_list("a"), payload_type="application/x"), "wrong-payload-type"),
        (b"{}", "malformed-envelope"),
        (b"\xff" * 100, "malformed-envelope"),
    ):
        before = dict(client.status().rejected)
        cache.tell("production", data)
        assert eventually(lambda: client.status().rejected != before), data  # noqa: B023
        assert client.status().rejected.get(reason, 0) == before.get(reason, 0) + 1
    assert client.is_enabled("a")
    cache.tell("production", project.sealed_kills(project.kill_list("a", seq=3)))
    assert eventually(lambda: not client.is_enabled("a"))
    cache.tell("production", project.sealed_kills(project.kill_list(seq=2)))
    time.sleep(0.2)
    assert not client.is_enabled("a")


def test_a_client_without_another_remote_lives_on_what_an_agent_keeps_in_redis(project, make, cache, valkey):
    project.put(cache, ONE, expires=FAR)
    client = listening(ready(make(url=valkey.url, l2=None)))
    assert client.is_enabled("a")
    project.put(cache, TWO, seq=2, expires=FAR)
    cache.tell("production", hint_of(1, 2))
    assert eventually(lambda: client.is_enabled("c"))


def test_without_a_root_of_trust_a_shared_cache_is_refused(url, valkey):
    with (
        pytest.raises(UsageError, match="without a root of trust"),
        pytest.warns(UserWarning, match="without checking"),
    ):
        Client(url, environment="production", insecure=True, l2=valkey.url)
    with pytest.raises(UsageError, match="insecure=True is refused"):
        Client(valkey.url, environment="production", insecure=True)


# --- down, slow, flushed, poisoned


def timed(client):
    begin = time.monotonic()
    client._updater.update()
    return time.monotonic() - begin


def test_redis_that_is_down_is_left_alone_and_the_remote_asked(project, remote, make, valkey):
    project.put(remote, ONE, expires=FAR)
    valkey.stop()
    client = ready(make(l2=valkey.url))
    status = client.status()
    assert (status.source, status.l2["state"], status.failures) == ("remote", "open", 0)
    assert "cannot be reached" in status.l2["last_error"]
    project.put(remote, TWO, seq=2, expires=FAR)
    assert timed(client) < 1.0
    assert client.is_enabled("c")
    valkey.start()
    assert eventually(lambda: client.status().l2["state"] == "closed", seconds=30)
    client._updater.update()
    assert client.status().l2["repairs"] >= 1


def test_redis_that_hangs_is_given_up_within_a_tenth_of_a_second(project, remote, make, valkey):
    project.put(remote, ONE, expires=FAR)
    client = listening(ready(make(l2=valkey.url)))
    plain = min(timed(client) for _ in range(5))
    valkey.pause()
    client._updater.shared.breaker.close()
    project.put(remote, TWO, seq=2, expires=FAR)
    assert timed(client) < 0.1 + plain + 0.3  # the last is for a busy machine
    assert client.is_enabled("c")
    assert client.status().l2["state"] == "open"
    assert timed(client) < plain + 0.3
    valkey.resume()


def test_redis_that_drips_is_given_up_within_the_time_for_a_whole_pass(project, remote, make, valkey, valkey_proxy):
    project.put(remote, ONE, expires=FAR)
    client = ready(make(l2=f"redis://127.0.0.1:{valkey_proxy.port}/0"))
    valkey_proxy.set("drip", seconds=0.02)
    client._updater.shared.breaker.close()
    project.put(remote, TWO, seq=2, expires=FAR)
    assert timed(client) < 1.0
    assert client.is_enabled("c")


@pytest.mark.parametrize("mode", ["refuse", "cut", "status", "silent"])
def test_redis_behind_a_broken_network_changes_nothing(project, remote, make, valkey, valkey_proxy, mode):
    project.put(remote, ONE, expires=FAR)
    client = ready(make(l2=f"redis://127.0.0.1:{valkey_proxy.port}/0"))
    valkey_proxy.set(mode, count=20)
    for number in range(2, 5):
        client._updater.shared.breaker.close()
        project.put(remote, bundle_of(**{f"v{number}": True}), seq=number, expires=FAR)
        assert timed(client) < 1.0
        assert client.is_enabled(f"v{number}")
    assert client.status().failures == 0
    valkey_proxy.set("pass")


def test_a_pass_after_a_hint_is_patient_only_while_nobody_waits_for_it(
    project, remote, make, valkey_proxy, monkeypatch
):
    monkeypatch.setattr("flagctl.client.l2.PATIENCE", 30.0)
    project.put(remote, ONE, expires=FAR)
    client = listening(ready(make(l2=f"redis://127.0.0.1:{valkey_proxy.port}/0")))
    assert eventually(lambda: client.status().polls == 2)  # the channel was joined
    ready(client)
    reads = client.status().l2["reads"]
    valkey_proxy.set("silent")
    client._background.ring()
    assert eventually(lambda: client.status().l2["reads"] > reads)
    project.put(remote, TWO, seq=2, expires=FAR)
    assert timed(client) < 5.0
    assert client.is_enabled("c")
    valkey_proxy.set("pass")


def test_whoever_asks_the_remote_does_not_wait_for_repairs_of_a_cache_that_hangs(
    project, remote, make, valkey_proxy, monkeypatch
):
    monkeypatch.setattr("flagctl.client.l2._WRITE_SECONDS", 30.0)
    project.put(remote, ONE, expires=FAR)
    client = ready(make(l2=f"redis://127.0.0.1:{valkey_proxy.port}/0"))
    valkey_proxy.set("silent")
    project.put(remote, TWO, seq=2, expires=FAR)
    begin = time.monotonic()
    assert client.refresh() is True
    assert time.monotonic() - begin < 5.0
    assert client.is_enabled("c")
    assert "did not answer" in client.status().l2["last_error"]
    valkey_proxy.set("pass")


def test_repairs_that_hang_end_when_somebody_waits_for_a_pass(project, remote, make, valkey_proxy, monkeypatch):
    monkeypatch.setattr("flagctl.client.l2._WRITE_SECONDS", 30.0)
    monkeypatch.setattr(RedisRemote, "ping", lambda _: None)  # it hangs a moment later
    project.put(remote, ONE, expires=FAR)
    client = ready(make(l2=f"redis://127.0.0.1:{valkey_proxy.port}/0"))
    valkey_proxy.set("silent")
    project.put(remote, TWO, seq=2, expires=FAR)
    hanging = threading.Thread(target=client.refresh)
    hanging.start()
    assert eventually(lambda: not client._updater.shared._calm.is_set())
    begin = time.monotonic()
    client._updater.shared.hurry()
    hanging.join(20)
    assert time.monotonic() - begin < 5.0
    assert client._updater.shared._writing.state == "closed"
    valkey_proxy.set("pass")


def test_redis_that_was_flushed_is_filled_again(project, remote, make, valkey, url, cache):
    project.put(remote, ONE, expires=FAR)
    project.put_kills(remote, "b")
    client = ready(make())
    assert eventually(lambda: client.status().l2["repairs"] == 3)
    valkey.flush()
    client._updater.update()
    assert client.status().l2["state"] == "closed"
    for key in (MANIFEST, KILLS):
        assert cache.get(key, max_bytes=10_000).data == remote.get(key, max_bytes=10_000).data
    # A running client has no packed bundle; the next one that needs it brings it.
    second = ready(make())
    assert eventually(lambda: second.status().l2["repairs"] >= 1)
    assert ready(make(url=gone(url))).status().source == "l2"


def test_redis_that_was_flushed_is_filled_by_clients_alone_while_the_remote_is_down(
    project, remote, make, valkey, url, cache, tmp_path
):
    project.put(remote, ONE, expires=FAR)
    client = ready(make())
    (tmp_path / "remote").rename(tmp_path / "away")
    valkey.flush()
    with pytest.raises(RemoteError, match="no manifest"):
        client._updater.update()
    assert cache.get(MANIFEST, max_bytes=10_000) is not None


POISON = {
    "garbage": b"\x00garbage",
    "empty object": b"{}",
    "too long": b"x" * 200_000,
}


@pytest.mark.parametrize("what", [*POISON, "a list", "stranger", "bad blob"])
def test_redis_that_was_poisoned_is_refused_counted_and_repaired(project, remote, make, valkey, cache, what):
    manifest = project.put(remote, ONE, expires=FAR)
    client = ready(make())
    assert eventually(lambda: client.status().l2["repairs"] == 2)
    valkey.command("DEL", f"flagctl/acme/{MANIFEST}")
    if what == "a list":
        valkey.command("LPUSH", f"flagctl/acme/{MANIFEST}", "x")
    elif what == "stranger":
        Project().put(cache, bundle_of(a=False), seq=9, expires=FAR)
    elif what == "bad blob":
        cache.put(MANIFEST, remote.get(MANIFEST, max_bytes=10_000).data)
        cache.put(f"production/blobs/{manifest.bundle.blob_sha256}.gz", pack(bundle_of(a=False)))
        client = ready(make())
    else:
        cache.put(MANIFEST, POISON[what])
    client._updater.update()
    assert client.is_enabled("a")
    assert sum(client.status().rejected.values()) >= 1
    assert client.status().failures == 0
    assert cache.get(MANIFEST, max_bytes=10_000).data == remote.get(MANIFEST, max_bytes=10_000).data
    blob = cache.get(f"production/blobs/{manifest.bundle.blob_sha256}.gz", max_bytes=10_000)
    assert blob.data == pack(ONE)


def test_poison_stays_while_nobody_can_say_what_is_right(project, remote, make, valkey, cache, tmp_path):
    """A client that cannot ask the remote might be behind a rotation of keys, and must not overwrite what it cannot read."""
    project.put(remote, ONE, expires=FAR)
    client = ready(make())
    (tmp_path / "remote").rename(tmp_path / "away")
    cache.put(MANIFEST, b"what is this?")
    with pytest.raises(RemoteError, match="no manifest"):
        client._updater.update()
    assert cache.get(MANIFEST, max_bytes=10_000).data == b"what is this?"


def test_an_older_manifest_in_redis_is_ignored_and_replaced(project, remote, make, cache):
    project.put(remote, TWO, seq=5, expires=FAR)
    client = ready(make())
    project.put(cache, ONE, seq=3, expires=FAR)
    client._updater.update()
    assert client.is_enabled("c")
    assert cache.get(MANIFEST, max_bytes=10_000).data == remote.get(MANIFEST, max_bytes=10_000).data
    assert client.status().rejected == {}


def test_a_newer_manifest_in_redis_is_never_replaced_by_an_older_one(project, remote, make, cache):
    project.put(remote, ONE, seq=1, expires=FAR)
    client = ready(make())
    newer = project.put(cache, TWO, seq=7, expires=FAR)
    client.refresh()  # asks the remote only, which has number 1
    assert newer.seq == 7
    client._updater.update()
    assert client.status().seq == 7
    assert client.is_enabled("c")
    assert client.status().failures == 0


def test_keys_that_were_rotated_are_followed_through_the_cache(project, remote, make, cache, url):
    project.put(remote, ONE, expires=FAR)
    client = listening(ready(make()))
    other = Project()
    from flagctl.bundle.envelope import Role

    roles = {"production": Role((other.publishers[0].public_key,), 1)}
    data = project.next_trust(epoch=2, publish=roles)
    cache.put("trust/2.json", data)
    manifest = other.manifest(TWO, epoch=2, expires=FAR, trust=2)
    cache.put(f"production/blobs/{manifest.bundle.blob_sha256}.gz", pack(TWO))
    cache.put(MANIFEST, other.sealed(manifest))
    cache.tell("production", hint_of(2, 1))
    assert eventually(lambda: client.is_enabled("c"))
    assert (client.status().epoch, client.status().trust_version) == (2, 2)


def test_a_cache_that_may_only_be_read_is_used_all_the_same(project, remote, make, valkey, cache):
    project.put(remote, ONE, expires=FAR)
    project.put(cache, ONE, expires=FAR)
    valkey.command("ACL", "SETUSER", "reader", "on", ">pw", "~*", "&*", "+@read", "+@pubsub", "+@connection")
    client = listening(ready(make(l2=f"redis://reader:pw@127.0.0.1:{valkey.port}/0?timeout=5")))
    project.put(cache, TWO, seq=2, expires=FAR)
    cache.tell("production", hint_of(1, 2))
    assert eventually(lambda: client.is_enabled("c"))
    for _ in range(3):
        client._updater.update()
    assert client.status().l2["state"] == "closed"
    assert "pw" not in str(client.status())


# --- how often the remote is asked


class Counted:
    """A remote that counts looks at its manifest."""

    def __init__(self, remote):
        self.remote, self.url, self.looks = remote, remote.url, 0

    def get(self, key, **settings):
        self.looks += key == MANIFEST
        return self.remote.get(key, **settings)


def test_one_client_of_many_looks_at_the_remote_for_all(project, remote, make, valkey):
    project.put(remote, ONE, expires=FAR)
    clients = [ready(make(poll_interval=0.4)) for _ in range(10)]
    counted = Counted(remote)
    for client in clients:
        client._updater._remote = counted
    polls = sum(client.status().polls for client in clients)
    time.sleep(2.0)
    made = sum(client.status().polls for client in clients) - polls
    assert made >= 20
    # One look in each three quarters of an interval, and one of each client's own in twelve intervals.
    assert counted.looks <= 2.0 / 0.3 + 10 * 2.0 / (12 * 0.4 * 0.8) + 2
    project.put(remote, TWO, seq=2, expires=FAR)
    assert eventually(lambda: all(client.is_enabled("c") for client in clients), seconds=5)


def test_a_client_alone_with_its_cache_sees_changes_at_its_usual_pace(project, remote, make):
    project.put(remote, ONE, expires=FAR)
    client = ready(make(poll_interval=0.3))
    counted = Counted(remote)
    client._updater._remote = counted
    polls = client.status().polls
    time.sleep(1.5)
    with client._updater._lock:  # not in the middle of a pass, which is counted before it looks
        made = client.status().polls - polls
        assert counted.looks >= made - 1


def test_a_cache_that_claims_everything_is_fine_cannot_withhold_a_change_for_long(project, remote, make, valkey):
    project.put(remote, ONE, expires=FAR)
    client = ready(make(poll_interval=0.1))
    # A liar: it keeps the old manifest, and says that somebody has looked at the remote just now.
    valkey.command("SET", "flagctl/acme/production/looked", "1", "PX", "3600000")
    project.put(remote, TWO, seq=2, expires=FAR)
    begin = time.monotonic()
    assert eventually(lambda: client.is_enabled("c"), seconds=10)
    assert time.monotonic() - begin < 12 * 0.12 + 2.0


def test_closing_a_client_ends_both_threads_quickly(project, remote, make):
    import threading

    project.put(remote, ONE, expires=FAR)
    client = listening(ready(make()))
    mine = [client._background._thread, client._background._listener._thread]
    begin = time.monotonic()
    client.close()
    assert time.monotonic() - begin < 2.0
    assert not any(thread.is_alive() for thread in mine)
    assert all(isinstance(thread, threading.Thread) for thread in mine)
