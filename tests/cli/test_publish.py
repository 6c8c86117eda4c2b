"""`compile`, `inspect`, `keys`, `trust`, `publish`, `rollback`, `status`."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import flagctl
from tests.cli.test_author import edit


def client(repo: Path, environment: str = "development") -> flagctl.Client:
    found = flagctl.Client((repo / ".flagctl" / "remote").as_uri(), environment=environment, trust=repo / "trust.json")
    assert found.wait_until_ready(timeout=20)
    return found


def test_what_is_published_is_what_an_application_answers(cli, repo) -> None:
    cli("publish", "development")
    with client(repo) as app:
        assert app.is_enabled("new-checkout", {"targeting_key": "user-1"})
        assert app.get_value("api-rate-limit", {"plan": "enterprise"}, 1) == 5000


def test_publishing_says_from_what_to_what_and_how_to_go_back(cli, repo) -> None:
    first = cli("publish", "development")
    assert "development published" in first.stdout
    assert "to go back" not in first.stderr
    edit(repo / "flags" / "api-rate-limit.yaml", "\nvalue: 100", "\nvalue: 200")
    second = cli("publish", "development")
    assert "1 → 2" in second.stdout
    assert " → " in second.stdout.split("bundle")[1].splitlines()[0]
    assert "flagctl rollback development --to 1" in second.stderr
    assert "unchanged" in cli("publish", "development").stdout


def test_a_dry_run_writes_nothing(cli, repo) -> None:
    assert "would be published" in cli("publish", "production", "--dry-run").stdout
    assert not (repo / ".flagctl" / "remote").exists()


def test_a_protected_environment_needs_a_yes(cli, repo) -> None:
    result = cli("publish", "production", exit_code=6)
    assert "'production' is protected" in result.stderr
    assert "--dry-run" in result.stderr
    cli("publish", "production", "--yes")
    assert "flagctl rollback production --dry-run" in cli("rollback", "production", exit_code=6).stderr


def test_flags_with_errors_are_not_published(cli, repo) -> None:
    edit(repo / "flags" / "new-checkout.yaml", "segment: employees", "segment: employes")
    result = cli("publish", "development", exit_code=1)
    assert "REF102" in result.stderr
    assert not (repo / ".flagctl" / "remote").exists()


def test_a_mistyped_environment_is_reported_first(cli, repo) -> None:
    assert "did you mean 'production'?" in cli("publish", "prodction", "--yes", exit_code=2).stderr
    assert "did you mean 'staging'?" in cli("compile", "--env", "stagin", exit_code=2).stderr
    assert "did you mean 'staging'?" in cli("status", "stagin", exit_code=2).stderr


def test_the_commit_is_recorded_and_older_commits_are_refused(cli, in_git, commit) -> None:
    edit(in_git / "flags" / "api-rate-limit.yaml", "\nvalue: 100", "\nvalue: 200")
    head = commit(in_git)
    assert head[:12] in cli("publish", "production", "--yes").stdout
    result = cli("publish", "production", "--yes", "--revision", "HEAD~1", exit_code=6)
    assert "does not build on" in result.stderr
    cli("publish", "production", "--yes", "--revision", "HEAD~1", "--rollback")


def test_uncommitted_changes_do_not_reach_a_protected_environment(cli, in_git) -> None:
    edit(in_git / "flags" / "api-rate-limit.yaml", "\nvalue: 100", "\nvalue: 200")
    result = cli("publish", "production", "--yes", exit_code=6)
    assert "not committed: flags/api-rate-limit.yaml" in result.stderr
    assert "--revision HEAD" in result.stderr
    assert "1 file that is not committed" in cli("publish", "development").stderr
    cli("publish", "production", "--yes", "--revision", "HEAD")
    with client(in_git, "production") as app:
        assert app.get_value("api-rate-limit", None, 1) == 100
    cli("publish", "production", "--yes", "--allow-dirty")


def test_a_saved_plan_is_published_exactly_or_not_at_all(cli, in_git, commit) -> None:
    cli("publish", "production", "--yes")
    flag = in_git / "flags" / "api-rate-limit.yaml"
    edit(flag, "\nvalue: 100", "\nvalue: 200")
    commit(in_git)
    cli("plan", "production", "--out", "plan.json")
    cli("publish", "production", "--plan", "plan.json")
    assert "moved since the plan" in cli("publish", "production", "--plan", "plan.json", exit_code=6).stderr
    edit(flag, "\nvalue: 200", "\nvalue: 300")
    commit(in_git)
    assert "not those of the plan" in cli("publish", "production", "--plan", "plan.json", exit_code=6).stderr
    assert "is for 'production'" in cli("publish", "staging", "--plan", "plan.json", exit_code=6).stderr
    assert "is not a plan" in cli("publish", "staging", "--plan", "trust.json", exit_code=2).stderr


def test_going_back_needs_no_flag_files_of_then(cli, repo) -> None:
    cli("publish", "development")
    edit(repo / "flags" / "api-rate-limit.yaml", "\nvalue: 100", "\nvalue: 200")
    cli("publish", "development")
    log = cli("rollback", "development", "--list").stdout
    assert log.splitlines()[1].split()[:2] == ["2", "live"]
    assert "would be rolled back" in cli("rollback", "development", "--dry-run").stdout
    assert "rolled back" in cli("rollback", "development").stdout
    with client(repo) as app:
        assert app.get_value("api-rate-limit", None, 1) == 100
    assert "does not have number 9" in cli("rollback", "development", "--to", "9", exit_code=3).stderr


def test_the_status_compares_with_the_flags_here(cli, repo) -> None:
    assert "nothing is published" in cli("status").stdout
    cli("publish", "development")
    assert "live, same as the flags here" in cli("status", "development").stdout
    edit(repo / "flags" / "api-rate-limit.yaml", "\nvalue: 100", "\nvalue: 200")
    assert "live, differs from the flags here" in cli("status", "development").stdout


def test_an_untrusted_manifest_is_refused_everywhere_and_can_be_recovered_from(cli, repo) -> None:
    cli("publish", "development")
    manifest = repo / ".flagctl" / "remote" / "development" / "manifest.json"
    envelope = json.loads(manifest.read_text())
    envelope["signatures"][0]["sig"] = "A" * len(envelope["signatures"][0]["sig"])
    manifest.write_text(json.dumps(envelope))
    assert "untrusted" in cli("status", "development", exit_code=5).stdout
    assert "untrusted" in cli("doctor", exit_code=1).stdout
    edit(repo / "flags" / "api-rate-limit.yaml", "\nvalue: 100", "\nvalue: 200")
    cli("publish", "development", exit_code=6)
    cli("publish", "development", "--recover")
    assert "live" in cli("status", "development").stdout


def test_a_heartbeat_renews_without_new_flags(cli, repo) -> None:
    cli("publish", "development")
    edit(repo / "flags" / "api-rate-limit.yaml", "\nvalue: 100", "\nvalue: 200")
    assert "renewed" in cli("publish", "development", "--heartbeat", "--lifetime", "60").stdout
    with client(repo) as app:
        assert app.get_value("api-rate-limit", None, 1) == 100
    cli("publish", "staging", "--heartbeat", exit_code=6)


def test_the_key_may_be_a_file_or_a_variable_and_must_be_trusted(cli, repo, monkeypatch) -> None:
    keys = repo / ".flagctl" / "keys"
    pem = (keys / "publish.key").read_text()
    (keys / "publish.key").rename(keys / "publish-development.key")
    cli("publish", "development", "--dry-run")
    (keys / "publish-development.key").rename(repo / "elsewhere.key")
    assert "FLAGCTL_PUBLISH_KEY" in cli("publish", "development", exit_code=2).stderr
    cli("publish", "development", "--key", "elsewhere.key")
    monkeypatch.setenv("FLAGCTL_PUBLISH_KEY", pem)
    cli("publish", "staging")
    monkeypatch.delenv("FLAGCTL_PUBLISH_KEY")
    assert "publish" in cli("publish", "staging", "--key", ".flagctl/keys/kill.key", exit_code=2).stderr
    monkeypatch.setenv("OTHER", "no key")
    assert "holds no private key" in cli("publish", "staging", "--key", "env:OTHER", exit_code=2).stderr


def test_a_key_that_others_may_read_is_refused(cli, repo) -> None:
    if os.name != "posix":
        return
    path = repo / ".flagctl" / "keys" / "publish.key"
    path.chmod(0o644)
    assert "chmod 600" in cli("publish", "development", exit_code=2).stderr
    assert "chmod 600" in cli("doctor", exit_code=1).stdout


def test_keys_and_trust_can_be_made_by_hand(cli, repo) -> None:
    (repo / "trust.json").unlink()
    for name in ("root", "people", "robots"):
        cli("keys", "generate", f"new/{name}.key")
    assert len(cli("keys", "list", "new").stdout.splitlines()) == 4
    assert "BEGIN PUBLIC KEY" in cli("keys", "show", "new/people.key").stdout
    assert "never overwritten" in cli("keys", "generate", "new/root.key", exit_code=6).stderr
    words = ["--root-key", "new/root.key", "--publish-key", "new/people.key.pub"]
    cli("trust", "init", *words, "--publish-key", "development=new/robots.key.pub")
    rows = [line.split() for line in cli("trust", "show").stdout.splitlines()]
    publishing = {row[1]: row[-1] for row in rows if row and row[0] == "publish"}
    assert list(publishing) == ["development", "production", "staging"]
    assert publishing["production"] == publishing["staging"] != publishing["development"]
    cli("publish", "development", "--key", "new/robots.key")
    cli("publish", "staging", "--key", "new/robots.key", exit_code=2)
    cli("publish", "staging", "--key", "new/people.key")
    cli("trust", "init", *words, exit_code=6)
    pushed = cli("trust", "push", (repo / ".flagctl" / "remote").as_uri()).stdout
    assert "trust/1.json" in pushed


def test_a_bundle_is_compiled_to_a_file_or_stdout_and_inspected(cli, process, repo) -> None:
    result = cli("compile", "--env", "production")
    assert "nothing was written" in result.stderr
    cli("compile", "--env", "production", "-o", "bundle.json")
    done = process("compile", "--env", "production", "-o", "-", cwd=repo)
    assert done.stdout == Path("bundle.json").read_text()
    assert flagctl.load("bundle.json").get_value("api-rate-limit", None, 1) == 100
    text = cli("inspect", "bundle.json", "--flag", "new-checkout").stdout
    assert "3 flags" in text
    assert '"id": "employees"' in text
    Path("bundle.json").write_text(Path("bundle.json").read_text()[:-20])
    cli("inspect", "bundle.json", exit_code=5)


def test_a_remote_can_be_named_on_the_command_line(cli, repo, tmp_path) -> None:
    other = (tmp_path / "other").as_uri()
    cli("publish", "development", "--remote", other)
    assert (tmp_path / "other" / "development" / "manifest.json").is_file()
    assert "live" in cli("status", "development", "--remote", other).stdout
    assert "has no scheme" in cli("publish", "development", "--remote", "bucket/flags", exit_code=2).stderr


@pytest.mark.parametrize("words", [["publish", "development"], ["status", "development"]])
def test_a_store_that_is_not_there_is_remote_trouble(cli, repo, words, s3_credentials) -> None:
    address = ["--remote", "s3://nobody/flags", "--endpoint-url", "http://127.0.0.1:9"]
    cli(*words, *address, "--region", "us-east-1", exit_code=4)


def test_flags_are_published_to_a_real_s3_server(cli, repo, s3_bucket) -> None:
    address = ["--remote", s3_bucket.url, "--endpoint-url", s3_bucket.endpoint_url, "--region", "us-east-1"]
    cli("publish", "development", *address)
    edit(repo / "flags" / "api-rate-limit.yaml", "\nvalue: 100", "\nvalue: 200")
    cli("publish", "development", *address)
    cli("rollback", "development", *address)
    assert "number   3" in cli("status", "development", *address).stdout
