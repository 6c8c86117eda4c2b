"""What is live, against its commit and its log."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flagctl.bundle.manifest import parse_manifest, write_manifest
from flagctl.bundle.names import log_key
from flagctl.compiler import compile_environment
from flagctl.ops.drift import DriftResult, drift
from flagctl.ops.policy import PolicyGuard, PolicyOptions, PolicyRefusedError, Publication
from flagctl.ops.publish import publish
from flagctl.ops.publish_model import PublishOptions
from flagctl.ops.publishing import Origin, find_origin
from flagctl.report.drift import render_drift
from flagctl.report.style import PLAIN
from flagctl.source import load_tree, read_tree
from tests.simulators.memory_remote import MemoryRemote
from tests.simulators.project import NOW, Clock, Project
from tests.unit.vcs.test_git_repository import git, write

CONFIG = "version: 1\nproject: acme\nenvironments: {staging: {}, production: {}}\n"
FLAG = "kind: flag\nkey: f\nowner: web\ntype: boolean\ndefault: off\n"


class Live:
    """A git repository whose flags are published."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.project = Project()
        self.remote = MemoryRemote()
        self.target = self.project.target(self.remote)
        git(folder, "init", "--quiet", "--initial-branch=main")
        self.commit(CONFIG, FLAG)

    def commit(self, config: str, flag: str) -> str:
        write(self.folder, "flagctl.yaml", config)
        write(self.folder, "f.yaml", flag)
        git(self.folder, "add", ".")
        git(self.folder, "commit", "--quiet", "--allow-empty", "-m", "Change")
        return git(self.folder, "rev-parse", "HEAD")

    def publish(self, **changes: Any) -> None:
        repository = load_tree(read_tree(self.folder)).repository
        assert repository is not None
        data = compile_environment(repository, "production").data
        origin = find_origin(self.folder)
        options = PublishOptions(
            **{"clock": Clock(), "commit": origin.commit, "history": origin.history, "allow_rollback": True, **changes}
        )
        publish(self.target, data, self.project.publishers, options)

    def drift(self, origin: Origin | None = None) -> DriftResult:
        return drift(self.target, origin or find_origin(self.folder), NOW * 1000)


@pytest.fixture
def live(tmp_path: Path) -> Live:
    found = Live(tmp_path)
    found.publish()
    return found


def test_a_bundle_that_its_commit_compiles_to_is_no_drift(live: Live) -> None:
    result = live.drift()
    assert (result.source, result.log, result.has_drift) == ("same", "same", False)


def test_without_a_git_repository_only_the_log_is_compared(live: Live) -> None:
    result = live.drift(Origin())
    assert (result.source, result.source_detail, result.has_drift) == (
        "unknown",
        "there is no git repository here",
        False,
    )


def test_a_commit_that_is_not_here_or_cannot_be_compiled_is_unknown(live: Live) -> None:
    live.commit(CONFIG, FLAG.replace("default: off", "default: on"))
    live.publish(commit="a" * 40)
    result = live.drift()
    assert result.source == "unknown"
    assert "cannot be compiled here: there is no commit" in str(result.source_detail)
    for config, words in (
        (CONFIG.replace("version: 1", "version: 9"), "cannot be read"),
        (CONFIG, "cannot be compiled"),
    ):
        broken = live.commit(config, FLAG.replace("default: off", "default: onn"))
        live.commit(CONFIG, FLAG)
        live.publish(commit=broken)
        assert words in str(live.drift().source_detail)
        live.commit(CONFIG, FLAG.replace("default: off", "default: on"))
        live.publish()


def test_metadata_that_differs_is_drift_too(live: Live) -> None:
    commit = git(live.folder, "rev-parse", "HEAD")
    write(live.folder, "f.yaml", FLAG.replace("owner: web", "owner: data"))
    live.publish(commit=commit)
    result = live.drift()
    assert result.has_drift
    text = render_drift(result, PLAIN)
    assert "f: owner web → data" in text


def test_two_manifests_of_one_number_are_drift(live: Live) -> None:
    manifest = live.project.manifest(b"x", seq=1, issued=NOW, expires=NOW + 100, commit=None)
    sealed = live.project.sealed(manifest)
    del live.remote.objects[next(key for key in live.remote.objects if "/log/" in key)]
    digest = parse_manifest(write_manifest(manifest)).digest
    live.remote.objects[log_key("production", 1, 1, digest)] = sealed
    result = live.drift()
    assert (result.log, result.has_drift) == ("another-of-this-number", True)
    assert "two were signed" in render_drift(result, PLAIN)


POLICY = CONFIG + "policy: {environments: {production: {max_switching: 10}}}\n"


def guard(live: Live) -> PolicyGuard:
    loaded = load_tree(read_tree(live.folder))
    assert loaded.repository is not None
    bundle = compile_environment(loaded.repository, "production")
    publication = Publication(
        target=live.target, loaded=loaded, bundle=bundle.data, sha256=bundle.sha256, origin=find_origin(live.folder)
    )
    return PolicyGuard(publication, PolicyOptions(root=live.folder, now_ms=NOW * 1000))


def test_the_policy_of_the_live_commit_counts_at_publication(live: Live) -> None:
    live.commit(POLICY, FLAG + "tags: [x]\n")
    live.publish()
    live.commit(CONFIG, FLAG.replace("default: off", "default: on"))
    with pytest.raises(PolicyRefusedError, match="100 %"):
        live.publish(check_live=guard(live))


def test_a_live_commit_that_is_not_here_leaves_the_policy_at_hand(live: Live) -> None:
    live.commit(POLICY, FLAG + "tags: [x]\n")
    live.publish(commit="a" * 40)
    live.commit(CONFIG, FLAG.replace("default: off", "default: on"))
    live.publish(check_live=guard(live))
    live.commit(POLICY, FLAG)
    with pytest.raises(PolicyRefusedError):
        live.publish(check_live=guard(live))
