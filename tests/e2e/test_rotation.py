"""The runbooks for lost and stolen keys, played through with applications that run meanwhile."""

from __future__ import annotations

import shutil

import pytest

from flagctl.client import Client
from flagctl.errors import ConflictError, UntrustedError, UsageError
from flagctl.ops.keys import generate_key
from flagctl.ops.kill import KillRequest, kill, renew_kills, unkill
from flagctl.ops.publish import heartbeat, publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.ops.target import Target, read_trust_file
from flagctl.ops.trust import TrustInit, init_trust, push_trust
from flagctl.ops.trust_next import TrustPlace, add_key, remove_key, sign_draft
from flagctl.signing import load_signer, read_public_key
from flagctl.storage import RemoteOptions, open_remote
from tests.simulators.project import bundle_of

FLAGS = bundle_of(checkout=True, search=True)
NEXT = bundle_of(checkout=True, search=False)
EVIL = bundle_of(checkout=True, search=True, evil=True)


class Team:
    """Keys in files, the root of trust, and a remote; applications ship version 1."""

    def __init__(self, folder, url: str, endpoint_url: str | None) -> None:
        self.folder, self.url, self.endpoint_url = folder, url, endpoint_url
        self.remote = open_remote(url, options=RemoteOptions(endpoint_url=endpoint_url))
        folder.mkdir()
        for name in ("root", "publish", "kill"):
            generate_key(folder / f"{name}.key")
        init_trust(
            TrustInit(
                project="acme",
                environments=("production",),
                out=folder / "trust.json",
                root_keys=(str(folder / "root.key"),),
                publish_keys={"*": (folder / "publish.key.pub",)},
                kill_keys={"*": (folder / "kill.key.pub",)},
            )
        )
        self.shipped = (folder / "trust.json").read_bytes()
        push_trust(self.remote, folder / "trust.json")
        self.place = TrustPlace(folder / "trust.json", folder / "trust.next.json")

    def target(self) -> Target:
        return Target(remote=self.remote, environment="production", trust=read_trust_file(self.place.current))

    def key(self, name: str):
        return load_signer(self.folder / f"{name}.key")

    def publish(self, data: bytes, name: str = "publish", **options):
        return publish(self.target(), data, [self.key(name)], PublishOptions(**options))

    def kill(self, flag: str, name: str = "kill"):
        return kill(self.target(), [self.key(name)], KillRequest(flag, "trouble", "ada"))

    def app(self, **settings) -> Client:
        client = Client(
            self.url,
            environment="production",
            trust=self.shipped,
            endpoint_url=self.endpoint_url,
            poll_interval=3600,
            **settings,
        )
        assert client.wait_until_ready(20)
        return client

    def replace_key(self, old: str, role: str) -> None:
        """Put a new key in the place of another one: what the runbook says, up to pushing."""
        generate_key(self.folder / f"{old}-2.key")
        add_key(self.place, read_public_key(self.folder / f"{old}-2.key"), role)
        remove_key(self.place, read_public_key(self.folder / f"{old}.key").keyid, role)
        assert sign_draft(self.place, [self.key("root")]).complete
        push_trust(self.remote, self.place.draft)

    def adopt(self) -> None:
        self.place.draft.replace(self.place.current)


@pytest.fixture(params=["file", "s3"])
def team(request, tmp_path):
    if request.param == "file":
        return Team(tmp_path / "keys", f"file://{tmp_path}/remote", None)
    bucket = request.getfixturevalue("s3_bucket")
    return Team(tmp_path / "keys", bucket.url, bucket.endpoint_url)


def on(client) -> set[str]:
    return {key for key, value in client.evaluate_all().items() if value}


def test_a_stolen_publishing_key_is_shut_out_and_numbers_start_again(team, tmp_path):
    for _ in range(2):
        team.publish(FLAGS)
        team.publish(NEXT, allow_rollback=True)
    team.kill("checkout")
    with team.app(cache_dir=tmp_path / "cache") as app:
        assert on(app) == set()
        # The thief publishes what is in nobody's git.
        team.publish(EVIL, allow_rollback=True)
        app.refresh()
        assert on(app) == {"search", "evil"}

        team.replace_key("publish", "publish")
        with pytest.raises(ConflictError, match="cannot be verified"):
            team.publish(FLAGS, "publish-2")
        with pytest.raises(ConflictError, match="would bring that back"):
            team.publish(FLAGS, "publish-2", recover=True)
        renew_kills(team.target(), [team.key("kill")])
        result = team.publish(FLAGS, "publish-2", recover=True)
        assert (result.epoch, result.seq) == (2, 1)
        app.refresh()
        assert on(app) == {"search"}
        assert (app.status().epoch, app.status().seq, app.status().kills_seq) == (2, 1, 1)
        team.adopt()

        with pytest.raises(UsageError, match="needs 1 of the keys"):
            team.publish(EVIL)
        unkill(team.target(), [team.key("kill")], "checkout")
        heartbeat(team.target(), [team.key("publish-2")])
        app.refresh()
        assert on(app) == {"checkout", "search"}
    with team.app(cache_dir=tmp_path / "cache") as again:
        assert on(again) == {"checkout", "search"}


def test_what_the_thief_put_down_is_replaced_on_request_by_people_who_only_have_the_new_root(team):
    team.publish(FLAGS)
    team.replace_key("publish", "publish")
    team.adopt()
    with pytest.raises(ConflictError, match="cannot be verified"):
        team.publish(NEXT, "publish-2")
    result = team.publish(NEXT, "publish-2", recover=True)
    assert (result.epoch, result.seq) == (2, 1)
    with team.app() as app:
        assert on(app) == {"checkout"}


def test_a_replayed_manifest_of_the_old_epoch_is_refused(team):
    team.publish(FLAGS)
    old = team.remote.get("production/manifest.json", max_bytes=10**6)
    team.replace_key("publish", "publish")
    team.publish(NEXT, "publish-2", recover=True)
    with team.app() as app:
        team.remote.put("production/manifest.json", old.data)
        with pytest.raises(UntrustedError) as caught:
            app.refresh()
        assert caught.value.reason == "unknown-key"
        assert on(app) == {"checkout"}


def test_a_stolen_kill_key_is_shut_out(team):
    team.publish(FLAGS)
    with team.app() as app:
        team.kill("search")
        app.refresh()
        assert on(app) == {"checkout"}
        team.replace_key("kill", "kill")
        renew_kills(team.target(), [team.key("kill-2")])
        unkill(team.target(), [team.key("kill-2")], "search")
        team.publish(FLAGS)
        app.refresh()
        assert on(app) == {"checkout", "search"}
        team.adopt()
        with pytest.raises(UsageError, match="needs 1 of the keys"):
            team.kill("checkout")


def test_a_lost_publishing_key_is_replaced_without_the_applications_noticing(team):
    team.publish(FLAGS)
    team.kill("search")
    with team.app() as app:
        (team.folder / "publish.key").unlink()
        generate_key(team.folder / "spare.key")
        add_key(team.place, read_public_key(team.folder / "spare.key"), "publish")
        assert sign_draft(team.place, [team.key("root")]).complete
        push_trust(team.remote, team.place.draft)
        assert team.publish(NEXT, "spare", allow_rollback=True).seq == 2
        app.refresh()
        assert on(app) == {"checkout"}
        assert (app.status().trust_version, app.status().epoch) == (2, 1)


def test_an_application_follows_many_steps_at_its_start(team):
    for number in range(3):
        generate_key(team.folder / f"more-{number}.key")
        add_key(team.place, read_public_key(team.folder / f"more-{number}.key"), "publish")
        sign_draft(team.place, [team.key("root")])
        push_trust(team.remote, team.place.draft)
        team.adopt()
    team.publish(FLAGS, "more-2")
    with team.app() as app:
        assert app.status().trust_version == 4


def test_the_root_key_is_replaced_while_the_old_one_is_at_hand(team):
    team.publish(FLAGS)
    generate_key(team.folder / "root-2.key")
    add_key(team.place, read_public_key(team.folder / "root-2.key"), "root")
    remove_key(team.place, read_public_key(team.folder / "root.key").keyid, "root")
    assert not sign_draft(team.place, [team.key("root")]).complete
    assert sign_draft(team.place, [team.key("root-2")]).complete
    push_trust(team.remote, team.place.draft)
    shutil.move(team.folder / "root.key", team.folder / "root.key.old")
    assert team.publish(FLAGS, allow_rollback=True).epoch == 2
    with team.app() as app:
        assert on(app) == {"checkout", "search"}
