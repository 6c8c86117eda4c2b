from __future__ import annotations

import json

import pytest

from flagctl.bundle.names import parse_log_key
from flagctl.client.sync import Source, pull
from flagctl.errors import ConflictError, NothingMatchedError, RemoteError
from flagctl.ops.publish import publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.ops.rollback import history, rollback
from flagctl.ops.status import status
from tests.simulators.memory_remote import fails_once
from tests.simulators.project import NOW, Clock, bundle_of

DATA = [bundle_of(a=True), bundle_of(a=False), bundle_of(a=True, b=True)]
DAY = 86_400


def options(**changes) -> PublishOptions:
    return PublishOptions(**{"clock": Clock(), "sleep": lambda _: None, "allow_rollback": True, **changes})


def publish_all(project, target):
    return [
        publish(target, data, project.publishers, options(commit=str(number) * 40))
        for number, data in enumerate(DATA, 1)
    ]


def test_going_back_makes_a_higher_number_for_the_bundle_before(project, remote, target):
    results = publish_all(project, target)
    puts = len(remote.objects)
    result = rollback(target, project.publishers, options=options())
    assert (result.action, result.seq, result.uploaded) == ("rolled-back", 4, False)
    assert result.bundle_sha256 == results[1].bundle_sha256
    assert result.commit == "2" * 40
    assert len(remote.objects) == puts + 1  # the log's copy
    assert pull(Source(remote), target.reader(), now=NOW).state.manifest.bundle.sha256 == results[1].bundle_sha256


def test_going_back_to_a_number(project, target):
    results = publish_all(project, target)
    assert rollback(target, project.publishers, to_seq=1, options=options()).bundle_sha256 == results[0].bundle_sha256
    assert rollback(target, project.publishers, to_seq=4, options=options()).action == "unchanged"
    with pytest.raises(NothingMatchedError, match="number 9"):
        rollback(target, project.publishers, to_seq=9, options=options())


def test_going_back_without_anything_to_go_back_to(project, target):
    with pytest.raises(ConflictError, match="nothing is published"):
        rollback(target, project.publishers, options=options())
    publish(target, DATA[0], project.publishers, options())
    with pytest.raises(NothingMatchedError, match="an earlier bundle"):
        rollback(target, project.publishers, options=options())


def test_going_back_to_a_bundle_that_is_lost_changes_nothing(project, remote, target):
    publish_all(project, target)
    before = remote.objects["production/manifest.json"]
    for key in [key for key in remote.objects if "/blobs/" in key]:
        del remote.objects[key]
    with pytest.raises(RemoteError, match="missing"):
        rollback(target, project.publishers, options=options())
    assert remote.objects["production/manifest.json"] == before


def test_a_dry_run_of_going_back_writes_nothing(project, remote, target):
    publish_all(project, target)
    before = dict(remote.objects)
    assert rollback(target, project.publishers, options=options(dry_run=True)).seq == 4
    assert remote.objects == before


def test_the_history_lists_what_was_published_newest_first(project, remote, target):
    publish_all(project, target)
    entries = history(target)
    assert [(entry.seq, entry.live) for entry in entries] == [(3, True), (2, False), (1, False)]
    assert [entry.seq for entry in history(target, limit=2)] == [3, 2]
    assert json.loads(json.dumps(entries[0].to_dict()))["commit"] == "3" * 40
    del remote.objects[next(key for key in remote.objects if parse_log_key(key) == (1, 3))]
    assert [entry.seq for entry in history(target)] == [3, 2, 1]


def test_an_empty_environment_has_no_history(target):
    assert history(target) == ()


def test_the_status_of_a_live_environment(project, target):
    (*_, last) = publish_all(project, target)
    result = status(target, local_sha256=last.bundle_sha256, clock=Clock(NOW + DAY))
    assert (result.state, result.seq, result.flag_count, result.drift) == ("live", 3, 2, "in-sync")
    assert (result.needs_heartbeat, result.warnings, result.exit_code) == (False, (), 0)
    assert result.expires_in_seconds == 29 * DAY
    assert status(target, local_sha256="0" * 64, clock=Clock()).drift == "differs"
    assert status(target, clock=Clock()).drift is None
    assert json.loads(json.dumps(result.to_dict()))["state"] == "live"


@pytest.mark.parametrize(
    ("days", "state", "needs", "words"),
    [
        (14, "live", False, None),
        (16, "live", True, "half"),
        (31, "expired", True, "expired"),
        (-1, "live", False, "clock"),
    ],
)
def test_the_status_warns_of_the_expiry_at_half_life(project, target, days, state, needs, words):
    publish_all(project, target)
    result = status(target, clock=Clock(NOW + days * DAY))
    assert (result.state, result.needs_heartbeat) == (state, needs)
    assert any(words in warning for warning in result.warnings) if words else result.warnings == ()


def test_the_status_of_an_environment_without_anything(target):
    result = status(target, clock=Clock())
    assert (result.state, result.exit_code) == ("missing", 0)
    assert "flagctl publish production" in (result.hint or "")


def test_the_status_of_an_environment_that_cannot_be_trusted(project, remote, target):
    publish_all(project, target)
    blob = next(key for key in remote.objects if "/blobs/" in key)
    for key in [key for key in remote.objects if "/blobs/" in key]:
        remote.objects[key] = remote.objects[key][:-1]
    result = status(target, clock=Clock())
    assert (result.state, result.reason, result.seq, result.exit_code) == ("untrusted", "wrong-blob-size", 3, 5)
    del remote.objects[blob]
    remote.objects["production/manifest.json"] = b"garbage"
    assert status(target, clock=Clock()).reason == "malformed-envelope"


def test_the_status_of_an_environment_that_cannot_be_reached(project, remote, target):
    fails_once(remote, "get", "manifest.json", after=False)
    result = status(target, clock=Clock())
    assert (result.state, result.exit_code) == ("unreachable", 4)
    assert result.error


def test_the_status_reminds_of_the_root_of_trust(target):
    assert "within" in status(target, clock=Clock(NOW + 350 * DAY)).warnings[0]
    result = status(target, clock=Clock(NOW + 401 * DAY))
    assert result.trust_expired
    assert "renewed by now" in result.warnings[0]
