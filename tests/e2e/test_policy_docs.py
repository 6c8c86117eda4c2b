"""The page on policies has exactly the rules, settings and codes that there are."""

from __future__ import annotations

import re
from pathlib import Path

from flagctl.review.policy import RULES
from flagctl.source import load_tree
from flagctl.source.schemas import schema

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "policy.md").read_text(encoding="utf-8")


def test_the_table_of_rules_is_the_engine_s() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \|.*\| ([A-Z0-9, ]+) \|$", PAGE, re.MULTILINE)
    assert [(name, codes.split(", ")) for name, codes in rows] == [(rule.name, list(rule.codes)) for rule in RULES]


def test_every_setting_is_a_rule_and_is_in_the_example() -> None:
    part = schema("config")["properties"]["policy"]["properties"]
    settings = set(part["environments"]["additionalProperties"]["properties"])
    assert settings | {"freeze"} == {rule.name for rule in RULES}
    example = re.search(r"```yaml\n(version:.*?)```", PAGE, re.DOTALL)
    assert example is not None
    loaded = load_tree({"flagctl.yaml": example[1].encode()})
    assert loaded.diagnostics == ()
    assert loaded.repository is not None
    assert all(re.search(rf"\b{setting}:", example[1]) for setting in settings)
    assert loaded.repository.config.policy.environments["production"].max_switching == 30_000
    assert len(loaded.repository.config.policy.freeze) == 2
