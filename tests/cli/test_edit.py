"""Commands that edit flag files."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
from pathlib import Path

import jsonschema
import pytest

from flagctl.cli.edit_names import MODULES
from flagctl.resources import data_path

ROOT = Path(__file__).resolve().parents[2]
KEY = "new-checkout-flow"


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(data_path("flags"), tmp_path / "flags")
    for words in (["init", "-q"], ["config", "user.name", "J"], ["config", "user.email", "j@x"], ["add", "."]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True, capture_output=True)
    subprocess.run(["git", "commit", "-qm", "Flags"], cwd=tmp_path, check=True, capture_output=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "flags"


def check(name: str, data: object) -> None:
    schema = json.loads((ROOT / "schemas" / f"output-{name}.schema.json").read_text("utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(data, schema, jsonschema.Draft7Validator)


@pytest.mark.parametrize("module", MODULES)
def test_the_help_has_the_first_line_of_every_command(module: str) -> None:
    tree = ast.parse((ROOT / "flagctl" / "cli" / f"{module}.py").read_text("utf-8"))
    documented = {
        node.name.replace("_", "-"): (ast.get_docstring(node) or "").splitlines()[0]
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")
    }
    assert documented == MODULES[module]


@pytest.mark.parametrize("name", [name for commands in MODULES.values() for name in commands])
def test_every_command_explains_itself(cli, name: str) -> None:
    text = cli(name, "--help").stdout
    assert f"Usage: flagctl {name} " in text
    assert "Global options:" in text


def test_an_edit_shows_its_lines_and_its_meaning(cli, shop: Path) -> None:
    text = cli("set-percentage", KEY, "10", "--dry-run").stdout
    assert "+    percentage: 10" in text
    assert "10 % change (off → on 10 %); monotonic" in text
    assert text.endswith("nothing was written\n")
    assert "+    percentage" in cli("set-percentage", KEY, "10", "--commit").stdout
    subject = subprocess.run(["git", "log", "-1", "--format=%B"], cwd=shop, capture_output=True, text=True, check=True)
    assert "rule ramp" in subject.stdout


def test_edits_obey_their_schema(cli, shop: Path) -> None:
    check("edit", cli.json("set-default", KEY, "on", "--env", "production", "--dry-run"))
    check("edit", cli.json("create", "fresh", "--from", "release", "--owner", "team-search", "--commit"))
    check("edit", cli.json("promote", KEY, "--from", "staging", "--to", "production", "--dry-run"))
    check("fmt", cli.json("fmt", "--check"))
    check("compare", cli.json("compare", "staging", "production"))


def test_conditions_are_typed_as_they_are_read(cli, shop: Path) -> None:
    cli("add-rule", KEY, "north", "--when", "country in SE, PL", "--when", "not segment embargoed", "--serve", "on",
        "--percentage", "2.5", "--before", "ramp", "-m", "Open the north")  # fmt: skip
    text = (shop / "checkout" / f"{KEY}.yaml").read_text()
    assert (
        "  - id: north\n    when:\n      - {attribute: country, operator: in, value: [SE, PL]}\n"
        "      - not: {segment: embargoed}\n    serve: on\n    percentage: 2.5\n  - id: ramp\n"
    ) in text


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["enable", "new-checkout-flo"], 3, "did you mean 'new-checkout-flow'?"),
        (["set-default", KEY, "onn"], 2, "did you mean 'on'?"),
        (["disable", KEY, "--env", "prod"], 2, "there is no environment 'prod'"),
        (["add-rule", KEY, "x"], 2, "what does the rule serve?"),
        (["add-rule", KEY, "x", "--serve", "on", "--env", "production"], 2, "--copy-down"),
        (["delete", "payments-v2"], 1, "still needed by flag new-checkout-flow"),
        (["remove-variant", "payments-v2", "on"], 1, "nothing was written"),
        (["remove-rule", KEY, "beta-testers"], 1, "has no rule 'beta-testers'"),
        (["rename-variant", "payments-v2", "offf", "x"], 2, "did you mean 'off'?"),
        (["rename-variant", "payments-v2", "off", "on"], 2, "has a variant 'on' already"),
        (["rename-variant", "search-ranking", "neural", "x"], 1, "ranking-test (experiments/ranking-test.yaml:"),
        (["update", KEY, "--set", "key=other"], 2, "never changes"),
        (["update", KEY], 2, "what to change?"),
        (["create", "Bad Key", "--owner", "x"], 1, "nothing was written"),
        (["create", "fresh"], 2, "who owns the flag?"),
        (["compare", "staging", "staging"], 2, "the same environment"),
        (["fmt", "no-such.yaml"], 3, "matches no file"),
    ],
)
def test_what_does_not_work_says_why(cli, shop: Path, words: list[str], code: int, said: str) -> None:
    assert said in cli(*words, exit_code=code).stderr
    status = subprocess.run(["git", "status", "--short"], cwd=shop, capture_output=True, text=True, check=True)
    assert status.stdout == ""


def test_on_a_terminal_create_asks_for_what_was_not_said(terminal, shop: Path) -> None:
    shown, code = terminal(80, "create", typed="fresh\nrelease\nteam-search\nTo find: things\n")
    assert code == 0
    assert "Key of the flag? " in shown
    assert "Template (release, kill-switch, experiment, config, permission), or none?" in shown
    text = (shop / "search" / "fresh.yaml").read_text()
    assert "owner: team-search\ntags: [release]\n" in text
    assert 'description: "To find: things"' in text


@pytest.mark.parametrize(
    ("typed", "said"), [(f"{KEY}\n", f"there is a flag '{KEY}' already"), ("\n", "which key?"), ("\x04", "which key?")]
)
def test_a_key_that_will_not_do_ends_the_questions(terminal, shop: Path, typed: str, said: str) -> None:
    shown, code = terminal(80, "create", typed=typed)
    assert (code, "Who owns it?" in shown) == (2, False)
    assert said in shown


def test_without_a_terminal_or_with_no_input_nothing_is_asked(cli, terminal, shop: Path) -> None:
    assert "which key?" in cli("create", input="fresh\n", exit_code=2).stderr
    shown, code = terminal(80, "create", "--no-input", typed="fresh\n")
    assert (code, "Key of the flag?" in shown) == (2, False)


def test_an_environment_that_has_to_begin_with_a_copy_is_asked_about_on_a_terminal(terminal, shop: Path) -> None:
    words = ("add-rule", KEY, "north", "--serve", "on", "--env", "production")
    shown, code = terminal(80, *words, typed="no\n")
    assert (code, "Begin with a copy of them? [no]" in shown) == (2, True)
    assert terminal(80, *words, typed="yes\n")[1] == 0
    production = (shop / "checkout" / f"{KEY}.yaml").read_text().partition("  production:")[2]
    assert [line.split()[-1] for line in production.splitlines() if "- id:" in line][-1] == "north"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--from", "confg"), "did you mean 'config'?"),
        (("--from", "experiment"), "the template needs metric"),
        (("--from", "experiment", "--var", "metrics=x", "--var", "metric=x"), "did you mean 'metric'?"),
        (("--var", "region=x"), "does not ask for 'region'"),
        (("--from", "release", "--type", "string"), "the template release makes a boolean flag"),
        (("--from", "permission", "--expires", "soon"), "'soon' is no date"),
    ],
)
def test_what_a_template_has_no_use_for_is_refused(cli, shop: Path, words: tuple[str, ...], said: str) -> None:
    assert said in cli("create", "fresh", "--owner", "team-search", *words, exit_code=None).stderr
    assert not (shop / "search" / "fresh.yaml").exists()


def test_an_end_that_the_template_does_not_ask_for_is_written_all_the_same(cli, shop: Path) -> None:
    cli("create", "fresh", "--owner", "team-search", "--from", "permission", "--expires", "2027-03-31")
    assert "expires: 2027-03-31" in (shop / "search" / "fresh.yaml").read_text().replace('"', "")


def test_a_template_of_ones_own_fills_in_what_it_asks_for(cli, shop: Path) -> None:
    (shop / "templates").mkdir()
    (shop / "templates" / "regional.yaml").write_text(
        "kind: flag\nkey: ${key}\nowner: ${owner}\nname: ${name}\ntype: string\n"
        "variants: {here: '${region} 1', there: elsewhere}   # ${region}\noff: here\ndefault: here\n"
    )
    config = shop / "flagctl.yaml"
    config.write_text(config.read_text() + "\nexclude: [templates]\n")
    assert cli("create", "--templates").stdout.startswith("regional      templates/regional.yaml\nrelease ")
    cli("create", "fresh", "--owner", "team-search", "--from", "regional", "--var", "region=eu")
    assert "variants: {here: 'eu 1', there: elsewhere}   # eu\n" in (shop / "search" / "fresh.yaml").read_text()


@pytest.mark.parametrize(
    ("words", "lines"),
    [
        (["set-variant", "homepage-banner", "video", "hero-2"], ["variants: {carousel: carousel, video: hero-2, story: hero-story}"]),
        (["add-variant", "image-cdn", "delta", "delta.acme.example"], ["delta: delta.acme.example"]),
        (["set-value", "api-rate-limit", "120"], ["value: 120"]),
        (["enable", KEY, "--env", "staging"], ["enabled: true"]),
        (["disable", KEY], ["enabled: false"]),
        (["add-target", KEY, "u1", "u2", "--variant", "on"], ["on: [store-kiosk-01, store-kiosk-02, u1, u2]"]),
        (["remove-target", KEY, "store-kiosk-01"], ["on: [store-kiosk-02]"]),
        (["add-target", "beta-testers", "u9", "--segment"], ["include: [user-2041, user-2050, user-3110, u9]"]),
        (["remove-target", "beta-testers", "user-2050", "--segment"], ["include: [user-2041, user-3110]"]),
        (["add-tag", KEY, "q3"], ["tags: [checkout, release, q3]"]),
        (["remove-tag", KEY, "release"], ["tags: [checkout]"]),
        (["set-expiry", KEY, "2027-12-01"], ["lifecycle: {temporary: true, expires: 2027-12-01}"]),
        (["archive", "gift-wrapping", "--serve", "on", "--with-tests"], ["archived"]),
        (["update", "beta-testers", "--kind", "segment", "--set", "owner=team-search"], ["owner: team-search"]),
        (["update", KEY, "--unset", "rules[ramp].description"], []),
        (["update", KEY, "--inherit", "default", "--env", "development"], []),
        (["move-rule", KEY, "ramp", "--before", "employees"], ["- id: ramp"]),
        (["set-rollout", "search-ranking", "classic=50,neural=50"], ["default: {rollout: {classic: 50, neural: 50}}"]),
        (["set-schedule", KEY, "--from", "2026-12-01T00:00:00Z"], ["schedule: {from: 2026-12-01T00:00:00Z}"]),
        (["add-prerequisite", KEY, "ledger-v3", "on"], ["- {flag: ledger-v3, variants: [on]}"]),
    ],
)  # fmt: skip
def test_every_edit_writes_its_lines_and_takes_no_comment_away(
    cli, shop: Path, words: list[str], lines: list[str]
) -> None:
    patch = cli.json(*words, "--dry-run")["patch"].splitlines()
    added = [line[1:].strip() for line in patch if line.startswith("+") and not line.startswith("+++")]
    removed = [line[1:].strip() for line in patch if line.startswith("-") and not line.startswith("---")]
    assert all(any(wanted in line for line in added) for wanted in lines), patch
    assert added or removed
    if words[0] not in {"archive", "move-rule"}:
        assert sum("#" in line for line in removed) == sum("#" in line for line in added), patch


def test_an_owner_is_renamed_in_all_files(cli, shop: Path) -> None:
    cli("rename-owner", "team-checkout", "team-cash", "-m", "Rename the team")
    assert "team-checkout" not in "".join(
        line for path in shop.rglob("*.yaml") for line in path.read_text().splitlines() if line.startswith("owner:")
    )
    cli("validate")


def test_a_variant_gets_another_name_in_all_files_at_once(cli, shop: Path) -> None:
    change = cli.json("rename-variant", "payments-v2", "on", "live", "--commit")
    assert [file["path"] for file in change["files"]] == [
        "checkout/new-checkout-flow.yaml",
        "payments/pay-later.yaml",
        "payments/payments-v2.test.yaml",
        "payments/payments-v2.yaml",
    ]
    check("edit", change)
    cli("validate")
    cli("test")


def test_files_are_formatted_checked_and_streamed(cli, shop: Path) -> None:
    assert cli("fmt", "--check").stdout == ""
    place = shop / "search" / "search-ranking.yaml"
    tidy = place.read_text()
    place.write_text(tidy.replace("off: classic\ndefault: classic", "default:   classic # same\noff: classic") + "\n\n")
    assert cli("fmt", "--check", exit_code=1).stdout == "would format search/search-ranking.yaml\n"
    assert "+default: classic # same" in cli("fmt", "--diff").stdout
    cli("fmt")
    assert place.read_text() == tidy.replace("default: classic", "default: classic # same", 1)
    streamed = cli("fmt", "--stdin-filename", "flags/x.yaml", input="kind:   flag\nkey: x\n")
    assert streamed.stdout == "kind: flag\nkey: x\n"
    place.write_text("kind: [")
    assert "it has errors" in cli("fmt", exit_code=1).stderr


def test_environments_are_compared_in_words(cli, shop: Path) -> None:
    text = cli("compare", "staging", "production", "--exit-code", exit_code=1).stdout
    assert "rule half removed: everyone: serve on to 50 %" in text
    assert "| flag |" in cli("compare", "staging", "production", "--output-format", "markdown").stdout
    assert "do the same" in cli("compare", "staging", "production", "recommendations").stdout
