"""The next root of trust, made by several people with files."""

from __future__ import annotations

import json

import pytest

from flagctl.bundle.trust import next_trust, read_trust
from flagctl.errors import ConflictError, NothingMatchedError, UntrustedError, UsageError
from flagctl.ops.keys import generate_key
from flagctl.ops.trust import TrustInit, init_trust, push_trust
from flagctl.ops.trust_next import (
    TrustPlace,
    add_key,
    check_complete,
    new_version,
    remove_key,
    show_draft,
    sign_draft,
)
from flagctl.signing import load_signer, read_public_key
from flagctl.storage import open_remote
from tests.simulators.project import Clock


class Office:
    """People with keys, and the files that they pass around."""

    def __init__(self, folder) -> None:
        self.folder = folder
        for name in ("ada", "ben", "eve", "publish", "publish-2", "kill"):
            generate_key(folder / f"{name}.key")
        init_trust(
            TrustInit(
                project="acme",
                environments=("staging", "production"),
                out=folder / "trust.json",
                root_keys=(str(folder / "ada.key"), str(folder / "ben.key")),
                publish_keys={"*": (folder / "publish.key.pub",)},
                kill_keys={"production": (folder / "kill.key.pub",)},
                root_threshold=2,
                clock=Clock(),
            )
        )
        self.place = TrustPlace(folder / "trust.json", folder / "trust.next.json", Clock())

    def public(self, name: str):
        return read_public_key(self.folder / f"{name}.key.pub")

    def signer(self, name: str):
        return load_signer(self.folder / f"{name}.key")

    def signed_by(self, *names: str):
        for name in names:
            result = sign_draft(self.place, [self.signer(name)])
        return result


@pytest.fixture
def office(tmp_path):
    return Office(tmp_path)


def test_a_key_is_added_signed_for_by_two_people_and_follows_on_the_current_root(office):
    result = add_key(office.place, office.public("publish-2"), "publish")
    assert (result.version, result.epoch, result.complete) == (2, 1, False)
    new = office.public("publish-2").keyid[:16]
    assert result.changes == (f"publish:production: + {new}", f"publish:staging: + {new}")
    assert not office.signed_by("ada").complete
    with pytest.raises(UntrustedError):
        check_complete(office.place)
    assert office.signed_by("ben").complete
    check_complete(office.place)
    root = next_trust(read_trust((office.folder / "trust.json").read_bytes()), office.place.draft.read_bytes())
    assert len(root.publish["staging"].keys) == 2


def test_signing_twice_counts_once_and_a_stranger_is_told_so(office):
    add_key(office.place, office.public("publish-2"), "publish", ["staging"])
    result = office.signed_by("ada", "ada")
    assert [len(needed.signed) for needed in result.needed] == [1, 1]
    with pytest.raises(UsageError, match="counts for nothing"):
        sign_draft(office.place, [office.signer("eve")])


def test_removing_a_key_raises_the_epoch_once(office):
    add_key(office.place, office.public("publish-2"), "publish")
    result = remove_key(office.place, office.public("publish").keyid[:12])
    assert (result.epoch, result.previous_epoch) == (2, 1)
    result = remove_key(office.place, office.public("kill").keyid)
    assert result.epoch == 2
    assert [role.role for role in result.roles].count("kill") == 0


def test_the_new_root_role_must_sign_too(office):
    add_key(office.place, office.public("eve"), "root")
    remove_key(office.place, office.public("ben").keyid, "root")
    result = office.signed_by("ada", "ben")
    assert [len(needed.signed) for needed in result.needed] == [2, 1]
    assert not result.complete
    assert office.signed_by("eve").complete


def test_a_change_makes_signatures_void(office):
    add_key(office.place, office.public("publish-2"), "publish")
    office.signed_by("ada", "ben")
    assert add_key(office.place, office.public("eve"), "kill", ["production"]).dropped == 2
    assert not show_draft(office.place).complete


def test_a_role_cannot_lose_more_keys_than_its_threshold_allows(office):
    with pytest.raises(UsageError, match="cannot reach its threshold"):
        remove_key(office.place, office.public("publish").keyid)
    with pytest.raises(UsageError, match="cannot reach its threshold"):
        remove_key(office.place, office.public("ben").keyid)
    assert not office.place.draft.exists()


def test_thresholds_and_the_expiry_are_set_without_touching_keys(office):
    add_key(office.place, office.public("publish-2"), "publish")
    result = new_version(office.place, lifetime_days=10, thresholds={"publish:production": 2, "root": 1})
    assert result.expires == "2027-01-25T08:00:00Z"
    assert {(role.role, role.environment): role.threshold for role in result.roles} == {
        ("root", None): 1,
        ("publish", "staging"): 1,
        ("publish", "production"): 2,
        ("kill", "production"): 1,
    }
    assert result.epoch == 1
    assert new_version(office.place, raise_epoch=True).epoch == 2


def test_an_environment_is_added_with_its_first_key(office):
    result = add_key(office.place, office.public("publish"), "publish", ["qa"])
    assert ("publish", "qa") in {(role.role, role.environment) for role in result.roles}
    add_key(office.place, office.public("kill"), "kill", ["staging"])


@pytest.mark.parametrize(
    "wrong",
    [
        lambda o: add_key(o.place, o.public("publish"), "publish"),
        lambda o: add_key(o.place, o.public("publish"), "boss"),
        lambda o: add_key(o.place, o.public("eve"), "root", ["staging"]),
        lambda o: remove_key(o.place, "abc"),
        lambda o: remove_key(o.place, o.public("kill").keyid, "kill", ["qa"]),
        lambda o: new_version(o.place, thresholds={"publish:qa": 1}),
        lambda o: new_version(o.place, thresholds={"root": 3}),
        lambda o: sign_draft(o.place, [o.signer("ada")]),
        lambda o: show_draft(o.place),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_no_draft(office, wrong):
    with pytest.raises(UsageError):
        wrong(office)
    assert not office.place.draft.exists()


def test_a_key_that_is_not_there_cannot_be_removed(office):
    with pytest.raises(NothingMatchedError):
        remove_key(office.place, "0" * 64)
    with pytest.raises(NothingMatchedError):
        remove_key(office.place, office.public("kill").keyid, "publish")


def test_a_draft_of_another_version_is_not_gone_on_with(office):
    add_key(office.place, office.public("publish-2"), "publish")
    office.signed_by("ada", "ben")
    office.place.draft.replace(office.place.current)
    (office.folder / "old.json").write_bytes(office.place.current.read_bytes())
    with pytest.raises(UsageError, match="does not follow on version 2"):
        add_key(office.place._replace(draft=office.folder / "old.json"), office.public("eve"), "publish")


def test_a_root_that_readers_would_refuse_is_not_pushed(office, tmp_path):
    remote = open_remote(f"file://{tmp_path}/remote")
    push_trust(remote, office.place.current)
    add_key(office.place, office.public("eve"), "root")
    new_version(office.place, thresholds={"root": 1})
    office.signed_by("eve")
    with pytest.raises(UntrustedError) as caught:
        push_trust(remote, office.place.draft)
    assert caught.value.reason == "unknown-key"
    office.signed_by("ada", "ben")
    assert push_trust(remote, office.place.draft).pushed_to.endswith("/trust/2.json")
    new_version(office.place)
    office.signed_by("ada", "ben")
    with pytest.raises(ConflictError, match="another root of trust with version 2"):
        push_trust(remote, office.place.draft)


def test_drafts_are_json(office):
    data = json.loads(json.dumps(add_key(office.place, office.public("eve"), "root").to_dict()))
    assert data["needed"][0]["of"] == "current"
