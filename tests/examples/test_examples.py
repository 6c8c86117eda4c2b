from __future__ import annotations

import re
from pathlib import Path

import pytest

from flagctl.source import load_tree
from flagctl.source.codes import SOURCE_RULES

HERE = Path(__file__).parent
CONFIG = b"version: 1\nproject: acme\nenvironments: {development: {}, staging: {}, production: {}}\n"
CODES = {rule.code for rule in SOURCE_RULES}


def findings(path):
    if "flagctl" in path.name:
        return load_tree({"flagctl.yaml": path.read_bytes()}).diagnostics
    return load_tree({"flagctl.yaml": CONFIG, path.name: path.read_bytes()}).diagnostics


@pytest.mark.parametrize("path", sorted((HERE / "valid").glob("*.y*ml")), ids=lambda path: path.name)
def test_a_valid_example_has_no_findings(path):
    assert [(f.code, f.message, f.span) for f in findings(path)] == []


@pytest.mark.parametrize("path", sorted((HERE / "invalid").glob("*.y*ml")), ids=lambda path: path.name)
def test_an_invalid_example_has_the_problem_that_its_name_says(path):
    code = path.name.split("-")[0]
    assert code in CODES
    found = findings(path)
    assert {finding.code for finding in found} == {code}
    expected = re.findall(r"# expect: (\d+):(\d+)", path.read_bytes().decode(errors="replace"))
    if expected:
        places = [(str(finding.span.line), str(finding.span.column)) for finding in found]
        assert places == expected


def test_nothing_else_lies_among_the_examples():
    for path in HERE.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts and path.parent != HERE:
            assert path.suffix in {".yaml", ".yml"}, path
