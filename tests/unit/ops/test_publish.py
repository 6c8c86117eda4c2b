from __future__ import annotations

import json

import pytest

from flagctl.bundle.accept import accept, read_manifest
from flagctl.bundle.blob import pack
from flagctl.bundle.envelope import Role
from flagctl.bundle.names import parse_log_key
from flagctl.bundle.trust import next_trust
from flagctl.client.sync import Source, pull
from flagctl.errors import BundleFormatError, ConflictError, RemoteError, UntrustedError, UsageError
from flagctl.ops.publish import heartbeat, publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.ops.rollback import history
from flagctl.storage import open_remote
from tests.scale import scaled
from tests.simulators.at_once import at_once
from tests.simulators.memory_remote import MemoryRemote, PowerCutError, dies_at, fails_once
from tests.simulators.project import NOW, Clock, Project, bundle_of, ed25519_signer

ONE, TWO, THREE = bundle_of(a=True), bundle_of(a=False), bundle_of(a=True, b=True)
C1, C2, C3 = "1" * 40, "2" * 40, "3" * 40


class Line:
    """A history in which each commit builds on those with smaller numbers."""

    def is_ancestor(self, ancestor, descendant):
        return ancestor <= descendant


def options(**changes) -> PublishOptions:
    defaults = {"clock": Clock(), "sleep": lambda _: None, "commit": C1, "ref": "refs/heads/main", "history": Line()}
    return PublishOptions(**{**defaults, **changes})


def live(target):
    return pull(Source(target.remote), target.reader(), now=NOW).state


def log_of(remote) -> list[tuple[int, int]]:
    return sorted(claim for key in remote.list("production/log/") if (claim := parse_log_key(key)))


def test_the_first_publish_makes_number_one(project, remote, target):
    result = publish(target, ONE, project.publishers, options())
    assert (result.action, result.seq, result.previous_seq, result.uploaded) == ("published", 1, None, True)
    assert live(target).manifest.bundle.sha256 == result.bundle_sha256
    assert live(target).manifest.previous is None
    assert remote.objects[result.log_key] == remote.objects["production/manifest.json"]


def test_each_publish_names_the_manifest_it_follows(project, target):
    publish(target, ONE, project.publishers, options())
    first = live(target).manifest
    result = publish(target, TWO, project.publishers, options(commit=C2))
    second = live(target).manifest
    assert (result.seq, result.previous_seq) == (2, 1)
    assert result.previous_bundle_sha256 == first.bundle.sha256
    assert second.previous == first.digest
    assert second.commit == C2


def test_the_same_bundle_again_is_nothing_to_publish(project, remote, target):
    publish(target, ONE, project.publishers, options())
    before = dict(remote.objects)
    result = publish(target, ONE, project.publishers, options(commit=C2))
    assert (result.action, result.seq) == ("unchanged", 1)
    assert remote.objects == before


@pytest.mark.parametrize("damage", ["lost", "cut"])
def test_a_current_bundle_that_was_lost_or_damaged_is_published_again(project, remote, target, damage):
    publish(target, ONE, project.publishers, options(commit=C2))
    key = next(key for key in remote.objects if "/blobs/" in key)
    if damage == "lost":
        del remote.objects[key]
    else:
        remote.objects[key] = remote.objects[key][:-1]
    result = publish(target, ONE, project.publishers, options(commit=C1))
    assert (result.action, result.seq, result.uploaded) == ("published", 2, True)
    assert live(target).document is not None


def test_a_heartbeat_renews_the_expiry_and_nothing_else(project, target):
    publish(target, ONE, project.publishers, options())
    clock = Clock(NOW + 20 * 86_400)
    result = heartbeat(target, project.publishers, options(clock=clock, commit=None, history=None))
    manifest = live(target).manifest
    assert (result.action, result.seq, result.uploaded) == ("heartbeat", 2, False)
    assert (manifest.commit, manifest.issued) == (C1, NOW + 20 * 86_400)
    assert manifest.expires == manifest.issued + 30 * 86_400


def test_a_heartbeat_renews_a_manifest_that_has_expired(project, target):
    publish(target, ONE, project.publishers, options())
    late = Clock(NOW + 100 * 86_400)
    assert heartbeat(target, project.publishers, options(clock=late)).seq == 2


def test_a_heartbeat_without_anything_published_is_a_conflict(project, target):
    with pytest.raises(ConflictError, match="nothing is published"):
        heartbeat(target, project.publishers, options())


def test_a_heartbeat_does_not_point_to_a_bundle_that_is_gone(project, remote, target):
    publish(target, ONE, project.publishers, options())
    del remote.objects[next(key for key in remote.objects if "/blobs/" in key)]
    with pytest.raises(RemoteError, match="missing"):
        heartbeat(target, project.publishers, options())
    assert read_manifest(target.reader(), remote.objects["production/manifest.json"]).seq == 1


def test_an_older_commit_does_not_replace_a_newer_one(project, target):
    publish(target, TWO, project.publishers, options(commit=C2))
    with pytest.raises(ConflictError, match="does not build on"):
        publish(target, ONE, project.publishers, options(commit=C1))
    assert live(target).manifest.seq == 1
    result = publish(target, ONE, project.publishers, options(commit=C1, allow_rollback=True))
    assert result.seq == 2


def test_other_flags_of_the_same_commit_need_no_history(project, target):
    publish(target, ONE, project.publishers, options())
    result = publish(target, TWO, project.publishers, options(history=None))
    assert (result.action, result.seq) == ("published", 2)


def test_flags_without_a_commit_do_not_replace_flags_with_one(project, target):
    publish(target, ONE, project.publishers, options())
    for changes in ({"commit": None}, {"commit": C2, "history": None}):
        with pytest.raises(ConflictError, match="not from a git commit"):
            publish(target, TWO, project.publishers, options(**changes))


def test_flags_without_a_commit_replace_each_other(project, target):
    publish(target, ONE, project.publishers, options(commit=None))
    assert publish(target, TWO, project.publishers, options(commit=None)).seq == 2


def test_a_guard_sees_the_current_manifest_in_every_round_and_may_refuse(project, remote, target):
    publish(target, ONE, project.publishers, options())
    seen = []

    def guard(live):
        seen.append(live.seq)
        if live.bundle.sha256 != first:
            raise ConflictError("the plan was made against another bundle")

    first = live(target).manifest.bundle.sha256
    done = []

    def overtake(operation, key, _number):
        if operation == "put" and key.endswith("manifest.json") and not done:
            done.append(True)
            publish(target, THREE, project.publishers, options())

    remote.before = overtake
    with pytest.raises(ConflictError, match="another bundle"):
        publish(target, TWO, project.publishers, options(check_live=guard))
    assert seen == [1, 2]


def test_publishing_follows_the_chain_of_roots(project, remote, target):
    new_key = ed25519_signer()
    roles = {"production": Role((new_key.public_key,), 1)}
    remote.objects["trust/2.json"] = project.next_trust(publish=roles)
    with pytest.raises(UsageError, match="needs 1 of the keys"):
        publish(target, ONE, project.publishers, options())
    assert publish(target, ONE, [new_key], options()).seq == 1
    remote.objects["trust/3.json"] = b"garbage"
    with pytest.raises(UntrustedError):
        publish(target, TWO, [new_key], options())


def test_a_dry_run_writes_nothing(project, remote, target):
    result = publish(target, ONE, project.publishers, options(dry_run=True))
    assert (result.action, result.dry_run, result.seq) == ("published", True, 1)
    assert remote.objects == {}
    publish(target, ONE, project.publishers, options())
    before = dict(remote.objects)
    assert publish(target, TWO, project.publishers, options(dry_run=True)).seq == 2
    assert heartbeat(target, project.publishers, options(dry_run=True)).seq == 2
    assert remote.objects == before


def test_a_key_without_the_role_is_refused_before_anything_is_read(remote, target):
    with pytest.raises(UsageError, match="needs 1 of the keys"):
        publish(target, ONE, [ed25519_signer()], options())
    assert remote.operations == [("get", "trust/2.json")]


def test_a_threshold_of_publishers_must_be_met():
    project = Project(publishers=3, threshold=2)
    target = project.target(MemoryRemote())
    with pytest.raises(UsageError, match="needs 2 of the keys"):
        publish(target, ONE, project.publishers[:1], options())
    with pytest.raises(UsageError, match="twice"):
        publish(target, ONE, [project.publishers[0]] * 2, options())
    assert publish(target, ONE, project.publishers[1:], options()).seq == 1


@pytest.mark.parametrize("data", [b"", b"{}", bundle_of(environment="staging", a=True), bundle_of(project="x", a=True)])
def test_nothing_is_published_that_a_client_would_refuse(project, remote, target, data):
    with pytest.raises(BundleFormatError):
        publish(target, data or b"\n", project.publishers, options())
    assert remote.objects == {}


@pytest.mark.parametrize("days", [0, -1, 100_000])
def test_a_lifetime_has_bounds(project, target, days):
    with pytest.raises(UsageError, match="lives from"):
        publish(target, ONE, project.publishers, options(lifetime_days=days))


def test_a_damaged_bundle_in_the_way_is_replaced(project, remote, target):
    publish(target, ONE, project.publishers, options())
    key = next(key for key in remote.objects if "/blobs/" in key)
    publish(target, TWO, project.publishers, options())
    for garbage in (b"garbage", b"x" * 100_000):
        remote.objects[key] = garbage
        result = publish(target, ONE, project.publishers, options(allow_rollback=True))
        assert result.uploaded
        assert remote.objects[key] == pack(ONE)
        publish(target, TWO, project.publishers, options(allow_rollback=True))


def test_a_bundle_that_is_stored_already_is_not_uploaded_again(project, target):
    for data in (ONE, TWO):
        publish(target, data, project.publishers, options())
    assert not publish(target, ONE, project.publishers, options()).uploaded


def test_after_the_manifest_was_deleted_numbers_go_on_from_the_log(project, remote, target):
    for data in (ONE, TWO):
        publish(target, data, project.publishers, options())
    del remote.objects["production/manifest.json"]
    result = publish(target, THREE, project.publishers, options())
    assert (result.seq, result.previous_seq) == (3, None)


@pytest.mark.parametrize("garbage", [False, True])
def test_after_an_older_manifest_was_put_back_numbers_go_on_from_the_log(project, remote, target, garbage):
    publish(target, ONE, project.publishers, options(commit=C1))
    first = remote.objects["production/manifest.json"]
    publish(target, TWO, project.publishers, options(commit=C2))
    heartbeat(target, project.publishers, options())
    second = live(target).manifest
    if garbage:
        remote.objects["production/log/1-2-00000000.json"] = b"garbage"
        remote.objects["production/log/1-4-00000000.json"] = first
    remote.objects["production/manifest.json"] = first
    with pytest.raises(ConflictError, match=r"does not build on .* number 3"):
        publish(target, ONE, project.publishers, options(commit=C1))
    assert [entry.live for entry in history(target)] == [False, False, True]
    result = publish(target, THREE, project.publishers, options(commit=C2))
    assert (result.action, result.seq, result.previous_seq) == ("published", 4, 3)
    assert "an older manifest, number 1, had been put back in the place of number 3" in result.warnings
    assert live(target).manifest.previous == second.digest


@pytest.mark.parametrize("again", ["the same flags", "a heartbeat"])
def test_an_older_manifest_that_was_put_back_is_replaced_by_what_was_published_last(project, remote, target, again):
    publish(target, ONE, project.publishers, options(commit=C1))
    first = remote.objects["production/manifest.json"]
    last = publish(target, TWO, project.publishers, options(commit=C2))
    remote.objects["production/manifest.json"] = first
    if again == "a heartbeat":
        result = heartbeat(target, project.publishers, options())
    else:
        result = publish(target, TWO, project.publishers, options(commit=C2))
    assert (result.action, result.seq, result.bundle_sha256) == ("heartbeat", 3, last.bundle_sha256)
    assert live(target).manifest.bundle.sha256 == last.bundle_sha256


def test_after_a_number_was_left_out_a_manifest_put_back_is_noticed(project, remote, target):
    publish(target, ONE, project.publishers, options())
    first = remote.objects["production/manifest.json"]
    remote.objects["production/manifest.json"] = b"garbage"
    assert publish(target, TWO, project.publishers, options(recover=True)).seq == 3
    remote.objects["production/manifest.json"] = first
    assert publish(target, THREE, project.publishers, options()).seq == 4


def test_entries_of_the_log_that_cannot_be_verified_do_not_count(project, remote, target):
    publish(target, ONE, project.publishers, options())
    copy = remote.objects["production/manifest.json"]
    remote.objects["production/log/1-99-00000000.json"] = copy
    remote.objects["production/log/1-98-11111111.json"] = b"garbage"
    remote.objects["production/log/2-97-11111111.json"] = b"garbage"
    remote.objects["production/log/readme.txt"] = b"garbage"
    del remote.objects["production/manifest.json"]
    assert publish(target, TWO, project.publishers, options()).seq == 2


@pytest.mark.parametrize("garbage", [b"garbage", b"", b"x" * 200_000])
def test_a_manifest_that_cannot_be_verified_is_only_replaced_on_request(project, remote, target, garbage):
    for data in (ONE, TWO):
        publish(target, data, project.publishers, options())
    remote.objects["production/manifest.json"] = garbage
    with pytest.raises(ConflictError, match="cannot be verified"):
        publish(target, THREE, project.publishers, options())
    assert remote.objects["production/manifest.json"] == garbage
    # 3 is left out: it might have been published by somebody who died before writing to the log.
    assert publish(target, THREE, project.publishers, options(recover=True)).seq == 4


@pytest.mark.parametrize("recover", [False, True])
def test_the_manifest_of_a_newer_flagctl_is_never_replaced(project, remote, target, recover):
    project.put(remote, ONE, features=("kill-list",), min_version="0.9.0", commit=C1)
    with pytest.raises(UntrustedError, match=r"flagctl 0\.9\.0 or newer"):
        publish(target, TWO, project.publishers, options(recover=recover))


def test_recovering_without_a_log_asks_for_a_new_epoch(project, remote, target):
    remote.objects["production/manifest.json"] = b"garbage"
    with pytest.raises(ConflictError, match="no verified manifest") as caught:
        publish(target, ONE, project.publishers, options(recover=True))
    assert "epoch" in (caught.value.hint or "")


@pytest.mark.parametrize("ref", ["refs/heads/" + "x" * 500, "refs/heads/\ud800\n", "refs/heads/" + "ü" * 200, ""])
def test_a_strange_branch_name_stops_no_publication(project, target, ref):
    assert publish(target, ONE, project.publishers, options(ref=ref)).seq == 1
    assert len(live(target).manifest.ref or "") <= 200


@pytest.mark.parametrize("commit", ["main", "abc123", "A" * 40, "1" * 41, ""])
def test_a_commit_is_given_by_its_full_id(project, target, commit):
    with pytest.raises(UsageError, match="full id"):
        publish(target, ONE, project.publishers, options(commit=commit))


def test_a_new_epoch_starts_again_at_one(project, remote):
    publish(project.target(remote), ONE, project.publishers, options())
    publish(project.target(remote), TWO, project.publishers, options())

    raised = project.target(remote)
    raised = type(raised)(
        remote=remote, environment="production", trust=next_trust(project.trust, project.next_trust(epoch=2))
    )
    result = publish(raised, ONE, project.publishers, options())
    assert (result.epoch, result.seq) == (2, 1)
    assert publish(raised, TWO, project.publishers, options()).seq == 2


def test_the_kill_floor_is_carried_on(project, remote, target):
    floor = project.put_kills(remote, "a", seq=3)
    project.put(remote, ONE, kill_floor=floor, commit=C1)
    publish(target, TWO, project.publishers, options())
    assert live(target).manifest.kill_floor == floor


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [RemoteError("cut"), ConflictError("the store retried our own write")])
def test_a_write_of_unknown_outcome_is_settled_by_reading(project, remote, target, after, error):
    publish(target, ONE, project.publishers, options())
    fails_once(remote, "put", "manifest.json", after=after, error=error)
    result = publish(target, TWO, project.publishers, options())
    assert result.seq == 2
    assert live(target).manifest.seq == 2
    assert log_of(remote) == [(1, 1), (1, 2)]


def test_a_write_that_arrived_and_was_replaced_at_once_counts_as_arrived(project, remote, target):
    publish(target, ONE, project.publishers, options())
    done = []

    def overtake(operation, key, _number):
        if operation == "put" and key.endswith("manifest.json") and not done:
            done.append(True)
            publish(target, THREE, project.publishers, options())
            raise RemoteError("the connection was lost")

    remote.after = overtake
    result = publish(target, TWO, project.publishers, options())
    assert result.seq == 2
    assert live(target).manifest.seq == 3
    assert log_of(remote) == [(1, 1), (1, 2), (1, 3)]


def test_a_store_that_never_answers_writes_is_given_up(project, remote, target):
    def fail(operation, key, _number):
        if operation == "put" and key.endswith("manifest.json"):
            raise RemoteError("503")

    remote.before = fail
    with pytest.raises(RemoteError):
        publish(target, ONE, project.publishers, options())


def test_a_publisher_that_always_loses_gives_up(project, remote, target):
    def lose(operation, key, _number):
        if operation == "put" and key.endswith("manifest.json"):
            raise ConflictError("409")

    remote.before = lose
    with pytest.raises(ConflictError, match="5 times in a row"):
        publish(target, ONE, project.publishers, options(attempts=5))


def test_a_log_that_cannot_be_written_is_repaired_by_the_next_publish(project, remote, target):
    def fail(operation, key, _number):
        if operation == "put" and "/log/1-1-" in key:
            remote.before = lambda *_: None
            raise RemoteError("503")

    remote.before = fail
    first = publish(target, ONE, project.publishers, options())
    assert any("log" in warning for warning in first.warnings)
    assert log_of(remote) == []
    publish(target, TWO, project.publishers, options())
    assert log_of(remote) == [(1, 1), (1, 2)]


def test_what_cannot_be_read_back_is_a_warning(project, remote, target):
    def fail(operation, key, _number):
        if operation == "put" and "/log/" in key:
            remote.before = lambda *_: (_ for _ in ()).throw(RemoteError("503"))

    remote.after = fail
    result = publish(target, ONE, project.publishers, options())
    assert any("not read back" in warning for warning in result.warnings)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("first", [True, False])
def test_dying_at_any_operation_leaves_a_valid_manifest_and_the_next_publish_repairs_the_rest(project, after, first):
    for number in range(1, 30):
        remote = MemoryRemote()
        target = project.target(remote)
        if not first:
            publish(target, ONE, project.publishers, options())
        dies_at(remote, number, after=after)
        try:
            publish(target, TWO, project.publishers, options())
        except PowerCutError:
            died = True
        else:
            died = False
        remote.before = remote.after = lambda *_: None
        if "production/manifest.json" in remote.objects:
            assert live(target).manifest.bundle.sha256 is not None
        else:
            assert first
        following = publish(target, THREE, project.publishers, options())
        assert live(target).manifest.seq == following.seq
        claims = log_of(remote)
        assert [seq for _, seq in claims] == list(range(1, following.seq + 1))
        if not died:
            return
    pytest.fail("a publish takes fewer than 30 operations")


def publish_at_once(targets, project, *, rounds: int):
    """Publish different bundles from one thread per target; return the results."""
    results = []

    def work(index):
        for turn in range(rounds):
            data = bundle_of(**{f"flag_{index}": True, f"turn_{turn}": True})
            results.append(publish(targets[index], data, project.publishers, PublishOptions(clock=Clock())))

    at_once(len(targets), work)
    return results


@pytest.mark.parametrize("kind", ["memory", "file"])
def test_eight_publishers_at_once_lose_and_repeat_no_number(project, kind, tmp_path):
    rounds = scaled(2, 20)
    shared = MemoryRemote()
    remotes = [shared if kind == "memory" else open_remote(f"file://{tmp_path}/remote") for _ in range(8)]
    results = publish_at_once([project.target(remote) for remote in remotes], project, rounds=rounds)
    seqs = sorted(result.seq for result in results)
    assert seqs == list(range(1, 8 * rounds + 1))
    claims = log_of(remotes[0])
    assert [seq for _, seq in claims] == seqs
    assert live(project.target(remotes[0])).manifest.seq == 8 * rounds


def test_the_results_are_json(project, target):
    result = publish(target, ONE, project.publishers, options())
    document = json.loads(json.dumps(result.to_dict()))
    assert document["format_version"] == "1.0"
    assert document["seq"] == 1


def test_a_clock_that_went_back_is_a_warning(project, target):
    publish(target, ONE, project.publishers, options())
    result = publish(target, TWO, project.publishers, options(clock=Clock(NOW - 10_000)))
    assert any("clock" in warning for warning in result.warnings)


def test_a_reader_never_sees_numbers_fall(project, remote, target):
    states = [target.reader()]

    def read(operation, key, _number):
        data = remote.objects.get("production/manifest.json")
        if operation == "put" and data is not None:
            states.append(accept(states[-1], data, lambda m: remote.objects[_blob(m)], now=NOW))

    def _blob(manifest):
        return f"production/blobs/{manifest.bundle.blob_sha256}.gz"

    remote.after = read
    for number in range(6):
        publish(target, bundle_of(**{f"flag_{number}": True}), project.publishers, options())
    assert states[-1].manifest.seq == 6
