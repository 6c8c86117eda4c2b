from __future__ import annotations

from pathlib import Path

import pytest

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.ops.bisect import BisectOptions, bisect
from flagctl.ops.past import PastOptions, blame, kind_of, past
from flagctl.report.past import render_bisect, render_blame, render_past
from flagctl.report.style import PLAIN
from tests.unit.vcs.test_git_repository import git, write

CONFIG = "version: 1\nproject: shop\nenvironments: {staging: {}, production: {}}\n"
FLAG = """\
kind: flag
key: f
owner: team
type: boolean
default: off
rules:
  - id: beta
    when: [{segment: beta}]
    serve: on
  - id: ramp
    serve: on
    percentage: 10
"""
SEGMENT = "kind: segment\nkey: beta\nowner: team\ninclude: [u1]\n"


def commit(folder: Path, subject: str, **files: str) -> None:
    for path, text in files.items():
        write(folder, path.replace("__", "/") + ".yaml", text)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "-m", subject)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    git(tmp_path, "init", "--quiet", "--initial-branch=main")
    git(tmp_path, "config", "user.name", "Test")
    git(tmp_path, "config", "user.email", "test@example.com")
    commit(tmp_path, "Start", flagctl=CONFIG, f=FLAG, beta=SEGMENT)
    commit(tmp_path, "Comment", f="# why\n" + FLAG)
    commit(tmp_path, "Grow", f=FLAG.replace("percentage: 10", "percentage: 25"))
    commit(tmp_path, "More beta", beta=SEGMENT.replace("[u1]", "[u1, u2]"))
    git(tmp_path, "mv", "f.yaml", "team-f.yaml")
    git(tmp_path, "mv", "team-f.yaml", "f.yaml")
    (tmp_path / "team").mkdir()
    git(tmp_path, "mv", "f.yaml", "team/f.yaml")
    git(tmp_path, "commit", "--quiet", "-m", "Move")
    grown = FLAG.replace("percentage: 10", "percentage: 25")
    commit(tmp_path, "Off in production", team__f=grown + "environments: {production: {enabled: false}}\n")
    return tmp_path


def test_history_tells_meanings_and_leaves_out_comments_and_moves(repo: Path) -> None:
    result = past(PastOptions(root=repo, key="f"))
    assert [(e.commit.subject, [c.message for c in e.changes]) for e in result.entries] == [
        ("Off in production", ["enabled → disabled"]),
        ("Grow", ["rule ramp: 10 % → 25 %"]),
        ("Start", ["new boolean flag"]),
    ]
    assert result.entries[0].changes[0].environments == ("production",)
    assert "rule ramp: 10 % → 25 % [staging, production]" in render_past(result, PLAIN)


def test_history_can_be_cut_by_environment_and_length(repo: Path) -> None:
    staging = past(PastOptions(root=repo, key="f", environment="staging"))
    assert [e.commit.subject for e in staging.entries] == ["Grow", "Start"]
    assert len(past(PastOptions(root=repo, key="f", limit=1)).entries) == 1


@pytest.fixture
def namesakes(repo: Path) -> Path:
    """A repository in which a segment has a flag's key."""
    commit(repo, "Group", segments__f=SEGMENT.replace("key: beta", "key: f"))
    commit(repo, "Grow group", segments__f=SEGMENT.replace("key: beta", "key: f").replace("[u1]", "[u1, u2]"))
    return repo


def test_a_flag_and_a_segment_of_the_same_key_have_a_history_each(namesakes: Path) -> None:
    def subjects(kind: str | None) -> list[str]:
        return [entry.commit.subject for entry in past(PastOptions(root=namesakes, key="f", kind=kind)).entries]

    assert subjects("segment") == ["Grow group", "Group"]
    assert subjects("flag") == ["Off in production", "Grow", "Start"]
    assert subjects(None) == ["Grow group", "Group", "Off in production", "Grow", "Start"]
    everything = render_past(past(PastOptions(root=namesakes, key="f")), PLAIN)
    assert "segment: include: 1 added" in everything
    assert "flag: rule ramp: 10 % → 25 %" in everything
    assert [e.commit.subject for e in past(PastOptions(root=namesakes, kind="segment")).entries] == [
        "Grow group",
        "Group",
        "More beta",
        "Start",
    ]


def test_what_a_key_means_is_the_flag_or_else_the_only_other_document(namesakes: Path) -> None:
    assert kind_of(namesakes, "f") == "flag"
    assert kind_of(namesakes, "beta") == "segment"
    assert kind_of(namesakes, "nobody") is None
    commit(namesakes, "Layer", layers__beta="kind: layer\nkey: beta\nowner: team\n")
    assert kind_of(namesakes, "beta") is None


def test_a_kind_that_never_had_the_key_is_refused_and_the_other_one_named(namesakes: Path) -> None:
    with pytest.raises(NothingMatchedError, match="no flag ever had the key 'beta'") as caught:
        past(PastOptions(root=namesakes, key="beta", kind="flag"))
    assert caught.value.hint == "it was the key of another kind: segment"
    with pytest.raises(UsageError, match="there is no kind 'sgment'"):
        past(PastOptions(root=namesakes, key="beta", kind="sgment"))


def test_blame_of_a_segment_knows_nothing_of_a_flag_of_the_same_key(namesakes: Path) -> None:
    result = blame(PastOptions(root=namesakes, key="f", kind="segment"))
    assert [(line.part, line.commit.subject) for line in result.lines] == [
        ("segment-include", "Grow group"),
        ("segment-added", "Group"),
    ]
    assert result.to_dict()["kind"] == "segment"


def test_the_log_of_everything_names_each_document(repo: Path) -> None:
    result = past(PastOptions(root=repo))
    assert [e.commit.subject for e in result.entries] == ["Off in production", "More beta", "Grow", "Start"]
    assert "beta: include: 1 added" in render_past(result, PLAIN)


def test_a_key_without_history_is_nothing_matched(repo: Path) -> None:
    with pytest.raises(NothingMatchedError):
        past(PastOptions(root=repo, key="none"))


def test_blame_names_the_commit_of_each_rule(repo: Path) -> None:
    result = blame(PastOptions(root=repo, key="f"))
    found = {line.part: line.commit.subject for line in result.lines}
    assert found["rule ramp"] == "Grow"
    assert found["rule beta"] == "Start"
    assert found["enabled"] == "Off in production"
    assert "rule ramp  everyone: serve on to 25 %" in render_blame(result, PLAIN)


def test_bisect_finds_the_commit_that_changed_an_answer_through_a_segment(repo: Path) -> None:
    options = BisectOptions(
        root=repo, key="f", environment="staging", context={"targeting_key": "u2"}, now_ms=1_700_000_000_000
    )
    result = bisect(options)
    assert [(a.commit.subject, a.value, a.rule) for a in result.changes] == [
        ("More beta", True, "beta"),
        ("Start", False, None),
    ]
    assert "1 commit changed the answer" in render_bisect(result, PLAIN)


def test_bisect_sees_every_flip(repo: Path) -> None:
    commit(repo, "On again", team__f=FLAG)
    options = BisectOptions(
        root=repo, key="f", environment="production", context={"targeting_key": "u1"}, now_ms=1_700_000_000_000
    )
    assert [a.commit.subject for a in bisect(options).changes] == ["On again", "Off in production", "Start"]


def test_bisect_refuses_an_unknown_environment(repo: Path) -> None:
    options = BisectOptions(root=repo, key="f", environment="prod", context={}, now_ms=0)
    with pytest.raises(UsageError, match="no environment 'prod'"):
        bisect(options)


def test_what_was_compared_before_is_not_compared_again_and_says_the_same(repo: Path, monkeypatch) -> None:
    known: dict = {}
    first = past(PastOptions(root=repo), known)
    assert known
    compared = len(known)
    monkeypatch.setattr("flagctl.ops.past._load", None)  # whoever loads files again fails
    assert past(PastOptions(root=repo), known) == first
    assert len(known) == compared
    staging = past(PastOptions(root=repo, environment="staging"), known)
    assert [entry.commit.subject for entry in staging.entries] == ["More beta", "Grow", "Start"]


def test_a_commit_of_too_many_files_is_named_and_not_compared(repo: Path) -> None:
    result = past(PastOptions(root=repo, most_files=2))
    assert [(entry.commit.subject, entry.files, bool(entry.changes)) for entry in result.entries] == [
        ("Off in production", 0, True),
        ("More beta", 0, True),
        ("Grow", 0, True),
        ("Start", 3, False),
    ]
