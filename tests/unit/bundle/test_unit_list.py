"""Pointers of member lists: what a reader refuses, with which reason."""

from __future__ import annotations

import hashlib
import json

import pytest

from flagctl.bundle.accept import trusting
from flagctl.bundle.envelope import seal
from flagctl.bundle.manifest import PAYLOAD_TYPE as MANIFEST_PAYLOAD_TYPE
from flagctl.bundle.unit_list import (
    PAYLOAD_TYPE,
    ListPointer,
    check_file,
    is_newer,
    list_file_key,
    list_key,
    parse_pointer,
    read_pointer,
    write_pointer,
)
from flagctl.errors import UntrustedError
from tests.simulators.project import NOW, Project, ed25519_signer

FILE = b"members" * 10


@pytest.fixture(scope="module")
def project():
    return Project()


@pytest.fixture(scope="module")
def state(project):
    return trusting(project.trust, "production")


def pointer(**changes) -> ListPointer:
    content = {
        "project": "acme",
        "environment": "production",
        "epoch": 1,
        "seq": 3,
        "issued": NOW,
        "trust": 1,
        "name": "vip",
        "units": 5,
        "generated": NOW - 60,
        "sha256": hashlib.sha256(FILE).hexdigest(),
        "size": len(FILE),
    }
    return ListPointer(**(content | changes))


def sealed(project, payload_type: str = PAYLOAD_TYPE, signers=None, **changes) -> bytes:
    return seal(payload_type, write_pointer(pointer(**changes)), project.publishers if signers is None else signers)


def refused(work) -> str:
    with pytest.raises(UntrustedError) as caught:
        work()
    assert caught.value.message.isprintable()
    return caught.value.reason


def test_a_pointer_says_what_was_written(project, state):
    read = read_pointer(state, sealed(project, stale_after=3600), "vip")
    assert read._replace(digest="") == pointer(stale_after=3600)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda p: sealed(p, name="staff"), "wrong-list"),
        (lambda p: sealed(p, environment="staging"), "wrong-environment"),
        (lambda p: seal(PAYLOAD_TYPE, write_pointer(pointer(project="other")), p.publishers), "wrong-project"),
        (lambda p: sealed(p, epoch=2), "wrong-epoch"),
        (lambda p: sealed(p, signers=[ed25519_signer()]), "unknown-key"),
        (lambda p: sealed(p, signers=[p.kill_signer]), "unknown-key"),
        (lambda p: sealed(p, payload_type=MANIFEST_PAYLOAD_TYPE), "wrong-payload-type"),
        (lambda p: seal(PAYLOAD_TYPE, b"{}", p.publishers), "wrong-type"),
        (
            lambda p: seal(PAYLOAD_TYPE, write_pointer(pointer()).replace(b'"size":70', b'"size":"70"'), p.publishers),
            "malformed-list",
        ),
        (lambda _: b"garbage", "malformed-envelope"),
    ],
)
def test_what_is_foreign_forged_or_malformed_is_refused(project, state, make, reason):
    assert refused(lambda: read_pointer(state, make(project), "vip")) == reason


def test_an_older_version_and_another_one_of_the_same_number_are_refused(project, state):
    held = read_pointer(state, sealed(project), "vip")
    assert is_newer(None, held)
    assert not is_newer(held, held)
    assert is_newer(held, read_pointer(state, sealed(project, seq=4), "vip"))
    assert refused(lambda: is_newer(held, pointer(seq=2))) == "rollback"
    assert refused(lambda: is_newer(held, read_pointer(state, sealed(project, units=6), "vip"))) == "equivocation"


def test_a_file_must_be_the_signed_one():
    check_file(pointer(), FILE)
    assert refused(lambda: check_file(pointer(), FILE + b"x")) == "wrong-list-size"
    assert refused(lambda: check_file(pointer(), b"Members" + FILE[7:])) == "wrong-list-digest"


@pytest.mark.parametrize("field", sorted(json.loads(write_pointer(pointer(stale_after=1)))))
def test_every_field_is_checked_for_its_type(field):
    document = json.loads(write_pointer(pointer(stale_after=1)))
    for value in (None, [], -1, "\u0000"):
        if field == "stale_after" and value is None:
            continue
        payload = json.dumps(document | {field: value}).encode()
        assert refused(lambda payload=payload: parse_pointer(payload))


def test_keys_name_environment_list_and_digest():
    assert list_key("production", "vip") == "production/lists/vip.json"
    assert list_file_key("production", "ab") == "production/list-files/ab"
