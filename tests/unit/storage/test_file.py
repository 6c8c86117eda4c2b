from __future__ import annotations

import os
import threading
import time

import pytest

from flagctl.errors import ConflictError, RemoteError, UntrustedError, UsageError
from flagctl.storage import Fetched, NotModified, open_remote
from tests.simulators.at_once import at_once

KEY = "production/manifest.json"


@pytest.fixture
def remote(tmp_path):
    return open_remote(f"file://{tmp_path}/remote")


def settle(path):
    """Make a file look as if it was written long ago, as a poll sees most files."""
    past = time.time() - 60
    os.utime(path, (past, past))


def test_what_was_put_is_got(remote):
    etag = remote.put(KEY, b"one")
    assert remote.get(KEY, max_bytes=100) == Fetched(b"one", etag)
    assert remote.get("production/none.json", max_bytes=100) is None
    assert remote.get("none/at/all", max_bytes=100) is None
    assert remote.get(f"{KEY}/below", max_bytes=100) is None


def test_the_same_version_is_not_modified(remote):
    etag = remote.put(KEY, b"one")
    assert isinstance(remote.get(KEY, etag=etag, max_bytes=100), NotModified)
    assert remote.get(KEY, etag="another", max_bytes=100) == Fetched(b"one", etag)


def test_an_object_that_is_too_large_is_refused(remote):
    remote.put(KEY, b"x" * 101)
    with pytest.raises(UntrustedError) as caught:
        remote.get(KEY, max_bytes=100)
    assert caught.value.reason == "too-large"


def test_conditions_hold_or_conflict(remote):
    etag = remote.put(KEY, b"one", if_none_match=True)
    with pytest.raises(ConflictError):
        remote.put(KEY, b"two", if_none_match=True)
    with pytest.raises(ConflictError):
        remote.put(KEY, b"two", if_match="another")
    with pytest.raises(ConflictError):
        remote.put("production/none.json", b"two", if_match=etag)
    assert remote.get(KEY, max_bytes=100).data == b"one"
    remote.put(KEY, b"two", if_match=etag)
    assert remote.get(KEY, max_bytes=100).data == b"two"


def test_keys_are_listed_by_prefix_without_the_workings(remote, tmp_path):
    for key in ("a/log/1-2-x.json", "a/log/1-1-x.json", "a/blobs/b.gz", "b/log/1-1-x.json", "top.json"):
        remote.put(key, b"")
    assert remote.list("a/log/") == ["a/log/1-1-x.json", "a/log/1-2-x.json"]
    assert remote.list("a/") == ["a/blobs/b.gz", "a/log/1-1-x.json", "a/log/1-2-x.json"]
    assert remote.list("a/log/1-2") == ["a/log/1-2-x.json"]
    assert remote.list("none/") == []
    assert remote.list("") == ["a/blobs/b.gz", "a/log/1-1-x.json", "a/log/1-2-x.json", "b/log/1-1-x.json", "top.json"]
    assert open_remote(f"file://{tmp_path}/nowhere").list("") == []


@pytest.mark.parametrize(
    "key", ["", "/etc/passwd", "../x", "a/../b", "a//b", ".hidden", "a/.lock", "a\x00b", "a b", "ä"]
)
def test_a_key_never_leaves_the_folder(remote, key):
    with pytest.raises(UsageError):
        remote.get(key, max_bytes=1)
    with pytest.raises(UsageError):
        remote.put(key, b"")


def test_a_settled_file_is_polled_without_being_read(remote, tmp_path, monkeypatch):
    etag = remote.put(KEY, b"one")
    path = tmp_path / "remote" / KEY
    settle(path)
    import flagctl.storage.file as module

    monkeypatch.setattr(module, "_SETTLED_NS", -1)  # the change time cannot be set back
    assert isinstance(remote.get(KEY, etag=etag, max_bytes=100), NotModified)
    opened = []
    monkeypatch.setattr("builtins.open", lambda *arguments: opened.append(arguments))
    assert isinstance(remote.get(KEY, etag=etag, max_bytes=100), NotModified)
    assert opened == []


def test_a_change_within_the_same_clock_tick_is_seen(remote, tmp_path):
    path = tmp_path / "remote" / KEY
    etag = remote.put(KEY, b"one")
    for text in (b"two", b"six", b"ten"):
        status = path.stat()
        path.write_bytes(text)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        fetched = remote.get(KEY, etag=etag, max_bytes=100)
        assert isinstance(fetched, Fetched)
        assert fetched.data == text
        etag = fetched.etag


def test_a_swapped_kubernetes_volume_is_seen(tmp_path):
    volume = tmp_path / "volume"
    for version in ("one", "two"):
        (volume / f"..{version}" / "production").mkdir(parents=True)
        (volume / f"..{version}" / KEY).write_text(version)
    (volume / "..data").symlink_to("..one")
    (volume / "production").symlink_to("..data/production")
    remote = open_remote(f"file://{volume}")
    first = remote.get(KEY, max_bytes=100)
    assert first.data == b"one"
    assert isinstance(remote.get(KEY, etag=first.etag, max_bytes=100), NotModified)
    (volume / "..data_tmp").symlink_to("..two")
    (volume / "..data_tmp").rename(volume / "..data")
    assert remote.get(KEY, etag=first.etag, max_bytes=100).data == b"two"


def test_only_one_of_many_conditional_writers_wins(remote, tmp_path):
    etag = remote.put(KEY, b"start")
    outcomes = []

    def write(number):
        own = open_remote(f"file://{tmp_path}/remote")
        try:
            own.put(KEY, b"%d" % number, if_match=etag)
        except ConflictError:
            outcomes.append(None)
        else:
            outcomes.append(b"%d" % number)

    at_once(16, write)
    winners = [outcome for outcome in outcomes if outcome is not None]
    assert winners == [remote.get(KEY, max_bytes=100).data]


def test_a_reader_sees_the_old_or_the_new_object_and_nothing_between(remote):
    versions = {bytes([letter]) * 200_000 for letter in b"ab"}
    remote.put(KEY, min(versions))
    done = threading.Event()

    def write():
        for _ in range(20):
            for version in versions:
                remote.put(KEY, version)
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    while not done.is_set():
        assert remote.get(KEY, max_bytes=1_000_000).data in versions
    thread.join()


def test_a_write_that_fails_leaves_no_rest(remote, tmp_path, monkeypatch):
    remote.put(KEY, b"one")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(RemoteError, match="No space left"):
        remote.put(KEY, b"two")
    monkeypatch.undo()
    assert remote.get(KEY, max_bytes=100).data == b"one"
    assert {path.name for path in (tmp_path / "remote" / "production").iterdir()} == {"manifest.json", ".lock"}


def test_a_folder_in_the_way_is_remote_trouble(remote, tmp_path):
    (tmp_path / "remote" / KEY).mkdir(parents=True)
    with pytest.raises(RemoteError):
        remote.get(KEY, max_bytes=100)
    (tmp_path / "remote" / "plain").write_text("a file")
    with pytest.raises(RemoteError):
        remote.put("plain/x", b"")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_named_pipe_in_the_way_does_not_block(remote, tmp_path):
    remote.put(KEY, b"one")
    path = tmp_path / "remote" / KEY
    path.unlink()
    os.mkfifo(path)
    assert remote.get(KEY, max_bytes=100).data == b""


def test_a_lock_that_is_never_freed_does_not_hold_writers_up_for_ever(remote, tmp_path, monkeypatch):
    import flagctl.storage.file as module

    remote.put(KEY, b"one")
    monkeypatch.setattr(module, "_LOCK_SECONDS", 0.05)
    with module._Lock(str(tmp_path / "remote/production/.lock")):
        with pytest.raises(RemoteError, match="locked by another process"):
            remote.put(KEY, b"two")
        assert remote.get(KEY, max_bytes=100).data == b"one"
    remote.put(KEY, b"two")


def test_reading_needs_no_write_permission(remote, tmp_path):
    remote.put(KEY, b"one")
    folder = tmp_path / "remote" / "production"
    (folder / ".lock").unlink()
    before = sorted(folder.iterdir())
    remote.get(KEY, max_bytes=100)
    remote.list("")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("/srv/flags", "file:///srv/flags"),
        ("./flags", "file:///absolute/path"),
        ("flags", "file:///absolute/path"),
        ("bucket/prefix", "s3://bucket/prefix"),
        ("s3:/bucket/prefix", "two slashes follow the colon: s3://bucket/prefix"),
        ("S3:bucket/prefix", "two slashes follow the colon: s3://bucket/prefix"),
        ("file:/srv/flags", "two slashes follow the colon: file:///srv/flags"),
        ("file:srv/flags", "two slashes follow the colon: file:///srv/flags"),
        ("C:\\flags", "file:///C:/folder"),
        ("", "file:///absolute/path"),
    ],
)
def test_a_location_without_a_scheme_is_refused_with_the_right_form(url, hint):
    with pytest.raises(UsageError, match="has no scheme") as caught:
        open_remote(url)
    assert hint in (caught.value.hint or "")


@pytest.mark.parametrize("url", ["file://relative/path", "file://host/path", "file://", "file:///a?b", "file:///a#b"])
def test_a_file_location_is_an_absolute_path(url):
    with pytest.raises(UsageError):
        open_remote(url)


@pytest.mark.parametrize("url", ["ftp://x/y", "gs://bucket/x"])
def test_other_schemes_are_refused(url):
    with pytest.raises(UsageError):
        open_remote(url)


def test_escapes_in_a_location_are_undone(tmp_path):
    open_remote(f"file://{tmp_path}/with%20space").put(KEY, b"one")
    assert (tmp_path / "with space" / KEY).read_bytes() == b"one"
    assert open_remote(f"file://localhost{tmp_path}/with%20space").list("") == [KEY]
