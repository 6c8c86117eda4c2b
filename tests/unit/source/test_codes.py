from __future__ import annotations

import re

import pytest

from flagctl.source import load_tree
from flagctl.source.codes import SOURCE_RULES, UNPRINTABLE

BY_CODE = {rule.code: rule for rule in SOURCE_RULES}


def check(load, text):
    if text.startswith("version:"):
        return load_tree({"flagctl.yaml": text.encode()}).diagnostics
    return load.findings(text, "x.test.yaml" if text.startswith("kind: test") else "x.yaml")


@pytest.mark.parametrize("code", sorted(BY_CODE.keys() - UNPRINTABLE))
def test_the_bad_example_has_the_problem_and_nothing_else(code, load):
    findings = check(load, BY_CODE[code].bad)
    assert [finding.code for finding in findings] == [code]
    assert not BY_CODE[code].fixable or findings[0].fix is not None


@pytest.mark.parametrize("code", sorted(BY_CODE))
def test_the_good_example_is_right(code, load):
    assert check(load, BY_CODE[code].good) == ()


def test_codes_are_unique_and_well_formed():
    assert len(BY_CODE) == len(SOURCE_RULES)
    assert len({rule.name for rule in SOURCE_RULES}) == len(SOURCE_RULES)
    for rule in SOURCE_RULES:
        assert re.fullmatch(r"(SYN|SCH|REF)1[0-9]{2}", rule.code)
        assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", rule.name)
        assert rule.summary.endswith(".")
        assert rule.why.endswith(".")
        assert rule.bad.isprintable() or "\n" in rule.bad


def test_codes_without_a_printable_example_are_given_all_the_same(load):
    assert load.only(b"kind: layer\nkey: checkout\nname: Caf\xe9\n").code == "SYN101"
    assert load.only(b"#" * (5 * 1024 * 1024 + 1)).code == "SYN117"
    assert [f.code for f in load_tree({}).diagnostics] == ["SCH120"]
    twice = load("kind: layer\nkey: checkout\n", y="kind: layer\nkey: checkout\n")
    assert [f.code for f in twice.diagnostics] == ["REF100"]
