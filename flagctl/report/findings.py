"""Findings about flag files: with their source lines, one a line, as JSON, as annotations of GitHub."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import Severity
from flagctl.report.style import Style, cell_width, one_line, plain, wrap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from flagctl.diagnostics import Diagnostic, Span

_COLORS = {Severity.ERROR: "red", Severity.WARNING: "yellow", Severity.INFO: "blue"}
_MOST_LINES = 6
GITHUB_LIMIT = 10
"""GitHub shows this many errors and this many warnings of a step, and drops the rest silently."""
_FIRST = 5


def render_concise(diagnostics: Iterable[Diagnostic], style: Style) -> str:
    """Return one line for each finding: ``path:line:column: severity[CODE] message``."""
    return "\n".join(_concise(diagnostic, style) for diagnostic in diagnostics)


def _concise(diagnostic: Diagnostic, style: Style) -> str:
    severity = style.paint(diagnostic.severity.value, "bold", _COLORS[diagnostic.severity])
    code = style.paint(diagnostic.code, "bold")
    text = f"{_place(diagnostic.path, diagnostic.span)}: {severity}[{code}] {one_line(diagnostic.message)}"
    if diagnostic.help:
        text += f" ({one_line(diagnostic.help)})"
    if diagnostic.fix:
        text += style.paint(" [fixable]", "dim")
    return text


def render_first(diagnostics: Sequence[Diagnostic], style: Style) -> str:
    """Return the first few findings, one a line, and how many more there are."""
    text = render_concise(diagnostics[:_FIRST], style)
    more = len(diagnostics) - _FIRST
    return f"{text}\n… and {more} more" if more > 0 else text


def render_full(diagnostics: Iterable[Diagnostic], source: Callable[[str], str | None], style: Style) -> str:
    """Return each finding with the lines it is about.

    Args:
        diagnostics: In the order to show.
        source: Gives a file's text, or None.
        style: Of the terminal.
    """
    return "\n\n".join(_full(diagnostic, source, style) for diagnostic in diagnostics)


def _full(diagnostic: Diagnostic, source: Callable[[str], str | None], style: Style) -> str:
    color = _COLORS[diagnostic.severity]
    head = f"{diagnostic.severity.value}[{diagnostic.code}]"
    # Wrapped as plain text first: the width of the head is the same with and without its colour.
    message = wrap(f"{head}: {plain(diagnostic.message)}", style.width, indent="  ", first="")
    lines = [style.paint(head, "bold", color) + style.paint(message[len(head) :], "bold")]
    lines.append(f"{style.paint('  -->', 'blue')} {_place(diagnostic.path, diagnostic.span)}")
    lines += _snippet(source(diagnostic.path), diagnostic.span, style, color, "^")
    for related in diagnostic.related:
        lines.append(f"{style.paint('  ::', 'blue')} {_place(related.path, related.span)}: {plain(related.message)}")
        lines += _snippet(source(related.path), related.span, style, "blue", "-")
    if diagnostic.help:
        lines.append(_labelled("help", diagnostic.help, style))
    if diagnostic.fix:
        how = "flagctl validate --fix" + ("" if diagnostic.fix.applicability.value == "safe" else " --unsafe-fixes")
        lines.append(_labelled("fix", f"{diagnostic.fix.title[:1].lower()}{diagnostic.fix.title[1:]} ({how})", style))
    return "\n".join(lines)


def _labelled(label: str, text: str, style: Style) -> str:
    head = f"  = {label}: "
    body = wrap(plain(text), style.width, indent=" " * len(head), first=head)
    return f"  = {style.paint(label + ':', 'bold', 'cyan')} {body[len(head) :]}"


def _snippet(text: str | None, span: Span | None, style: Style, color: str, mark: str) -> list[str]:
    """Return the span's lines with numbers, and marks below the columns of its first and only line."""
    if text is None or span is None:
        return []
    rows = text.split("\n")
    if span.line > len(rows):
        return []
    last = min(span.end_line if span.end_column > 1 else span.end_line - 1, len(rows))
    last = max(last, span.line)
    shown = range(span.line, min(last, span.line + _MOST_LINES - 1) + 1)
    size = len(str(shown[-1]))
    bar = style.paint("|", "blue")
    gutter = " " * size
    result = [f" {gutter} {bar}"]
    for number in shown:
        row, start = _window(rows[number - 1].rstrip("\r"), span.column, style.width, size)
        result.append(f" {style.paint(str(number).rjust(size), 'blue')} {bar} {row}".rstrip())
        if number == span.line == last:
            before, count = _marked(rows[number - 1], span, start)
            count = max(1, min(count, cell_width(row) - before))
            result.append(f" {gutter} {bar} {' ' * before}{style.paint(mark * count, 'bold', color)}")
    if last > shown[-1]:
        result.append(f" {gutter} {bar} …")
    return result


def _window(row: str, column: int, width: int | None, number_size: int) -> tuple[str, int]:
    """Return the part of a long source line that is shown, and how many of its characters were left out before it."""
    row = row.replace("\t", " ")
    room = None if width is None else max(width - number_size - 4, 20)
    if room is None or cell_width(row) <= room:
        return plain(row), 0
    start = max(0, column - 1 - room // 2) if column > room - 8 else 0
    return plain(row[start : start + room]), start


def _marked(row: str, span: Span, start: int) -> tuple[int, int]:
    """Return the terminal columns before the span in a row shown from character `start` on, and the span's own."""
    before = row[start : span.column - 1]
    end = span.end_column if span.end_line == span.line else len(row) + 1
    marked = row[span.column - 1 : max(end - 1, span.column)]
    return cell_width(plain(before)), cell_width(plain(marked))


def render_github(diagnostics: Sequence[Diagnostic], prefix: str) -> str:
    """Return workflow commands that annotate a pull request, the gravest first, no more than GitHub shows.

    Args:
        diagnostics: Findings.
        prefix: Path of the flag repository inside the git repository, ``""`` or ending in a slash.
    """
    commands: list[str] = []
    left_out = 0
    for severity, command in ((Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.INFO, "notice")):
        of_this = [diagnostic for diagnostic in diagnostics if diagnostic.severity is severity]
        commands += [_annotation(command, diagnostic, prefix) for diagnostic in of_this[:GITHUB_LIMIT]]
        left_out += max(0, len(of_this) - GITHUB_LIMIT)
    if left_out:
        commands.append(f"{left_out} more; GitHub shows {GITHUB_LIMIT} of each kind. All: flagctl validate")
    return "\n".join(commands)


def _annotation(command: str, diagnostic: Diagnostic, prefix: str) -> str:
    properties = {"file": prefix + diagnostic.path, "title": diagnostic.code}
    if diagnostic.span is not None:
        properties["line"] = str(diagnostic.span.line)
        properties["col"] = str(diagnostic.span.column)
    listed = ",".join(f"{name}={escape_property(value)}" for name, value in properties.items())
    message = diagnostic.message + (f"\n{diagnostic.help}" if diagnostic.help else "")
    return f"::{command} {listed}::{escape_data(message)}"


def escape_data(text: str) -> str:
    """Return text as the data of a GitHub workflow command."""
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def escape_property(text: str) -> str:
    """Return text as the value of a property of a GitHub workflow command."""
    return escape_data(text).replace(":", "%3A").replace(",", "%2C")


def _place(path: str, span: Span | None) -> str:
    return one_line(path) if span is None else f"{one_line(path)}:{span.line}:{span.column}"
