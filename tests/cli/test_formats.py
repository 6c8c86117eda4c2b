"""Output for CI: SARIF, JUnit, markdown, annotations; and what the exit code says then."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from flagctl.report.markdown import SUMMARY_LIMIT, size
from tests.cli.conftest import git
from tests.unit.report.formats import checked_junit, checked_sarif


@pytest.fixture
def broken(in_git: Path) -> Path:
    """A repository with an error and a warning, in a subfolder of the git repository's root."""
    flag = in_git / "flags" / "new-checkout.yaml"
    flag.write_text(
        flag.read_text().replace("segment: employees", "segment: employes").replace("owner: team-checkout\n", "")
    )
    return in_git


@pytest.fixture
def changed(in_git: Path) -> Path:
    """A repository in which a percentage and a segment differ from the last commit."""
    flag = in_git / "flags" / "new-checkout.yaml"
    flag.write_text(flag.read_text().replace("percentage: 25", "percentage: 40"))
    segment = in_git / "segments" / "employees.yaml"
    segment.write_text(segment.read_text().replace("@example.com", "@example.org"))
    return in_git


def test_sarif_holds_the_findings_and_leaves_the_exit_code_at_0(cli, broken) -> None:
    run = checked_sarif(cli("validate", "--output-format", "sarif").stdout)
    levels = {result["level"] for result in run["results"]}
    assert levels == {"error", "warning"}
    (wrong,) = [result for result in run["results"] if result["level"] == "error"]
    assert wrong["ruleId"] == "REF102"
    assert "employees" in wrong["message"]["text"]


def test_sarif_names_paths_from_the_git_repositorys_root(cli, tmp_path, broken, monkeypatch) -> None:
    outer = tmp_path / "outer"
    outer.mkdir()
    git(outer, "init", "--quiet")
    inner = outer / "config"
    broken.rename(inner)
    import shutil

    shutil.rmtree(inner / ".git")
    monkeypatch.chdir(inner)
    run = checked_sarif(cli("validate", "--output-format", "sarif").stdout)
    uri = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "config/flags/new-checkout.yaml"


def test_sarif_of_a_broken_configuration_is_still_an_error(cli, repo) -> None:
    cli("validate", "--output-format", "sarif", "nowhere.yaml", exit_code=3)


def test_junit_fails_where_the_command_fails(cli, broken) -> None:
    root = checked_junit(cli("validate", "--output-format", "junit", exit_code=1).stdout)
    assert root.attrib["failures"] == "1"
    root = checked_junit(cli("validate", "--output-format", "junit", "--fail-on", "warning", exit_code=1).stdout)
    assert root.attrib["failures"] == "2"
    root = checked_junit(cli("validate", "--output-format", "junit", "--exit-zero").stdout)
    assert root.attrib["failures"] == "0"


def test_tests_are_cases_of_junit(cli, repo) -> None:
    root = checked_junit(cli("test", "--output-format", "junit").stdout)
    assert int(root.attrib["tests"]) >= 8
    assert root.attrib["failures"] == "0"
    flag = repo / "flags" / "api-rate-limit.yaml"
    flag.write_text(flag.read_text().replace("value: 5000", "value: 5001"))
    root = checked_junit(cli("test", "--output-format", "junit", exit_code=1).stdout)
    (first, *_) = root.findall("testsuite/testcase/failure")
    assert first.attrib["message"] == "value: expected 5000, got 5001"
    assert first.text is not None
    assert '"plan": "enterprise"' in first.text


def test_coverage_below_the_threshold_is_a_case_that_failed(cli, repo) -> None:
    root = checked_junit(cli("test", "--threshold", "100", "--output-format", "junit", exit_code=1).stdout)
    (failure,) = root.iter("failure")
    assert "is below 100 %" in failure.attrib["message"]


def test_a_difference_as_sarif(cli, changed) -> None:
    run = checked_sarif(cli("diff", "--exit-code", "--output-format", "sarif").stdout)
    ids = [result["ruleId"] for result in run["results"]]
    assert "diff/percentage-changed" in ids
    (percentage,) = [result for result in run["results"] if result["ruleId"] == "diff/percentage-changed"]
    assert percentage["level"] == "warning"
    assert "25 % → 40 %" in percentage["message"]["text"]
    assert percentage["locations"][0]["physicalLocation"]["region"]["startLine"] > 1


def test_a_removed_flag_is_an_error_at_the_place_it_had(cli, in_git) -> None:
    tests = in_git / "flags" / "shop.test.yaml"
    tests.unlink()
    (in_git / "flags" / "search-ranking.yaml").unlink()
    run = checked_sarif(cli("diff", "--output-format", "sarif").stdout)
    (result,) = run["results"]
    assert result["level"] == "error"
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "flags/search-ranking.yaml"
    assert place["region"] == {"startLine": 1}


def test_a_difference_as_junit_fails_only_if_the_command_does(cli, changed) -> None:
    assert checked_junit(cli("diff", "--output-format", "junit").stdout).attrib["failures"] == "0"
    root = checked_junit(cli("diff", "--exit-code", "--output-format", "junit", exit_code=1).stdout)
    assert root.attrib["failures"] == root.attrib["tests"] != "0"
    git(changed, "commit", "--quiet", "-am", "All of it")
    root = checked_junit(cli("diff", "--output-format", "junit").stdout)
    assert [case.attrib["name"] for case in root.iter("testcase")] == ["no change of meaning"]


def test_a_difference_as_markdown_says_it_in_a_line_a_table_and_folded_parts(cli, changed) -> None:
    text = cli("diff", "--output-format", "markdown").stdout
    lines = text.splitlines()
    assert lines[0] == "<!-- flagctl:diff -->"
    assert "**1 flag changed**" in lines[3]
    assert "**1 other document**" in lines[3]
    assert "depends on the conditions" in text
    assert "rule ramp: 25 % → 40 %" in text
    assert "<summary>2 changes by file and line</summary>" in text
    assert "flags/new-checkout.yaml" in text
    graph = text.partition("```mermaid\n")[2].partition("```")[0].splitlines()
    assert graph[0] == "flowchart LR"
    assert '(["segment employees"])' in graph[3]
    assert graph[-1].split() == ["n1", "-->", "n0"]


def test_the_line_names_the_largest_share_that_switches(cli, in_git) -> None:
    flag = in_git / "flags" / "new-checkout.yaml"
    flag.write_text(flag.read_text().replace("percentage: 25", "percentage: 40"))
    text = cli("diff", "--output-format", "markdown").stdout
    assert "up to **15 %** of the units of a rule switch · risk **medium**" in text.splitlines()[3]
    assert "| units of rule ramp: 15 % change (off → on 15 %)" in text


def test_what_was_measured_is_folded_into_the_markdown(cli, changed, tmp_path) -> None:
    sample = tmp_path / "sample.jsonl"
    users = ({"targeting_key": f"u{n}", "country": "DE", "plan": "<b>`@x`"} for n in range(200))
    sample.write_text("".join(json.dumps(user) + "\n" for user in users))
    text = cli("diff", "--population", str(sample), "--output-format", "markdown").stdout
    inner = text.partition("<summary>Measured on 200 contexts of ")[2].partition("</details>")[0]
    assert "new-checkout" in inner
    assert "<b>" not in inner
    assert inner.count("<pre>") == inner.count("</pre>") == 1


def test_nothing_changed_is_said_in_markdown_too(cli, in_git) -> None:
    assert "**No answer changes**" in cli("diff", "--output-format", "markdown").stdout


def test_findings_as_markdown(cli, broken) -> None:
    text = cli("validate", "--output-format", "markdown", exit_code=1).stdout
    assert "🔴 **1 error, 1 warning** in 3 flags" in text
    assert "| 🔴 error | REF102 |" in text
    assert "What to do about them" in text


def test_a_plan_as_markdown_has_the_environments_marker_even_without_changes(cli, in_git, commit) -> None:
    first = cli("plan", "production", "--output-format", "markdown").stdout
    assert first.startswith("<!-- flagctl:plan:production -->\n### Flags in production\n")
    assert "nothing published yet →" in first
    assert "➕ <code>new-checkout</code>" in first
    cli("publish", "production", "--yes")
    again = cli("plan", "production", "--output-format", "markdown").stdout
    assert again.startswith("<!-- flagctl:plan:production -->\n")
    assert "**Nothing to publish**: live: number 1" in again


def test_a_plan_can_be_made_against_a_revision_without_the_remote(cli, changed, tmp_path) -> None:
    plan = tmp_path / "plan.json"
    text = cli("plan", "production", "--base", "HEAD", "--remote", "s3://not-there/x", "--out", str(plan)).stdout
    assert "not what is live" in text
    assert "25 % → 40 %" in text
    saved = json.loads(plan.read_text())
    assert saved["has_changes"] is True
    assert saved["against"].startswith("commit ")


def test_the_summary_is_appended_and_the_output_stays_what_it_is(cli, broken, tmp_path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    data = cli.json("validate", "--out-summary", str(summary), exit_code=1)
    assert data["summary"]["errors"] == 1
    cli("diff", "--out-summary", str(summary))
    text = summary.read_text()
    assert text.startswith("before\n<!-- flagctl:validate -->\n")
    assert "<!-- flagctl:diff -->\n" in text


def test_the_summary_stays_below_what_github_accepts(cli, changed, tmp_path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("x" * (SUMMARY_LIMIT - 1_200))
    cli("diff", "--out-summary", str(summary))
    text = summary.read_text()
    assert size(text) <= SUMMARY_LIMIT
    assert "_Shortened: " in text


def test_markdown_can_be_made_shorter(cli, changed) -> None:
    long = cli("diff", "--output-format", "markdown").stdout
    short = cli("diff", "--output-format", "markdown", "--max-chars", "1000").stdout
    assert size(short) <= 1_001 < size(long)


def test_auto_finds_the_base_of_a_pull_request(cli, changed, tmp_path, monkeypatch) -> None:
    first = git(changed, "rev-parse", "HEAD").strip()
    git(changed, "switch", "--quiet", "-c", "change")
    git(changed, "commit", "--quiet", "-am", "A change")
    head = git(changed, "rev-parse", "HEAD").strip()
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"base": {"sha": first}, "head": {"sha": head}}}))
    monkeypatch.setenv("GITHUB_EVENT_NAME", "pull_request")
    monkeypatch.setenv("GITHUB_EVENT_PATH", str(event))
    data = cli.json("diff", "--base", "auto", "HEAD")
    assert data["base"] == first[:7]
    assert data["summary"]["changed"] == 1
    assert "not what is live" in cli("plan", "production", "--base", "auto").stdout
    assert "named twice" in cli("diff", "--base", "auto", "HEAD", "HEAD", exit_code=2).stderr


def test_annotations_beyond_githubs_limit_are_counted(cli, repo) -> None:
    for number in range(13):
        (repo / "flags" / f"f{number}.yaml").write_text(
            f"kind: flag\nkey: f{number}\nowner: t\ntype: boolean\ndefault: off\nrules: [{{id: r, when: [{{segment: no}}], serve: on}}]\n"
        )
    lines = cli("validate", "--select", "REF", "--output-format", "github", exit_code=1).stdout.splitlines()
    assert sum(line.startswith("::error ") for line in lines) == 10
    assert lines[-1].startswith("3 more; ")


def test_failing_tests_beyond_githubs_limit_are_counted(cli, repo) -> None:
    cases = "".join(f"  - {{name: c{n}, expect: {{value: 1}}}}\n" for n in range(12))
    (repo / "flags" / "more.test.yaml").write_text(
        f"kind: test\nflag: api-rate-limit\nenvironment: production\ncases:\n{cases}"
    )
    lines = cli("test", "--output-format", "github", exit_code=1).stdout.splitlines()
    assert sum(line.startswith("::error ") for line in lines) == 10
    assert lines[-2].startswith("2 more; ")
