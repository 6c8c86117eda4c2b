"""`policy check`, `owners`, and publications that a policy refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import git
from tests.cli.test_author import edit
from tests.cli.test_json_outputs import check

POLICY = """
owner: team-platform
owners:
  team-platform: {handle: "@acme/platform", members: [pat, pia@example.com]}
  team-checkout: "@carla"
  team-search: {handle: "@acme/search", members: [pat]}
policy:
  environments:
    production:
      approvals: {required: 1, from_owners: true}
      max_switching: 25
      breaking: forbid
"""


@pytest.fixture
def ruled(cli: Any, in_git: Path, commit: Any) -> Path:
    """The new flag repository, with a policy, committed and published."""
    cli("publish", "production", "--yes")
    with (in_git / "flagctl.yaml").open("a") as file:
        file.write(POLICY)
    commit(in_git, "A policy")
    git(in_git, "checkout", "--quiet", "-b", "topic")
    return in_git


def flag(repo: Path) -> Path:
    return repo / "flags" / "api-rate-limit.yaml"


def change(repo: Path) -> None:
    """Change something that concerns owners, and nobody's answer."""
    edit(flag(repo), "\ntags: [", "\ntags: [limits, ")


def reviews(name: str, *logins: str) -> str:
    listed = [{"author": {"login": login}, "state": "APPROVED", "authorAssociation": "MEMBER"} for login in logins]
    Path(name).write_text(json.dumps({"author": {"login": "dev"}, "reviews": listed}))
    return name


def test_a_change_is_weighed_against_the_policy_offline(cli, ruled) -> None:
    change(ruled)
    result = cli("policy", "check", exit_code=1).stdout
    assert "✗ POL201 approvals: the change needs 1 approval by others than its author" in result
    assert "✗ POL202 approvals: api-rate-limit belongs to team-platform, and no approvals were given" in result
    assert "flags/api-rate-limit.yaml:" in result
    assert "= help: have it reviewed" in result
    assert "staging" not in result


def test_reviews_of_an_owner_satisfy_it(cli, ruled) -> None:
    change(ruled)
    assert "2 refusals" in cli("policy", "check", exit_code=1).stdout
    assert "POL202" in cli("policy", "check", "--approvals", reviews("r.json", "carla"), exit_code=1).stdout
    result = cli("policy", "check", "--approvals", reviews("r.json", "Pat")).stdout
    assert "The policy allows this change." in result
    assert "1 (pat)" in result


def test_trailers_of_the_commits_satisfy_it(cli, ruled, commit) -> None:
    change(ruled)
    commit(ruled, "More\n\nSigned-off-by: tests <tests@example.com>")
    words = ("policy", "check", "main", "HEAD", "--approvals", "trailers")
    assert "POL205" in cli(*words, exit_code=1).stdout
    git(ruled, "commit", "--quiet", "--amend", "-m", "More\n\nApproved-by: Pia <pia@example.com>")
    cli(*words)
    cli("policy", "check", "main..HEAD", "--approvals", "trailers")


def test_an_override_needs_a_reason_and_is_shown(cli, ruled) -> None:
    (ruled / "flags" / "search-ranking.yaml").unlink()
    (ruled / "flags" / "shop.test.yaml").unlink()
    given = ("--approvals", reviews("r.json", "pat"))
    result = cli("policy", "check", *given, exit_code=1).stdout
    assert "✗ BRK101 breaking: search-ranking" in result
    assert "needs a reason" in cli("policy", "check", *given, "--override", "breaking", exit_code=2).stderr
    result = cli(
        "policy", "check", *given, "--override", "brk101=not asked for since May", "--override", "freeze=x"
    ).stdout
    assert "overridden: not asked for since May" in result
    assert "The override of freeze was not needed." in result
    hint = cli("policy", "check", "--override", "braking=x", exit_code=2).stderr
    assert "did you mean 'breaking'?" in hint


def test_every_format_says_the_same(cli, ruled, monkeypatch) -> None:
    change(ruled)
    data = cli.json("policy", "check", "--override", "approvals=urgent", "--actor", "pat")
    check("output-policy.schema.json", data)
    assert data["summary"] == {"passed": 2, "refused": 0, "overridden": 2}
    assert data["overrides"] == [{"rule": "approvals", "reason": "urgent", "by": "pat"}]
    github = cli("policy", "check", "--output-format", "github", exit_code=1)
    assert github.stdout.startswith("::error title=POL201 approvals [production]::the change needs 1 approval")
    assert "file=flags/api-rate-limit.yaml,line=" in github.stdout
    page = cli("policy", "check", "--output-format", "markdown", exit_code=1).stdout
    assert "### ❌ 2 refusals by policy" in page
    assert "| ❌ | POL201 `approvals` | production |" in page
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKFLOW", "flags")
    assert "::error" in cli("policy", "check", exit_code=1).stdout
    check("output-policy-rules.schema.json", cli.json("policy", "rules"))
    assert "max_switching" in cli("policy", "rules").stdout


def test_only_some_environments_are_asked_for(cli, ruled) -> None:
    change(ruled)
    assert "no rules" in cli("policy", "check", "--env", "staging").stdout
    assert "did you mean 'staging'?" in cli("policy", "check", "--env", "stagin", exit_code=2).stderr
    cli("policy", "check", "--exit-zero")


def test_what_cannot_be_computed_is_measured_on_a_population(cli, ruled) -> None:
    edit(next(ruled.rglob("employees.yaml")), "@example.com", "@example.org")
    given = ("--approvals", reviews("r.json", "pat"))
    assert "POL303" in cli("policy", "check", *given, exit_code=1).stdout
    contexts = [{"targeting_key": f"u{n}", "email": f"u{n}@example.com" if n < 3 else "x@y.z"} for n in range(30)]
    Path("users.jsonl").write_text("".join(json.dumps(context) + "\n" for context in contexts))
    measured = ("--population", "users.jsonl")
    assert "(10 %; at most 25 %)" in cli("policy", "check", *given, *measured).stdout
    edit(ruled / "flagctl.yaml", "max_switching: 25", "max_switching: 5")
    refused = cli("policy", "check", *given, *measured, exit_code=1).stdout
    assert "POL302 max_switching: new-checkout: 10 % of the population get another answer" in refused


def test_publishing_measures_on_a_population_too(cli, ruled, commit) -> None:
    edit(next(ruled.rglob("employees.yaml")), "@example.com", "@example.org")
    commit(ruled)
    words = ("publish", "production", "--yes", "--dry-run", "--approvals", reviews("r.json", "pat"))
    assert "POL303" in cli(*words, exit_code=6).stderr
    contexts = [{"targeting_key": f"u{n}", "email": f"u{n}@example.com" if n < 9 else "x@y.z"} for n in range(30)]
    Path("users.jsonl").write_text("".join(json.dumps(context) + "\n" for context in contexts))
    refused = cli(*words, "--population", "users.jsonl", exit_code=6).stderr
    assert "new-checkout: 30 % of the population get another answer" in refused
    Path("users.txt").write_text("".join(json.dumps(context) + "\n" for context in contexts[6:]))
    measured = ("--population", "users.txt", "--population-format", "jsonl")
    assert cli.json(*words, *measured)["overrides"] == []
    assert "stdin can be read once" in cli(*words, "--population", "-", exit_code=2).stderr
    assert "which population?" in cli(*words, "--population-format", "csv", exit_code=2).stderr


def test_lists_of_segments_are_given_to_be_measured_with(cli, ruled, commit) -> None:
    employees = next(ruled.rglob("employees.yaml"))
    employees.write_text("kind: segment\nkey: employees\nowner: team-platform\nmembers: {list: staff}\n")
    commit(ruled)
    people = [{"targeting_key": f"u{n}", "email": "x@y.z"} for n in range(30)]
    Path("users.jsonl").write_text("".join(json.dumps(each) + "\n" for each in people))
    Path("staff.txt").write_text("".join(f"u{n}\n" for n in range(9)))
    measured = ("--population", "users.jsonl")
    check = ("policy", "check", "--approvals", reviews("r.json", "pat"), *measured)
    publish = ("publish", "production", "--yes", "--dry-run", "--approvals", "r.json", *measured)
    for words, code in ((check, 1), (publish, 6)):
        assert "--list staff=FILE" in cli(*words, exit_code=2).stderr
        result = cli(*words, "--list", "staff=staff.txt", exit_code=code)
        assert "new-checkout: 30 % of the population get another answer" in result.stdout + result.stderr
        assert "which population?" in cli(*words[:-2], "--list", "staff=staff.txt", exit_code=2).stderr


def test_a_freeze_is_looked_at_for_the_given_instant(cli, ruled) -> None:
    window = "  freeze:\n    - {from: 2026-12-20T00:00:00Z, until: 2027-01-04T00:00:00Z, reason: Holidays}\n"
    edit(ruled / "flagctl.yaml", "policy:\n", "policy:\n" + window)
    given = ("--approvals", reviews("r.json", "pat"))
    result = cli("policy", "check", *given, "--at", "2026-12-24T00:00:00Z", exit_code=1).stdout
    assert "changes are frozen: Holidays" in result
    cli("policy", "check", *given, "--at", "2027-01-04T00:00:00Z")


def test_flag_files_with_errors_are_not_weighed(cli, ruled) -> None:
    edit(flag(ruled), "type: number", "type: numbr")
    assert "errors" in cli("policy", "check", exit_code=1).stderr
    edit(flag(ruled), "type: numbr", "type: number")
    edit(ruled / "flagctl.yaml", "breaking: forbid", "breaking: maybe")
    assert "SCH105" in cli("policy", "check", exit_code=1).stderr


def test_approvals_that_cannot_be_read_are_told(cli, ruled) -> None:
    assert "cannot be read" in cli("policy", "check", "--approvals", "none.json", exit_code=2).stderr
    Path("r.json").write_text("{}")
    assert "no reviews" in cli("policy", "check", "--approvals", "r.json", exit_code=2).stderr
    assert "its base is no commit" in cli("policy", "check", "dir:.", "--approvals", "trailers", exit_code=2).stderr


def test_publishing_is_held_to_the_policy_and_records_its_overrides(cli, ruled, commit) -> None:
    edit(flag(ruled), "\nvalue: 100", "\nvalue: 200")
    commit(ruled)
    refused = cli("publish", "production", "--yes", exit_code=6).stderr
    assert "the policy of 'production' refuses this publication" in refused
    assert "POL202" in refused
    cli("publish", "staging")
    given = ("--approvals", reviews("r.json", "pat"))
    words = ("publish", "production", "--yes")
    refused = cli(*words, *given, exit_code=6).stderr
    assert "✗ POL302 max_switching" in refused  # a value that everybody gets is a switch of everybody
    data = cli.json(*words, *given, "--override", "max_switching=measured: safe", "--actor", "pat")
    assert data["overrides"] == [{"rule": "max_switching", "reason": "measured: safe", "by": "pat"}]
    check("output-publish.schema.json", data)
    log = cli.json("rollback", "production", "--list")
    check("output-log.schema.json", log)
    assert log["entries"][0]["overrides"] == data["overrides"]
    assert "max_switching: measured: safe (pat)" in cli("rollback", "production", "--list").stdout
    assert "unchanged" in cli(*words).stdout


def test_a_plan_confirms_but_does_not_replace_approvals(cli, ruled, commit) -> None:
    edit(ruled / "flags" / "new-checkout.yaml", "percentage: 25", "percentage: 30")
    commit(ruled, "A little more\n\nApproved-by: Carla <9+carla@users.noreply.github.com>")
    cli("plan", "production", "--out", "plan.json")
    cli("publish", "production", "--plan", "plan.json", exit_code=6)
    cli("publish", "production", "--plan", "plan.json", "--approvals", reviews("r.json", "carla"))


def test_owners_are_written_and_checked(cli, ruled) -> None:
    assert "is not up to date" in cli("owners", "--check", exit_code=1).stdout
    file = ruled / ".github" / "CODEOWNERS"
    file.write_text("* @acme/everybody\n")
    cli("owners", "--write", exit_code=None)
    text = file.read_text()
    assert text.startswith("* @acme/everybody\n\n# BEGIN flagctl owners")
    assert "/flags/api-rate-limit.yaml @acme/platform\n" in text
    assert "/flags/new-checkout.yaml @carla\n" in text
    assert "/flagctl.yaml @acme/platform\n" in text
    data = cli.json("owners")
    check("output-owners.schema.json", data)
    assert data["changed"] is False
    edit(ruled / "flags" / "new-checkout.yaml", "owner: team-checkout", "owner: team-platform")
    shown = cli("owners", "--check", exit_code=1)
    assert "- /flags/new-checkout.yaml @carla" in shown.stdout
    assert "flagctl owners --write" in shown.stderr
    cli("owners", "--write", "--check", exit_code=2)
