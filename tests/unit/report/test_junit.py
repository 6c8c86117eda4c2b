"""JUnit XML."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from flagctl.diagnostics import Diagnostic, Severity, Span
from flagctl.ops.validate import ValidateResult
from flagctl.report.junit import render_findings_junit
from tests.unit.report.formats import checked_junit


def result(*diagnostics: Diagnostic, files: int = 3) -> ValidateResult:
    return ValidateResult(diagnostics=diagnostics, files=files, flags=2, documents={})


def finding(severity: Severity = Severity.ERROR, message: str = "wrong", path: str = "flags/a.yaml") -> Diagnostic:
    span = Span(line=3, column=1, end_line=3, end_column=4)
    return Diagnostic(code="REF102", severity=severity, message=message, path=path, span=span)


def test_what_fails_the_command_fails_as_a_case_and_nothing_else() -> None:
    found = result(finding(), finding(Severity.WARNING))
    for threshold, failures in ((Severity.ERROR, 1), (Severity.WARNING, 2), (None, 0)):
        root = checked_junit(render_findings_junit(found, threshold, ""))
        assert root.attrib["failures"] == str(failures)


def test_a_case_names_the_file_inside_the_git_repository_and_the_line() -> None:
    root = checked_junit(render_findings_junit(result(finding()), Severity.ERROR, "config/"))
    (case,) = [case for case in root.iter("testcase") if case.find("failure") is not None]
    assert case.attrib["file"] == "config/flags/a.yaml"
    assert case.attrib["name"] == "REF102 flags/a.yaml:3"


def test_clean_files_are_one_case_that_passes() -> None:
    root = checked_junit(render_findings_junit(result(), Severity.ERROR, ""))
    assert [case.attrib["name"] for case in root.iter("testcase")] == ["3 files without findings"]


@given(st.text(max_size=40))
def test_whatever_a_message_holds_the_xml_is_valid(message: str) -> None:
    found = result(finding(message=message or "x", path=f"flags/{message}.yaml"))
    checked_junit(render_findings_junit(found, Severity.ERROR, ""))
