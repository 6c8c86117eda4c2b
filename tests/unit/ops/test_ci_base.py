"""Which commit a pipeline's change is compared with."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flagctl.errors import UsageError
from flagctl.ops.ci_base import auto_base, resolve_base
from flagctl.vcs import GitRepository
from tests.cli.conftest import git


class Forge:
    """A repository with a branch `main` that goes on while a pull request is open, and clones of it as CI makes them.

    ::

        first ── second (main when the event was made) ── third (main now)
             └── change (the pull request) ─────────────── merge (the test merge)
    """

    def __init__(self, folder: Path) -> None:
        self.origin = folder / "origin"
        self.clones = folder
        self.origin.mkdir()
        git(self.origin, "init", "--quiet", "--initial-branch", "main")
        self.first = self.commit("first")
        git(self.origin, "switch", "--quiet", "-c", "change")
        self.change = self.commit("change")
        git(self.origin, "switch", "--quiet", "main")
        self.second = self.commit("second")
        self.third = self.commit("third")
        git(self.origin, "switch", "--quiet", "--detach", "main")
        git(self.origin, "merge", "--quiet", "--no-ff", "-m", "merge", "change")
        self.merge = git(self.origin, "rev-parse", "HEAD").strip()
        git(self.origin, "update-ref", "refs/pull/1/merge", self.merge)
        git(self.origin, "switch", "--quiet", "main")

    def commit(self, name: str) -> str:
        (self.origin / f"{name}.txt").write_text(name)
        git(self.origin, "add", ".")
        git(self.origin, "commit", "--quiet", "-m", name)
        return git(self.origin, "rev-parse", "HEAD").strip()

    def checkout(self, ref: str, *options: str) -> GitRepository:
        """Return a clone with one ref checked out, as actions/checkout does."""
        folder = self.clones / f"clone-{len(list(self.clones.iterdir()))}"
        folder.mkdir()
        git(folder, "init", "--quiet")
        git(folder, "remote", "add", "origin", self.origin.as_uri())
        history = ["+refs/heads/*:refs/remotes/origin/*"] if not options else []
        git(folder, "fetch", "--quiet", *options, "origin", *history, f"+{ref}:refs/remotes/ci/head")
        git(folder, "checkout", "--quiet", "--detach", "refs/remotes/ci/head")
        return GitRepository(folder)

    def event(self, name: str, payload: object) -> dict[str, str]:
        path = self.clones / "event.json"
        path.write_text(json.dumps(payload))
        return {"GITHUB_EVENT_NAME": name, "GITHUB_EVENT_PATH": str(path)}

    def pull_request(self) -> dict[str, str]:
        payload = {"pull_request": {"base": {"sha": self.second}, "head": {"sha": self.change}}}
        return self.event("pull_request", payload)


@pytest.fixture
def forge(tmp_path: Path) -> Forge:
    return Forge(tmp_path)


def test_a_test_merge_is_compared_with_the_target_branch_as_it_was_merged(forge) -> None:
    assert auto_base(forge.checkout("refs/pull/1/merge"), forge.pull_request()) == forge.third


def test_a_pull_requests_own_branch_is_compared_with_where_it_left(forge) -> None:
    assert auto_base(forge.checkout("refs/heads/change"), forge.pull_request()) == forge.first


def test_an_entry_of_the_merge_queue_is_compared_with_what_it_builds_on(forge) -> None:
    payload = {"merge_group": {"base_sha": forge.third, "head_sha": forge.merge}}
    assert auto_base(forge.checkout("refs/pull/1/merge"), forge.event("merge_group", payload)) == forge.third


def test_a_push_is_compared_with_what_the_branch_was_before(forge) -> None:
    event = forge.event("push", {"before": forge.first, "after": forge.third})
    assert auto_base(forge.checkout("refs/heads/main"), event) == forge.first


def test_a_new_branch_is_compared_with_where_it_left_the_default_branch(forge) -> None:
    event = forge.event("push", {"before": "0" * 40, "after": forge.change})
    assert auto_base(forge.checkout("refs/heads/change"), event) == forge.first


@pytest.mark.parametrize("environment", [{}, {"GITHUB_EVENT_NAME": "schedule"}])
def test_without_such_an_event_the_merge_base_with_the_default_branch_counts(forge, environment) -> None:
    assert auto_base(forge.checkout("refs/heads/change"), environment) == forge.first


def test_gitlab_names_the_base_in_variables(forge) -> None:
    clone = forge.checkout("refs/heads/change")
    assert auto_base(clone, {"CI_MERGE_REQUEST_DIFF_BASE_SHA": forge.first}) == forge.first
    assert auto_base(forge.checkout("refs/heads/main"), {"CI_COMMIT_BEFORE_SHA": forge.second}) == forge.second
    assert auto_base(clone, {"CI_COMMIT_BEFORE_SHA": "0" * 40}) == forge.first


def test_a_shallow_clone_is_refused_with_the_fetch_that_helps(forge) -> None:
    clone = forge.checkout("refs/pull/1/merge", "--depth=1")
    with pytest.raises(UsageError) as caught:
        auto_base(clone, forge.pull_request())
    assert caught.value.exit_code == 2
    assert caught.value.hint is not None
    assert "git fetch --unshallow origin" in caught.value.hint
    assert "fetch-depth: 0" in caught.value.hint
    git(clone.folder, "fetch", "--quiet", "--unshallow", "origin")
    assert auto_base(clone, forge.pull_request()) == forge.third


def test_a_clone_of_depth_two_suffices_for_a_test_merge(forge) -> None:
    assert auto_base(forge.checkout("refs/pull/1/merge", "--depth=2"), forge.pull_request()) == forge.third


@pytest.mark.parametrize(
    "payload",
    [{}, {"pull_request": None}, {"pull_request": {"base": {"sha": "--upload-pack=x"}}}, [], "x"],
    ids=str,
)
def test_an_event_without_a_commit_is_refused(forge, payload) -> None:
    with pytest.raises(UsageError, match="has no commit at"):
        auto_base(forge.checkout("refs/heads/change"), forge.event("pull_request", payload))


def test_an_event_that_cannot_be_read_is_refused(forge, tmp_path) -> None:
    clone = forge.checkout("refs/heads/change")
    with pytest.raises(UsageError, match="cannot be read"):
        auto_base(clone, {"GITHUB_EVENT_PATH": str(tmp_path / "none.json")})
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(UsageError, match="is no JSON"):
        auto_base(clone, {"GITHUB_EVENT_PATH": str(tmp_path / "broken.json")})


def test_only_auto_is_looked_up(tmp_path) -> None:
    assert resolve_base("main", tmp_path, {}) == "main"
    assert resolve_base(None, tmp_path, {}) is None
    with pytest.raises(UsageError, match="not in a git repository"):
        resolve_base("auto", tmp_path, {})
