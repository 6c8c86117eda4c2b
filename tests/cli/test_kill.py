"""`kill`, `unkill`, `kills`, and what `status` says until git agrees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cli.conftest import git
from tests.cli.test_author import edit
from tests.cli.test_publish import client

USER = {"targeting_key": "user-1"}
KILL = ("kill", "new-checkout", "--env", "development", "--reason", "the new page is slow")


@pytest.fixture
def live(cli, repo) -> Path:
    cli("publish", "development")
    return repo


@pytest.fixture
def live_in_git(cli, in_git, monkeypatch) -> Path:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "tests")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tests@example.com")
    cli("publish", "development")
    return in_git


def test_a_kill_reaches_a_running_application_and_is_lifted_again(cli, live) -> None:
    with client(live) as app:
        assert app.is_enabled("new-checkout", USER)
        result = cli(*KILL, "--actor", "ada", "--until", "2h")
        assert "development new-checkout forced off" in result.stdout
        assert "flagctl unkill new-checkout --env development" in result.stderr
        app.refresh()
        assert not app.is_enabled("new-checkout", USER)
        assert app.evaluate("new-checkout", USER).reason == "DISABLED"
        listing = cli("kills", "--env", "development").stdout
        assert "new-checkout" in listing
        assert "ada" in listing
        everywhere = cli("kills").stdout
        assert everywhere.startswith("development\n")
        assert "new-checkout" in everywhere
        assert everywhere.endswith("production\nnothing is forced off\n")
        assert "which environment?" in cli("kills", "--renew", exit_code=2).stderr
        assert "lifted" in cli("unkill", "new-checkout", "--env", "development").stdout
        app.refresh()
        assert app.is_enabled("new-checkout", USER)
        assert "nothing is forced off" in cli("kills", "--env", "development").stdout


def test_it_works_without_a_checkout_and_without_git(cli, live, tmp_path, monkeypatch) -> None:
    trust, key = tmp_path / "trust.json", (live / ".flagctl/keys/kill.key").read_text()
    trust.write_bytes((live / "trust.json").read_bytes())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert "--remote URL and --trust FILE" in cli(*KILL, exit_code=2).stderr
    place = ("--remote", (live / ".flagctl/remote").as_uri(), "--trust", str(trust))
    assert "FLAGCTL_KILL_KEY" in cli(*KILL, *place, exit_code=2).stderr
    monkeypatch.setenv("FLAGCTL_KILL_KEY", key)
    monkeypatch.setenv("PATH", "/nonexistent")
    cli(*KILL, *place)
    with client(live) as app:
        assert not app.is_enabled("new-checkout", USER)
    assert "new-checkout" in cli("kills", "--env", "development", *place).stdout
    cli("unkill", "new-checkout", "--env", "development", *place)


def test_the_publishing_key_cannot_kill_and_the_kill_key_cannot_publish(cli, live) -> None:
    assert "needs 1 of the keys" in cli(*KILL, "--key", ".flagctl/keys/publish.key", exit_code=2).stderr
    cli("publish", "staging", "--key", ".flagctl/keys/kill.key", exit_code=2)


def test_mistakes_are_told_before_anything_is_written(cli, live) -> None:
    assert (
        "did you mean 'new-checkout'?"
        in cli("kill", "new-chekout", "--env", "development", "--reason", "x", exit_code=3).stderr
    )
    assert "is no time" in cli(*KILL, "--until", "soon", exit_code=2).stderr
    assert "is over already" in cli(*KILL, "--until", "2020-01-01T00:00:00Z", exit_code=2).stderr
    assert "did you mean 'development'?" in cli(*KILL[:3], "developmnt", *KILL[4:], exit_code=2).stderr
    assert "one line" in cli(*KILL[:-1], "two\nlines", exit_code=2).stderr
    assert "not forced off" in cli("unkill", "new-checkout", "--env", "development", exit_code=3).stderr
    assert "would be forced off" in cli(*KILL, "--dry-run").stdout
    assert not (live / ".flagctl/remote/development/kill.json").exists()


def test_the_status_nags_until_git_and_the_kill_list_agree(cli, live) -> None:
    cli(*KILL, "--no-git")
    shown = " ".join(cli("status", "development").stdout.split())
    assert "forced off new-checkout" in shown
    assert "git still has it on" in shown
    (status,) = cli.json("status", "development")["environments"]
    assert [(kill["flag"], kill["published"]) for kill in status["kills"]] == [("new-checkout", "on")]
    edit(live / "flags/new-checkout.yaml", "enabled: true ", "enabled: false ")
    cli("publish", "development")
    assert cli.json("status", "development")["environments"][0]["warnings"] == []
    cli("unkill", "new-checkout", "--env", "development")
    assert cli.json("status", "development")["environments"][0]["kills"] == []


def test_the_status_reminds_of_kills_that_are_over_and_of_flags_that_are_gone(cli, live) -> None:
    from flagctl.ops.kill import KillRequest, kill
    from flagctl.ops.kill_model import KillOptions
    from flagctl.ops.publishing import find_kill_signers
    from flagctl.ops.target import open_plain_target

    target = open_plain_target((live / ".flagctl/remote").as_uri(), live / "trust.json", "development")
    signers = find_kill_signers(live, "development", ())
    for flag in ("new-checkout", "was-here"):
        past = KillOptions(clock=lambda: 1_700_000_000, any_flag=True)
        kill(target, signers, KillRequest(flag, "x", "ada", 1_700_000_060), past)
    warnings = "\n".join(cli.json("status", "development")["environments"][0]["warnings"])
    assert "'new-checkout' was to be forced off until 2023-11-14T22:14:20Z" in warnings
    assert "'was-here' is on the kill list, and no longer among the published flags" in warnings
    assert "(over)" in cli("kills", "--env", "development").stdout


def test_in_a_checkout_the_change_in_git_is_prepared_and_nothing_checked_out_moves(cli, live_in_git) -> None:
    before = git(live_in_git, "rev-parse", "HEAD")
    edit(live_in_git / "flags/api-rate-limit.yaml", "\nvalue: 100", "\nvalue: 200")
    result = cli(*KILL)
    assert "branch kill/development/new-checkout sets enabled: false in flags/new-checkout.yaml" in result.stdout
    assert "git push -u origin kill/development/new-checkout" in result.stderr
    assert git(live_in_git, "rev-parse", "HEAD") == before
    assert git(live_in_git, "status", "--porcelain").split() == ["M", "flags/api-rate-limit.yaml"]
    diff = git(live_in_git, "diff", "main", "kill/development/new-checkout")
    changed = [line for line in diff.splitlines() if line[0] in "+-" and not line.startswith(("+++", "---"))]
    assert changed == ["-  development: {default: on}", "+  development: {enabled: false, default: on}"]
    assert "Disable new-checkout in development: the new page is slow" in git(
        live_in_git, "log", "-1", "--format=%s", "kill/development/new-checkout"
    )
    git(live_in_git, "checkout", "--quiet", "flags")
    git(live_in_git, "merge", "--quiet", "kill/development/new-checkout")
    cli("publish", "development")
    assert cli.json("status", "development")["environments"][0]["warnings"] == []
    again = cli("kill", "new-checkout", "--env", "development", "--reason", "still")
    assert "has it off already" in again.stdout


def test_a_second_change_gets_another_branch(cli, live_in_git) -> None:
    cli(*KILL)
    cli("unkill", "new-checkout", "--env", "development")
    assert "kill/development/new-checkout-2" in cli(*KILL).stdout


def test_trouble_with_git_does_not_undo_the_kill(cli, live) -> None:
    result = cli(*KILL)
    assert "no change in git was prepared" in result.stderr
    assert (live / ".flagctl/remote/development/kill.json").exists()
    assert os.environ.get("GITHUB_ACTOR") is None


def test_a_lost_list_is_begun_anew_on_request(cli, live) -> None:
    cli(*KILL)
    cli("publish", "development", "--heartbeat")
    remote = live / ".flagctl/remote/development"
    (remote / "kill.json").unlink()
    assert "of which there is a copy" in cli("kills", "--env", "development").stderr
    cli("kills", "--env", "development", "--renew")
    assert (remote / "kill.json").exists()
    (remote / "kill.json").unlink()
    for copy in (remote / "kills").iterdir():
        copy.unlink()
    assert "--recover" in cli("kills", "--env", "development", exit_code=6).stderr
    assert "begins anew" in cli("kills", "--env", "development", "--renew", "--recover").stderr


@pytest.mark.parametrize("given", [("--key", "lost.key"), ("--key", "env:LOST_KEY"), ()])
def test_without_its_key_a_kill_says_where_it_looks_for_one_before_it_speaks_of_a_new_one(cli, live, given) -> None:
    (live / ".flagctl/keys/kill.key").rename(live / "kept-elsewhere.key")
    (line,) = [line for line in cli(*KILL, *given, exit_code=2).stderr.splitlines() if line.startswith("hint")]
    places = ["--key", "FLAGCTL_KILL_KEY", "kill-development.key", "kill.key", "first set-up", "keys generate"]
    assert [line.index(place) for place in places] == sorted(line.index(place) for place in places)


def test_without_its_root_of_trust_a_kill_says_which_one_it_means_before_it_speaks_of_a_new_one(cli, live) -> None:
    (live / "trust.json").unlink()
    (line,) = [line for line in cli(*KILL, exit_code=2).stderr.splitlines() if line.startswith("hint")]
    places = ["--trust", "flagctl.yaml", "first set-up", "trust init"]
    assert [line.index(place) for place in places] == sorted(line.index(place) for place in places)
