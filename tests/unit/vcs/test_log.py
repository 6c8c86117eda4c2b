from __future__ import annotations

from pathlib import Path

import pytest

from flagctl.vcs import GitRepository
from flagctl.vcs.log import log
from tests.unit.vcs.test_git_repository import git, write


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    for path, text, subject in [
        ("f/team/a.yaml", "1\n", "Add a"),
        ("f/team/b.yaml", "1\n", "Add b: with\ttab"),
        ("f/team/a.yaml", "2\n", "Change a"),
        ("f/readme.md", "x\n", "Docs"),
    ]:
        write(tmp_path, path, text)
        git(tmp_path, "add", ".")
        git(tmp_path, "commit", "--quiet", "-m", subject)
    git(tmp_path, "mv", "f/team", "f/squad")
    git(tmp_path, "commit", "--quiet", "-m", "Move")
    return tmp_path


def test_a_moved_file_keeps_its_history(repo: Path) -> None:
    commits = list(log(GitRepository(repo / "f"), stem="a"))
    assert [c.info.subject for c in commits] == ["Move", "Change a", "Add a"]
    assert [[change.path for change in c.changes] for c in commits] == [
        ["squad/a.yaml", "team/a.yaml"],
        ["team/a.yaml"],
        ["team/a.yaml"],
    ]
    assert commits[-1].parent is None
    assert commits[-1].changes[0].before is None
    assert commits[1].changes[0].before == commits[2].changes[0].after


def test_files_that_are_no_flags_are_left_out(repo: Path) -> None:
    subjects = [c.info.subject for c in log(GitRepository(repo / "f"))]
    assert subjects == ["Move", "Change a", "Add b: with\ttab", "Add a"]
    assert [c.info.subject for c in log(GitRepository(repo / "f"), limit=2)] == ["Move", "Change a"]


def test_a_merge_shows_what_it_brought_to_its_first_parent(repo: Path) -> None:
    git(repo, "checkout", "--quiet", "-b", "side")
    write(repo, "f/squad/c.yaml", "1\n")
    git(repo, "add", ".")
    git(repo, "commit", "--quiet", "-m", "Add c")
    git(repo, "checkout", "--quiet", "main")
    git(repo, "merge", "--quiet", "--no-ff", "-m", "Merge side", "side")
    commits = list(log(GitRepository(repo / "f"), stem="c"))
    assert [c.info.subject for c in commits] == ["Merge side", "Add c"]


def test_characters_of_patterns_in_a_name_are_plain_text(repo: Path) -> None:
    assert list(log(GitRepository(repo / "f"), stem="*")) == []
