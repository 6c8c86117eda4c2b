"""SARIF 2.1.0 for findings and differences, in the small part of the format that code-scanning services read.

Each result carries a fingerprint of what it says (code, document, place in the document), not of its line: a finding stays
the same finding when lines above it come or go. Columns count characters, paths are relative to the git repository's root.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from flagctl import __version__
from flagctl.diagnostics import Severity, Span
from flagctl.report.style import plain
from flagctl.review.changes import Category

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from flagctl.diagnostics import Diagnostic, Related, RuleInfo
    from flagctl.ops.diff import DiffResult
    from flagctl.review.changes import Change

MOST_RESULTS: Final = 25_000
"""GitHub rejects a run with more results than these."""

_LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}
_CHANGE_LEVELS: Final = {Category.CODE: "error", Category.RESHUFFLE: "warning", Category.SUBJECT: "warning"}
_ORDER: Final = ("error", "warning", "note")
_ABOUT_CHANGES: Final = {
    Category.DOCS: "A name or description changes.",
    Category.OWNERSHIP: "An owner, a tag or the lifecycle changes.",
    Category.STRUCTURE: "Something is new, or was of no effect on answers so far.",
    Category.SUBJECT: "Somebody's answer may change.",
    Category.RESHUFFLE: "Buckets move: units change variant although the shares may stay.",
    Category.CODE: "Calling code may break: a key, type or variant is gone.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    """A result before it gets its place in the run: the parts of its fingerprint are JSON values."""

    rule: str
    level: str
    message: str
    location: dict[str, Any]
    fingerprint: Sequence[Any]
    related: tuple[dict[str, Any], ...] = ()


def render_findings_sarif(diagnostics: Iterable[Diagnostic], rules: Mapping[str, RuleInfo], prefix: str) -> str:
    """Return findings as a SARIF log.

    Args:
        diagnostics: Findings; beyond 25 000 the least grave are left out, and a notification says how many.
        rules: Documentation of the codes.
        prefix: Path of the flag repository inside the git repository, ``""`` or ending in a slash.
    """
    results = [
        _Result(
            rule=diagnostic.code,
            level=_LEVELS[diagnostic.severity],
            message=diagnostic.message + (f"\n{diagnostic.help}" if diagnostic.help else ""),
            location=_location(prefix + diagnostic.path, diagnostic.span),
            fingerprint=(diagnostic.code, diagnostic.key or diagnostic.path, diagnostic.route),
            related=tuple(_related(related, prefix) for related in diagnostic.related),
        )
        for diagnostic in diagnostics
    ]
    return _log(results, {code: _rule(info) for code, info in rules.items()})


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainFinding:
    """A finding that is about a line of code or a whole file.

    Attributes:
        rule: Its kind, such as ``stale/expired``.
        level: ``error``, ``warning`` or ``note``.
        message: What is wrong.
        path: The file, relative to the git repository's root.
        line: From 1.
        column: From 1, in characters.
        fingerprint: What it is about, apart from lines.
    """

    rule: str
    level: str
    message: str
    path: str
    line: int = 1
    column: int = 1
    fingerprint: Sequence[Any] = ()


def render_plain_sarif(findings: Iterable[PlainFinding], rules: Mapping[str, str]) -> str:
    """Return findings as a SARIF log.

    Args:
        findings: The findings.
        rules: One sentence about each kind.
    """
    results = [
        _Result(
            rule=one.rule,
            level=one.level,
            message=one.message,
            location=_location(
                one.path, Span(line=one.line, column=one.column, end_line=one.line, end_column=one.column)
            ),
            fingerprint=(one.rule, *one.fingerprint),
        )
        for one in findings
    ]
    about = {
        rule: {
            "id": rule,
            "name": rule.rpartition("/")[2],
            "shortDescription": {"text": text},
            "fullDescription": {"text": text},
            "help": {"text": text},
        }
        for rule, text in rules.items()
    }
    return _log(results, about)


def render_diff_sarif(result: DiffResult, prefix: str) -> str:
    """Return the changes of a difference as a SARIF log; what may break callers is an error, what moves users a warning."""
    results = []
    descriptors: dict[str, dict[str, Any]] = {}
    for change in result.diff.changes:
        level = _CHANGE_LEVELS.get(change.category, "note")
        rule = f"diff/{change.code}"
        descriptors.setdefault(rule, _change_rule(rule, change, level))
        where = f" [{', '.join(change.environments)}]" if change.environments else ""
        results.append(
            _Result(
                rule=rule,
                level=level,
                message=f"{change.kind} {change.key}: {change.message}{where}",
                location=_change_location(change, prefix),
                fingerprint=(change.code, change.kind, change.key, change.rule, change.environments),
            )
        )
    return _log(results, descriptors)


def _log(results: list[_Result], descriptors: Mapping[str, dict[str, Any]]) -> str:
    kept = sorted(results, key=lambda result: _ORDER.index(result.level))[:MOST_RESULTS]
    codes = sorted({result.rule for result in kept})
    index = {code: position for position, code in enumerate(codes)}
    seen: Counter[str] = Counter()
    invocation: dict[str, Any] = {"executionSuccessful": True}
    if len(results) > len(kept):
        text = f"{len(results) - len(kept)} further results are left out"
        invocation["toolExecutionNotifications"] = [{"level": "warning", "message": {"text": text}}]
    run = {
        "tool": {
            "driver": {
                "name": "flagctl",
                "semanticVersion": __version__,
                "rules": [descriptors.get(code, {"id": code}) for code in codes],
            }
        },
        "invocations": [invocation],
        "columnKind": "unicodeCodePoints",
        "results": [_result(result, index, seen) for result in kept],
    }
    log = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(log, indent=2, ensure_ascii=False)


def _result(result: _Result, index: Mapping[str, int], seen: Counter[str]) -> dict[str, Any]:
    said = json.dumps(result.fingerprint, ensure_ascii=True)
    digest = hashlib.sha256(said.encode()).hexdigest()[:32]
    seen[digest] += 1
    fingerprint = f"{digest}:{seen[digest]}"
    shown: dict[str, Any] = {
        "ruleId": result.rule,
        "ruleIndex": index[result.rule],
        "level": result.level,
        "message": {"text": plain(result.message)},
        "locations": [result.location],
        # GitHub looks at the first name only, and fills it with a hash of the line if it is missing.
        "partialFingerprints": {"primaryLocationLineHash": fingerprint, "flagctlMeaning/v1": fingerprint},
    }
    if result.related:
        shown["relatedLocations"] = [{"id": number, **place} for number, place in enumerate(result.related, 1)]
    return shown


def _location(path: str, span: Span | None) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(path, safe="/"), "uriBaseId": "%SRCROOT%"},
            "region": {"startLine": 1} if span is None else _region(span),
        }
    }


def _region(span: Span) -> dict[str, int]:
    """Return a span; the end is given only inside the first line, since viewers disagree about ends at an end of file."""
    region = {"startLine": span.line, "startColumn": span.column}
    if span.end_line == span.line and span.end_column > span.column:
        region["endColumn"] = span.end_column
    return region


def _related(related: Related, prefix: str) -> dict[str, Any]:
    return {**_location(prefix + related.path, related.span), "message": {"text": plain(related.message)}}


def _rule(info: RuleInfo) -> dict[str, Any]:
    level = _LEVELS[info.severity]
    return {
        "id": info.code,
        "name": info.name,
        "shortDescription": {"text": info.summary},
        "fullDescription": {"text": info.why},
        "help": {
            "text": f"{info.why}\n\nMore: flagctl rule {info.code}",
            "markdown": f"{info.why}\n\nBad:\n\n```yaml\n{info.bad.rstrip()}\n```\n\nGood:\n\n"
            f"```yaml\n{info.good.rstrip()}\n```\n",
        },
        "defaultConfiguration": {"level": level},
        "properties": {"tags": [info.code[:3]], "problem.severity": "recommendation" if level == "note" else level},
    }


def _change_rule(rule: str, change: Change, level: str) -> dict[str, Any]:
    return {
        "id": rule,
        "name": change.code,
        "shortDescription": {"text": change.code.replace("-", " ")},
        "fullDescription": {"text": _ABOUT_CHANGES[change.category]},
        "help": {"text": "What this change means, with shares: flagctl diff"},
        "defaultConfiguration": {"level": level},
        "properties": {"tags": ["diff", change.category.value]},
    }


def _change_location(change: Change, prefix: str) -> dict[str, Any]:
    place = change.after or change.before
    located = _location(prefix + (place.path if place else "flagctl.yaml"), None)
    if place is not None and change.after is not None:
        located["physicalLocation"]["region"] = {"startLine": place.line}
    return located
