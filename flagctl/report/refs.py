"""References in code, as text, annotations, SARIF and markdown."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Final

from flagctl.report.findings import GITHUB_LIMIT, escape_data, escape_property
from flagctl.report.sarif import PlainFinding, render_plain_sarif
from flagctl.report.style import one_line, plain, wrap
from flagctl.report.values import count

if TYPE_CHECKING:
    from flagctl.ops.refs import RefsResult, Unknown
    from flagctl.references import CodeReference
    from flagctl.report.style import Style

_NAMES: Final = 20
UNKNOWN_RULE: Final = "refs/unknown-key"
UNKNOWN_HELP: Final = "Code asks for a flag that does not exist, and gets its default for ever."


def render_refs(result: RefsResult, style: Style) -> str:
    """Return references by key, one a line, then what is wrong."""
    lines: list[str] = []
    ordered = sorted(result.references, key=lambda one: (one.key, one.path, one.line, one.column))
    for key, group in groupby(ordered, key=lambda one: one.key):
        found = list(group)
        lines += [f"{style.paint(plain(key), 'bold')}  {style.paint(count(len(found), 'reference'), 'dim')}"]
        lines += [_line(one, style) for one in found]
        lines.append("")
    if result.suspicious:
        lines.append(style.paint("Asked for, but no flag:", "bold", "red"))
        lines += [f"  {_where(one.reference)}: {one_line(unknown_text(one))}" for one in result.suspicious]
        lines.append("")
    if result.without:
        more = f" and {len(result.without) - _NAMES} more" if len(result.without) > _NAMES else ""
        lines.append(style.paint("Nowhere in the code:", "bold", "yellow"))
        lines += [wrap(plain(", ".join(result.without[:_NAMES]) + more), style.width, "  ", "  "), ""]
    lines.append(style.paint(about(result), "dim"))
    return "\n".join(lines)


def about(result: RefsResult) -> str:
    """Return what was looked through."""
    text = f"{count(result.files, 'file')} with {result.lines:,} lines in {result.seconds:.1f} s"
    if result.skipped:
        reasons = sorted({one.reason for one in result.skipped})
        named = ", ".join(f"{sum(one.reason == reason for one in result.skipped)} {reason}" for reason in reasons)
        text += f"; skipped: {named}"
    in_tests = len(result.unknown) - len(result.suspicious)
    if in_tests:
        text += f"; {count(in_tests, 'call')} for unknown keys in tests"
    return text


def unknown_text(one: Unknown) -> str:
    """Return what is wrong with a call for an unknown key."""
    near = f"; did you mean '{one.near}'?" if one.near else ""
    return f"there is no flag '{one.reference.key}'{near}"


def render_refs_github(result: RefsResult) -> str:
    """Return unknown keys as annotations."""
    lines = []
    for one in result.suspicious[:GITHUB_LIMIT]:
        ref = one.reference
        place = f"file={escape_property(ref.path)},title=unknown flag,line={ref.line},col={ref.column}"
        lines.append(f"::error {place}::{escape_data(unknown_text(one))}")
    if len(result.suspicious) > GITHUB_LIMIT:
        lines.append(f"{len(result.suspicious) - GITHUB_LIMIT} more unknown keys. All: flagctl refs")
    lines.append(f"{count(len(result.references), 'reference')} in {about(result)}")
    return "\n".join(lines)


def render_refs_sarif(result: RefsResult) -> str:
    """Return unknown keys as a SARIF log."""
    return render_plain_sarif(
        [
            PlainFinding(
                rule=UNKNOWN_RULE,
                level="error",
                message=unknown_text(one),
                path=one.reference.path,
                line=one.reference.line,
                column=one.reference.column,
                fingerprint=(one.reference.key, one.reference.path),
            )
            for one in result.suspicious
        ],
        {UNKNOWN_RULE: UNKNOWN_HELP},
    )


def render_refs_markdown(result: RefsResult) -> str:
    """Return references as a table for a job's summary."""
    lines = ["## Flags in code", ""]
    if result.suspicious:
        lines += ["**Asked for, but no flag:**", ""]
        lines += [f"- `{_where(one.reference)}` {unknown_text(one)}" for one in result.suspicious]
        lines.append("")
    if result.references:
        lines += ["| flag | place | what |", "| --- | --- | --- |"]
        lines += [
            f"| `{one.key}` | `{_where(one)}` | {_what(one)} |"
            for one in sorted(result.references, key=lambda one: (one.key, one.path, one.line))
        ]
        lines.append("")
    if result.without:
        lines += ["Nowhere in the code: " + ", ".join(f"`{key}`" for key in result.without), ""]
    lines.append(about(result))
    return "\n".join(lines)


def _line(one: CodeReference, style: Style) -> str:
    place = style.paint(one_line(_where(one)), "cyan")
    return f"  {place}  {one.kind.value}  {style.paint(one_line(_what(one)) or plain(one.text), 'dim')}"


def _what(one: CodeReference) -> str:
    parts = [one.method] if one.method else []
    parts += [f"as {one.via}"] if one.via else []
    parts += [f"default {one.default}"] if one.default else []
    return ", ".join(parts)


def _where(one: CodeReference) -> str:
    return f"{one.path}:{one.line}:{one.column}"
