"""`validate`, `test`, `eval` and `rule` as their users meet them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


@pytest.fixture
def broken(repo: Path) -> Path:
    edit(repo / "flags" / "new-checkout.yaml", "segment: employees", "segment: employes")
    edit(repo / "flags" / "api-rate-limit.yaml", "owner: team-platform", "ownr: team-platform")
    return repo


def test_a_new_repository_is_valid(cli, repo) -> None:
    result = cli("validate")
    assert not result.stdout
    assert result.stderr == "ok: 3 flags in 6 files, nothing to report\n"


def test_findings_go_to_stdout_one_a_line_when_piped(cli, broken) -> None:
    result = cli("validate", exit_code=1)
    lines = result.stdout.splitlines()
    assert len(lines) >= 2
    assert lines[0].startswith("flags/api-rate-limit.yaml:")
    assert "did you mean 'owner'?" in lines[0]
    assert "2 errors" in result.stderr
    assert "flagctl rule" in result.stderr


def test_the_full_format_shows_the_line_with_a_mark_below_the_word(cli, broken) -> None:
    text = cli("validate", "--output-format", "full", "--select", "REF", exit_code=1).stdout
    line, mark = next(
        (line, following)
        for line, following in zip(text.splitlines(), text.splitlines()[1:], strict=False)
        if "{segment: employes}" in line
    )
    assert mark.index("^") == line.index("employes")
    assert mark.count("^") == len("employes")
    assert "= help: did you mean 'employees'?" in text


def test_warnings_alone_pass_unless_asked_for(cli, repo) -> None:
    edit(repo / "flags" / "new-checkout.yaml", "owner: team-checkout\n", "")
    assert "OWN101" in cli("validate", exit_code=0).stdout
    cli("validate", "--fail-on", "warning", exit_code=1)
    cli("validate", "--fail-on", "warning", "--exit-zero", exit_code=0)
    assert "there are: error, warning, never" in cli("validate", "--fail-on", "info", exit_code=2).stderr


def test_errors_pass_with_never_and_exit_zero(cli, broken) -> None:
    cli("validate", "--fail-on", "never", exit_code=0)
    cli("validate", "--exit-zero", exit_code=0)


def test_paths_limit_what_is_reported_and_a_typo_is_not_green(cli, broken, monkeypatch) -> None:
    assert "new-checkout" not in cli("validate", "flags/api-rate-limit.yaml", exit_code=1).stdout
    assert cli("validate", "segments").stdout == ""
    assert "new-checkout" in cli("validate", "flags/new-*.yaml", exit_code=1).stdout
    assert "matches no file" in cli("validate", "flgs", exit_code=3).stderr
    monkeypatch.chdir(broken / "flags")
    assert "flags/new-checkout.yaml" in cli("validate", "new-checkout.yaml", exit_code=1).stdout


def test_codes_can_be_selected_and_ignored(cli, broken) -> None:
    assert "REF102" in cli("validate", "--select", "REF", exit_code=1).stdout
    assert "REF102" not in cli("validate", "--select", "OWN,TGT", exit_code=1).stdout
    assert "flagctl rule --all" in cli("validate", "--select", "NIX1", exit_code=2).stderr


def test_safe_fixes_are_applied_and_unsafe_ones_only_on_request(cli, broken) -> None:
    flag = broken / "flags" / "api-rate-limit.yaml"
    mode = flag.stat().st_mode
    result = cli("validate", "--fix", exit_code=1)
    assert "fixed flags/api-rate-limit.yaml: rename 'ownr' to 'owner' [SCH102]\n" in result.stderr
    assert "\nowner: team-platform" in flag.read_text()
    assert flag.stat().st_mode == mode
    assert "employes" in (broken / "flags" / "new-checkout.yaml").read_text()
    cli("validate", "--fix", "--unsafe-fixes", exit_code=0)
    assert "segment: employees" in (broken / "flags" / "new-checkout.yaml").read_text()
    assert "goes with --fix" in cli("validate", "--unsafe-fixes", exit_code=2).stderr


def test_an_editor_may_check_what_is_not_saved_yet(cli, repo) -> None:
    text = (repo / "flags" / "new-checkout.yaml").read_text().replace("default: off", "default: of")
    result = cli("validate", "--stdin-filename", "flags/new-checkout.yaml", input=text, exit_code=1)
    assert "flags/new-checkout.yaml" in result.stdout
    cli("validate", exit_code=0)


def test_a_repository_without_flags_is_no_success(cli, tmp_path, monkeypatch) -> None:
    (tmp_path / "flagctl.yaml").write_text("version: 1\nproject: x\nenvironments: {a: {}}\n")
    monkeypatch.chdir(tmp_path)
    assert "no flag files" in cli("validate", exit_code=3).stderr


def test_a_broken_configuration_is_reported_with_its_place(cli, repo) -> None:
    edit(repo / "flagctl.yaml", "version: 1", "version: 2")
    assert "flagctl.yaml:2:10" in cli("validate", exit_code=1).stdout
    assert "flagctl.yaml" in cli("list", exit_code=1).stderr + cli("list", exit_code=1).stdout


def test_the_tests_of_a_new_repository_pass(cli, repo) -> None:
    assert cli("test").stdout.startswith("passed: 8 cases, 15 evaluations")
    assert "ok    new-checkout in production: employees see it" in cli("test", "-v", "--output-format", "full").stdout


def test_a_failing_case_says_what_was_expected_what_came_and_why(cli, repo) -> None:
    edit(repo / "flags" / "new-checkout.yaml", "percentage: 25 ", "percentage: 1 ")
    text = cli("test", "--output-format", "full", exit_code=1).stdout
    assert "FAIL  new-checkout in production: a quarter of DE and FR sees it" in text
    assert "--> flags/shop.test.yaml:" in text
    assert 'expected "on"' in text
    assert 'got "off"' in text
    assert "decided by  flags/new-checkout.yaml:10" in text
    assert "✗ 1 % of units: targeting_key" in text
    assert "1 case failed of 8 cases" in text
    lines = cli("test", exit_code=1).stdout.splitlines()
    assert lines[0].startswith("flags/shop.test.yaml:")
    assert "::error file=flags/shop.test.yaml,line=" in cli("test", "--output-format", "github", exit_code=1).stdout


def test_tests_are_chosen_by_path_pattern_and_environment(cli, repo) -> None:
    assert "1 case," in cli("test", "--run", "old apps", "--env", "production").stdout
    assert "4 cases" in cli("test", "--run", "^new-checkout$").stdout
    assert "8 cases" in cli("test", "flags").stdout
    assert "no test ran" in cli("test", "--run", "nothing like this", exit_code=3).stderr
    assert "no test ran" in cli("test", "segments", exit_code=3).stderr
    assert "not a regular expression" in cli("test", "--run", "(", exit_code=2).stderr
    assert "did you mean 'staging'?" in cli("test", "--env", "stagin", exit_code=2).stderr


def test_coverage_names_what_no_test_reaches(cli, repo) -> None:
    text = cli("test", "--coverage").stdout
    line = "search-ranking: no test reaches rule new-apps; variants hybrid, neural"
    assert line in text.splitlines()
    assert line in cli("test", "--coverage", "--output-format", "github").stdout.splitlines()
    full = cli("test", "--coverage", "--output-format", "full").stdout
    assert "new-apps" in full
    assert "hybrid, neural" in full
    result = cli("test", "--threshold", "99", exit_code=1)
    assert "is below 99 %" in result.stdout
    cli("test", "--threshold", "10", exit_code=0)


def test_tests_need_flags_without_errors(cli, broken) -> None:
    result = cli("test", exit_code=1)
    assert "flags/new-checkout.yaml" in result.stderr
    assert "the flag files have 2 errors" in result.stderr
    assert not result.stdout


def test_an_answer_comes_with_its_reason_and_its_line(cli, repo) -> None:
    context = '{"targeting_key": "user-1", "email": "ada@example.com"}'
    text = cli("eval", "new-checkout", "--env", "production", "--context", context).stdout
    assert "value        true" in text
    assert "TARGETING_MATCH, rule employees" in text
    line = int(text.split("flags/new-checkout.yaml:")[1].split()[0])
    assert "- id: employees" in Path("flags/new-checkout.yaml").read_text().splitlines()[line - 1]


def test_explain_shows_every_condition_with_the_value_it_saw(cli, repo) -> None:
    context = '{"targeting_key": "user-2", "country": "US"}'
    text = cli("eval", "new-checkout", "--env", "production", "--context", context, "--explain").stdout
    assert "✗ rule employees" in text
    assert 'email ends with ["@example.com"]; email is missing' in text
    assert "segments/employees.yaml:" in text
    assert 'country in ["DE", "FR"]; country is "US"' in text
    assert "✓ default → off" in text


def test_the_context_may_come_from_a_file_or_stdin(cli, repo) -> None:
    Path("user.json").write_text('{"plan": "enterprise"}')
    words = ("eval", "api-rate-limit", "--env", "production", "--context")
    assert "5000" in cli(*words, "@user.json").stdout
    assert "5000" in cli(*words, "-", input='{"plan": "enterprise"}').stdout
    assert "cannot be read" in cli(*words, "@nobody.json", exit_code=2).stderr
    assert "not JSON at line 1" in cli(*words, "{plan", exit_code=2).stderr
    assert "not an object" in cli(*words, "[1]", exit_code=2).stderr


def test_wrong_words_for_eval_get_a_suggestion(cli, repo) -> None:
    assert "did you mean 'new-checkout'?" in cli("eval", "new-chekout", "--env", "production", exit_code=3).stderr
    assert "did you mean 'production'?" in cli("eval", "new-checkout", "--env", "prodution", exit_code=2).stderr
    assert "development, staging, production" in cli("eval", "new-checkout", exit_code=2).stderr
    assert "with a time zone" in cli("eval", "new-checkout", "--env", "staging", "--at", "noon", exit_code=2).stderr
    warned = cli("eval", "new-checkout", "--env", "staging", "--context", '{"contry": "DE"}').stderr
    assert "'contry'" in warned
    assert "did you mean 'country'?" in warned


def test_eval_reads_other_revisions_and_instants(cli, in_git, commit) -> None:
    edit(in_git / "flags" / "api-rate-limit.yaml", "\nvalue: 100", "\nvalue: 200")
    commit(in_git)
    words = ("eval", "api-rate-limit", "--env", "production")
    assert "200" in cli(*words).stdout
    assert "100" in cli(*words, "--revision", "HEAD~1").stdout
    assert "there is no commit 'nope'" in cli(*words, "--revision", "nope", exit_code=2).stderr
    assert "2030-01-01T00:00:00Z" in cli(*words, "--at", "2030-01-01T01:00:00+01:00").stdout


def test_steps_of_the_json_trace_have_their_places(cli, example) -> None:
    context = json.dumps({"targeting_key": "user-1", "country": "DE", "platform": "web", "groups": []})
    words = ("eval", "new-checkout-flow", "--env", "production", "--context", context, "--explain")
    trace = cli.json(*words)["trace"]
    ramp = next(rule for rule in trace["rules"] if rule["id"] == "ramp")
    lines = Path("checkout/new-checkout-flow.yaml").read_text().splitlines()
    assert "- id: ramp" in lines[ramp["place"]["line"] - 1]
    assert "country" in lines[ramp["conditions"][0]["place"]["line"] - 1]
    assert "platform" in lines[ramp["conditions"][1]["parts"][0]["place"]["line"] - 1]
    assert trace["prerequisites"][0]["trace"]["rules"][0]["place"]["path"] == "payments/payments-v2.yaml"


def test_a_rule_is_explained_with_a_bad_and_a_good_example(cli) -> None:
    text = cli("rule", "REF102").stdout
    assert text.startswith("REF102 unknown-segment")
    assert text.index("Bad") < text.index("Good") < text.index("It can't be ignored")
    assert "REF101" in cli("rule", "ref").stdout
    assert cli("rule", "unknown-segment").stdout == text
    assert len(cli("rule", "--all").stdout.splitlines()) > 40
    assert "did you mean" in cli("rule", "REF1O2", exit_code=3).stderr
    assert "which code?" in cli("rule", exit_code=2).stderr


def test_an_explanation_offers_a_comment_exactly_where_one_has_an_effect(cli) -> None:
    assert "# flagctl: ignore[TGT102] reason" in cli("rule", "TGT102").stdout
    for code in ("ROL101", "SYN104", "SCH105"):
        assert "ignore[" not in cli("rule", code).stdout
