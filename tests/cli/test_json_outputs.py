"""Every JSON output obeys its published schema."""

from __future__ import annotations

import json
import re
from pathlib import Path

import jsonschema
import pytest

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"

CASES = [
    ("version", ["version"], 0),
    ("exit-codes", ["exit-codes"], 0),
    ("rule", ["rule", "--all"], 0),
    ("rule", ["rule", "TGT"], 0),
    ("list", ["list"], 0),
    ("list", ["list", "--env", "production", "checkout"], 0),
    ("show", ["show", "new-checkout"], 0),
    ("graph", ["graph"], 0),
    ("graph", ["graph", "new-checkout"], 0),
    ("impact", ["graph", "new-checkout", "--impact"], 0),
    ("diagnostics", ["validate"], 0),
    ("test", ["test"], 0),
    ("test", ["test", "--coverage", "--threshold", "100"], 1),
    ("eval", ["eval", "new-checkout", "--env", "production"], 0),
    ("eval", ["eval", "search-ranking", "--env", "staging", "--context", '{"app_version": "2.1"}', "--explain"], 0),
    ("compile", ["compile", "--env", "production"], 0),
    ("keys", ["keys", "list"], 0),
    ("key", ["keys", "show", ".flagctl/keys/publish.key"], 0),
    ("key", ["keys", "generate", "other.key"], 0),
    ("trust", ["trust", "show"], 0),
    ("trust-draft", ["trust", "new-version", "--raise-epoch", "--threshold", "kill:production=1"], 0),
    ("publish", ["publish", "development"], 0),
    ("publish", ["publish", "staging", "--dry-run"], 0),
    ("status", ["status"], 0),
    ("log", ["rollback", "development", "--list"], 0),
    ("kill", ["kill", "new-checkout", "--env", "development", "--reason", "test", "--any-flag"], 0),
    ("kill", ["kills", "--env", "development", "--renew"], 0),
    ("kills", ["kills", "--env", "development"], 0),
    ("kills", ["kills"], 0),
    ("doctor", ["doctor"], 0),
    ("bench", ["bench", "--quick", "--flags", "20"], 0),
]


def check(name: str, data: object) -> None:
    schema = json.loads((SCHEMAS / name).read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(data, schema, jsonschema.Draft7Validator)


def schema_file(name: str) -> str:
    return f"{name}.schema.json" if name == "diagnostics" else f"output-{name}.schema.json"


@pytest.mark.parametrize(("name", "words", "exit_code"), CASES, ids=lambda value: str(value)[:60])
def test_an_output_obeys_its_schema(cli, repo, name, words, exit_code) -> None:
    data = cli.json(*words, exit_code=exit_code)
    assert next(iter(data)) == "format_version"
    check(schema_file(name), data)


def test_findings_failures_and_bundles_obey_their_schemas_too(cli, repo) -> None:
    flag = repo / "flags" / "new-checkout.yaml"
    flag.write_text(flag.read_text().replace("segment: employees", "segment: employes"))
    check("diagnostics.schema.json", cli.json("validate", exit_code=1))
    flag.write_text(flag.read_text().replace("segment: employes", "segment: employees").replace("25 ", "0 "))
    check("output-test.schema.json", cli.json("test", "--coverage", exit_code=1))
    cli("compile", "--env", "production", "-o", "bundle.json.gz")
    check("output-inspect.schema.json", cli.json("inspect", "bundle.json.gz", "--flag", "new-checkout"))


def test_init_says_what_it_made(cli, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    data = cli.json("init", "shop", "--no-input")
    check("output-init.schema.json", data)
    assert "flagctl.yaml" in data["created"]


def test_every_published_schema_describes_every_property() -> None:
    def walk(part: object, route: str) -> None:
        if isinstance(part, dict):
            for name, value in part.get("properties", {}).items():
                if isinstance(value, dict) and "$ref" not in value:
                    assert "description" in value, f"{route}.{name}"
            for name, value in part.items():
                walk(value, f"{route}.{name}")
        elif isinstance(part, list):
            for item in part:
                walk(item, route)

    files = sorted(SCHEMAS.glob("output-*.schema.json"))
    assert len(files) > 15
    for file in files:
        schema = json.loads(file.read_text(encoding="utf-8"))
        assert re.fullmatch(r"urn:flagctl:schema:output-[a-z-]+:1", schema["$id"])
        walk(schema, file.name)


def test_the_schema_command_prints_any_of_them(cli) -> None:
    names = cli("schema").stdout.split()
    assert {"flag", "config", "test", "output-eval"} <= set(names)
    for name in names:
        assert json.loads(cli("schema", name).stdout)["$schema"].startswith("http://json-schema.org/draft-07")
    assert "did you mean 'flag'?" in cli("schema", "flga", exit_code=2).stderr
