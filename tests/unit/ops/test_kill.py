from __future__ import annotations

import contextlib
import json

import pytest

from flagctl.bundle.names import kill_key
from flagctl.client.sync import Source, pull
from flagctl.errors import ConflictError, NothingMatchedError, RemoteError, UntrustedError, UsageError
from flagctl.ops.kill import KillRequest, kill, list_kills, renew_kills, unkill
from flagctl.ops.kill_model import KillOptions
from flagctl.ops.publish import heartbeat, publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.ops.rollback import rollback
from flagctl.ops.target import Target
from flagctl.storage import RemoteOptions, open_remote
from tests.scale import scaled
from tests.simulators.at_once import at_once
from tests.simulators.memory_remote import MemoryRemote, PowerCutError, dies_at, fails_once
from tests.simulators.project import NOW, Clock, bundle_of, ed25519_signer

FLAGS, OTHER = bundle_of(a=True, b=True, c=True), bundle_of(a=True, b=True)
KILLS = kill_key("production")


@pytest.fixture
def target(project, remote):
    project.put(remote, FLAGS)
    return project.target(remote)


def options(**changes) -> KillOptions:
    return KillOptions(**{"clock": Clock(), "sleep": lambda _: None, **changes})


def publishing(**changes) -> PublishOptions:
    return PublishOptions(**{"clock": Clock(), "sleep": lambda _: None, "allow_rollback": True, **changes})


def request(flag: str = "a", reason: str = "payments time out", until: int | None = None) -> KillRequest:
    return KillRequest(flag, reason, "ada", until)


def killed(target) -> set[str]:
    """What a client that starts now forces off."""
    return set(pull(Source(target.remote), target.reader(), now=NOW).state.killed)


def copies(remote) -> int:
    return len(remote.list("production/kills/"))


def test_a_kill_writes_the_list_and_its_copy(project, remote, target):
    result = kill(target, [project.kill_signer], request(until=NOW + 3600), options())
    assert (result.action, result.seq, result.previous_seq, result.epoch) == ("killed", 1, None, 1)
    (entry,) = result.kills
    assert (entry.flag, entry.reason, entry.actor, entry.overdue) == ("a", "payments time out", "ada", False)
    assert entry.until == "2027-01-15T09:00:00Z"
    assert killed(target) == {"a"}
    (copy,) = remote.list("production/kills/")
    assert remote.objects[copy] == remote.objects[KILLS]


def test_kills_add_up_and_are_lifted_one_by_one(project, target):
    for flag in ("a", "b"):
        kill(target, [project.kill_signer], request(flag), options())
    assert killed(target) == {"a", "b"}
    result = unkill(target, [project.kill_signer], "a", options())
    assert (result.action, result.seq, [entry.flag for entry in result.kills]) == ("lifted", 3, ["b"])
    assert killed(target) == {"b"}
    listing = list_kills(target, clock=Clock())
    assert (listing.seq, [entry.flag for entry in listing.kills]) == (3, ["b"])


def test_the_same_kill_again_is_nothing_to_do_and_another_reason_is(project, target):
    kill(target, [project.kill_signer], request(), options())
    assert kill(target, [project.kill_signer], request(), options()).action == "unchanged"
    again = kill(target, [project.kill_signer], request(reason="still"), options())
    assert (again.action, again.seq, [entry.reason for entry in again.kills]) == ("killed", 2, ["still"])


def test_a_mistyped_flag_is_not_killed(project, target):
    with pytest.raises(NothingMatchedError) as caught:
        kill(target, [project.kill_signer], request("zz"), options())
    assert "--any-flag" in caught.value.hint
    assert kill(target, [project.kill_signer], request("zz"), options(any_flag=True)).seq == 1


def test_a_kill_works_though_the_manifest_is_unusable(project, remote, target):
    remote.put("production/manifest.json", b"garbage")
    result = kill(target, [project.kill_signer], request("zz"), options())
    assert result.action == "killed"
    assert "could not be checked" in result.warnings[0]


def test_what_is_not_killed_cannot_be_lifted(project, target):
    with pytest.raises(NothingMatchedError, match="not forced off"):
        unkill(target, [project.kill_signer], "a", options())


@pytest.mark.parametrize(
    "wrong",
    [
        KillRequest("a", "two\nlines", "ada"),
        KillRequest("a", "", "ada"),
        KillRequest("a", "x" * 201, "ada"),
        KillRequest("a", "why", ""),
        KillRequest("A!", "why", "ada"),
        KillRequest("a", "why", "ada", NOW),
    ],
)
def test_values_have_bounds(project, remote, target, wrong):
    with pytest.raises(UsageError):
        kill(target, [project.kill_signer], wrong, options())
    assert KILLS not in remote.objects


def test_only_kill_keys_kill(project, remote, target):
    for signers in ([], project.publishers, [project.root_signer], [ed25519_signer()], [project.kill_signer] * 2):
        with pytest.raises(UsageError):
            kill(target, signers, request(), options())
    assert KILLS not in remote.objects
    staging = Target(remote=remote, environment="staging", trust=project.trust)
    with pytest.raises(UsageError, match="lists no key that may force"):
        kill(staging, [project.kill_signer], request(), options())


def test_a_dry_run_writes_nothing(project, remote, target):
    before = dict(remote.objects)
    assert kill(target, [project.kill_signer], request(), options(dry_run=True)).seq == 1
    assert remote.objects == before


def test_too_many_kills_are_refused_by_the_writer(project, remote, target):
    project.put_kills(remote, *(f"flag-{number}" for number in range(256)))
    with pytest.raises(UsageError, match="larger than readers accept"):
        kill(target, [project.kill_signer], request(), options())


def test_every_publication_pins_the_newest_list(project, remote, target):
    kill(target, [project.kill_signer], request(), options())
    assert publish(target, OTHER, project.publishers, publishing()).warnings == ()
    assert floor_of(target) == 1
    kill(target, [project.kill_signer], request("b"), options())
    heartbeat(target, project.publishers, publishing())
    assert floor_of(target) == 2
    unkill(target, [project.kill_signer], "b", options())
    rollback(target, project.publishers, options=publishing())
    assert floor_of(target) == 3
    del remote.objects[KILLS]
    assert killed(target) == {"a"}


def floor_of(target) -> int:
    return pull(Source(target.remote), target.reader(), now=NOW).state.manifest.kill_floor.seq


def test_publishing_writes_a_copy_that_is_missing_or_damaged(project, remote, target):
    kill(target, [project.kill_signer], request(), options())
    (key,) = remote.list("production/kills/")
    for damage in (lambda: remote.objects.pop(key), lambda: remote.objects.update({key: b"garbage"})):
        damage()
        heartbeat(target, project.publishers, publishing())
        assert remote.objects[key] == remote.objects[KILLS]


def test_a_dry_publication_writes_no_copy(project, remote, target):
    kill(target, [project.kill_signer], request(), options())
    remote.objects.pop(*remote.list("production/kills/"))
    publish(target, OTHER, project.publishers, publishing(dry_run=True))
    assert copies(remote) == 0


@pytest.mark.parametrize("damage", ["deleted", "garbled", "replayed"])
def test_publishing_goes_on_pinning_though_the_list_was_deleted_garbled_or_replayed(project, remote, target, damage):
    kill(target, [project.kill_signer], request(), options())
    first = remote.objects[KILLS]
    kill(target, [project.kill_signer], request("b"), options())
    heartbeat(target, project.publishers, publishing())
    if damage == "deleted":
        del remote.objects[KILLS]
    else:
        remote.objects[KILLS] = b"garbage" if damage == "garbled" else first
    result = publish(target, OTHER, project.publishers, publishing())
    assert result.warnings
    assert floor_of(target) == 2
    assert killed(target) == {"a", "b"}


@pytest.mark.parametrize("damage", ["deleted", "garbled", "replayed"])
def test_the_next_kill_goes_on_from_the_copies(project, remote, target, damage):
    kill(target, [project.kill_signer], request(), options())
    first = remote.objects[KILLS]
    kill(target, [project.kill_signer], request("b"), options())
    heartbeat(target, project.publishers, publishing())
    if damage == "deleted":
        del remote.objects[KILLS]
    else:
        remote.objects[KILLS] = b"garbage" if damage == "garbled" else first
    result = kill(target, [project.kill_signer], request("c"), options())
    assert [entry.flag for entry in result.kills] == ["a", "b", "c"]
    assert result.seq == 4, "one number is left out, which a writer that died may have used"
    assert "of which there is a copy" in result.warnings[0]


def test_a_lost_list_is_only_begun_anew_on_request(project, remote, target):
    kill(target, [project.kill_signer], request(), options())
    heartbeat(target, project.publishers, publishing())
    for key in [KILLS, *remote.list("production/kills/")]:
        del remote.objects[key]
    with pytest.raises(ConflictError, match="is missing, and so is its copy"):
        kill(target, [project.kill_signer], request("b"), options(any_flag=True))
    with pytest.raises(ConflictError, match="is lost"):
        publish(target, OTHER, project.publishers, publishing())
    result = kill(target, [project.kill_signer], request("b"), options(any_flag=True, recover=True))
    assert result.seq > 1
    assert "begins anew" in result.warnings[0]
    heartbeat(target, project.publishers, publishing())
    assert killed(target) == {"b"}


def test_a_list_of_a_newer_flagctl_is_never_replaced(project, remote, target):
    from tests.unit.bundle.test_kill import with_member

    remote.put(KILLS, with_member(project, "v", 2))
    with pytest.raises(UntrustedError):
        kill(target, [project.kill_signer], request(), options(recover=True))


def raised(project, remote, **changes) -> Target:
    """The next root of trust, with a raised epoch, at the remote."""
    remote.put("trust/2.json", project.next_trust(epoch=2, **changes))
    return project.target(remote)


def test_in_a_new_epoch_the_list_is_carried_over_and_its_numbers_start_again(project, remote, target):
    kill(target, [project.kill_signer], request(), options())
    target = raised(project, remote)
    with pytest.raises(ConflictError, match="would bring that back") as caught:
        publish(target, OTHER, project.publishers, publishing())
    assert "--renew" in caught.value.hint
    result = renew_kills(target, [project.kill_signer], options())
    assert (result.epoch, result.seq, result.previous_seq) == (2, 1, None)
    assert [entry.flag for entry in result.kills] == ["a"]
    publish(target, OTHER, project.publishers, publishing())
    reader = target.reader()._replace(root=project.trust._replace(version=2, epoch=2))
    assert pull(Source(remote), reader, now=NOW).state.killed == {"a"}


def test_after_a_kill_key_was_replaced_the_root_from_before_vouches_for_its_list(project, remote, target):
    from flagctl.bundle.envelope import Role
    from flagctl.bundle.trust import next_trust

    kill(target, [project.kill_signer], request(), options())
    new = ed25519_signer()
    target = raised(project, remote, kill={"production": Role((new.public_key,), 1)})
    with pytest.raises(UsageError):
        kill(target, [project.kill_signer], request("b"), options())
    only_new = Target(
        remote=remote, environment="production", trust=next_trust(project.trust, remote.objects["trust/2.json"])
    )
    with pytest.raises(ConflictError, match="cannot be verified") as caught:
        list_kills(only_new)
    assert "--trust" in caught.value.hint
    result = renew_kills(target, [new], options())
    assert (result.epoch, result.seq, [entry.flag for entry in result.kills]) == (2, 1, ["a"])
    assert "carried over" in result.warnings[0]
    assert list_kills(only_new).seq == 1


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [RemoteError("cut"), ConflictError("the store retried our own write")])
def test_a_write_of_unknown_outcome_is_settled_by_reading(project, remote, target, after, error):
    fails_once(remote, "put", "production/kill.json", after=after, error=error)
    result = kill(target, [project.kill_signer], request(), options())
    assert result.seq == 1
    assert killed(target) == {"a"}
    assert copies(remote) == 1


def test_a_write_that_arrived_and_was_replaced_at_once_counts_as_arrived(project, remote, target):
    def replaced(operation, key, _number):
        if (operation, key) == ("put", KILLS):
            remote.after = lambda *_: None
            kill(target, [project.kill_signer], request("b"), options())
            raise RemoteError("the answer was lost")

    remote.after = replaced
    result = kill(target, [project.kill_signer], request("a"), options())
    assert result.seq == 1
    assert killed(target) == {"a", "b"}
    assert list_kills(target).seq == 2


def test_a_store_that_never_answers_writes_is_given_up(project, remote, target):
    def fail(operation, key, _number):
        if (operation, key) == ("put", KILLS):
            raise RemoteError("cut")

    remote.before = fail
    with pytest.raises(RemoteError):
        kill(target, [project.kill_signer], request(), options())


def test_a_writer_that_always_loses_gives_up(project, remote, target):
    def lose(operation, key, _number):
        if (operation, key) == ("put", KILLS):
            raise ConflictError("changed")

    remote.before = lose
    with pytest.raises(ConflictError, match="3 times in a row"):
        kill(target, [project.kill_signer], request(), options(attempts=3))


def test_dying_at_any_operation_leaves_a_list_to_go_on_from(project):
    for after in (False, True):
        for number in range(1, 12):
            remote = MemoryRemote()
            project.put(remote, FLAGS)
            target = project.target(remote)
            kill(target, [project.kill_signer], request("a"), options())
            heartbeat(target, project.publishers, publishing())
            dies_at(remote, number, after=after)
            with contextlib.suppress(PowerCutError):
                kill(target, [project.kill_signer], request("b"), options())
            remote.before = remote.after = lambda *_: None
            assert "a" in killed(target)
            result = kill(target, [project.kill_signer], request("c"), options())
            assert {"a", "c"} <= {entry.flag for entry in result.kills}
            heartbeat(target, project.publishers, publishing())
            del remote.objects[KILLS]
            assert {"a", "c"} <= killed(target)


@pytest.mark.parametrize("kind", ["memory", "file", "s3"])
def test_eight_at_once_lose_no_kill_and_repeat_no_number(project, kind, tmp_path, request):
    remotes = {"memory": lambda: shared, "file": lambda: open_remote(f"file://{tmp_path}/remote")}
    shared = MemoryRemote()
    if kind == "s3":
        bucket = request.getfixturevalue("s3_bucket")
        remotes["s3"] = lambda: open_remote(bucket.url, options=RemoteOptions(endpoint_url=bucket.endpoint_url))
    make = remotes[kind]
    project.put(make(), FLAGS)
    rounds = scaled(1, 5)
    results = []

    def work(index: int) -> None:
        mine = project.target(make())
        for turn in range(rounds):
            wanted = KillRequest(f"flag-{index}-{turn}", "test", "ada")
            results.append(kill(mine, [project.kill_signer], wanted, KillOptions(clock=Clock(), any_flag=True)))

    at_once(8, work)
    assert sorted(result.seq for result in results) == list(range(1, 8 * rounds + 1))
    assert len(killed(project.target(make()))) == 8 * rounds


def test_the_results_are_json(project, target):
    for result in (
        kill(target, [project.kill_signer], request(), options()),
        list_kills(target),
    ):
        data = json.loads(json.dumps(result.to_dict()))
        assert data["format_version"] == "1.0"
        assert data["kills"][0]["flag"] == "a"
