from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time

import pytest

from flagctl.errors import ConflictError, RemoteError, UntrustedError, UsageError
from flagctl.storage import Fetched, NotModified, RemoteOptions, open_remote
from flagctl.storage.redis import RedisRemote
from flagctl.storage.redis_server import parse_redis_url
from tests.simulators.at_once import at_once
from tests.simulators.valkey import Valkey

KEY = "production/manifest.json"


@pytest.fixture
def remote(valkey):
    remote = RedisRemote(valkey.url, "acme", timeout=2.0)
    yield remote
    remote.close()


def test_what_was_written_is_read_back_byte_by_byte(remote):
    data = bytes(range(256)) * 40
    assert remote.get(KEY, max_bytes=100_000) is None
    tag = remote.put(KEY, data)
    assert remote.get(KEY, max_bytes=len(data)) == Fetched(data, tag)
    assert isinstance(remote.get(KEY, etag=tag, max_bytes=len(data)), NotModified)
    assert remote.list("production/") == [KEY]
    assert remote.list("staging/") == []


def test_a_write_on_condition_needs_exactly_the_bytes_that_were_read(remote):
    first = remote.put(KEY, b"one", if_none_match=True)
    with pytest.raises(ConflictError):
        remote.put(KEY, b"two", if_none_match=True)
    second = remote.put(KEY, b"two", if_match=first)
    with pytest.raises(ConflictError):
        remote.put(KEY, b"three", if_match=first)
    with pytest.raises(ConflictError):
        remote.put("production/kill.json", b"x", if_match=first)
    assert remote.get(KEY, max_bytes=10) == Fetched(b"two", second)


def test_of_twenty_writers_who_read_the_same_bytes_one_wins(valkey, remote):
    tag = remote.put(KEY, b"start")
    won = []

    def work(number):
        mine = RedisRemote(valkey.url, "acme", timeout=10.0)
        try:
            mine.put(KEY, b"%d" % number, if_match=tag)
            won.append(number)
        except ConflictError:
            pass
        mine.close()

    at_once(20, work)
    assert len(won) == 1
    assert remote.get(KEY, max_bytes=10).data == b"%d" % won[0]


def test_a_value_that_is_too_long_is_not_transferred_and_can_be_replaced(valkey, remote):
    valkey.command("SET", f"flagctl/acme/{KEY}", b"x" * 200_000)
    with pytest.raises(UntrustedError) as caught:
        remote.get(KEY, max_bytes=1000)
    assert caught.value.reason == "too-large"
    with pytest.raises(ConflictError):
        remote.put(KEY, b"good", if_match=remote.longer_tag(200_000))
    remote.put(KEY, b"good", if_match=remote.longer_tag(1000))
    assert remote.get(KEY, max_bytes=1000).data == b"good"


def test_a_value_of_another_kind_reads_as_empty_and_can_be_replaced(valkey, remote):
    valkey.command("LPUSH", f"flagctl/acme/{KEY}", "x")
    fetched = remote.get(KEY, max_bytes=1000)
    assert fetched.data == b""
    with pytest.raises(ConflictError):
        remote.put(KEY, b"good", if_none_match=True)
    remote.put(KEY, b"good", if_match=fetched.etag)
    assert remote.get(KEY, max_bytes=1000).data == b"good"
    with pytest.raises(ConflictError):
        remote.put(KEY, b"other", if_match=fetched.etag)


def test_objects_named_by_their_digest_expire_and_pointers_stay(valkey, remote):
    remote.put("production/blobs/ab.gz", b"blob", if_none_match=True)
    remote.put(KEY, b"pointer")
    remaining = int(valkey.command("PTTL", "flagctl/acme/production/blobs/ab.gz")[1:])
    assert 6 * 86_400_000 < remaining <= 7 * 86_400_000
    assert valkey.command("PTTL", f"flagctl/acme/{KEY}") == b":-1\r\n"
    valkey.command("PEXPIRE", "flagctl/acme/production/blobs/ab.gz", "60000")
    with pytest.raises(ConflictError):
        remote.put("production/blobs/ab.gz", b"blob", if_none_match=True)
    assert int(valkey.command("PTTL", "flagctl/acme/production/blobs/ab.gz")[1:]) > 60_000


def test_projects_databases_and_prefixes_lie_apart(valkey, remote):
    remote.put(KEY, b"acme")
    base = valkey.url.removesuffix("/0")
    for url, project in ((valkey.url, "other"), (f"{base}/1", "acme"), (f"{base}/0/team", "acme"), (valkey.url, None)):
        other = RedisRemote(url, project, timeout=2.0)
        assert other.get(KEY, max_bytes=10) is None
        other.close()


def test_listing_takes_patterns_in_names_literally(valkey, remote):
    remote.put("a/x.json", b"1")
    assert remote.list("*") == []
    assert remote.list("?/") == []


def test_a_claim_is_given_once_until_its_time_is_over(remote):
    assert remote.claim("production/looked", 0.2)
    assert not remote.claim("production/looked", 0.2)
    time.sleep(0.25)
    assert remote.claim("production/looked", 0.2)


def test_messages_reach_subscribers_and_tell_how_many(remote):
    assert remote.tell("production", b"nobody") == 0
    subscription = remote.subscribe("production")
    assert subscription.next(2.0).data is None
    assert remote.tell("production", b"hello") == 1
    assert remote.tell("staging", b"not for them") == 0
    assert subscription.next(2.0).data == b"hello"
    assert subscription.next(0.01) is None
    remote.tell("production", b"x" * 100_000)
    assert subscription.next(2.0).data == b""
    subscription.ping()
    assert subscription.next(2.0).data == b""
    subscription.close()
    with pytest.raises(RemoteError):
        subscription.next(0.1)


def test_closing_ends_the_wait_of_another_thread(remote):
    subscription = remote.subscribe("production")
    subscription.next(2.0)
    ended = threading.Event()

    def wait():
        with pytest.raises(RemoteError):
            subscription.next(30.0)
        ended.set()

    threading.Thread(target=wait, daemon=True).start()
    time.sleep(0.1)
    subscription.close()
    assert ended.wait(5.0)


def test_a_server_that_is_down_is_an_error_at_once(valkey):
    remote = RedisRemote(valkey.url)
    valkey.stop()
    begin = time.monotonic()
    with pytest.raises(RemoteError, match="cannot be reached"):
        remote.get(KEY, max_bytes=10)
    with pytest.raises(RemoteError):
        remote.subscribe("production")
    assert time.monotonic() - begin < 1.0


def test_a_server_that_does_not_answer_is_given_up_after_the_timeout(valkey):
    remote = RedisRemote(valkey.url)
    assert remote.get(KEY, max_bytes=10) is None
    valkey.pause()
    begin = time.monotonic()
    with pytest.raises(RemoteError):
        remote.get(KEY, max_bytes=10)
    assert time.monotonic() - begin < 0.5
    valkey.resume()
    assert remote.get(KEY, max_bytes=10) is None
    remote.close()


def test_a_steady_drip_is_given_up_after_the_timeout_and_its_connection_closed(valkey, valkey_proxy):
    remote = RedisRemote(f"redis://127.0.0.1:{valkey_proxy.port}/0?timeout=0.2")
    remote.put(KEY, b"x" * 500)
    valkey_proxy.set("drip", seconds=0.05)
    begin = time.monotonic()
    with pytest.raises(RemoteError, match=r"did not answer within 0\.2 seconds"):
        remote.get(KEY, max_bytes=1000)
    assert time.monotonic() - begin < 1.0
    valkey_proxy.set("pass")
    assert remote.get(KEY, max_bytes=1000).data == b"x" * 500
    remote.close()


@pytest.mark.parametrize(
    "answer",
    [b"*1\r\n" * 5000, b"$99999999999\r\nabc", b"garbage\r\n", b":1\r\n", b"-ERR no\r\n", b"%2\r\n+a\r\n:1\r\n+b\r\n"],
)
def test_a_server_that_answers_garbage_is_an_error_or_nothing_but_never_more(answer):
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(10_000)
                connection.sendall(answer)
                time.sleep(0.3)

    threading.Thread(target=serve, daemon=True).start()
    remote = RedisRemote(f"redis://127.0.0.1:{listener.getsockname()[1]}/0")
    begin = time.monotonic()
    with contextlib.suppress(RemoteError):
        assert remote.get(KEY, max_bytes=1000) is None
    assert time.monotonic() - begin < 1.0
    remote.close()
    listener.close()


def test_a_password_is_used_and_never_shown(tmp_path, monkeypatch):
    with Valkey(tmp_path / "locked", password="s3cret/word") as server:  # noqa: S106
        server.start()
        host = f"127.0.0.1:{server.port}"
        good = RedisRemote(f"redis://:s3cret%2Fword@{host}/0", timeout=2.0)
        good.put(KEY, b"x")
        assert (good.url, repr(good)) == (f"redis://{host}/0", f"RedisRemote('redis://{host}/0')")
        monkeypatch.setenv("FLAGCTL_REDIS_PASSWORD", "s3cret/word")
        named = RedisRemote(f"redis://{host}/0", timeout=2.0)
        assert named.get(KEY, max_bytes=10).data == b"x"
        monkeypatch.delenv("FLAGCTL_REDIS_PASSWORD")
        for url in (f"redis://{host}/0", f"redis://:wr0ng@{host}/0"):
            with pytest.raises(RemoteError) as caught:
                RedisRemote(url, timeout=2.0).get(KEY, max_bytes=10)
            assert "wr0ng" not in str(caught.value)
            assert "FLAGCTL_REDIS_PASSWORD" in caught.value.hint
        good.close()
        named.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis:///0",
        "redis://host:port/0",
        "redis://:s3cret@host/zero",
        "redis://:s3cret@host/0?timeout=never",
        "redis://:s3cret@host/0?timeout=0",
        "redis://:s3cret@host/0?db=1",
        "redis://:s3cret@host/0#x",
        "redis://host/0/../x",
    ],
)
def test_an_unusable_location_is_refused_without_showing_a_password(url):
    with pytest.raises(UsageError) as caught:
        open_remote(url)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in (caught.value.hint or "")


def test_a_location_says_host_port_database_prefix_tls_and_timeout():
    address = parse_redis_url("rediss://ann:p%40ss@cache.example:6380/3/team/flags?timeout=0.25")
    assert address == ("cache.example", 6380, 3, "team/flags", True, "ann", "p@ss", 0.25)
    assert address.url == "rediss://cache.example:6380/3/team/flags"
    assert parse_redis_url("redis://[::1]").url == "redis://[::1]:6379/0"


def test_open_remote_knows_redis(valkey):
    remote = open_remote(valkey.url, options=RemoteOptions(project="acme"))
    remote.put(KEY, b"x")
    assert valkey.command("GET", f"flagctl/acme/{KEY}") == b"$1\r\nx\r\n"
    remote.close()


def test_loading_the_library_is_not_counted_as_the_servers_slowness():
    code = """
import sys
from flagctl.storage.redis import RedisRemote
remote = RedisRemote("redis://127.0.0.1:1/0", "acme")
assert "redis" not in sys.modules
with remote.budget(0.1):
    assert "redis" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
