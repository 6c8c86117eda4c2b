"""JUnit XML, which CI servers show as test results.

A case fails exactly if it makes the command fail; everything else that was found is the output of a case that passed, so
that a green job has no red test.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape, quoteattr

from flagctl.diagnostics import Severity
from flagctl.report.findings import render_concise
from flagctl.report.style import PLAIN, one_line, plain
from flagctl.report.tests import render_tests_concise_failure
from flagctl.report.values import show_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.diagnostics import Diagnostic
    from flagctl.ops.diff import DiffResult
    from flagctl.ops.testing import CaseResult, TestResult
    from flagctl.ops.validate import ValidateResult
    from flagctl.review.changes import Change

_ORDER = (Severity.INFO, Severity.WARNING, Severity.ERROR)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """A test case: `failure` is None or (type, message, text)."""

    name: str
    classname: str
    file: str | None = None
    failure: tuple[str, str, str] | None = None
    output: str | None = None


def render_findings_junit(result: ValidateResult, threshold: Severity | None, prefix: str) -> str:
    """Return findings as JUnit XML: a suite for each file, a case for each finding, one passing case for a clean file.

    Args:
        result: What was found.
        threshold: Findings at least as grave fail; None fails none.
        prefix: Path of the flag repository inside the git repository, ``""`` or ending in a slash.
    """
    by_path: dict[str, list[Diagnostic]] = {}
    for diagnostic in result.diagnostics:
        by_path.setdefault(diagnostic.path, []).append(diagnostic)
    suites = {path: [_finding(d, threshold, prefix) for d in found] for path, found in by_path.items()}
    clean = result.files - len(by_path)
    if clean > 0:
        name = "1 file without findings" if clean == 1 else f"{clean} files without findings"
        suites["flagctl validate"] = [_Case(name=name, classname="flagctl.validate")]
    return _document("flagctl validate", suites)


def _finding(diagnostic: Diagnostic, threshold: Severity | None, prefix: str) -> _Case:
    line = f":{diagnostic.span.line}" if diagnostic.span else ""
    text = render_concise([diagnostic], PLAIN)
    fails = threshold is not None and _ORDER.index(diagnostic.severity) >= _ORDER.index(threshold)
    return _Case(
        name=f"{diagnostic.code} {diagnostic.path}{line}",
        classname=f"flagctl.validate.{diagnostic.code}",
        file=prefix + diagnostic.path,
        failure=(diagnostic.code, diagnostic.message, text) if fails else None,
        output=None if fails else text,
    )


def render_diff_junit(result: DiffResult, prefix: str, *, fails: bool) -> str:
    """Return a difference as JUnit XML: a suite for each document, a case for each change.

    Args:
        result: The difference.
        prefix: Path of the flag repository inside the git repository, ``""`` or ending in a slash.
        fails: Whether a change fails the command.
    """
    suites: dict[str, list[_Case]] = {}
    for change in result.diff.changes:
        suites.setdefault(f"{change.kind} {change.key}", []).append(_change(change, prefix, fails=fails))
    if not suites:
        suites["flagctl diff"] = [_Case(name="no change of meaning", classname="flagctl.diff")]
    return _document("flagctl diff", suites)


def _change(change: Change, prefix: str, *, fails: bool) -> _Case:
    where = f" [{', '.join(change.environments)}]" if change.environments else ""
    place = change.after or change.before
    text = f"{change.message}{where}" + (f"\n{prefix}{place}" if place else "") + f"\ncategory: {change.category.value}"
    return _Case(
        name=f"{change.message}{where}",
        classname=f"flagctl.diff.{change.kind}.{change.key}",
        file=prefix + place.path if place else None,
        failure=(change.code, change.message, text) if fails else None,
        output=None if fails else text,
    )


def render_tests_junit(result: TestResult, prefix: str) -> str:
    """Return test results as JUnit XML: a suite for each file, a case for each case and environment."""
    suites: dict[str, list[_Case]] = {}
    for case in result.cases:
        suites.setdefault(case.place.path, []).append(_test(case, prefix))
    if result.is_below_threshold and result.coverage is not None:
        text = f"coverage {result.coverage.percent:.1f} % is below {result.threshold:g} %"
        failure = ("coverage", text, text)
        suites["flagctl test"] = [_Case(name="coverage", classname="flagctl.test", failure=failure)]
    return _document("flagctl test", suites)


def _test(case: CaseResult, prefix: str) -> _Case:
    failure = None
    if case.failures:
        said = render_tests_concise_failure(case)
        contexts = [f"context: {show_value(dict(failed.context))}" for failed in case.failures[:20]]
        text = "\n".join([f"{case.place}: {said}", *contexts])
        failure = ("expectation", said.partition("\n")[2], text)
    return _Case(
        name=f"{case.name} [{case.environment}]",
        classname=f"{case.flag}.{case.environment}",
        file=prefix + case.place.path,
        failure=failure,
    )


def _document(name: str, suites: dict[str, list[_Case]]) -> str:
    cases = [case for found in suites.values() for case in found]
    lines = ['<?xml version="1.0" encoding="UTF-8"?>', f"<testsuites {_counts(name, cases)}>"]
    for suite, found in suites.items():
        lines.append(f"  <testsuite {_counts(suite, found)}>")
        for case in found:
            lines += _case(case)
        lines.append("  </testsuite>")
    lines.append("</testsuites>")
    return "\n".join(lines)


def _counts(name: str, cases: Sequence[_Case]) -> str:
    failures = sum(case.failure is not None for case in cases)
    return _attributes(("name", name), ("tests", len(cases)), ("failures", failures), ("errors", 0))


def _case(case: _Case) -> list[str]:
    named = [("name", case.name), ("classname", case.classname), ("time", "0")]
    opening = f"    <testcase {_attributes(*named, *([('file', case.file)] if case.file else []))}"
    if case.failure is not None:
        kind, message, text = case.failure
        inner = f"<failure {_attributes(('type', kind), ('message', message))}>{_text(text)}</failure>"
    elif case.output is not None:
        inner = f"<system-out>{_text(case.output)}</system-out>"
    else:
        return [f"{opening}/>"]
    return [f"{opening}>", f"      {inner}", "    </testcase>"]


def _attributes(*pairs: tuple[str, object]) -> str:
    return " ".join(f"{name}={quoteattr(one_line(_xml_characters(value)))}" for name, value in pairs)


def _text(text: str) -> str:
    return escape(plain(_xml_characters(text)))


def _xml_characters(value: object) -> str:
    """Return text without the two characters that XML 1.0 forbids and `plain` lets pass."""
    return str(value).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
