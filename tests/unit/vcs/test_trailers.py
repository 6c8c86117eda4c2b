from __future__ import annotations

from pathlib import Path

import pytest

from flagctl.review.approvals import parse_trailers
from flagctl.vcs import GitRepository
from flagctl.vcs.trailers import read_trailers
from tests.unit.vcs.test_git_repository import git, write

ANN = "Approved-by: Ann <ann@example.com>"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    commit(tmp_path, "Start", "flags/flagctl.yaml")
    git(tmp_path, "tag", "base")
    return tmp_path


def commit(folder: Path, message: str, *paths: str) -> str:
    for path in paths:
        write(folder, path, message)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD").strip()


def test_each_commit_says_who_wrote_it_and_what_its_trailers_are(repo: Path) -> None:
    newest = commit(repo, f"Change\n\nWhy.\n\n{ANN}\nSigned-off-by: Dev\n <dev@example.com>", "flags/a.yaml")
    (found,) = read_trailers(GitRepository(repo / "flags"), "base", "HEAD")
    assert (found.commit, found.email, found.touches, found.brought) == (newest, "test@example.com", True, frozenset())
    assert found.trailers == (("Approved-by", "Ann <ann@example.com>"), ("Signed-off-by", "Dev <dev@example.com>"))


def test_text_that_only_looks_like_a_trailer_is_none(repo: Path) -> None:
    commit(repo, f"Change\n\n{ANN}\n\nis what I would like to see.", "flags/a.yaml")
    (found,) = read_trailers(GitRepository(repo / "flags"), "base", "HEAD")
    assert found.trailers == ()


def test_commits_outside_of_the_folder_are_marked(repo: Path) -> None:
    commit(repo, "Code", "src/a.py")
    commit(repo, "Flags", "flags/ä b.yaml", "src/b.py")
    found = read_trailers(GitRepository(repo / "flags"), "base", "HEAD")
    assert [commit.touches for commit in found] == [True, False]


def test_a_merge_names_what_it_brought_and_touches_only_what_was_written_while_merging(repo: Path) -> None:
    git(repo, "checkout", "--quiet", "-b", "topic")
    one, two = commit(repo, "One", "flags/a.yaml"), commit(repo, "Two", "flags/b.yaml")
    git(repo, "checkout", "--quiet", "main")
    commit(repo, "Code", "src/a.py")
    git(repo, "merge", "--quiet", "--no-ff", "-m", f"Merge topic\n\n{ANN}", "topic")
    found = read_trailers(GitRepository(repo / "flags"), "base", "HEAD")
    (merge,) = (commit for commit in found if commit.brought)
    assert (merge.brought, merge.touches) == (frozenset({one, two}), False)
    assert parse_trailers(found).bare == ()
    write(repo, "flags/a.yaml", "slipped in")
    git(repo, "commit", "--quiet", "--all", "--amend", "--no-edit")
    assert parse_trailers(read_trailers(GitRepository(repo / "flags"), "base", "HEAD")).bare == ()
    git(repo, "commit", "--quiet", "--amend", "-m", "Merge topic")
    assert len(parse_trailers(read_trailers(GitRepository(repo / "flags"), "base", "HEAD")).bare) == 3


def test_nothing_between_the_revisions_is_nothing(repo: Path) -> None:
    assert read_trailers(GitRepository(repo), "HEAD", "base") == ()
