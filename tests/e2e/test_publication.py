"""The main job: keys, root of trust, flags in git, publishing, an app that sees it, a change, going back, switching off."""

from __future__ import annotations

import subprocess

import pytest

from flagctl.client import Client
from flagctl.compiler import compile_environment
from flagctl.errors import ConflictError, RemoteError
from flagctl.ops.keys import generate_key
from flagctl.ops.publish import heartbeat, publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.ops.rollback import history, rollback
from flagctl.ops.status import status
from flagctl.ops.target import TargetOverrides, open_target
from flagctl.ops.trust import TrustInit, init_trust, push_trust
from flagctl.signing import load_signer
from flagctl.source import load_tree, read_tree
from flagctl.storage import RemoteOptions, open_remote
from flagctl.vcs import GitRepository
from tests.scale import scaled
from tests.simulators.at_once import at_once
from tests.simulators.project import Project, bundle_of

CONFIG = """
version: 1
project: acme-shop
environments: {staging: {}, production: {}}
remote: {url: "file:///nowhere", trust: trust.json}
"""

FLAG = """
kind: flag
key: new-checkout
owner: team-checkout
type: boolean
enabled: %(enabled)s
default: off
rules:
  - id: countries
    when: [{attribute: country, operator: in, value: [%(countries)s]}]
    serve: on
"""

GERMAN, FRENCH = {"targeting_key": "u1", "country": "DE"}, {"targeting_key": "u2", "country": "FR"}


class Author:
    """Somebody with a checkout of the flag repository and the publishing key."""

    def __init__(self, folder, url: str, endpoint_url: str | None) -> None:
        self.folder = folder
        self.overrides = TargetOverrides(url=url, endpoint_url=endpoint_url)
        self.remote = open_remote(url, options=RemoteOptions(endpoint_url=endpoint_url))
        folder.mkdir()
        self.git("init", "-q", "-b", "main")
        (folder / "flagctl.yaml").write_text(CONFIG)
        for name in ("root", "publish", "kill"):
            generate_key(folder / "keys" / f"{name}.key")
        init_trust(
            TrustInit(
                project="acme-shop",
                environments=("staging", "production"),
                out=folder / "trust.json",
                root_keys=(str(folder / "keys/root.key"),),
                publish_keys={"*": (folder / "keys/publish.key.pub",)},
                kill_keys={"*": (folder / "keys/kill.key.pub",)},
            )
        )
        push_trust(self.remote, folder / "trust.json")
        (folder / ".gitignore").write_text("*.key\n")

    def git(self, *arguments: str) -> None:
        identity = ["-c", "user.name=Author", "-c", "user.email=author@example.com"]
        subprocess.run(["git", *identity, *arguments], cwd=self.folder, check=True, capture_output=True)

    def write(self, *, countries: str = "DE", enabled: str = "true") -> None:
        (self.folder / "new-checkout.yaml").write_text(FLAG % {"countries": countries, "enabled": enabled})
        self.git("add", ".")
        self.git("commit", "-q", "-m", "Change the flags")

    def compiled(self, environment: str = "production"):
        loaded = load_tree(read_tree(self.folder))
        assert loaded.diagnostics == ()
        return loaded.repository, compile_environment(loaded.repository, environment).data

    def target(self, environment: str = "production"):
        return open_target(self.folder, self.compiled()[0].config, environment, self.overrides)

    def signers(self):
        return [load_signer(self.folder / "keys/publish.key")]

    def publish(self, environment: str = "production"):
        repository = GitRepository(self.folder)
        options = PublishOptions(commit=repository.head(), ref=repository.ref(), history=repository)
        return publish(self.target(environment), self.compiled(environment)[1], self.signers(), options)


@pytest.fixture(params=["file", "s3"])
def place(request, tmp_path):
    """A location and the address of its store: a folder, and a bucket at a real S3 server."""
    if request.param == "file":
        return f"file://{tmp_path}/remote", None
    bucket = request.getfixturevalue("s3_bucket")
    return bucket.url, bucket.endpoint_url


def test_a_flag_lives_from_its_first_commit_to_its_end(place, tmp_path):
    url, endpoint_url = place
    author = Author(tmp_path / "flags", url, endpoint_url)
    author.write()
    first = author.publish()
    assert (first.action, first.seq, first.ref) == ("published", 1, "refs/heads/main")

    trust = (author.folder / "trust.json").read_bytes()
    app = Client(
        url,
        environment="production",
        trust=trust,
        endpoint_url=endpoint_url,
        cache_dir=tmp_path / "cache",
        poll_interval=3600,
    )
    with app:
        assert app.wait_until_ready(20)
        assert (app.is_enabled("new-checkout", GERMAN), app.is_enabled("new-checkout", FRENCH)) == (True, False)
        assert app.evaluate("new-checkout", GERMAN).rule == "countries"

        author.write(countries="DE, FR")
        assert author.publish().seq == 2
        assert author.publish().action == "unchanged"
        assert app.refresh() is True
        assert app.is_enabled("new-checkout", FRENCH)
        assert app.refresh() is False

        assert rollback(author.target(), author.signers()).seq == 3
        app.refresh()
        assert not app.is_enabled("new-checkout", FRENCH)

        author.write(countries="DE, FR", enabled="false")
        assert author.publish().seq == 4
        app.refresh()
        assert app.evaluate("new-checkout", GERMAN).reason == "DISABLED"

        assert heartbeat(author.target(), author.signers()).seq == 5
        app.refresh()
        assert app.status().seq == 5

    assert [entry.seq for entry in history(author.target())] == [5, 4, 3, 2, 1]
    live = status(author.target(), local_sha256=first.bundle_sha256)
    assert (live.state, live.seq, live.drift) == ("live", 5, "differs")
    assert status(author.target("staging")).state == "missing"

    offline = Client(f"file://{tmp_path}/gone", environment="production", trust=trust, cache_dir=tmp_path / "cache")
    with offline:
        assert offline.evaluate("new-checkout", GERMAN).reason == "DISABLED"
        assert offline.status().source == "cache"


def test_an_older_pipeline_that_finishes_late_is_refused(place, tmp_path):
    url, endpoint_url = place
    author = Author(tmp_path / "flags", url, endpoint_url)
    author.write()
    old_commit, (_, old_bundle) = GitRepository(author.folder).head(), author.compiled()
    author.write(countries="DE, FR")
    author.publish()
    late = PublishOptions(commit=old_commit, history=GitRepository(author.folder))
    with pytest.raises(ConflictError, match="does not build on"):
        publish(author.target(), old_bundle, author.signers(), late)


def test_eight_publishers_at_one_bucket_lose_and_repeat_no_number(s3_bucket):
    project = Project()
    rounds = scaled(1, 6)
    results = []

    def work(index: int) -> None:
        options = RemoteOptions(endpoint_url=s3_bucket.endpoint_url)
        target = project.target(open_remote(s3_bucket.url, options=options))
        for turn in range(rounds):
            data = bundle_of(**{f"flag_{index}": True, f"turn_{turn}": True})
            results.append(publish(target, data, project.publishers))

    at_once(8, work)
    assert sorted(result.seq for result in results) == list(range(1, 8 * rounds + 1))
    target = project.target(open_remote(s3_bucket.url, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url)))
    assert [entry.seq for entry in history(target)] == list(range(8 * rounds, 0, -1))


@pytest.mark.parametrize(
    ("mode", "status_code"), [("lose-answer", 412), ("lose-answer", 409), ("lose-answer", 503), ("cut", 0)]
)
def test_a_publish_whose_answer_is_lost_is_published_once(s3_bucket, fault_proxy, mode, status_code):
    project = Project()
    options = RemoteOptions(endpoint_url=fault_proxy.url, read_timeout=2, deadline=4)
    target = project.target(open_remote(s3_bucket.url, options=options))
    publish(target, bundle_of(a=True), project.publishers)
    prefix = s3_bucket.url.removeprefix("s3://")
    fault_proxy.set(mode, status=status_code, only=f"PUT /{prefix}/production/manifest.json".encode())

    def mend(_: float) -> None:
        fault_proxy.set("pass")

    result = publish(target, bundle_of(b=True), project.publishers, PublishOptions(sleep=mend))
    assert result.seq == 2
    assert [entry.seq for entry in history(target)] == [2, 1]


def test_an_app_serves_through_an_outage_and_catches_up(s3_bucket, fault_proxy):
    project = Project()
    direct = open_remote(s3_bucket.url, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url))
    publish(project.target(direct), bundle_of(a=True), project.publishers)
    with Client(
        s3_bucket.url,
        environment="production",
        trust=project.trust_data,
        endpoint_url=fault_proxy.url,
        poll_interval=3600,
    ) as app:
        assert app.wait_until_ready(20)
        publish(project.target(direct), bundle_of(a=False, b=True), project.publishers)
        for mode in ("refuse", "status", "cut"):
            fault_proxy.set(mode)
            with pytest.raises(RemoteError, match="s3://"):
                app.refresh()
            assert app.is_enabled("a")
        assert app.status().failures == 3
        fault_proxy.set("pass")
        app.refresh()
        assert app.is_enabled("b")
        assert app.status().failures == 0
