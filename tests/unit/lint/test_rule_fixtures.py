"""Run tests/rules/<CODE>.yml: what each rule finds, where, and what its fix makes of it.

A fixture has `pass` and `fail`, lists of cases with `name` and `files` (several files in one text, see `repositories.py`). A failing case
lists in `expect` every finding of the rule: `at` (file:line:column) and a part of its message, optionally of its help and
the places of related findings. `fixed` is the whole text after `validate --fix`; with `unsafe: true` after `--unsafe-fixes`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from flagctl.diagnostics import Severity
from flagctl.lint import LintOptions, registry
from flagctl.lint.registry import RULE_MODULES, load_rules
from flagctl.ops.fix import fix_files
from tests.unit.lint.repositories import NOW_MS, files_of, lint_text, place, shown

FOLDER = Path(__file__).parents[2] / "rules"
FIXTURES = {path.stem: yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.yml"))}


def cases(part):
    return [
        pytest.param(code, case, id=f"{code}-{case['name']}")
        for code, fixture in FIXTURES.items()
        for case in fixture.get(part, [])
    ]


@pytest.mark.parametrize(("code", "case"), cases("pass"))
def test_what_is_right_passes(code, case):
    result = lint_text(case["files"])
    accepted = set(case.get("other_errors", []))
    wrong = [
        d for d in result.diagnostics if d.code == code or (d.severity is Severity.ERROR and d.code not in accepted)
    ]
    assert not wrong, shown(result)


@pytest.mark.parametrize(("code", "case"), cases("fail"))
def test_what_is_wrong_is_found_at_its_place(code, case):
    result = lint_text(case["files"])
    found = [d for d in result.diagnostics if d.code == code]
    assert [place(d) for d in found] == [expected["at"] for expected in case["expect"]], shown(result)
    for diagnostic, expected in zip(found, case["expect"], strict=True):
        assert expected["message"] in diagnostic.message
        assert expected.get("help", "") in (diagnostic.help or "")
        assert diagnostic.severity.value == expected.get("severity", load_rules()[code].INFO.severity.value)
        if "related" in expected:
            assert [place(related) for related in diagnostic.related] == expected["related"]


@pytest.mark.parametrize(("code", "case"), [param for param in cases("fail") if "fixed" in param.values[1]])
def test_a_fix_corrects_it(code, case):
    files = files_of(case["files"])
    # Whether a suppression is of use can only be said when everything is looked for.
    options = LintOptions(now_ms=NOW_MS, select=() if code.startswith("SUP") else (code,), pedantic=True)
    result = fix_files(files, options, unsafe=case.get("unsafe", False))
    after = {path: content.decode() for path, content in {**files, **result.files}.items()}
    assert after == {path: content.decode() for path, content in files_of(case["fixed"]).items()}
    if case.get("unsafe"):
        assert not fix_files(files, options).files


def test_every_rule_has_a_fixture_with_passing_and_failing_cases():
    assert set(FIXTURES) == set(load_rules())
    assert all(fixture.get("pass") and fixture.get("fail") for fixture in FIXTURES.values())


def test_rules_that_say_they_are_fixable_have_a_fixture_with_a_fix_and_others_have_no_fix():
    for code, rule in load_rules().items():
        has_fix = any("fixed" in case for case in FIXTURES[code]["fail"])
        assert rule.INFO.fixable is has_fix, code


def test_every_module_of_the_rules_folder_is_registered_and_named_after_its_rule():
    folder = Path(registry.__file__).parent / "rules"
    assert sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__") == list(RULE_MODULES)
    for name, rule in zip(RULE_MODULES, load_rules().values(), strict=True):
        assert name.partition("_")[0] == rule.INFO.code.lower()
