from __future__ import annotations

import threading

import pytest

from flagctl.bundle.accept import accept, trusting
from flagctl.bundle.blob import pack
from flagctl.client.copies import LastKnownGood
from flagctl.client.sync import Pulled
from flagctl.errors import RemoteError
from tests.simulators.project import NOW, Project, bundle_of

ONE, TWO = bundle_of(a=True), bundle_of(a=False)


def update_of(project, data, seq):
    start = trusting(project.trust, "production")
    sealed = project.sealed(project.manifest(data, seq=seq))
    state = accept(start, sealed, lambda _: pack(data), now=NOW)
    return state, Pulled(state, "tag", sealed, pack(data))


def saved_seq(project, folder) -> int:
    copy = LastKnownGood(str(folder), "acme", "production")
    return copy.load(trusting(project.trust, "production"), NOW).state.manifest.seq


def never():
    pytest.fail("the bundle was asked for")


def test_a_process_that_is_behind_does_not_replace_a_newer_copy(project, tmp_path):
    copy = LastKnownGood(str(tmp_path), "acme", "production")
    for data, seq in ((TWO, 2), (ONE, 1)):
        copy.save(*update_of(project, data, seq))
        assert saved_seq(project, tmp_path) == 2


def test_processes_that_save_at_once_end_with_the_newest(project, tmp_path):
    updates = [update_of(project, bundle_of(**{f"flag_{seq}": True}), seq) for seq in range(1, 13)]

    def save(update):
        LastKnownGood(str(tmp_path), "acme", "production").save(*update)

    threads = [threading.Thread(target=save, args=(update,)) for update in updates]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert saved_seq(project, tmp_path) >= 1  # whole and verified, whichever it is
    save(updates[-1])
    assert saved_seq(project, tmp_path) == 12


def test_projects_and_environments_do_not_share_a_copy(project, tmp_path):
    LastKnownGood(str(tmp_path), "acme", "production").save(*update_of(project, ONE, 1))
    start = trusting(project.trust, "production")
    for name, environment in (("other", "production"), ("acme", "staging"), (None, "production")):
        assert LastKnownGood(str(tmp_path), name, environment).load(start, NOW).state is start


def test_a_copy_without_its_bundle_is_remote_trouble(project, tmp_path):
    LastKnownGood(str(tmp_path), "acme", "production").save(*update_of(project, ONE, 1))
    next((tmp_path / "acme/production/blobs").glob("*.gz")).unlink()
    with pytest.raises(RemoteError, match="missing"):
        saved_seq(project, tmp_path)


def test_a_forged_copy_with_a_high_number_does_not_stop_saving(project, tmp_path):
    manifest = tmp_path / "acme/production/manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_bytes(Project().sealed(project.manifest(TWO, seq=99)))
    LastKnownGood(str(tmp_path), "acme", "production").save(*update_of(project, ONE, 1))
    assert saved_seq(project, tmp_path) == 1
