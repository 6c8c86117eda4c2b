"""`simulate`, `generate population`, `rebalance`, and `diff --population`."""

from __future__ import annotations

import importlib.util
import io
import json
import re
import sys
from pathlib import Path

import jsonschema
import pytest

from tests.cli.conftest import git

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"


def obeys(name: str, data: object) -> None:
    schema = json.loads((SCHEMAS / f"output-{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(data, schema, jsonschema.Draft7Validator)


@pytest.fixture
def population(example, cli) -> Path:
    file = example / "contexts.jsonl"
    cli("generate", "population", "--count", "2000", "-o", str(file))
    return file


@pytest.fixture
def edited(example, population) -> Path:
    git(example, "init", "--quiet", "--initial-branch", "main")
    git(example, "add", ".")
    git(example, "commit", "--quiet", "-m", "First flags")
    flag = example / "search" / "search-ranking.yaml"
    flag.write_text(flag.read_text().replace("classic: 50, hybrid: 30", "classic: 40, hybrid: 40"))
    limit = example / "platform" / "api-rate-limit.yaml"
    limit.write_text(limit.read_text().replace("value: 500}", "value: 400}"))
    return example


def test_simulate_shows_whom_each_rule_reaches(cli, population) -> None:
    words = ("simulate", "search-ranking", "--env", "production", "--population", "contexts.jsonl", "--by", "country")
    data = cli.json(*words)
    obeys("simulate", data)
    (flag,) = data["flags"]
    assert [rule["rule"] for rule in flag["rules"]] == ["colleagues", "german-split", "ranking-test", None]
    assert sum(rule["count"] for rule in flag["rules"]) == data["contexts"] == 2000
    assert [variant["variant"] for variant in flag["variants"]] == ["classic", "hybrid", "neural"]
    (by,) = flag["by"]
    assert sum(group["contexts"] for group in by["groups"]) == 2000
    assert {group["value"] for group in by["groups"]} >= {"DE", "FR"}
    text = cli(*words).stdout
    assert "german-split" in text
    assert "by country" in text


def test_simulate_takes_all_flags_an_instant_and_a_revision(cli, edited) -> None:
    words = ("simulate", "--env", "production", "--population", "contexts.jsonl")
    early = cli.json(*words, "--at", "2026-11-01T00:00:00Z", "--revision", "HEAD")
    late = cli.json(*words, "--at", "2026-12-14T00:00:00Z", "--revision", "HEAD")
    obeys("simulate", early)
    assert len(early["flags"]) > 30
    ramps = [
        next(rule["count"] for flag in data["flags"] for rule in flag["rules"] if rule["rule"] == "ramp")
        for data in (early, late)
    ]
    assert ramps[0] == 0 < ramps[1]
    assert "rules that decide for nobody" in cli(*words).stdout


def test_simulate_reads_stdin(cli, example) -> None:
    result = cli("simulate", "image-cdn", "--env", "production", "--population", "-", input='{"session": {}}\n')
    assert "(TARGETING_KEY_MISSING)" in result.stdout
    assert "1 context of stdin" in result.stdout


def test_a_measured_difference_says_who_moves(cli, edited) -> None:
    words = ("diff", "--population", "contexts.jsonl", "--by", "country", "--by", "plan", "--examples", "1")
    data = cli.json(*words)
    obeys("diff", data)
    measured = data["measured"]
    assert measured["environments"] == ["production"]
    flags = {flag["key"]: flag for flag in measured["flags"]}
    assert set(flags) == {"api-rate-limit", "search-ranking"}
    ranking = flags["search-ranking"]
    moves = {(m["before"]["variant"], m["after"]["variant"]): m for m in ranking["movements"] if m["is_change"]}
    assert set(moves) == {("classic", "hybrid")}
    assert ranking["changed"] == moves["classic", "hybrid"]["count"] > 0
    (example,) = moves["classic", "hybrid"]["examples"]
    assert example["country"] == "DE"
    assert example.get("email", "(personal data)") == "(personal data)"
    assert "cart_total" not in example, "only what the flag reads is shown"
    german = next(group for group in ranking["by"][0]["groups"] if group["value"] == "DE")
    assert german["changed"] == ranking["changed"]
    assert [by["attribute"] for by in ranking["by"]] == ["country", "plan"]


def test_a_measured_difference_as_text(cli, edited) -> None:
    text = cli("diff", "--population", "contexts.jsonl", "--by", "country", "--env", "staging,production").stdout
    assert "Measured on 2,000 contexts of contexts.jsonl:" in text
    assert "search-ranking [staging]: " in text
    assert "classic → hybrid" in text
    assert 'e.g. {"targeting_key": ' in text
    assert "default → big-customers" in text
    unchanged = cli("diff", "HEAD", "HEAD", "--population", "contexts.jsonl").stdout
    assert "No change of meaning." in unchanged


def test_new_and_removed_flags_and_values_are_measured(cli, edited) -> None:
    (edited / "search" / "typo-tolerance.yaml").rename(edited / "search" / "typing.yaml")
    (edited / "search" / "typo-tolerance.test.yaml").unlink(missing_ok=True)
    file = edited / "search" / "typing.yaml"
    file.write_text(file.read_text().replace("key: typo-tolerance", "key: typing"))
    limit = edited / "platform" / "api-rate-limit.yaml"
    limit.write_text(limit.read_text().replace("value: 100\n", "value: 150\n"))
    data = cli.json("diff", "--population", "contexts.jsonl")
    flags = {flag["key"]: flag for flag in data["measured"]["flags"]}
    assert flags["typing"]["changed"] == flags["typo-tolerance"]["changed"] == 2000
    assert {m["before"]["error_code"] for m in flags["typing"]["movements"]} == {"FLAG_NOT_FOUND"}
    text = cli("diff", "--population", "contexts.jsonl").stdout
    assert "no flag → " in text
    assert "default (100) → default (150)" in text


def test_narrow_terminals_get_narrow_lines(terminal, edited, monkeypatch) -> None:
    for words in (
        ("diff", "--population", "contexts.jsonl", "--by", "country"),
        ("simulate", "search-ranking", "--env", "production", "--population", "contexts.jsonl", "--by", "country"),
        ("simulate", "--env", "production", "--population", "contexts.jsonl"),
    ):
        shown, code = terminal(60, "--color", "never", *words)
        assert code == 0, shown
        shown = re.sub(r".*\x1b\[K", "", shown)  # progress, which a slow machine shows and wipes out
        assert max(map(len, shown.split("\n"))) <= 60, shown


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("simulate", "--population", "none.jsonl", "--env", "production"), "cannot be read"),
        (("simulate", "--population", "contexts.jsonl"), "which environment?"),
        (("simulate", "--population", "contexts.jsonl", "--env", "prod"), "no environment 'prod'"),
        (
            ("simulate", "--population", "contexts.jsonl", "--env", "production", "--by", "contry"),
            "no attribute 'contry'",
        ),
        (("simulate", "--population", "contexts.jsonl", "--env", "production", "--by", "a."), "no attribute 'a.'"),
        (("diff", "--by", "country"), "which population?"),
        (("generate", "population", "-o", "x.toml"), "what format"),
        (("generate", "population", "-o", "none/x.jsonl"), "cannot be written"),
        (("generate", "population", "--output-format", "json"), "stdout can't take both"),
    ],
)
def test_mistakes_are_told(cli, population, words, message) -> None:
    assert message in cli(*words, exit_code=2).stderr


def test_an_unknown_flag_is_told(cli, population) -> None:
    result = cli("simulate", "search", "--env", "production", "--population", "contexts.jsonl", exit_code=3)
    assert "there is no flag 'search'" in result.stderr


def test_without_numpy_it_says_what_to_install(cli, population, monkeypatch) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, package=None: None if name == "numpy" else real(name, package)
    )
    for words in (
        ("simulate", "--env", "production", "--population", "contexts.jsonl"),
        ("generate", "population"),
    ):
        assert 'pip install "flagctl[population]"' in cli(*words, exit_code=2).stderr


def test_generate_population_writes_to_stdout_and_says_so_elsewhere(cli, example) -> None:
    result = cli("generate", "population", "--count", "3")
    assert [type(json.loads(line)) for line in result.stdout.splitlines()] == [dict] * 3
    assert not result.stderr
    assert "3 contexts written to a.csv" in cli("generate", "population", "--count", "3", "-o", "a.csv").stderr
    data = cli.json("generate", "population", "--count", "3", "-o", "a.parquet")
    obeys("population", data)
    assert "country" in data["attributes"]


def test_rebalance_edits_the_file_and_diff_shows_the_minimum(cli, edited) -> None:
    git(edited, "commit", "--quiet", "-am", "Edited")
    words = ("rebalance", "search-ranking", "--weights", "classic=20,hybrid=20,neural=60")
    assert "nothing was written" in cli(*words, "--dry-run").stderr
    data = cli.json(*words)
    obeys("rebalance", data)
    assert (data["moved"], data["moved_by_weights"], data["written"]) == (40_000, 60_000, True)
    impacts = cli.json("diff")["impacts"]["search-ranking"]["production"]
    german = next(group for group in impacts if group["rules"] == ["german-split"])
    assert german["switching"] == pytest.approx(0.4)
    assert german["minimum"] == pytest.approx(0.4)
    assert "nobody moves" in cli(*words).stdout
    cli("validate")


def test_bundles_are_measured_too(cli, edited) -> None:
    cli("compile", "--env", "production", "--revision", "HEAD", "-o", "old.json")
    data = cli.json("diff", "bundle:old.json", "--population", "contexts.jsonl")
    obeys("diff", data)
    from_files = cli.json("diff", "--population", "contexts.jsonl")
    assert {flag["key"]: flag["changed"] for flag in data["measured"]["flags"]} == {
        flag["key"]: flag["changed"] for flag in from_files["measured"]["flags"]
    }


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("terminal_there", "quiet", "shown"), [(True, False, True), (False, False, False), (True, True, False)]
)
def test_progress_is_shown_in_terminals_after_a_second(monkeypatch, terminal_there, quiet, shown) -> None:
    from flagctl.cli.population import Progress
    from flagctl.cli.session import Session

    session = Session()
    session.quiet = quiet
    stream = Terminal() if terminal_there else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("TERM", "xterm")
    now = 0.0
    with Progress(session, lambda: now) as progress:
        progress(20_000, 0.1)
        assert not stream.getvalue(), "a short run says nothing"
        now = 1.5
        progress(40_000, 0.2)
        progress(60_000, None)
    text = stream.getvalue()
    assert ("40,000 contexts (20%)" in text) is shown
    assert ("60,000 contexts\x1b[K" in text) is shown
    assert text.endswith("\r\x1b[K") is shown
