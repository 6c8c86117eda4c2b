"""Findings and differences as SARIF."""

from __future__ import annotations

from flagctl.diagnostics import Diagnostic, Related, Severity, Span
from flagctl.lint import all_rules
from flagctl.report.sarif import MOST_RESULTS, render_findings_sarif
from tests.unit.report.formats import checked_sarif


def finding(**changes: object) -> Diagnostic:
    parts: dict[str, object] = {
        "code": "REF102",
        "severity": Severity.ERROR,
        "message": "there is no segment 'beta'",
        "path": "flags/new checkout ü.yaml",
        "span": Span(line=7, column=5, end_line=7, end_column=9),
        "route": ("rules", 0, "when", 1, "segment"),
        "key": "new-checkout",
    }
    return Diagnostic(**{**parts, **changes})  # type: ignore[arg-type]


def render(*findings: Diagnostic, prefix: str = "") -> dict:
    return checked_sarif(render_findings_sarif(findings, all_rules(), prefix))


def fingerprint(run: dict, number: int = 0) -> str:
    return run["results"][number]["partialFingerprints"]["primaryLocationLineHash"]


def test_a_finding_keeps_its_fingerprint_when_lines_above_it_come() -> None:
    moved = finding(span=Span(line=40, column=5, end_line=40, end_column=9), message="other words")
    assert fingerprint(render(finding())) == fingerprint(render(moved))


def test_another_code_document_or_place_is_another_finding() -> None:
    others = [finding(code="REF103"), finding(key="other"), finding(route=("rules", 1))]
    assert len({fingerprint(render(d)) for d in [finding(), *others]}) == 4


def test_two_findings_at_one_place_stay_two() -> None:
    run = render(finding(), finding(message="and another"))
    assert fingerprint(run) != fingerprint(run, 1)
    assert fingerprint(run) == fingerprint(render(finding()))


def test_paths_are_relative_to_the_git_repository_and_written_as_a_uri() -> None:
    place = render(finding(), prefix="config/")["results"][0]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"] == {"uri": "config/flags/new%20checkout%20%C3%BC.yaml", "uriBaseId": "%SRCROOT%"}
    assert place["region"] == {"startLine": 7, "startColumn": 5, "endColumn": 9}


def test_a_span_over_several_lines_names_its_start_only() -> None:
    run = render(finding(span=Span(line=7, column=5, end_line=9, end_column=1)))
    assert run["results"][0]["locations"][0]["physicalLocation"]["region"] == {"startLine": 7, "startColumn": 5}


def test_a_finding_about_a_whole_file_is_shown_at_its_first_line() -> None:
    region = render(finding(span=None))["results"][0]["locations"][0]["physicalLocation"]["region"]
    assert region == {"startLine": 1}


def test_related_places_are_kept_with_their_words() -> None:
    related = Related(path="a.yaml", span=None, message="first defined here\x1b[31m")
    (place,) = render(finding(related=(related,)))["results"][0]["relatedLocations"]
    assert place["message"]["text"] == "first defined here\\x1b[31m"
    assert place["physicalLocation"]["artifactLocation"]["uri"] == "a.yaml"


def test_beyond_the_limit_the_least_grave_are_left_out_and_that_is_said() -> None:
    notes = [finding(severity=Severity.INFO, route=(n,)) for n in range(MOST_RESULTS)]
    run = render(*notes, finding(), finding(severity=Severity.WARNING))
    assert len(run["results"]) == MOST_RESULTS
    assert [result["level"] for result in run["results"][:3]] == ["error", "warning", "note"]
    (said,) = run["invocations"][0]["toolExecutionNotifications"]
    assert said["message"]["text"] == "2 further results are left out"


def test_rules_are_explained_once_each() -> None:
    run = render(finding(), finding(route=()), finding(code="TGT101", severity=Severity.WARNING))
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == ["REF102", "TGT101"]
    assert "flagctl rule REF102" in run["tool"]["driver"]["rules"][0]["help"]["text"]


def test_no_findings_are_a_valid_log() -> None:
    assert render()["results"] == []
