"""References, stale flags, clean-up and generated code, by the command."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from tests.cli.conftest import git

SCHEMAS = Path(__file__).resolve().parents[2] / "schemas"
VIEWS = """import legacy
from flagctl import Client

client = Client("file:///flags", environment="production", insecure=True)
NEW_CHECKOUT = "new-checkout"


def page(user):
    # the checkout
    if client.is_enabled(NEW_CHECKOUT, user):
        return "new"
    return legacy.page()


def limit(user):
    return client.get_value("api-rate-limt", user, 10)
"""


def check(name: str, data: object) -> None:
    schema = json.loads((SCHEMAS / f"output-{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft7Validator.check_schema(schema)
    jsonschema.validate(data, schema, jsonschema.Draft7Validator)


@pytest.fixture
def shop(repo: Path) -> Path:
    (repo / "app").mkdir()
    (repo / "app" / "views.py").write_text(VIEWS)
    (repo / "logo.png").write_bytes(b"\x89PNG\0\0")
    git(repo, "init", "-q")
    git(repo, "add", "-A")
    git(repo, "commit", "-qm", "first")
    return repo


def test_refs_says_where_and_what_does_not_exist(cli, shop) -> None:
    data = cli.json("refs")
    check("refs", data)
    assert [(one["path"], one["line"], one["kind"], one["via"]) for one in data["references"]] == [
        ("app/views.py", 5, "constant", "NEW_CHECKOUT"),
        ("app/views.py", 10, "evaluation", "NEW_CHECKOUT"),
    ]
    assert data["unknown"][0]["did_you_mean"] == "api-rate-limit"
    assert data["skipped"] == [{"path": "logo.png", "reason": "binary"}]
    assert "search-ranking" in data["without_references"]
    text = cli("refs").stdout
    assert "app/views.py:16:29: there is no flag 'api-rate-limt'; did you mean 'api-rate-limit'?" in text
    cli("refs", "--fail-on", "unknown", exit_code=1)


def test_refs_has_the_formats_of_the_others(cli, shop) -> None:
    assert "::error file=app/views.py" in cli("refs", "--output-format", "github").stdout
    sarif = json.loads(cli("refs", "--output-format", "sarif").stdout)
    assert sarif["runs"][0]["results"][0]["ruleId"] == "refs/unknown-key"
    assert "| `new-checkout` |" in cli("refs", "new-checkout", "--output-format", "markdown").stdout
    assert [one["kind"] for one in cli.json("refs", "--kind", "constant")["references"]] == ["constant"]
    cli("refs", "--kind", "nonsense", exit_code=2)
    cli("refs", "new-chekout", exit_code=3)


def test_refs_looks_into_other_repositories(cli, shop, tmp_path) -> None:
    other = tmp_path / "web"
    other.mkdir()
    (other / "a.ts").write_text('client.getBooleanValue("new-checkout", false)\n')
    git(other, "init", "-q")
    git(other, "add", "-A")
    found = cli.json("refs", "new-checkout", "--code", str(other), "--code", str(shop))["references"]
    assert {one["path"] for one in found} == {"web/a.ts", "shop/app/views.py"}


def test_refs_obeys_the_configuration(cli, shop) -> None:
    with (shop / "flagctl.yaml").open("a") as file:
        file.write('\nreferences: {exclude: [app], aliases: [camel], patterns: ["x=FLAG_KEY"]}\n')
    (shop / "web.js").write_text("newCheckout; x=search-ranking\n")
    git(shop, "add", "-A")
    assert [one["via"] for one in cli.json("refs")["references"]] == ["newCheckout", None]
    cli("validate")


def test_stale_lists_with_evidence_and_what_to_do(cli, shop, tmp_path) -> None:
    usage = tmp_path / "usage.json"
    usage.write_text('{"flags": [{"key": "new-checkout", "count": 3}]}')
    words = ["stale", "--days", "0", "--usage", str(usage)]
    data = cli.json(*words)
    check("stale", data)
    reasons = {(one["reason"], one["key"]) for one in data["findings"]}
    assert {("never-evaluated", "search-ranking"), ("unknown-key", "api-rate-limt")} <= reasons
    assert "::warning file=" in cli(*words, "--output-format", "github").stdout
    assert json.loads(cli(*words, "--output-format", "sarif").stdout)["runs"][0]["results"]
    summary = tmp_path / "summary.md"
    cli(*words, "--fail-on", "unknown-key", "--out-summary", str(summary), exit_code=1)
    assert "| age | what | owner |" in summary.read_text()
    cli(*words, "--fail-on", "expired")
    assert "→" in cli(*words).stdout


def test_cleanup_shows_then_writes_then_commits(cli, shop) -> None:
    before = (shop / "app" / "views.py").read_text()
    shown = cli.json("cleanup", "new-checkout", "--keep", "on")
    check("cleanup", shown)
    assert not shown["written"]
    assert shown["by_hand"] == []
    assert (shop / "app" / "views.py").read_text() == before
    done = cli.json("cleanup", "new-checkout", "--keep", "on", "--commit")
    assert len(done["commits"]) == 1
    after = (shop / "app" / "views.py").read_text()
    assert "new-checkout" not in after
    assert "NEW_CHECKOUT" not in after
    assert 'def page(user):\n    # the checkout\n    return "new"\n' in after
    assert "import legacy" not in after
    cli("show", "new-checkout", exit_code=3)
    cli("validate")
    cli("test")
    assert git(shop, "status", "--porcelain") == ""
    assert "Remove flag new-checkout, keep on" in git(shop, "log", "-1", "--format=%s")


def test_cleanup_leaves_the_flag_while_something_is_to_be_done_by_hand(cli, shop) -> None:
    (shop / "web.ts").write_text('client.getBooleanValue("new-checkout", false)\n')
    git(shop, "add", "-A")
    data = cli.json("cleanup", "new-checkout", "--keep", "off", "--write", exit_code=1)
    assert [(one["path"], one["line"]) for one in data["by_hand"]] == [("web.ts", 1)]
    assert data["flag_files"] == []
    assert "new-checkout" not in (shop / "app" / "views.py").read_text()
    cli("show", "new-checkout")
    assert "By hand:" in cli("cleanup", "new-checkout", "--keep", "off", exit_code=1).stdout


def test_cleanup_wants_to_know_what_stays(cli, shop) -> None:
    result = cli("cleanup", "new-checkout", exit_code=2)
    assert "--keep" in result.stderr
    cli("cleanup", "new-checkout", "--keep", "blue", exit_code=2)


def test_cleanup_is_refused_while_other_flags_need_the_flag(cli, shop) -> None:
    cli("create", "next-step", "--type", "boolean", "--owner", "team-a", "--description", "x", "--no-input")
    cli("add-prerequisite", "next-step", "new-checkout", "on")
    result = cli("cleanup", "new-checkout", "--keep", "on", "--write", exit_code=1)
    assert "flag next-step" in result.stderr
    assert "new-checkout" in (shop / "app" / "views.py").read_text()
    cli("cleanup", "new-checkout", "--keep", "on", "--keep-file", "--write")
    assert "new-checkout" not in (shop / "app" / "views.py").read_text()
    cli("show", "new-checkout")


def test_codegen_is_deterministic_and_checked(cli, shop) -> None:
    text = cli("codegen", "python").stdout
    assert text == cli("codegen", "python").stdout
    check("codegen", cli.json("codegen", "python"))
    out = shop / "app" / "flags.py"
    cli("codegen", "python", "--out", str(out), "--check", exit_code=1)
    cli("codegen", "python", "--out", str(out))
    cli("codegen", "python", "--out", str(out), "--check")
    cli("codegen", "python", "--check", exit_code=2)
    cli("set-default", "search-ranking", "v2", exit_code=None)


def test_a_type_checker_finds_a_removed_variant(cli, example, tmp_path) -> None:
    module = tmp_path / "code" / "shop_flags.py"
    cli("codegen", "python", "--out", str(module))
    use = module.with_name("use.py")
    lines = [
        "from shop_flags import Context, Flags",
        "from flagctl import Client",
        "def page(client: Client, user: Context) -> str:",
        "    flags = Flags(client)",
        '    if flags.search_ranking(user) == "v3":',
        "        return 'neural'",
        "    limits = flags.http_client_timeouts(user)",
        "    on: bool = flags.new_checkout_flow(user)",
        '    return str(limits["connect"]) + str(on)',
    ]
    use.write_text("\n".join(lines) + "\n")

    def mypy() -> str:
        words = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "--cache-dir", str(tmp_path / "m")]
        return subprocess.run([*words, "use.py"], cwd=module.parent, capture_output=True, text=True, check=False).stdout

    assert mypy() == ""
    module.write_text(module.read_text().replace('Literal["v1", "v2", "v3"]', 'Literal["v1", "v2"]'))
    use.write_text(use.read_text().replace('limits["connect"]', 'limits["conect"]'))
    said = mypy()
    assert "use.py:5: error: Non-overlapping equality check" in said
    assert 'use.py:9: error: TypedDict "HttpClientTimeouts" has no key "conect"' in said


def test_the_manifest_is_what_the_openfeature_cli_reads(cli, example, tmp_path) -> None:
    out = tmp_path / "flags.json"
    cli("export", "openfeature-manifest", "--out", str(out))
    cli("export", "openfeature-manifest", "--out", str(out), "--check")
    flags = json.loads(out.read_text())["flags"]
    assert flags["new-checkout-flow"]["flagType"] == "boolean"
    assert flags["new-checkout-flow"]["defaultValue"] is False
    assert flags["search-ranking"]["flagType"] == "string"
    kinds = {"boolean": bool, "string": str, "integer": int, "float": (int, float), "object": (dict, list)}
    for one in flags.values():
        assert isinstance(one["defaultValue"], kinds[one["flagType"]])
        assert set(one) <= {"flagType", "defaultValue", "description", "schema"}
