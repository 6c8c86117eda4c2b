"""What the documentation shows is true: examples are valid, code runs, commands exist, links lead somewhere."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from flagctl.compiler import compile_environment
from flagctl.evaluator.instants import parse_instant
from flagctl.evaluator.operators import OPERATORS
from flagctl.lint import LintOptions, lint
from flagctl.resources import data_path
from flagctl.source import load_tree, read_tree
from flagctl.source.schemas import schema

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md"), ROOT / "flags" / "README.md"], key=lambda page: page.as_posix()
)
NOW_MS = (parse_instant("2026-11-23T12:00:00Z") or 0) // 1000

FLAG_FRAME = "kind: flag\nkey: example\nowner: team-docs\ntype: boolean\ndefault: off\n"
FENCE = re.compile(r"^(?P<indent> *)```(?P<info>[^\n]*)\n(?P<body>.*?)^(?P=indent)```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    page: str
    line: int
    info: str
    body: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(language: str) -> list[Block]:
    found = []
    for page in PAGES:
        if page.name == "rules.md":  # generated; its examples are wrong on purpose and tested with the rules
            continue
        text = page.read_text("utf-8")
        for match in FENCE.finditer(text):
            if match["info"].split()[:1] == [language]:
                body = re.sub(rf"^{match['indent']}", "", match["body"], flags=re.MULTILINE)
                line = text.count("\n", 0, match.start()) + 1
                found.append(Block(page.relative_to(ROOT).as_posix(), line, match["info"], body))
    return found


def without_comments(body: str) -> str:
    return re.sub(r"\A(#[^\n]*\n|\n)+", "", body)


def as_document(body: str) -> str | None:
    """Return a whole document for a block; a fragment is put into a frame; None for YAML that is not ours."""
    start = without_comments(body)
    if start.startswith("kind:"):
        return body
    if start.startswith("rules:"):
        return FLAG_FRAME + body
    if start.startswith("when:"):
        indented = "".join(f"    {line}\n" for line in body.splitlines())
        return f"{FLAG_FRAME}rules:\n  - id: example\n{indented}    serve: on\n"
    return None


def identity(text: str) -> tuple[str, str]:
    kind = re.search(r"^kind: (\S+)", text, re.MULTILINE)
    key = re.search(r"^(?:key|flag): (\S+)", text, re.MULTILINE)
    assert kind, text
    assert key, text
    return kind[1], key[1]


YAML_BLOCKS = [block for block in blocks("yaml") if as_document(block.body) is not None]


@pytest.fixture(scope="module")
def standard() -> dict[str, bytes]:
    return read_tree(data_path("flags"))


@pytest.mark.parametrize("block", YAML_BLOCKS, ids=str)
def test_yaml_examples_are_valid_inside_the_example_repository(block: Block, standard: dict[str, bytes]) -> None:
    text = as_document(block.body)
    assert text is not None
    kind, key = identity(text)
    path = f"examples/{key}.test.yaml" if kind == "test" else f"examples/{key}.yaml"
    replaced = {name for name, data in standard.items() if data.decode().find(f"kind: {kind}\nkey: {key}\n") >= 0}
    # Tests of the replaced flag are tests of another flag.
    if kind != "test":
        replaced |= {name for name in standard if name.endswith(".test.yaml")}
    files = {name: data for name, data in standard.items() if name not in replaced}
    result = lint(load_tree({**files, path: text.encode()}), LintOptions(now_ms=NOW_MS))
    assert [(d.code, d.span, d.message) for d in result.diagnostics if d.path == path] == []


def test_configurations_in_the_docs_are_valid() -> None:
    found = [block for block in blocks("yaml") if without_comments(block.body).startswith("version:")]
    assert found
    for block in found:
        loaded = load_tree({"flagctl.yaml": block.body.encode()})
        assert [d.message for d in loaded.diagnostics] == [], str(block)
        assert loaded.repository is not None


@pytest.fixture(scope="module")
def bundle(standard: dict[str, bytes]) -> bytes:
    repository = load_tree(standard).repository
    assert repository is not None
    return compile_environment(repository, "production").data


@pytest.mark.parametrize("block", [b for b in blocks("python") if "run" in b.info.split()], ids=str)
def test_python_examples_run(block: Block, bundle: bytes) -> None:
    namespace: dict[str, Any] = {"BUNDLE": bundle}
    exec(compile(block.body, str(block), "exec"), namespace)  # noqa: S102  the documentation is ours


def test_all_python_in_the_docs_at_least_compiles() -> None:
    for block in blocks("python"):
        compile(block.body, str(block), "exec")


def command_lines() -> list[tuple[str, str, str]]:
    """Return ``(page, command, the rest)`` of every flagctl command in code, be it inline or in a block."""
    found = []
    for page in PAGES:
        text = page.read_text("utf-8")
        code = [match["body"] for match in FENCE.finditer(text) if match["info"].split()[:1] != ["python"]]
        code += re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
        for line in "\n".join(code).splitlines():
            match = re.match(r"\s*(?:\$ |- run: )?(?:\S+ && )*(?:\S*/)?flagctl ([a-z][a-z-]*)(.*)", line)
            if match:
                found.append((page.name, match[1], match[2].partition(" # ")[0]))
    return found


def test_commands_and_options_named_in_the_docs_exist() -> None:
    from typer.main import get_command

    from flagctl.cli.app import app

    root = get_command(app)
    unknown = []
    named = command_lines()
    for page, name, rest in named:
        command: Any = root.commands.get(name)
        if command is None:
            unknown.append((page, name))
            continue
        subcommands = getattr(command, "commands", {})
        if subcommands and (word := rest.split()[:1]):
            command = subcommands.get(word[0])
        if command is None:
            unknown.append((page, f"{name} {word[0]}"))
            continue
        known = {
            option
            for part in (root, command)
            for parameter in part.params
            for option in (*parameter.opts, *parameter.secondary_opts)
        }
        unknown += [(page, f"{name} {o}") for o in re.findall(r"(?<!\S)--[a-z-]+", rest) if o not in known]
    assert unknown == []
    assert len(named) >= 40


SHOWN = re.compile(r"\$ flagctl (?P<words>(?:graph|list|rebalance|show) .*)\n(?P<output>(?:.*\n)+)")
"""What commands print that change nothing and need nothing but the example flags."""


@pytest.mark.parametrize("block", [b for b in blocks("console") if SHOWN.fullmatch(b.body)], ids=str)
def test_shown_output_is_what_the_command_prints(block: Block) -> None:
    shown = SHOWN.fullmatch(block.body)
    assert shown is not None
    command = [sys.executable, "-m", "flagctl", *shlex.split(shown["words"]), "--root", str(data_path("flags"))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == shown["output"]


def slug(heading: str) -> str:
    text = re.sub(r"[`*_\[\]()]|\]\([^)]*\)", "", heading.strip().lower())
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def test_links_between_pages_lead_somewhere() -> None:
    broken = []
    for page in PAGES:
        text = FENCE.sub("", page.read_text("utf-8"))
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if re.match(r"[a-z]+:", target):
                continue
            name, _, anchor = target.partition("#")
            other = (page.parent / name).resolve() if name else page
            if not other.exists():
                broken.append((page.name, target))
            elif anchor:
                headings = re.findall(r"^#+ (.+)$", FENCE.sub("", other.read_text("utf-8")), re.MULTILINE)
                if anchor not in map(slug, headings):
                    broken.append((page.name, target))
    assert broken == []


def test_the_page_on_targeting_has_exactly_the_operators_there_are() -> None:
    text = (ROOT / "docs" / "targeting.md").read_text("utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \|[^|]*\|[^|]*\| (yes|no) \|$", text, re.MULTILINE)
    assert rows == [(name, "yes" if operator.ignore_case else "no") for name, operator in OPERATORS.items()]


PAGE_OF_SCHEMA = {
    "config": "flag-files.md",
    "flag": "flag-files.md",
    "segment": "flag-files.md",
    "test": "flag-files.md",
    "experiment": "experiments.md",
    "layer": "experiments.md",
}


@pytest.mark.parametrize(("name", "page"), PAGE_OF_SCHEMA.items())
def test_every_key_of_a_file_is_documented(name: str, page: str) -> None:
    text = (ROOT / "docs" / page).read_text("utf-8")
    document = schema(name)
    keys = set(document["properties"])
    for definition in ("rule", "case"):
        keys |= set(document.get("definitions", {}).get(definition, {}).get("properties", {}))
    assert [key for key in sorted(keys) if not re.search(rf"\b{key}\b", text)] == []


def test_the_table_of_exit_codes_is_the_cli_s() -> None:
    from flagctl.cli import exit_codes

    text = (ROOT / "docs" / "ci.md").read_text("utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)}
    assert documented == {int(code) for code in exit_codes.ExitCode}


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text("utf-8")
    for page in (ROOT / "docs" / "adr").glob("*.md"):
        assert f"adr/{page.name}" in index
        text = page.read_text("utf-8")
        assert all(f"**{part}.**" in text for part in ("Context", "Decision", "Consequences")), page.name
