"""The examples in each rule's documentation are true."""

from __future__ import annotations

import pytest

from flagctl.diagnostics import Severity
from flagctl.lint.registry import load_rules
from tests.unit.lint.repositories import lint_text, shown

RULES = load_rules()


@pytest.mark.parametrize("code", RULES)
def test_the_bad_example_has_the_problem(code):
    result = lint_text(RULES[code].INFO.bad)
    assert code in {d.code for d in result.diagnostics}, shown(result)


@pytest.mark.parametrize("code", RULES)
def test_the_good_example_has_no_error_and_not_the_problem(code):
    result = lint_text(RULES[code].INFO.good)
    assert not [d for d in result.diagnostics if d.code == code or d.severity is Severity.ERROR], shown(result)


@pytest.mark.parametrize("code", RULES)
def test_the_bad_example_has_no_other_error(code):
    errors = {d.code for d in lint_text(RULES[code].INFO.bad).diagnostics if d.severity is Severity.ERROR}
    allowed = {"TGT104": {"TGT103"}, "SUP103": {"REF101"}}.get(code, set())
    assert errors <= {code} | allowed
