"""The page of codes."""

from __future__ import annotations

from flagctl.lint import all_rules
from flagctl.lint.docs import rules_page
from tests.regenerate_rules import PAGE


def test_the_page_of_rules_is_what_the_rules_say():
    assert PAGE.read_text(encoding="utf-8") == rules_page(), "run: python -m tests.regenerate_rules"


def test_every_code_is_on_the_page():
    page = rules_page()
    assert [code for code, info in all_rules().items() if f"### {code} {info.name}\n" not in page] == []


def test_codes_and_names_are_unique_and_well_formed():
    rules = all_rules()
    assert len({info.name for info in rules.values()}) == len(rules)
    for code, info in rules.items():
        assert info.code == code
        assert len(code) == 6
        assert code[:3].isupper()
        assert code[3:].isdigit()
        assert info.name == info.name.lower()
        assert info.summary.endswith(".")
        assert info.why.endswith(".")
