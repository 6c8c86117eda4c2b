"""What an application does with kill lists: each promise, and each way to break it that somebody with the remote has."""

from __future__ import annotations

import pytest

from flagctl.client.client import Client
from flagctl.errors import RemoteError, UntrustedError
from flagctl.storage import open_remote
from tests.simulators.project import Clock, bundle_of, eventually

FLAGS = bundle_of(a=True, b=True)
OTHER = bundle_of(a=True, b=True, c=True)
KILLS = "production/kill.json"


def on(client) -> set[str]:
    return {key for key, value in client.evaluate_all().items() if value}


def ready(client):
    assert client.wait_until_ready(10)
    return client


def test_a_kill_is_served_within_one_poll_and_lifted_within_one(project, remote, make):
    project.put(remote, FLAGS)
    client = ready(make(poll_interval=0.02))
    assert on(client) == {"a", "b"}
    project.put_kills(remote, "a")
    assert eventually(lambda: on(client) == {"b"})
    assert client.evaluate("a").reason == "DISABLED"
    assert (client.status().killed, client.status().kills_seq) == (("a",), 1)
    project.put_kills(remote, seq=2)
    assert eventually(lambda: on(client) == {"a", "b"})


def test_a_refresh_tells_of_a_kill_and_listeners_hear_of_it_once(project, remote, make):
    project.put(remote, FLAGS)
    client = ready(make())
    heard = []
    client.add_listener(lambda status: heard.append(status.killed))
    project.put_kills(remote, "a")
    assert client.refresh() is True
    assert client.refresh() is False
    assert heard == [("a",)]


def test_an_application_that_starts_after_a_kill_serves_it_from_its_first_answer(project, remote, make):
    project.put_kills(remote, "a")
    project.put(remote, FLAGS)
    assert on(ready(make())) == {"b"}


def test_a_kill_outlives_new_bundles(project, remote, make):
    project.put(remote, FLAGS)
    project.put_kills(remote, "a")
    client = ready(make())
    project.put(remote, OTHER, seq=2)
    assert client.refresh()
    assert on(client) == {"b", "c"}


def test_a_kill_outlives_a_restart_without_the_remote(project, remote, make, tmp_path):
    project.put(remote, FLAGS)
    project.put_kills(remote, "a")
    ready(make(cache_dir=tmp_path / "cache")).close()
    again = ready(make(url=f"file://{tmp_path}/gone", cache_dir=tmp_path / "cache"))
    assert on(again) == {"b"}
    assert again.status().source == "cache"
    assert again.status().killed == ("a",)


def test_a_lifted_kill_stays_lifted_after_a_restart_though_somebody_puts_the_old_list_back(
    project, remote, make, tmp_path
):
    project.put(remote, FLAGS)
    project.put_kills(remote, "a")
    old = remote.get(KILLS, max_bytes=10**6).data
    client = ready(make(cache_dir=tmp_path / "cache"))
    project.put_kills(remote, seq=2)
    client.refresh()
    client.close()
    remote.put(KILLS, old)
    again = ready(make(cache_dir=tmp_path / "cache"))
    again.refresh()
    assert on(again) == {"a", "b"}
    assert again.status().rejected["rollback"] >= 1


def test_a_torn_copy_of_the_list_is_put_aside_and_read_anew(project, remote, make, tmp_path):
    project.put(remote, FLAGS)
    project.put_kills(remote, "a")
    ready(make(cache_dir=tmp_path / "cache")).close()
    kept = tmp_path / "cache/acme/production/kill.json"
    kept.write_bytes(kept.read_bytes()[:-30])
    again = ready(make(cache_dir=tmp_path / "cache"))
    assert "malformed-envelope" in again.status().cache_error
    again.refresh()
    assert on(again) == {"b"}
    assert kept.with_name("kill.json.bad").exists()


def test_deleting_the_list_brings_nothing_back_in_a_running_application(project, remote, make, tmp_path):
    project.put(remote, FLAGS)
    project.put_kills(remote, "a")
    client = ready(make())
    (tmp_path / "remote" / KILLS).unlink()
    client.refresh()
    project.put(remote, OTHER, seq=2)
    client.refresh()
    assert on(client) == {"b", "c"}


def test_deleting_the_list_brings_nothing_back_in_a_new_application(project, remote, make, tmp_path):
    floor = project.put_kills(remote, "a", seq=3)
    project.put(remote, FLAGS, kill_floor=floor)
    (tmp_path / "remote" / KILLS).unlink()
    assert on(ready(make())) == {"b"}


def test_an_older_list_put_back_does_not_fool_a_new_application(project, remote, make):
    floor = project.put_kills(remote, "a", seq=3)
    project.put(remote, FLAGS, kill_floor=floor)
    remote.put(KILLS, project.sealed_kills(project.kill_list(seq=2)))
    client = ready(make())
    assert on(client) == {"b"}
    assert client.status().kills_seq == 3
    assert client.status().rejected == {"rollback": 1}


def test_without_the_pinned_copy_a_new_application_takes_nothing_at_all(project, remote, make, tmp_path):
    floor = project.put_kills(remote, "a", seq=3)
    project.put(remote, FLAGS, kill_floor=floor)
    (tmp_path / "remote" / KILLS).unlink()
    copy = tmp_path / f"remote/production/kills/{floor.sha256}.json"
    data = copy.read_bytes()
    copy.unlink()
    client = make()
    with pytest.raises(RemoteError, match="the kill list that the manifest pins is missing"):
        client.refresh()
    assert client.is_enabled("a") is False
    assert client.status().state == "not-ready"
    copy.write_bytes(project.sealed_kills(project.kill_list(seq=3)))
    with pytest.raises(UntrustedError) as caught:
        client.refresh()
    assert caught.value.reason == "wrong-kills-digest"
    copy.write_bytes(data)
    client.refresh()
    assert on(client) == {"b"}


def test_a_manifest_whose_pinned_list_is_missing_leaves_everything_as_it_was(project, remote, make):
    project.put(remote, FLAGS)
    client = ready(make())
    project.put(remote, OTHER, seq=2, kill_floor=project.put_kills(remote, "a", seq=3)._replace(seq=4, sha256="0" * 64))
    with pytest.raises(RemoteError, match="missing"):
        client.refresh()
    assert on(client) == {"b"}, "the list itself is good and counts"
    assert client.status().seq == 1


@pytest.mark.parametrize(
    "bad",
    [
        lambda _: b"garbage",
        lambda p: p.sealed_kills(p.kill_list(seq=9), signers=p.publishers),
        lambda p: p.sealed_kills(p.kill_list(seq=9, environment="staging")),
        lambda p: p.sealed_kills(p.kill_list(seq=9, project="other")),
        lambda p: p.sealed_kills(p.kill_list(seq=9, epoch=2)),
        lambda p: p.sealed_kills(p.kill_list(seq=1)),
        lambda p: p.sealed_kills(p.kill_list("b", seq=2)),
        lambda p: p.sealed_kills(p.kill_list(seq=9)) + b" " * 70_000,
    ],
    ids=["garbled", "publishing key", "environment", "project", "epoch", "replayed", "equivocation", "oversized"],
)
def test_a_bad_list_changes_nothing_is_counted_and_does_not_hold_the_flags_up(project, remote, make, bad):
    project.put(remote, FLAGS)
    project.put_kills(remote, "a", seq=2)
    client = ready(make())
    remote.put(KILLS, bad(project))
    project.put(remote, OTHER, seq=2)
    assert client.refresh() is True
    assert on(client) == {"b", "c"}
    assert sum(client.status().rejected.values()) == 1
    assert client.status().kills_error
    assert client.status().failures == 0
    project.put_kills(remote, seq=10)
    client.refresh()
    assert on(client) == {"a", "b", "c"}
    assert client.status().kills_error is None


@pytest.mark.parametrize("damage", ["missing", "garbled", "no bundle"])
def test_a_bad_manifest_does_not_hold_a_kill_up(project, remote, make, tmp_path, damage):
    project.put(remote, FLAGS)
    client = ready(make())
    if damage == "missing":
        (tmp_path / "remote/production/manifest.json").unlink()
    elif damage == "garbled":
        remote.put("production/manifest.json", b"garbage")
    else:
        manifest = project.put(remote, OTHER, seq=2)
        (tmp_path / f"remote/production/blobs/{manifest.bundle.blob_sha256}.gz").unlink()
    project.put_kills(remote, "a")
    with pytest.raises((RemoteError, UntrustedError)):
        client.refresh()
    assert on(client) == {"b"}


def test_a_kill_counts_while_the_manifest_has_expired(project, remote, make):
    clock = Clock()
    project.put(remote, FLAGS)
    client = ready(make(clock=clock, monotonic=clock.monotonic))
    clock.pass_by(60 * 86_400)
    project.put_kills(remote, "a")
    client.refresh()
    assert client.evaluate("a").reason == "DISABLED"
    assert client.evaluate("b").reason == "STALE"


def test_after_a_rotation_the_numbers_start_again_and_nothing_comes_back_meanwhile(project, remote, make):
    project.put(remote, FLAGS)
    project.put_kills(remote, "a", seq=50)
    client = ready(make())
    remote.put("trust/2.json", project.next_trust(epoch=2))
    client.refresh()
    assert client.status().trust_version == 2
    assert on(client) == {"b"}
    project.put_kills(remote, "b", epoch=2, trust=2)
    project.put(remote, FLAGS, epoch=2, trust=2)
    client.refresh()
    assert on(client) == {"a"}
    assert client.status().kills_seq == 1


def test_a_list_under_a_new_key_makes_the_application_look_for_the_new_root(project, remote, make):
    from flagctl.bundle.envelope import Role
    from tests.simulators.project import ed25519_signer

    project.put(remote, FLAGS)
    client = ready(make())
    client.refresh()
    new = ed25519_signer()
    old = Role((project.kill_signer.public_key, new.public_key), 1)
    remote.put("trust/2.json", project.next_trust(kill={"production": old}))
    data = project.sealed_kills(project.kill_list("a"), signers=[new])
    remote.put(KILLS, data)
    client._updater.update()
    assert on(client) == {"b"}
    assert client.status().trust_version == 2


def test_an_image_needs_the_pinned_list_too(project, make, tmp_path):
    image = open_remote(f"file://{tmp_path}/image")
    floor = project.put_kills(image, "a", seq=3)
    project.put(image, FLAGS, kill_floor=floor)
    (tmp_path / "image" / KILLS).unlink()
    client = make(url=f"file://{tmp_path}/gone", bootstrap=tmp_path / "image")
    assert on(ready(client)) == {"b"}
    (tmp_path / f"image/production/kills/{floor.sha256}.json").unlink()
    bare = make(url=f"file://{tmp_path}/gone", bootstrap=tmp_path / "image")
    assert bare.status().state == "not-ready"
    assert "kill list" in (bare.status().cache_error or "")


def test_without_a_root_of_trust_kill_lists_count_as_well(project, url, remote):
    project.put(remote, FLAGS)
    project.put_kills(remote, "a")
    with (
        pytest.warns(UserWarning, match="without checking"),
        Client(url, environment="production", insecure=True, poll_interval=3600) as client,
    ):
        assert on(ready(client)) == {"b"}


def test_a_poll_that_brings_nothing_reads_nothing(project, remote, make, monkeypatch):
    import time

    project.put(remote, FLAGS)
    project.put_kills(remote, "a")
    client = ready(make())
    client.refresh()
    settled = time.time_ns() + 10**10
    monkeypatch.setattr("flagctl.storage.file.time.time_ns", lambda: settled)
    client._updater._held = client._updater._held._replace(tags=type(client._updater._held.tags)())
    client.refresh()
    opened = []
    monkeypatch.setattr("builtins.open", lambda path, *_, **__: opened.append(path))
    assert client._updater.update() is False
    assert opened == []


def test_forbidden_is_how_some_stores_say_that_there_is_no_list(project, make, remote, tmp_path):
    project.put(remote, FLAGS)
    client = ready(make())

    class Store:
        url = remote.url

        def get(self, key, **settings):
            if key == KILLS:
                raise RemoteError("the store answered AccessDenied")
            return remote.get(key, **settings)

    client._updater._remote = Store()
    assert client.refresh() is False
    assert client.status().kills_error is None
    client._updater._remote = remote
    project.put_kills(remote, "a")
    client.refresh()
    client._updater._remote = Store()
    client.refresh()
    assert "AccessDenied" in client.status().kills_error
    assert on(client) == {"b"}
