"""Comments and settings that silence findings."""

from __future__ import annotations

import pytest

from flagctl.diagnostics import Severity
from flagctl.errors import UsageError
from tests.unit.lint.repositories import CONFIG, files_of, lint_files, lint_text, shown

FLAG = """\
kind: flag
key: sepa
owner: web
type: boolean
default: off
rules:
  - id: world
    when:
      - {attribute: country, operator: not_equals, value: US}%s
    serve: on
"""


def codes(result):
    return [d.code for d in result.diagnostics]


def test_a_comment_on_the_line_silences_a_finding_and_is_kept_as_suppressed():
    result = lint_text(FLAG % "  # flagctl: ignore[TGT102] unknown countries are welcome")
    assert codes(result) == []
    assert [d.code for d in result.suppressed] == ["TGT102"]


def test_a_comment_silences_only_its_codes():
    result = lint_text(FLAG % "  # flagctl: ignore[TGT101] mixed up")
    assert codes(result) == ["TGT102", "SUP101"]


@pytest.mark.parametrize("above", ["      - {attribute: country", "    when:", "  - id: world", "rules:", "kind: flag"])
def test_a_comment_on_its_own_line_covers_everything_that_begins_below_it(above):
    text = FLAG % ""
    indent = " " * (len(above) - len(above.lstrip()))
    comment = f"{indent}# flagctl: ignore[TGT102] unknown countries are welcome\n"
    result = lint_text(text.replace(above, comment + above))
    assert codes(result) == []


@pytest.mark.parametrize("above", ["    serve: on", "default: off", "  - id: world\n    when"])
def test_other_comments_and_empty_lines_may_stand_between(above):
    text = (FLAG % "").replace(above, f"# flagctl: ignore[TGT102] why\n\n# another comment\n{above}", 1)
    result = lint_text(text)
    assert ("TGT102" in codes(result)) is not above.startswith("  - id"), shown(result)


def test_a_comment_above_a_sibling_does_not_count():
    text = (FLAG % "").replace("    serve: on", "    # flagctl: ignore[TGT102] why\n    serve: on")
    assert set(codes(lint_text(text))) == {"TGT102", "SUP101"}


def test_text_that_looks_like_a_suppression_is_none():
    text = (FLAG % "") + 'description: "# flagctl: ignore[TGT102] no"\n'
    assert codes(lint_text(text)) == ["TGT102"]


def test_essential_findings_and_those_of_syntax_and_shape_cannot_be_silenced():
    text = (
        FLAG.replace("serve: on", "serve: no  # flagctl: ignore[REF] later\n    salt: 5  # flagctl: ignore[SCH] later")
        % ""
    )
    assert {"SCH104", "SUP103"} <= set(codes(lint_text(text)))
    text = FLAG.replace("serve: on", "serve: no  # flagctl: ignore[REF101] later") % ""
    assert {"REF101", "SUP103"} <= set(codes(lint_text(text)))


def test_a_secret_is_silenced_only_with_a_reason():
    flag = "kind: flag\nkey: api\nowner: w\ntype: string\nvalue: AKIAIOSFODNN7EXAMPLE%s\n"
    assert codes(lint_text(flag % "  # flagctl: ignore[SEC101] AWS prints it in its docs")) == []
    assert codes(lint_text(flag % "  # flagctl: ignore[SEC101]")) == ["SEC101", "SUP102"]


def configured(lint, text=FLAG % ""):
    return {**files_of(text), "flagctl.yaml": f"{CONFIG}lint: {lint}\n".encode()}


def test_the_configuration_ignores_codes_and_beginnings_of_codes():
    assert codes(lint_files(configured("{ignore: [TGT102]}"))) == []
    assert codes(lint_files(configured("{ignore: [TGT]}"))) == []
    assert codes(lint_files(configured("{select: [ROL]}"))) == []


def test_the_configuration_changes_severities():
    (finding,) = lint_files(configured("{severity: {TGT102: error}}")).diagnostics
    assert finding.severity is Severity.ERROR


def test_the_configuration_can_neither_ignore_nor_soften_essential_findings():
    text = (FLAG % "").replace("serve: on", "serve: no")
    result = lint_files(configured("{ignore: [REF101], severity: {REF101: info}, select: [ROL]}", text))
    assert [(d.code, d.severity) for d in result.diagnostics if d.code == "REF101"] == [("REF101", Severity.ERROR)]
    assert codes(result).count("SUP103") == 2


def test_options_select_and_ignore_by_code_beginning_or_name():
    text = FLAG % ""
    assert codes(lint_text(text, select=("TGT",))) == ["TGT102"]
    assert codes(lint_text(text, select=("negated-operator-on-optional-attribute",))) == ["TGT102"]
    assert codes(lint_text(text, select=("ROL", "EXP"))) == []
    assert codes(lint_text(text, ignore=("TGT1",))) == []


def test_an_unknown_code_in_an_option_is_a_mistake_of_the_caller():
    with pytest.raises(UsageError, match="there is no rule 'TGT999'") as raised:
        lint_text(FLAG % "", select=("TGT999",))
    assert raised.value.hint is not None
    with pytest.raises(UsageError):
        lint_text(FLAG % "", ignore=("",))


def test_findings_of_syntax_and_shape_are_shown_whatever_is_selected():
    assert codes(lint_text(FLAG % "" + "defualt: on\n", select=("ROL",))) == ["SCH102"]


def test_infos_are_shown_when_asked_for():
    flag = "kind: flag\nkey: a\nowner: w\ntype: boolean\ndefault: off\nlifecycle: {temporary: true}\n"
    assert codes(lint_text(flag, pedantic=True)) == ["OWN103"]
    assert codes(lint_text(flag, pedantic=False)) == []
    assert codes(lint_text(flag, pedantic=False, select=("OWN103",))) == ["OWN103"]
    assert codes(lint_files(configured("{severity: {OWN103: warning}}", flag), pedantic=False)) == ["OWN103"]


def test_unused_suppressions_are_not_reported_for_rules_that_were_not_run():
    text = FLAG % "  # flagctl: ignore[TGT102] unknown countries are welcome"
    assert codes(lint_text(text, select=("ROL", "SUP"))) == []


def test_without_a_configuration_only_reading_is_reported():
    files = files_of(FLAG % "")
    del files["flagctl.yaml"]
    assert codes(lint_files(files)) == ["SCH120"]
