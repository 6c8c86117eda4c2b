"""`plan`: what publishing would change, what is adrift, and a file that publishes exactly that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import git
from tests.cli.test_author import edit
from tests.cli.test_json_outputs import check


@pytest.fixture
def live(cli: Any, in_git: Path) -> Path:
    """The new flag repository, committed and published to production."""
    cli("publish", "production", "--yes")
    return in_git


def limit(repo: Path) -> Path:
    return repo / "flags" / "api-rate-limit.yaml"


def test_before_the_first_publication_everything_is_to_add(cli, in_git) -> None:
    result = cli("plan", "production")
    assert "live: nothing" in result.stdout
    assert "3 added, 0 changed, 0 removed" in result.stdout


def test_without_changes_there_is_nothing_to_publish_and_the_exit_code_says_so(cli, live) -> None:
    assert "Nothing to publish" in cli("plan", "production", "--detailed-exitcode").stdout
    edit(limit(live), "# ", "#  ")
    cli("plan", "production", "--detailed-exitcode")
    edit(limit(live), "\nvalue: 100", "\nvalue: 200")
    assert "value 100 → 200" in cli("plan", "production", "--detailed-exitcode", exit_code=10).stdout
    cli("plan", "production")


def test_uncommitted_flags_are_planned_without_a_commit(cli, live) -> None:
    head = git(live, "rev-parse", "HEAD").strip()
    assert cli.json("plan", "production")["head"]["commit"] == head
    edit(limit(live), "\nvalue: 100", "\nvalue: 200")
    assert cli.json("plan", "production")["head"]["commit"] is None
    assert cli.json("plan", "production", "--revision", "HEAD")["has_changes"] is False


def test_the_plan_file_is_the_json_output_and_obeys_the_schema(cli, live) -> None:
    edit(limit(live), "\nvalue: 100", "\nvalue: 200")
    data = cli.json("plan", "production", "--out", "plan.json")
    saved = json.loads(Path("plan.json").read_text())
    for volatile in ("created_ms",):
        assert abs(data.pop(volatile) - saved.pop(volatile)) < 60_000
    assert data == saved
    check("output-plan.schema.json", {**data, "created_ms": 0})
    assert data["base"]["seq"] == 1
    assert [change["code"] for change in data["changes"]] == ["value-changed"]


def test_a_change_that_a_segment_carries_is_no_low_risk(cli, live) -> None:
    edit(next(live.rglob("employees.yaml")), "@example.com", "@example.org")
    data = cli.json("plan", "production")
    assert data["impacts"] == {"new-checkout": None}
    assert data["risks"] == [{"key": "new-checkout", "risk": "medium", "reasons": ["depends on segment employees"]}]


def test_a_plan_needs_no_yes_where_a_publication_does(cli, live, commit) -> None:
    edit(limit(live), "\nvalue: 100", "\nvalue: 200")
    commit(live)
    cli("publish", "production", exit_code=6)
    hint = cli("plan", "production", "--out", "plan.json").stderr
    assert "flagctl publish production --plan plan.json" in hint
    assert "1 → 2" in cli("publish", "production", "--plan", "plan.json").stdout


def test_a_plan_of_the_first_publication_is_void_once_something_is_published(cli, in_git) -> None:
    cli("plan", "production", "--out", "plan.json")
    cli("publish", "production", "--yes")
    edit(limit(in_git), "\nvalue: 100", "\nvalue: 200")
    cli("publish", "production", "--yes", "--allow-dirty")
    edit(limit(in_git), "\nvalue: 200", "\nvalue: 100")
    result = cli("publish", "production", "--plan", "plan.json", exit_code=6)
    assert "made against nothing, live is number 2" in result.stderr
    assert "flagctl plan production --out FILE" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("no", "no JSON"),
        ("[]", "is not a plan"),
        ('{"kind": "flagctl.plan", "format_version": "2.0"}', "another format"),
        ('{"kind": "flagctl.plan", "format_version": "1.0"}', "damaged"),
    ],
)
def test_a_file_that_is_no_plan_is_told_apart(cli, live, text: str, message: str) -> None:
    Path("plan.json").write_text(text)
    assert message in cli("publish", "production", "--plan", "plan.json", exit_code=2).stderr
    assert "cannot be read" in cli("publish", "production", "--plan", "none.json", exit_code=2).stderr


def test_flags_with_errors_are_not_planned(cli, live) -> None:
    edit(live / "flags" / "new-checkout.yaml", "segment: employees", "segment: employes")
    assert "REF102" in cli("plan", "production", exit_code=1).stderr
    assert "No drift." in cli("plan", "production", "--refresh-only").stdout


def test_what_its_commit_compiles_to_is_no_drift(cli, live) -> None:
    result = cli("plan", "production", "--refresh-only", "--detailed-exitcode").stdout
    assert "its commit compiles to this bundle" in result
    assert "the log ends with this manifest" in result
    data = cli.json("plan", "production", "--refresh-only")
    check("output-drift.schema.json", data)
    assert (data["has_drift"], data["source"]["state"], data["log"]) == (False, "same", {"state": "same", "seq": 1})


def test_local_changes_are_no_drift(cli, live, commit) -> None:
    edit(limit(live), "\nvalue: 100", "\nvalue: 200")
    assert "No drift." in cli("plan", "production", "--refresh-only").stdout
    commit(live)
    assert "No drift." in cli("plan", "production", "--refresh-only").stdout


def test_flags_that_were_never_committed_are_drift(cli, live) -> None:
    edit(limit(live), "\nvalue: 100", "\nvalue: 200")
    cli("publish", "production", "--yes", "--allow-dirty")
    git(live, "checkout", "--quiet", ".")
    result = cli("plan", "production", "--refresh-only", "--detailed-exitcode", exit_code=10).stdout
    assert "api-rate-limit: value 100 → 200" in result
    assert result.endswith("Drift.\n")
    data = cli.json("plan", "production", "--refresh-only")
    check("output-drift.schema.json", data)
    assert data["source"]["state"] == "differs"
    assert [change["code"] for change in data["changes"]] == ["value-changed"]


def test_an_old_manifest_that_was_put_back_is_drift(cli, live, commit) -> None:
    manifest = live / ".flagctl" / "remote" / "production" / "manifest.json"
    old = manifest.read_bytes()
    edit(limit(live), "\nvalue: 100", "\nvalue: 200")
    commit(live)
    cli("publish", "production", "--yes")
    manifest.write_bytes(old)
    result = cli("plan", "production", "--refresh-only", "--detailed-exitcode", exit_code=10).stdout
    assert "somebody put an old manifest back (number 2)" in result
    manifest.unlink()
    assert "the current one is gone" in cli("plan", "production", "--refresh-only").stdout


def test_what_cannot_be_compared_is_said_and_is_no_drift(cli, repo) -> None:
    assert "the log is empty" in cli("plan", "production", "--refresh-only").stdout
    cli("publish", "production", "--yes")
    result = cli("plan", "production", "--refresh-only", "--detailed-exitcode").stdout
    assert "not compared: it was not published from a git commit" in result
    log = repo / ".flagctl" / "remote" / "production" / "log"
    for copy in log.iterdir():
        copy.unlink()
    assert "no copy of it yet" in cli("plan", "production", "--refresh-only").stdout


def test_an_untrusted_manifest_is_neither_planned_against_nor_refreshed(cli, live) -> None:
    manifest = live / ".flagctl" / "remote" / "production" / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"sig":"', '"sig":"A'))
    cli("plan", "production", exit_code=5)
    cli("plan", "production", "--refresh-only", exit_code=5)


def test_refreshing_proposes_nothing(cli, live) -> None:
    assert "does not go with --out" in cli("plan", "production", "--refresh-only", "-o", "x", exit_code=2).stderr
    assert "did you mean 'production'?" in cli("plan", "prodction", "--refresh-only", exit_code=2).stderr


def test_reviews_obey_their_schemas(cli, live, commit) -> None:
    edit(limit(live), "\nvalue: 100", "\nvalue: 200")
    commit(live)
    check("output-diff.schema.json", cli.json("diff", "HEAD~1", "HEAD"))
    check("output-history.schema.json", cli.json("history", "api-rate-limit"))
    check("output-history.schema.json", cli.json("log"))
    check("output-blame.schema.json", cli.json("blame", "api-rate-limit"))
    check("output-bisect.schema.json", cli.json("bisect", "api-rate-limit", "--env", "production"))
