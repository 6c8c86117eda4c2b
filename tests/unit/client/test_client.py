from __future__ import annotations

import gc
import os
import threading
import time
import weakref

import pytest

import flagctl
from flagctl.bundle.accept import trusting
from flagctl.client.client import Client
from flagctl.client.held import Clocks
from flagctl.client.updater import Updater
from flagctl.errors import RemoteError, UntrustedError, UsageError
from flagctl.evaluator import ErrorCode, Reason
from flagctl.storage import open_remote
from tests.simulators.project import NOW, Project, bundle_of, eventually

ONE, TWO = bundle_of(a=True), bundle_of(a=False, b=True)
DAY = 86_400


def test_a_client_gets_its_first_flags_in_the_background(project, remote, make):
    project.put(remote, ONE)
    client = make()
    assert client.wait_until_ready(10)
    assert client.is_enabled("a")
    status = client.status()
    assert (status.state, status.source, status.seq, status.flag_count) == ("ready", "remote", 1, 1)
    assert status.project == "acme"
    assert status.to_dict()["format_version"] == "1.0"


def test_before_the_first_bundle_the_callers_default_is_the_answer(make):
    client = make()
    assert not client.wait_until_ready(0)
    assert client.is_enabled("a", {}) is False
    assert client.get_value("a", {}, 7) == 7
    assert client.get_variant("a", {}) is None
    assert client.evaluate_all({}) == {}
    details = client.evaluate("a", {}, "default")
    assert (details.value, details.reason) == ("default", Reason.ERROR)
    assert details.error_code is ErrorCode.PROVIDER_NOT_READY
    assert client.status().state == "not-ready"


def test_a_refresh_sees_a_change_at_once(project, remote, make):
    project.put(remote, ONE)
    client = make()
    assert client.wait_until_ready(10)
    project.put(remote, TWO, seq=2)
    assert client.refresh() is True
    assert client.evaluate_all() == {"a": False, "b": True}
    assert client.refresh() is False


def test_a_poll_sees_a_change_without_being_asked(project, remote, make):
    project.put(remote, ONE)
    client = make(poll_interval=0.02)
    assert client.wait_until_ready(10)
    project.put(remote, TWO, seq=2)
    assert eventually(lambda: client.is_enabled("b"))


def test_the_five_methods_answer_as_the_flag_set_does(project, remote, make):
    project.put(remote, ONE)
    client = make()
    client.wait_until_ready(10)
    flags = flagctl.load(ONE)
    user = {"targeting_key": "u"}
    for key in ("a", "unknown"):
        assert client.is_enabled(key, user) == flags.is_enabled(key, user)
        assert client.get_value(key, user, True) == flags.get_value(key, user, True)
        assert client.get_variant(key, user) == flags.get_variant(key, user)
        assert client.evaluate(key, user, 1) == flags.evaluate(key, user, 1)
    assert client.evaluate_all(user) == flags.evaluate_all(user)


def test_a_refused_update_leaves_the_flags_and_is_counted_and_tried_again(project, remote, make):
    project.put(remote, ONE)
    client = make()
    client.wait_until_ready(10)
    good = project.manifest(TWO, seq=2)
    remote.put("production/manifest.json", project.sealed(good, signers=[project.kill_signer]))
    with pytest.raises(UntrustedError) as caught:
        client.refresh()
    assert caught.value.reason == "unknown-key"
    assert client.is_enabled("a")
    status = client.status()
    assert status.rejected["unknown-key"] == 1
    assert (status.last_error_reason, status.failures, status.seq) == ("unknown-key", 1, 1)
    project.put(remote, TWO, seq=2)
    client.refresh()
    assert client.status().last_error is None
    assert client.status().failures == 0
    assert client.is_enabled("b")


def test_a_damaged_bundle_does_not_stick(project, remote, make):
    """The tag of a manifest whose bundle was refused is not remembered, so the same manifest is read again."""
    project.put(remote, ONE)
    client = make()
    client.wait_until_ready(10)
    manifest = project.put(remote, TWO, seq=2)
    key = f"production/blobs/{manifest.bundle.blob_sha256}.gz"
    whole = remote.get(key, max_bytes=10_000).data
    remote.put(key, whole[:-1])
    with pytest.raises(UntrustedError) as caught:
        client.refresh()
    assert caught.value.reason == "wrong-blob-size"
    remote.put(key, whole)
    assert client.refresh() is True
    assert client.is_enabled("b")


def test_a_manifest_without_its_bundle_is_remote_trouble(project, remote, make, tmp_path):
    manifest = project.put(remote, ONE)
    (tmp_path / f"remote/production/blobs/{manifest.bundle.blob_sha256}.gz").unlink()
    client = make()
    with pytest.raises(RemoteError, match="missing"):
        client.refresh()
    assert client.status().state == "not-ready"


def test_an_older_manifest_is_refused(project, remote, make):
    project.put(remote, TWO, seq=2)
    client = make()
    client.wait_until_ready(10)
    project.put(remote, ONE, seq=1)
    with pytest.raises(UntrustedError) as caught:
        client.refresh()
    assert caught.value.reason == "rollback"


def test_flags_become_stale_when_the_manifest_expires_and_fresh_when_it_is_renewed(project, remote, make, clock):
    project.put(remote, ONE)
    client = make()
    client.wait_until_ready(10)
    assert client.evaluate("a").reason is Reason.STATIC
    clock.pass_by(31 * DAY)
    client.refresh()
    assert client.evaluate("a").reason is Reason.STALE
    assert client.is_enabled("a")
    assert client.status().state == "stale"
    project.put(remote, ONE, seq=2, issued=int(clock()), expires=int(clock()) + DAY)
    client.refresh()
    assert client.evaluate("a").reason is Reason.STATIC
    assert client.status().state == "ready"


def test_expiry_is_noticed_between_polls(project, remote, make):
    import time

    project.put(remote, ONE, issued=int(time.time()) - 10, expires=int(time.time()) + 3)
    client = make(clock=time.time)
    client.wait_until_ready(10)
    assert client.evaluate("a").reason is Reason.STATIC
    assert eventually(lambda: client.evaluate("a").reason is Reason.STALE)


def test_a_wall_clock_far_in_the_past_expires_nothing(project, remote, make, clock):
    clock.now = NOW - 10 * 365 * DAY
    project.put(remote, ONE)
    client = make()
    client.wait_until_ready(10)
    assert client.evaluate("a").reason is Reason.STATIC


def test_an_expired_manifest_at_the_remote_is_no_news(project, remote, make):
    project.put(remote, ONE, expires=NOW - 1)
    client = make()
    with pytest.raises(UntrustedError) as caught:
        client.refresh()
    assert caught.value.reason == "expired"
    assert client.status().state == "not-ready"


def test_a_rotated_key_is_followed_along_the_chain_of_roots(project, remote, make):
    from flagctl.bundle.envelope import Role
    from tests.simulators.project import ed25519_signer

    project.put(remote, ONE)
    client = make()
    client.wait_until_ready(10)
    new_key = ed25519_signer()
    role = Role((new_key.public_key,), 1)
    remote.put("trust/2.json", project.next_trust(epoch=2, publish={"production": role}))
    manifest = project.manifest(TWO, epoch=2, seq=1)
    project.put(remote, TWO, seq=99)  # for the bundle
    remote.put("production/manifest.json", project.sealed(manifest, signers=[new_key]))
    client._updater.update()  # as the background thread does, which looks at the chain hourly
    assert client.is_enabled("b")
    assert client.status().trust_version == 2


def test_a_refused_root_stops_nothing(project, remote, make):
    remote.put("trust/2.json", b"garbage")
    project.put(remote, ONE)
    client = make()
    assert client.wait_until_ready(10)
    client.refresh()
    assert client.status().rejected["malformed-envelope"] >= 1
    assert client.status().trust_version == 1


def test_listeners_are_told_outside_the_lock_and_may_fail(project, remote, make, caplog):
    project.put(remote, ONE)
    client = make()
    client.wait_until_ready(10)
    told = []

    def careless(_status):
        raise RuntimeError("the listener's own fault")

    client.add_listener(careless)
    client.add_listener(lambda status: told.append((status.seq, client.status().seq, client.refresh())))
    project.put(remote, TWO, seq=2)
    client.refresh()
    assert told == [(2, 2, False)]
    assert "a listener of the flag client failed" in caplog.text


def test_a_restart_works_offline_from_the_last_known_good(project, remote, make, tmp_path):
    project.put(remote, ONE)
    make(cache_dir=tmp_path / "cache").refresh()
    client = make(url=f"file://{tmp_path}/gone", cache_dir=tmp_path / "cache")
    assert client.wait_until_ready(0)
    assert client.is_enabled("a")
    assert client.status().source == "cache"


def test_the_last_known_good_follows_updates_and_renewals(project, remote, make, tmp_path):
    cache = tmp_path / "cache"
    client = make(cache_dir=cache)
    for seq, data in ((1, ONE), (2, TWO), (3, TWO)):
        project.put(remote, data, seq=seq)
        client.refresh()
        copy = make(url=f"file://{tmp_path}/gone", cache_dir=cache)
        assert copy.status().seq == seq
        assert copy.evaluate_all() == flagctl.load(data).evaluate_all()
    assert len(list((cache / "acme/production/blobs").glob("*.gz"))) == 2  # the older one may still be in use


def test_old_bundles_leave_the_cache_after_an_hour(project, remote, make, tmp_path):
    client = make(cache_dir=tmp_path / "cache")
    project.put(remote, ONE)
    client.refresh()
    blobs = tmp_path / "cache/acme/production/blobs"
    (old,) = blobs.glob("*.gz")
    os.utime(old, (1, 1))
    project.put(remote, TWO, seq=2)
    client.refresh()
    assert old not in blobs.glob("*.gz")


def test_a_renewal_brings_its_bundle_into_an_empty_cache(project, remote, make, tmp_path):
    project.put(remote, ONE)
    client = make(cache_dir=tmp_path / "cache")
    client.refresh()
    for path in (tmp_path / "cache").rglob("*.*"):
        path.unlink()
    project.put(remote, ONE, seq=2)
    client.refresh()
    assert make(url=f"file://{tmp_path}/gone", cache_dir=tmp_path / "cache").status().seq == 2


def test_an_expired_copy_is_served_as_stale(project, remote, make, tmp_path, clock):
    project.put(remote, ONE)
    make(cache_dir=tmp_path / "cache").refresh()
    clock.pass_by(100 * DAY)
    client = make(url=f"file://{tmp_path}/gone", cache_dir=tmp_path / "cache")
    assert client.evaluate("a").reason is Reason.STALE


def test_the_copy_keeps_older_manifests_out_after_a_restart(project, remote, make, tmp_path):
    project.put(remote, TWO, seq=2)
    make(cache_dir=tmp_path / "cache").refresh()
    project.put(remote, ONE, seq=1)
    client = make(cache_dir=tmp_path / "cache")
    with pytest.raises(UntrustedError) as caught:
        client.refresh()
    assert caught.value.reason == "rollback"


@pytest.mark.parametrize("victim", ["manifest.json", "blob"])
@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_copy_is_put_aside_and_the_remote_is_asked(project, remote, make, tmp_path, victim, damage):
    project.put(remote, ONE)
    make(cache_dir=tmp_path / "cache").refresh()
    folder = tmp_path / "cache/acme/production"
    path = folder / "manifest.json" if victim == "manifest.json" else next((folder / "blobs").glob("*.gz"))
    data = bytearray(path.read_bytes())
    if damage == "flip":
        data[len(data) // 2] ^= 1
    path.write_bytes(b"" if damage == "empty" else data[:-7] if damage == "cut" else data)
    offline = make(url=f"file://{tmp_path}/gone", cache_dir=tmp_path / "cache")
    assert offline.status().state == "not-ready"
    assert offline.status().cache_error
    assert (folder / "manifest.json.bad").exists()
    client = make(cache_dir=tmp_path / "cache")
    client.refresh()
    assert make(url=f"file://{tmp_path}/gone", cache_dir=tmp_path / "cache").is_enabled("a")


def test_a_cache_that_cannot_be_written_stops_nothing(project, remote, make, tmp_path):
    project.put(remote, ONE)
    (tmp_path / "cache").write_text("a file is in the way")
    client = make(cache_dir=tmp_path / "cache")
    client.refresh()
    assert client.is_enabled("a")
    assert client.status().cache_error


def test_the_chain_of_roots_is_kept_for_a_restart(project, remote, make, tmp_path):
    remote.put("trust/2.json", project.next_trust(epoch=2))
    project.put(remote, ONE, epoch=2)
    make(cache_dir=tmp_path / "cache").refresh()
    client = make(url=f"file://{tmp_path}/gone", cache_dir=tmp_path / "cache")
    assert client.is_enabled("a")
    assert client.status().trust_version == 2


def test_a_bundle_from_the_image_serves_until_the_remote_answers(project, make, remote, tmp_path):
    project.put(open_remote(f"file://{tmp_path}/image"), ONE, seq=5, expires=NOW - 1)
    client = make(bootstrap=tmp_path / "image")
    assert client.evaluate("a").reason is Reason.STALE
    assert client.status().source == "bootstrap"
    project.put(remote, TWO, seq=6)
    client.refresh()
    assert client.status().source == "remote"
    assert client.is_enabled("b")


@pytest.mark.parametrize(("cached", "baked", "source"), [(3, 2, "cache"), (2, 3, "bootstrap"), (2, 2, "cache")])
def test_the_newer_of_cache_and_image_is_served(project, remote, make, tmp_path, cached, baked, source):
    project.put(remote, ONE, seq=cached)
    make(cache_dir=tmp_path / "cache").refresh()
    project.put(open_remote(f"file://{tmp_path}/image"), ONE, seq=baked)
    client = make(url=f"file://{tmp_path}/gone", cache_dir=tmp_path / "cache", bootstrap=tmp_path / "image")
    status = client.status()
    assert (status.seq, status.source) == (max(cached, baked), source)
    assert status.rejected == {}


def test_a_bad_bundle_in_the_image_is_recorded_and_stops_nothing(project, remote, make, tmp_path):
    Project().put(open_remote(f"file://{tmp_path}/image"), ONE)
    project.put(remote, TWO)
    client = make(bootstrap=tmp_path / "image")
    client.refresh()
    assert client.status().rejected == {"unknown-key": 1}
    assert client.is_enabled("b")


def test_wrong_arguments_are_refused_with_advice(make, tmp_path, project):
    for changes, words in (
        ({"l2": "s3://bucket"}, "names no host and database"),
        ({"sinks": [object()]}, "is no sink"),
        ({"poll_interval": 0}, "poll_interval"),
        ({"poll_interval": float("nan")}, "poll_interval"),
        ({"poll_interval": float("inf")}, "poll_interval"),
        ({"trust": None}, "root of trust"),
        ({"trust": tmp_path / "none.json"}, "cannot be read"),
        ({"url": "/srv/flags"}, "has no scheme"),
        ({"bootstrap": tmp_path / "none"}, "does not exist"),
        ({"insecure": True}, "contradict"),
    ):
        with pytest.raises(UsageError, match=words):
            make(**changes)
    with pytest.raises(UntrustedError):
        make(trust=b"garbage")
    with pytest.raises(UntrustedError):
        make(environment="development")


def test_the_root_of_trust_may_be_a_path_bytes_or_an_object(project, remote, make, tmp_path):
    project.put(remote, ONE)
    path = tmp_path / "trust.json"
    path.write_bytes(project.trust_data)
    for trust in (path, str(path), project.trust_data, project.trust):
        client = make(trust=trust)
        client.refresh()
        assert client.is_enabled("a")


def test_without_a_root_of_trust_only_local_remotes_are_read_and_a_warning_is_given(project, remote, make):
    project.put(remote, ONE, epoch=7)
    with pytest.warns(UserWarning, match="without checking who made them"):
        client = make(trust=None, insecure=True)
    client.refresh()
    assert client.is_enabled("a")
    assert client.status().project == "acme"
    with pytest.raises(UsageError, match="refused"):
        make(url="s3://bucket/x", trust=None, insecure=True)
    with pytest.raises(UsageError, match="refused"):
        make(url="s3://bucket/x", trust=None, insecure=True, endpoint_url="https://store.example.com")
    with pytest.warns(UserWarning, match="without checking"):
        make(url="s3://bucket/x", trust=None, insecure=True, endpoint_url="http://127.0.0.1:1")


def test_a_closed_client_still_answers_but_does_not_refresh(project, remote, make):
    project.put(remote, ONE)
    with make() as client:
        client.wait_until_ready(10)
    assert client.is_enabled("a")
    assert client.status().state == "closed"
    with pytest.raises(UsageError, match="closed"):
        client.refresh()
    client.close()


def test_closing_ends_the_thread(make):
    client = make()
    thread = client._background._thread
    client.close()
    assert not thread.is_alive()


def test_a_client_that_nobody_has_is_collected_with_its_thread(project, url, remote):
    project.put(remote, ONE, expires=2**33)
    client = Client(url, environment="production", trust=project.trust_data, poll_interval=0.02)
    reference, thread = weakref.ref(client._background), client._background._thread
    del client
    gc.collect()
    assert eventually(lambda: gc.collect() >= 0 and reference() is None and not thread.is_alive())


def test_conversions_without_sinks_are_counted(make):
    client = make()
    client.track_conversion("hero", {"targeting_key": "u"}, 49.9, metric="purchase")
    assert client.status().conversions_dropped == 1


def test_a_representation_tells_state_and_place(make, url):
    assert repr(make()) == f"Client({url!r}, environment='production', state='not-ready', seq=None)"


def test_evaluation_while_flags_are_swapped_never_sees_a_mixture(project, remote, make):
    """Flags a and b always differ in a bundle; every read through one call sees one bundle."""
    versions = [bundle_of(a=True, b=False), bundle_of(a=False, b=True)]
    project.put(remote, versions[0])
    client = make()
    client.wait_until_ready(10)
    mixtures, stop = [], threading.Event()

    def read():
        while not stop.wait(0.0002):
            values = client.evaluate_all()
            if values["a"] == values["b"]:
                mixtures.append(values)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for seq in range(2, 12):
        project.put(remote, versions[seq % 2], seq=seq)
        client.refresh()
    stop.set()
    for thread in threads:
        thread.join()
    assert mixtures == []


def test_a_client_counts_as_ready_only_once_it_answers(tmp_path):
    project = Project()
    remote = open_remote(f"file://{tmp_path}")
    project.put(remote, bundle_of(a=True), expires=2**33)
    states = []

    def swap(_):
        states.append(updater.status(closed=False, conversions_dropped=0).state)

    clocks = Clocks(time.time, time.monotonic, lambda: 1.0)
    updater = Updater(trusting(project.trust, "production"), lambda: remote, clocks, 10.0, swap)
    updater.update()
    assert states == ["not-ready"]
    assert updater.status(closed=False, conversions_dropped=0).state == "ready"
