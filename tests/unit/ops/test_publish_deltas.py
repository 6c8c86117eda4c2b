from __future__ import annotations

import pytest

from flagctl.client.client import Client
from flagctl.ops.bench_flags import large_bundle
from flagctl.ops.publish import heartbeat, publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.ops.rollback import rollback
from flagctl.storage import RemoteOptions, open_remote
from tests.simulators.memory_remote import MemoryRemote
from tests.simulators.project import Clock, Project

BASE = large_bundle(400, 1)


def version(number: int) -> bytes:
    """The base with another owner of one flag for each version."""
    return BASE.replace(b'"owner":"', b'"owner":"v%d-' % number, 1)


def header_of(data: bytes) -> tuple[str, str]:
    from flagctl.evaluator.document import open_bundle

    header = open_bundle(data).header
    return header.project, header.env


PROJECT, ENVIRONMENT = header_of(BASE)


@pytest.fixture(scope="module")
def project():
    made = Project(name=PROJECT)
    made.content = made.content._replace(publish={ENVIRONMENT: made.content.publish["production"]}, kill={})
    from flagctl.bundle.trust import read_trust, write_trust

    made.trust_data = write_trust(made.content, [made.root_signer])
    made.trust = read_trust(made.trust_data)
    return made


def options(**changes) -> PublishOptions:
    return PublishOptions(clock=Clock(), allow_rollback=True, **changes)


class Counting:
    """A remote that counts what is read from it."""

    def __init__(self, remote) -> None:
        self.remote, self.url, self.read = remote, remote.url, {}

    def get(self, key, **settings):
        found = self.remote.get(key, **settings)
        self.read[key.split("/")[1]] = self.read.get(key.split("/")[1], 0) + len(getattr(found, "data", b""))
        return found


@pytest.fixture(params=["file", "s3"])
def remote(request, tmp_path):
    if request.param == "file":
        return open_remote(f"file://{tmp_path}/remote"), None
    bucket = request.getfixturevalue("s3_bucket")
    return open_remote(bucket.url, options=RemoteOptions(endpoint_url=bucket.endpoint_url)), bucket.endpoint_url


def test_a_client_that_has_any_of_the_last_eight_bundles_reads_a_delta(project, remote, tmp_path):
    remote, endpoint_url = remote
    target = project.target(remote, ENVIRONMENT)
    publish(target, version(0), project.publishers, options())
    settings = {"environment": ENVIRONMENT, "trust": project.trust_data, "poll_interval": 3600, "clock": Clock()}
    cache = tmp_path / "cache"
    with Client(remote.url, endpoint_url=endpoint_url, cache_dir=cache, **settings) as app:
        assert app.wait_until_ready(20)
        first = app._flags.evaluate("flag-00000").metadata["owner"]
        counting = app._updater._remote = Counting(remote)
        for number in range(1, 9):
            publish(target, version(number), project.publishers, options())
        heartbeat(target, project.publishers, options())
        assert app.refresh()
        assert "blobs" not in counting.read
        assert 0 < counting.read["deltas"] < 1_000
        assert sum(counting.read.values()) < 2_000
        assert app.evaluate("flag-00000").metadata["owner"] == first.replace("v0-", "v8-", 1)
        again = app.status().bundle_sha256
    with Client(f"file://{tmp_path}/gone", cache_dir=cache, **settings) as offline:
        assert offline.wait_until_ready(5)
        assert offline.status().bundle_sha256 == again
        assert offline.status().cache_error is None
    with Client(remote.url, endpoint_url=endpoint_url, cache_dir=cache, **settings) as late:
        counting = late._updater._remote = Counting(remote)
        publish(target, version(9), project.publishers, options())
        rollback(target, project.publishers, to_seq=9, options=options())
        publish(target, version(10), project.publishers, options())
        assert late.refresh()
        assert "blobs" not in counting.read


def test_a_client_that_is_further_behind_reads_the_whole_bundle(project):
    remote = MemoryRemote()
    target = project.target(remote, ENVIRONMENT)
    for number in range(11):
        publish(target, version(number), project.publishers, options())
    manifest = manifest_of(project, remote)
    assert len(manifest.deltas) == 8
    assert len({delta.source for delta in manifest.deltas}) == 8


def manifest_of(project, remote):
    from flagctl.bundle.accept import read_manifest

    return read_manifest(project.target(remote, ENVIRONMENT).reader(), remote.objects[f"{ENVIRONMENT}/manifest.json"])


def test_a_renewal_keeps_the_deltas_and_a_roll_back_has_its_own(project):
    remote = MemoryRemote()
    target = project.target(remote, ENVIRONMENT)
    for number in range(3):
        publish(target, version(number), project.publishers, options())
    before = manifest_of(project, remote).deltas
    heartbeat(target, project.publishers, options())
    assert manifest_of(project, remote).deltas == before
    rollback(target, project.publishers, options=options())
    back = manifest_of(project, remote)
    assert len(back.deltas) == 2
    assert back.bundle.sha256 not in {delta.source for delta in back.deltas}


@pytest.mark.parametrize("damage", [None, b"garbage"])
def test_a_lost_or_damaged_delta_is_left_out_by_the_next_publication(project, damage):
    remote = MemoryRemote()
    target = project.target(remote, ENVIRONMENT)
    for number in range(3):
        publish(target, version(number), project.publishers, options())
    for key in remote.list(f"{ENVIRONMENT}/deltas/"):
        if damage is None:
            del remote.objects[key]
        else:
            remote.objects[key] = damage
    publish(target, version(3), project.publishers, options())
    assert len(manifest_of(project, remote).deltas) == 1
    publish(target, version(2), project.publishers, options())
    (first, *_) = manifest_of(project, remote).deltas
    assert first.source


def test_a_current_bundle_that_was_lost_costs_the_deltas_and_nothing_else(project):
    remote = MemoryRemote()
    target = project.target(remote, ENVIRONMENT)
    publish(target, version(0), project.publishers, options())
    remote.objects.pop(*remote.list(f"{ENVIRONMENT}/blobs/"))
    assert publish(target, version(1), project.publishers, options()).seq == 2
    assert manifest_of(project, remote).deltas == ()


def test_bundles_that_have_little_in_common_get_no_delta(project):
    remote = MemoryRemote()
    target = project.target(remote, ENVIRONMENT)
    publish(target, version(0), project.publishers, options())
    publish(target, large_bundle(400, 2), project.publishers, options())
    assert manifest_of(project, remote).deltas == ()


def test_a_dry_run_makes_no_deltas(project):
    remote = MemoryRemote()
    target = project.target(remote, ENVIRONMENT)
    publish(target, version(0), project.publishers, options())
    publish(target, version(1), project.publishers, options(dry_run=True))
    assert remote.list(f"{ENVIRONMENT}/deltas/") == []
