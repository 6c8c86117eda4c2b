from __future__ import annotations

import base64
import json
import random

import pytest

from flagctl.bundle.accept import accept, trusting
from flagctl.bundle.accept_kills import accept_floor, check_kill_list, missing_floor, read_kill_list
from flagctl.bundle.blob import pack
from flagctl.bundle.envelope import MAX_POINTER, seal
from flagctl.bundle.kill import MAX_KILLS, PAYLOAD_TYPE, Kill, KillList, parse_kill_list, write_kill_list
from flagctl.bundle.manifest import PAYLOAD_TYPE as MANIFEST_PAYLOAD_TYPE
from flagctl.bundle.manifest import KillFloor
from flagctl.errors import UntrustedError
from tests.scale import scaled
from tests.simulators.project import NOW, Project, bundle_of, ed25519_signer
from tests.unit.bundle.test_accept import refusal

BUNDLE = bundle_of(a=True)


@pytest.fixture(scope="module")
def project():
    return Project()


@pytest.fixture(scope="module")
def state(project):
    return trusting(project.trust, "production")


def holding(project, *flags: str, **changes):
    state = trusting(project.trust, "production")
    return state._replace(kills=check_kill_list(state, project.sealed_kills(project.kill_list(*flags, **changes))))


def refused(state, data: bytes) -> str:
    with pytest.raises(UntrustedError) as caught:
        check_kill_list(state, data)
    assert caught.value.message.isprintable()
    return caught.value.reason


def test_a_kill_list_says_what_was_written(project, state):
    kills = project.kill_list("b", "a")._replace(
        kills=(Kill("b", "slow", "ada", NOW, NOW + 60), Kill("a", "wrong", "ben", NOW)), nonce="0" * 16
    )
    read = check_kill_list(state, project.sealed_kills(kills))
    assert read is not None
    assert read.kills == (Kill("a", "wrong", "ben", NOW), Kill("b", "slow", "ada", NOW, NOW + 60))
    assert read.flags == {"a", "b"}
    assert (read.seq, read.epoch, read.nonce) == (1, 1, "0" * 16)


def test_a_held_list_forces_its_flags_off_and_a_later_one_lifts_them(project):
    held = holding(project, "a", seq=4)
    assert held.killed == {"a"}
    following = check_kill_list(held, project.sealed_kills(project.kill_list(seq=5)))
    assert following is not None
    assert held._replace(kills=following).killed == frozenset()


def test_the_held_list_again_changes_nothing(project):
    assert check_kill_list(holding(project, "a"), project.sealed_kills(project.kill_list("a"))) is None


CASES = {
    "replayed": ("rollback", lambda p: p.sealed_kills(p.kill_list("a", seq=4))),
    "two with one number": ("equivocation", lambda p: p.sealed_kills(p.kill_list("b", seq=5))),
    "of another epoch": ("wrong-epoch", lambda p: p.sealed_kills(p.kill_list(seq=9, epoch=2))),
    "of another environment": (
        "wrong-environment",
        lambda p: p.sealed_kills(p.kill_list(seq=9, environment="staging")),
    ),
    "of another project": ("wrong-project", lambda p: p.sealed_kills(p.kill_list(seq=9, project="other"))),
    "signed with the publishing key": (
        "unknown-key",
        lambda p: p.sealed_kills(p.kill_list(seq=9), signers=p.publishers),
    ),
    "signed with the root key": ("unknown-key", lambda p: p.sealed_kills(p.kill_list(seq=9), signers=[p.root_signer])),
    "signed by a stranger": ("unknown-key", lambda p: p.sealed_kills(p.kill_list(seq=9), signers=[ed25519_signer()])),
    "not signed": ("missing-signature", lambda p: p.sealed_kills(p.kill_list(seq=9), signers=[])),
    "signed twice by one key": (
        "duplicate-signature",
        lambda p: p.sealed_kills(p.kill_list(seq=9), signers=[p.kill_signer] * 2),
    ),
    "a manifest in its place": ("wrong-payload-type", lambda p: p.sealed(p.manifest(BUNDLE), signers=[p.kill_signer])),
    "a manifest's kind around it": (
        "wrong-payload-type",
        lambda p: p.sealed_kills(p.kill_list(seq=9), payload_type=MANIFEST_PAYLOAD_TYPE),
    ),
    "oversized": ("too-large", lambda p: p.sealed_kills(p.kill_list(seq=9)) + b" " * MAX_POINTER),
    "garbled": ("bad-signature", lambda p: altered(p.sealed_kills(p.kill_list("a", seq=9)))),
    "torn": ("malformed-envelope", lambda p: p.sealed_kills(p.kill_list("a", seq=9))[:-40]),
    "empty": ("malformed-envelope", lambda _: b""),
    "of a later format": ("unsupported-version", lambda p: with_member(p, "v", 2)),
    "with unknown requirements": (
        "requires-newer",
        lambda p: with_member(p, "requires", {"features": ["kill-groups"], "min_version": "9.0.0"}),
    ),
    "without its flags' keys": ("malformed-kills", lambda p: with_member(p, "kills", [{"reason": "x"}])),
    "of the wrong type": ("wrong-type", lambda p: with_member(p, "type", "flagctl.manifest")),
}


def altered(data: bytes) -> bytes:
    document = json.loads(data)
    payload = base64.b64decode(document["payload"]).replace(b'"seq":9', b'"seq":8')
    return json.dumps({**document, "payload": base64.b64encode(payload).decode()}).encode()


def with_member(project, name: str, value: object) -> bytes:
    document = json.loads(write_kill_list(project.kill_list("a", seq=9)))
    return seal(PAYLOAD_TYPE, json.dumps({**document, name: value}).encode(), [project.kill_signer])


@pytest.mark.parametrize("name", CASES)
def test_a_bad_kill_list_is_refused_with_its_own_reason(project, name):
    reason, make = CASES[name]
    assert refused(holding(project, "a", seq=5), make(project)) == reason


def test_an_environment_without_kill_keys_takes_no_kill_list(project):
    staging = trusting(project.trust, "staging")
    data = project.sealed_kills(project.kill_list(environment="staging"))
    assert refused(staging, data) == "unknown-key"


def test_a_kill_list_is_no_manifest(project):
    state = trusting(project.trust, "production")
    data = project.sealed_kills(project.kill_list("a"), signers=project.publishers)
    assert refusal(state, data).reason == "wrong-payload-type"


def test_a_list_that_is_older_than_the_pinned_one_is_refused(project, state):
    pinning = project.sealed(project.manifest(BUNDLE, kill_floor=KillFloor(5, "0" * 64)))
    held = accept(state, pinning, lambda _: pack(BUNDLE), now=NOW)
    assert refused(held, project.sealed_kills(project.kill_list(seq=4))) == "rollback"
    assert check_kill_list(held, project.sealed_kills(project.kill_list(seq=5))) is not None


def test_what_a_manifest_pins_is_needed_unless_it_or_a_newer_one_is_held(project, state):
    data = project.sealed_kills(project.kill_list("a", seq=5))
    floor = read_kill_list(state, data).floor
    manifest = project.manifest(BUNDLE, kill_floor=floor)
    assert missing_floor(state, manifest) == floor
    assert missing_floor(state, manifest._replace(kill_floor=None)) is None
    assert missing_floor(accept_floor(state, floor, data), manifest) is None
    assert missing_floor(holding(project, seq=6), manifest) is None
    assert missing_floor(holding(project, seq=4), manifest) == floor
    assert missing_floor(holding(project, seq=6, epoch=1)._replace(), manifest._replace(epoch=2)) == floor


def test_the_pinned_copy_is_held_to_its_digest_and_number(project, state):
    data = project.sealed_kills(project.kill_list("a", seq=5))
    floor = read_kill_list(state, data).floor
    for wrong, bytes_ in ((floor._replace(sha256="0" * 64), data), (floor._replace(seq=4), data), (floor, data + b" ")):
        with pytest.raises(UntrustedError) as caught:
            accept_floor(state, wrong, bytes_)
        assert caught.value.reason == "wrong-kills-digest"


def test_a_pinned_list_that_differs_from_the_held_one_of_that_number_is_an_equivocation(project):
    data = project.sealed_kills(project.kill_list(seq=5))
    held = holding(project, "a", seq=5)
    floor = read_kill_list(held, data).floor
    assert missing_floor(held, project.manifest(BUNDLE, kill_floor=floor)) == floor
    with pytest.raises(UntrustedError) as caught:
        accept_floor(held, floor, data)
    assert caught.value.reason == "equivocation"


def test_a_new_epoch_starts_the_numbers_again_and_keeps_what_was_forced_off_until_then(project):
    held = holding(project, "a", seq=900)
    rotated = held._replace(root=project.trust._replace(version=2, epoch=2))
    assert rotated.killed == {"a"}
    assert refused(rotated, project.sealed_kills(project.kill_list(seq=901))) == "wrong-epoch"
    following = check_kill_list(rotated, project.sealed_kills(project.kill_list(seq=1, epoch=2)))
    assert following is not None
    assert rotated._replace(kills=following).killed == frozenset()


def test_a_root_without_kill_keys_ends_what_was_forced_off(project):
    held = holding(project, "a")
    assert held._replace(root=project.trust._replace(version=2, epoch=2, kill={})).killed == frozenset()


def test_a_full_list_with_long_reasons_fits_into_a_pointer_or_is_refused_by_the_writer(project):
    kills = tuple(Kill(f"flag-{number}", "x" * 100, "ada", NOW) for number in range(MAX_KILLS))
    data = project.sealed_kills(project.kill_list()._replace(kills=kills))
    assert len(data) < MAX_POINTER
    with pytest.raises(ValueError, match="larger than readers accept"):
        write_kill_list(project.kill_list()._replace(kills=(*kills, Kill("z", "x", "ada", NOW))))
    with pytest.raises(ValueError, match="larger than readers accept"):
        write_kill_list(project.kill_list()._replace(kills=tuple(kill._replace(reason="ü" * 200) for kill in kills)))


def test_a_flag_stands_in_a_list_once(project):
    document = json.loads(write_kill_list(project.kill_list("a")))
    document["kills"] *= 2
    with pytest.raises(UntrustedError) as caught:
        parse_kill_list(json.dumps(document).encode())
    assert caught.value.reason == "malformed-kills"


def test_damaged_kill_lists_are_refused_with_a_code_or_are_what_was_signed(project):
    from tests.property.test_hostile_remotes import changed, damaged, expect_code

    rng = random.Random(8)
    held = holding(project, "a", seq=5)
    good = project.sealed_kills(project.kill_list("b", seq=6))
    document = json.loads(good)
    payload = json.loads(base64.b64decode(document["payload"]))
    for number in range(scaled(600, 12_000)):
        if number % 3 == 0:
            data = damaged(rng, good)
        elif number % 3 == 1:
            data = json.dumps(changed(rng, document)).encode()
        else:
            data = seal(PAYLOAD_TYPE, json.dumps(changed(rng, payload)).encode(), [project.kill_signer])
        try:
            accepted = check_kill_list(held, data)
        except UntrustedError as error:
            expect_code(error)
            continue
        assert isinstance(accepted, KillList)
        if number % 3 != 2:
            assert accepted.flags == {"b"}
