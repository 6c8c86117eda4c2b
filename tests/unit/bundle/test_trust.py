from __future__ import annotations

import base64
import json

import pytest

from flagctl.bundle.canonical import canonical_json
from flagctl.bundle.envelope import Role, seal
from flagctl.bundle.trust import PAYLOAD_TYPE, next_trust, read_trust, write_trust
from flagctl.errors import UntrustedError
from tests.simulators.project import Project, ecdsa_signer, ed25519_signer


@pytest.fixture(scope="module")
def project():
    return Project(publishers=2, threshold=2)


def reason_of(function, *arguments):
    with pytest.raises(UntrustedError) as caught:
        function(*arguments)
    return caught.value.reason


def payload_of(data: bytes) -> dict:
    return json.loads(base64.b64decode(json.loads(data)["payload"]))


def test_a_root_survives_writing_and_reading(project):
    assert read_trust(project.trust_data) == project.content._replace(data=project.trust_data)


def test_a_root_with_ecdsa_keys_is_read():
    assert Project(make_signer=ecdsa_signer).trust.root.keys[0].scheme == "ecdsa-p256"


def test_a_root_must_carry_its_own_threshold(project):
    assert reason_of(read_trust, write_trust(project.content, [])) == "missing-signature"
    assert reason_of(read_trust, write_trust(project.content, [project.publishers[0]])) == "unknown-key"
    two = Role((project.root_signer.public_key, ed25519_signer().public_key), 2)
    assert reason_of(read_trust, write_trust(project.content._replace(root=two), [project.root_signer])) == (
        "threshold-not-met"
    )


def test_another_kind_of_document_is_no_root(project):
    data = seal("application/vnd.flagctl.manifest.v1+json", canonical_json({}), [project.root_signer])
    assert reason_of(read_trust, data) == "wrong-payload-type"


def test_the_next_root_needs_the_thresholds_of_both(project):
    new_root = ed25519_signer()
    role = Role((new_root.public_key,), 1)
    both = project.next_trust(signers=[project.root_signer, new_root], root=role)
    assert next_trust(project.trust, both).root == role
    assert reason_of(next_trust, project.trust, project.next_trust(signers=[new_root], root=role)) == "unknown-key"
    assert reason_of(next_trust, project.trust, project.next_trust(signers=[project.root_signer], root=role)) == (
        "unknown-key"
    )


def test_the_chain_takes_one_step_at_a_time(project):
    for version in (1, 3):
        assert reason_of(next_trust, project.trust, project.next_trust(version=version)) == "wrong-trust-version"


def test_the_next_root_stays_in_the_project_and_never_falls_back_to_an_epoch(project):
    assert reason_of(next_trust, project.trust, project.next_trust(project="other")) == "wrong-project"
    higher = next_trust(project.trust, project.next_trust(epoch=5))
    assert higher.epoch == 5
    lower = write_trust(project.content._replace(version=3, epoch=4), [project.root_signer])
    assert reason_of(next_trust, higher, lower) == "wrong-trust-epoch"


def test_an_expired_root_is_still_read(project):
    assert read_trust(project.next_trust(expires=1)).expires == 1


CHANGES = [
    ("version", 0),
    ("epoch", "1"),
    ("expires", "soon"),
    ("project", "Not A Name"),
    ("keys", {}),
    ("keys", []),
    ("roles", {}),
    ("roles", {"root": {"keyids": [], "threshold": 1}, "publish": {}, "kill": {}}),
    ("roles", {"root": {"keyids": ["f" * 64], "threshold": 1}, "publish": {}, "kill": {}}),
]


@pytest.mark.parametrize(("name", "value"), CHANGES)
def test_every_field_of_a_root_is_checked(project, name, value):
    document = payload_of(project.trust_data) | {name: value}
    assert (
        reason_of(read_trust, seal(PAYLOAD_TYPE, canonical_json(document), [project.root_signer])) == "malformed-trust"
    )


def with_role(project, **changes) -> bytes:
    document = payload_of(project.trust_data)
    document["roles"]["root"] |= changes
    return seal(PAYLOAD_TYPE, canonical_json(document), [project.root_signer])


def test_a_threshold_is_within_the_number_of_different_keys(project):
    keyid = project.root_signer.keyid
    for changes in (
        {"threshold": 0},
        {"threshold": 2},
        {"threshold": True},
        {"keyids": [keyid, keyid], "threshold": 2},
    ):
        assert reason_of(read_trust, with_role(project, **changes)) == "malformed-trust"


def test_a_key_under_the_id_of_another_is_refused(project):
    document = payload_of(project.trust_data)
    other = ed25519_signer().public_key.der
    document["keys"][project.root_signer.keyid]["public"] = base64.b64encode(other).decode()
    data = seal(PAYLOAD_TYPE, canonical_json(document), [project.root_signer])
    assert reason_of(read_trust, data) == "malformed-trust"


@pytest.mark.parametrize("key", [{"public": "AAAA"}, {"public": "*"}, {"scheme": "rsa"}, {"scheme": "ecdsa-p256"}])
def test_a_key_that_does_not_fit_its_scheme_is_refused(project, key):
    document = payload_of(project.trust_data)
    document["keys"][project.root_signer.keyid] |= key
    data = seal(PAYLOAD_TYPE, canonical_json(document), [project.root_signer])
    assert reason_of(read_trust, data) == "malformed-trust"


def test_a_newer_root_names_the_version_that_is_needed(project):
    document = payload_of(project.trust_data) | {"requires": {"features": ["delegations"], "min_version": "2.0.0"}}
    data = seal(PAYLOAD_TYPE, canonical_json(document), [project.root_signer])
    with pytest.raises(UntrustedError, match=r"flagctl 2\.0\.0 or newer is needed") as caught:
        read_trust(data)
    assert caught.value.reason == "requires-newer"
