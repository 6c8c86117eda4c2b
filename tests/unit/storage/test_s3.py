from __future__ import annotations

import socket
import threading
import time

import pytest

from flagctl.errors import ConflictError, RemoteError, UntrustedError, UsageError
from flagctl.storage import Fetched, NotModified, RemoteOptions, open_remote
from tests.simulators import seaweed
from tests.simulators.at_once import at_once

KEY = "production/manifest.json"


@pytest.fixture
def remote(s3_bucket):
    return open_remote(s3_bucket.url, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url))


@pytest.fixture
def faulty(s3_bucket, fault_proxy):
    """The same bucket through the proxy, with a short patience."""
    options = RemoteOptions(endpoint_url=fault_proxy.url, connect_timeout=2, read_timeout=1.2, deadline=4)
    return open_remote(s3_bucket.url, options=options)


def test_what_was_put_is_got(remote):
    etag = remote.put(KEY, b"one")
    assert remote.get(KEY, max_bytes=100) == Fetched(b"one", etag)
    assert isinstance(remote.get(KEY, etag=etag, max_bytes=100), NotModified)
    assert remote.get("production/none.json", max_bytes=100) is None


def test_conditions_hold_or_conflict(remote):
    etag = remote.put(KEY, b"one", if_none_match=True)
    for condition in ({"if_none_match": True}, {"if_match": '"another"'}):
        with pytest.raises(ConflictError):
            remote.put(KEY, b"two", **condition)
    with pytest.raises(ConflictError):
        remote.put("production/none.json", b"two", if_match=etag)
    remote.put(KEY, b"two", if_match=etag)
    assert remote.get(KEY, max_bytes=100).data == b"two"


def test_an_object_that_is_too_large_is_refused(remote):
    remote.put(KEY, b"x" * 300_000)
    for limit in (0, 299_999):
        with pytest.raises(UntrustedError) as caught:
            remote.get(KEY, max_bytes=limit)
        assert caught.value.reason == "too-large"
    assert len(remote.get(KEY, max_bytes=300_000).data) == 300_000


def test_more_keys_than_fit_on_a_page_are_listed(remote, s3_bucket):
    client = seaweed.client_of(s3_bucket.endpoint_url)
    expected = sorted(f"production/log/1-{number}-00000000.json" for number in range(1, 1031))
    for key in expected:
        client.put_object(Bucket=s3_bucket.name, Key=f"acme/flags/{key}", Body=b"")
    client.close()
    assert remote.list("production/log/") == expected
    assert remote.list("staging/") == []


def test_only_one_of_many_conditional_writers_wins(remote, s3_bucket):
    etag = remote.put(KEY, b"start")
    winners = []

    def write(number):
        own = open_remote(s3_bucket.url, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url))
        try:
            own.put(KEY, b"%d" % number, if_match=etag)
        except ConflictError:
            return
        winners.append(b"%d" % number)

    at_once(8, write)
    assert winners == [remote.get(KEY, max_bytes=100).data]


def test_a_missing_bucket_is_named(s3_bucket):
    remote = open_remote("s3://no-such-bucket", options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url))
    with pytest.raises(RemoteError, match="NoSuchBucket") as caught:
        remote.get(KEY, max_bytes=1)
    assert "flagctl.yaml" in (caught.value.hint or "")


def test_a_reader_may_not_write(s3_bucket, remote, monkeypatch):
    remote.put(KEY, b"one")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", seaweed.READER_ACCESS_KEY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", seaweed.READER_SECRET_KEY)
    reader = open_remote(s3_bucket.url, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url))
    assert reader.get(KEY, max_bytes=100).data == b"one"
    with pytest.raises(RemoteError, match="AccessDenied") as caught:
        reader.put(KEY, b"two")
    assert "s3:PutObject" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("name", "value", "word"),
    [("AWS_ACCESS_KEY_ID", "nobody", "access key"), ("AWS_SECRET_ACCESS_KEY", "wrong", "clock")],
)
def test_wrong_credentials_are_explained_without_being_shown(s3_bucket, monkeypatch, name, value, word):
    monkeypatch.setenv(name, value)
    remote = open_remote(s3_bucket.url, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url))
    with pytest.raises(RemoteError) as caught:
        remote.get(KEY, max_bytes=1)
    assert word in (caught.value.hint or "")
    assert seaweed.SECRET_KEY not in caught.value.message


def test_missing_credentials_are_explained(s3_bucket, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    remote = open_remote(s3_bucket.url, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url))
    with pytest.raises(RemoteError, match="no usable credentials") as caught:
        remote.get(KEY, max_bytes=1)
    assert "AWS_PROFILE" in (caught.value.hint or "")


@pytest.mark.usefixtures("s3_credentials")
def test_a_store_that_is_not_there_is_remote_trouble():
    remote = open_remote("s3://flags", options=RemoteOptions(endpoint_url="http://127.0.0.1:1"))
    with pytest.raises(RemoteError) as caught:
        remote.get(KEY, max_bytes=1)
    assert "endpoint_url" in (caught.value.hint or "")


@pytest.mark.parametrize("url", ["s3://", "s3:///prefix", "s3://UPPER/x", "s3://a/x", "s3://b_c/x", "s3://bucket/../x"])
def test_a_location_names_a_valid_bucket_and_prefix(url):
    with pytest.raises(UsageError):
        open_remote(url)


def test_without_boto3_the_right_extra_is_named(monkeypatch):
    monkeypatch.setattr("flagctl.storage.s3.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="need boto3") as caught:
        open_remote("s3://bucket/prefix")
    assert "flagctl[s3]" in (caught.value.hint or "")


@pytest.mark.parametrize(
    ("mode", "settings"),
    [
        ("refuse", {}),
        ("status", {"status": 503}),
        ("status", {"status": 500}),
        ("cut", {"count": 10}),
        ("cut", {"count": 1000}),
        ("silent", {}),
    ],
)
def test_every_fault_is_remote_trouble_after_one_request(faulty, fault_proxy, mode, settings):
    faulty.put(KEY, b"x" * 50_000)
    assert faulty.get(KEY, max_bytes=60_000).data == b"x" * 50_000
    before = fault_proxy.requests, fault_proxy.connections
    fault_proxy.set(mode, **settings)
    started = time.monotonic()
    with pytest.raises(RemoteError):
        faulty.get(KEY, max_bytes=60_000)
    assert time.monotonic() - started < 10
    if mode != "refuse":
        assert fault_proxy.requests - before[0] == 1
    fault_proxy.set("pass")
    assert faulty.get(KEY, max_bytes=60_000).data == b"x" * 50_000


@pytest.mark.parametrize("header", [b"", b'ETag: "a"\r\nLast-Modified: Mox, 2\x1a Nov\r\n'], ids=["no tag", "no date"])
def test_an_answer_that_the_sdk_cannot_read_is_remote_trouble(s3_credentials, header):
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nConnection: close\r\n" + header + b"\r\nx")

        thread = threading.Thread(target=answer)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with pytest.raises(RemoteError, match="cannot be read"):
            open_remote("s3://bucket/flags", options=RemoteOptions(endpoint_url=url)).get(KEY, max_bytes=100)
        thread.join(10)


def test_a_slow_drip_is_cut_off_at_the_deadline(faulty, fault_proxy):
    faulty.put(KEY, b"x" * 5_000)
    fault_proxy.set("drip", seconds=0.05)  # never slow enough for the read timeout, and minutes in all
    started = time.monotonic()
    with pytest.raises(RemoteError, match=r"within 4 seconds"):
        faulty.get(KEY, max_bytes=60_000)
    assert time.monotonic() - started < 10
    fault_proxy.set("pass")
    assert len(faulty.get(KEY, max_bytes=60_000).data) == 5_000


def test_a_store_that_drips_for_ever_does_not_pile_up_threads(s3_bucket, fault_proxy):
    options = RemoteOptions(endpoint_url=fault_proxy.url, read_timeout=1, deadline=0.05)
    remote = open_remote(s3_bucket.url, options=options)
    fault_proxy.set("drip", seconds=0.3)
    for _ in range(8):
        with pytest.raises(RemoteError, match="within"):
            remote.get(KEY, max_bytes=1)
    with pytest.raises(RemoteError, match="without an end"):
        remote.get(KEY, max_bytes=1)


@pytest.mark.parametrize("status", [409, 412])
def test_a_conflict_answer_to_our_own_write_is_a_conflict(faulty, fault_proxy, status):
    etag = faulty.put(KEY, b"one")
    fault_proxy.set("lose-answer", status=status, only=b"PUT")
    with pytest.raises(ConflictError):
        faulty.put(KEY, b"two", if_match=etag)
    fault_proxy.set("pass")
    assert faulty.get(KEY, max_bytes=100).data == b"two"


def test_a_remote_says_where_it_is_and_no_more(remote, s3_bucket):
    assert repr(remote) == f"S3Remote('{s3_bucket.url}')"
    assert remote.url == s3_bucket.url
