"""docs/security.md says which test tries each promise; this holds it to tests that exist, and to all that it should name."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from tests.e2e import test_attacks as attacks

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
ATTACKS = "tests/e2e/test_attacks.py"
NAMED = sorted(set(re.findall(r"`(?:(tests/[\w/]+\.py)::)?(test_\w+)(?:\[([^\]]+)\])?`", PAGE)))


@cache
def functions_of(file: str) -> set[str]:
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}


def test_the_page_names_tests():
    assert len(NAMED) > 70


@pytest.mark.parametrize(("file", "name", "case"), NAMED, ids=lambda value: value or "-")
def test_a_test_that_is_named_exists(file, name, case):
    file = file or ATTACKS
    assert name in functions_of(file)
    if case:
        tables = {**attacks.ATTACKS, **attacks.KILL_ATTACKS, **attacks.ROOT_ATTACKS}
        assert case in tables
        row = next(line for line in PAGE.splitlines() if f"`{name}[{case}]`" in line)
        assert f"`{tables[case][0]}`" in row, "the row tells another reason than the test expects"


def test_every_function_that_attacks_has_a_row():
    named = {name for file, name, _ in NAMED if not file}
    assert {name for name in functions_of(ATTACKS) if name.startswith("test_")} == named
