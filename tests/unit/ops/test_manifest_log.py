from __future__ import annotations

import pytest

from flagctl.errors import UntrustedError
from flagctl.ops.manifest_log import MAX_UNREADABLE, newest_entry, verified_entries
from flagctl.ops.publish import publish
from flagctl.ops.publish_model import PublishOptions
from tests.simulators.memory_remote import MemoryRemote
from tests.simulators.project import Clock, Project, bundle_of


@pytest.fixture
def published():
    project, remote = Project(), MemoryRemote()
    target = project.target(remote)
    for number in range(12):
        data = bundle_of(**{f"flag_{number}": True})
        publish(target, data, project.publishers, PublishOptions(clock=Clock()))
    return target, remote


def test_entries_are_in_the_order_of_their_numbers_not_of_their_names(published):
    target, _ = published
    assert [entry.manifest.seq for entry in verified_entries(target)] == list(range(12, 0, -1))
    assert newest_entry(target).seq == 12


def test_an_entry_under_a_false_name_does_not_count(published):
    target, remote = published
    remote.objects["production/log/1-50-00000000.json"] = remote.objects["production/manifest.json"]
    remote.objects["production/log/1-51-00000000.json"] = b"x" * 70_000
    assert newest_entry(target).seq == 12


def test_a_flood_of_false_entries_is_not_read_for_ever(published):
    target, remote = published
    for number in range(1000, 1000 + MAX_UNREADABLE):
        remote.objects[f"production/log/1-{number}-00000000.json"] = b"garbage"
    with pytest.raises(UntrustedError) as caught:
        newest_entry(target)
    assert caught.value.reason == "unreadable-log"
