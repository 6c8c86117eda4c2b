from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from flagctl.errors import FlagctlError, GitError, UsageError
from flagctl.vcs import GitRepository, no_git_env


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com", "-c", "protocol.file.allow=always"]
    result = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, env=no_git_env(), capture_output=True, text=True, check=True
    )
    return result.stdout.strip()


def write(folder: Path, path: str, text: str) -> None:
    target = folder / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text, encoding="utf-8")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "Test")
    git(folder, "config", "user.email", "test@example.com")
    write(folder, "flagctl.yaml", "version: 1\n")
    write(folder, "team/a.yaml", "key: a\n")
    write(folder, "notes.txt", "not a flag\n")
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", "First")
    return folder


def test_a_revision_is_read_without_touching_the_work_tree(repo: Path) -> None:
    write(repo, "team/a.yaml", "key: changed\n")
    vcs = GitRepository(repo)
    assert vcs.read_tree("HEAD") == {"flagctl.yaml": b"version: 1\n", "team/a.yaml": b"key: a\n"}
    assert (repo / "team/a.yaml").read_text(encoding="utf-8") == "key: changed\n"


def test_paths_are_relative_to_a_flag_repository_in_a_subfolder(repo: Path) -> None:
    write(repo, "config/flags/flagctl.yaml", "version: 1\n")
    write(repo, "config/flags/b.yaml", "key: b\n")
    write(repo, "config/flags-other/c.yaml", "key: c\n")
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "Second")
    vcs = GitRepository(repo / "config" / "flags")
    assert set(vcs.read_tree("HEAD")) == {"flagctl.yaml", "b.yaml"}
    write(repo, "config/flags/b.yaml", "key: b2\n")
    write(repo, "config/flags/new.yaml", "key: new\n")
    assert vcs.changed_paths("HEAD") == ("b.yaml", "new.yaml")


def test_the_index_is_a_tree_of_its_own(repo: Path) -> None:
    write(repo, "team/a.yaml", "key: staged\n")
    git(repo, "add", "team/a.yaml")
    write(repo, "team/a.yaml", "key: later\n")
    assert GitRepository(repo).read_index()["team/a.yaml"] == b"key: staged\n"


def test_names_with_spaces_and_other_scripts_survive(repo: Path) -> None:
    write(repo, "équipe flags/日本.yaml", "key: x\n")
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "Names")
    assert "équipe flags/日本.yaml" in GitRepository(repo).read_tree("HEAD")


def test_a_hook_s_variables_do_not_redirect_reads(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet")
    monkeypatch.setenv("GIT_DIR", str(other / ".git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(other))
    monkeypatch.setenv("GIT_INDEX_FILE", str(other / "index"))
    vcs = GitRepository(repo)
    assert vcs.work_tree == repo
    assert "team/a.yaml" in vcs.read_tree("HEAD")
    assert "team/a.yaml" in vcs.read_index()
    assert os.environ["GIT_DIR"] == str(other / ".git")


def test_a_worktree_and_a_detached_head_are_fine(repo: Path, tmp_path: Path) -> None:
    linked = tmp_path / "linked"
    git(repo, "worktree", "add", "--quiet", "--detach", str(linked))
    vcs = GitRepository(linked)
    assert vcs.ref() is None
    assert vcs.head() == GitRepository(repo).head()
    assert set(vcs.read_tree("HEAD")) == {"flagctl.yaml", "team/a.yaml"}


def test_a_flag_repository_can_be_a_submodule(repo: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "--quiet")
    git(outer, "submodule", "--quiet", "add", str(repo), "flags")
    git(outer, "commit", "--quiet", "-m", "Outer")
    assert set(GitRepository(outer / "flags").read_tree("HEAD")) == {"flagctl.yaml", "team/a.yaml"}
    assert GitRepository(outer).read_tree("HEAD") == {}


def test_a_revision_that_is_not_there_says_what_helps(repo: Path, tmp_path: Path) -> None:
    def hint(folder: Path, revision: str) -> str | None:
        with pytest.raises(UsageError, match="there is no commit") as caught:
            GitRepository(folder).resolve(revision)
        return caught.value.hint

    (tmp_path / "new").mkdir()
    git(tmp_path / "new", "init", "--quiet")
    assert hint(tmp_path / "new", "HEAD") == "nothing is committed yet; commit the flag files first"
    assert hint(repo, "HEAD~9999") == "the history does not reach that far back: git log"
    assert hint(repo, "origin/featur") == "check the name, or fetch it: git fetch origin featur"


def test_a_shallow_clone_says_which_fetch_helps(repo: Path, tmp_path: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    write(repo, "team/a.yaml", "key: second\n")
    git(repo, "commit", "--quiet", "-am", "Second")
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repo}", "shallow")
    vcs = GitRepository(tmp_path / "shallow")
    assert vcs.is_shallow()
    assert not vcs.is_ancestor(first, "HEAD")
    with pytest.raises(UsageError) as caught:
        vcs.resolve(first)
    assert "git fetch --unshallow" in (caught.value.hint or "")


def test_unrelated_histories_have_no_merge_base(repo: Path) -> None:
    git(repo, "checkout", "--quiet", "--orphan", "island")
    git(repo, "commit", "--quiet", "-m", "Island")
    with pytest.raises(UsageError, match="no common commit"):
        GitRepository(repo).merge_base("main", "island")


def test_ancestry_follows_history(repo: Path) -> None:
    first = git(repo, "rev-parse", "HEAD")
    git(repo, "commit", "--quiet", "--allow-empty", "-m", "Second")
    vcs = GitRepository(repo)
    assert vcs.is_ancestor(first, "HEAD")
    assert not vcs.is_ancestor("HEAD", first)
    assert vcs.merge_base(first, "HEAD") == first
    assert vcs.default_branch() == "main"
    assert vcs.info(first).subject == "First"


def test_a_commit_takes_only_the_named_paths(repo: Path) -> None:
    write(repo, "team/a.yaml", "key: mine\n")
    write(repo, "team/staged-by-someone.yaml", "key: other\n")
    git(repo, "add", "team/staged-by-someone.yaml")
    vcs = GitRepository(repo)
    commit = vcs.commit_paths(["team/a.yaml"], "Change a")
    assert git(repo, "show", "--name-only", "--format=", commit) == "team/a.yaml"
    assert vcs.read_index()["team/staged-by-someone.yaml"] == b"key: other\n"


def test_an_empty_commit_is_refused(repo: Path) -> None:
    with pytest.raises(FlagctlError):
        GitRepository(repo).commit_paths(["team/a.yaml"], "Nothing")


def test_a_folder_without_git_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not in a git repository"):
        GitRepository(tmp_path)


def test_a_repository_without_commits_has_no_head(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    vcs = GitRepository(tmp_path)
    assert vcs.head() is None
    assert vcs.default_branch() is None
    with pytest.raises(UsageError, match="no commit 'HEAD'"):
        vcs.read_tree("HEAD")


def test_a_revision_that_looks_like_an_option_is_only_a_bad_name(repo: Path) -> None:
    with pytest.raises(UsageError):
        GitRepository(repo).resolve("--all")


def test_single_files_of_a_revision_can_be_read(repo: Path) -> None:
    vcs = GitRepository(repo)
    assert vcs.read_paths("HEAD", ["team/a.yaml", "team/none.yaml"]) == {"team/a.yaml": b"key: a\n"}
    assert vcs.read_paths("HEAD", []) == {}


def remove_object(folder: Path, revision: str) -> str:
    """Take an object out of a repository that has no packs, and return its id."""
    name = git(folder, "rev-parse", revision)
    (folder / ".git" / "objects" / name[:2] / name[2:]).unlink()
    return name


def test_a_commit_that_is_named_and_missing_is_not_taken_for_no_commit(repo: Path) -> None:
    name = remove_object(repo, "HEAD")
    vcs = GitRepository(repo)
    for ask in (vcs.head, lambda: vcs.resolve("HEAD")):
        with pytest.raises(GitError, match=f"commit {name[:12]}, which HEAD names, is missing") as caught:
            ask()
        assert caught.value.exit_code == 2
        assert "git fsck" in str(caught.value.hint)


@pytest.mark.parametrize("what", ["HEAD:team/a.yaml", "HEAD^{tree}"])
def test_a_missing_object_says_that_the_repository_is_damaged(repo: Path, what: str) -> None:
    name = remove_object(repo, what)
    with pytest.raises(GitError, match=f"{name}|not a tree object") as caught:
        GitRepository(repo).read_tree("HEAD")
    assert "git fsck" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("file", "text", "message", "hint"),
    [
        ("config", "garb[age", "git .* failed: .*bad config line 1", "mend that file"),
        ("index", "garbage", "git ls-files failed: .*index file", "rm .git/index"),
        ("HEAD", "garbage", "[.]git is no usable git repository", "git fsck"),
    ],
)
def test_damaged_files_of_git_are_named_with_what_helps(
    repo: Path, file: str, text: str, message: str, hint: str
) -> None:
    vcs = GitRepository(repo) if file != "HEAD" else None
    (repo / ".git" / file).write_text(text, encoding="utf-8")
    with pytest.raises(GitError, match=message) as caught:
        (vcs.read_index() if file == "index" else vcs.head()) if vcs else GitRepository(repo)
    assert hint in str(caught.value.hint)


def own_git(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Put a script in the place of git; it finds the real one in ``$GIT``."""
    folder.mkdir()
    (folder / "git").write_text(f"#!/bin/sh\nGIT={shutil.which('git')}\n{script}\n", encoding="utf-8")
    (folder / "git").chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)


def test_a_repository_of_somebody_else_says_how_to_trust_it(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vcs = GitRepository(repo)
    own_git(tmp_path / "bin", monkeypatch, 'GIT_TEST_ASSUME_DIFFERENT_OWNER=1 exec "$GIT" "$@"')
    for ask in (vcs.head, vcs.default_branch, vcs.tracked_yaml, lambda: vcs.is_ancestor("HEAD", "HEAD")):
        with pytest.raises(GitError, match="dubious ownership") as caught:
            ask()
        assert f"git config --global --add safe.directory {repo}" in str(caught.value.hint)


def test_a_git_that_crashes_is_told_and_options_are_not_its_command(
    repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vcs = GitRepository(repo)
    head = vcs.resolve("HEAD")
    own_git(tmp_path / "bin", monkeypatch, '[ "$1" = rev-parse ] && exec "$GIT" "$@"; kill -SEGV $$')
    with pytest.raises(GitError, match=r"git ls-tree crashed \(signal 11\)"):
        vcs.read_paths(head, ["team/a.yaml"])


def test_a_machine_without_git_is_told_so(repo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vcs = GitRepository(repo)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match="git is not installed or not on PATH"):
        vcs.head()
