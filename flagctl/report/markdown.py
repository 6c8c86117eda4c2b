"""Markdown that people like to read in a pull request: its parts, and a page that keeps itself below a limit.

Whatever comes from users is written in character references where Markdown, HTML, tables, mentions or issue numbers
could be meant, so that a flag can neither break the page nor call anybody.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flagctl.diagnostics import Severity
from flagctl.lint import all_rules
from flagctl.report.style import one_line
from flagctl.report.values import count

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from flagctl.diagnostics import Diagnostic
    from flagctl.ops.validate import ValidateResult

COMMENT_LIMIT: Final = 65_536
"""GitHub accepts comments of at most so many characters; bytes are counted here, so that it holds in every script."""
SUMMARY_LIMIT: Final = 1_048_576
"""GitHub drops a step's summary, silently, beyond so many bytes."""

_SPECIAL = re.compile(r"[^\w\s.,;/%+=?!'\"():-]|_|:(?!\s|$)")
"""A colon may begin an emoji or a web address, unless a space follows."""
_LISTS = re.compile(r"^(\d*)([.+-])")
_CALLS = re.compile(r"&#(?:64|35);")
_WEB = re.compile(r"\bwww\.", re.IGNORECASE)
_FOOTER_ROOM = 400
_MARKS = {Severity.ERROR: "🔴 error", Severity.WARNING: "🟡 warning", Severity.INFO: "🔵 note"}


def md(value: object) -> str:
    """Return user text for anywhere in Markdown: on one line, meaning nothing but itself, mentioning nobody."""
    text = _SPECIAL.sub(lambda match: _reference(match.group()), one_line(value))
    text = _LISTS.sub(lambda match: match[1] + _reference(match[2]), _WEB.sub("www&#46;", text))
    return _CALLS.sub(lambda match: match.group() + "<!-- -->", text)


def md_code(value: object) -> str:
    """Return user text as inline code; unlike backticks this holds whatever the text is, in tables, too."""
    text = _SPECIAL.sub(lambda match: _reference(match.group()), one_line(value))
    return f"<code>{_WEB.sub('www&#46;', text)}</code>"


def mermaid_text(value: object) -> str:
    """Return user text for a quoted label in a Mermaid graph, which has references of its own."""
    return re.sub(r"[^\w\s./%=-]", lambda match: f"#{ord(match.group())};", one_line(value))


def _reference(character: str) -> str:
    return f"&#{ord(character)};" if character.isascii() else character


def size(text: str) -> int:
    """Return how many bytes text takes."""
    return len(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Folded:
    """A part that is folded until somebody opens it.

    Attributes:
        title: One line, in Markdown.
        lines: Its lines; the last ones are left out if they do not fit.
        whole: Leave the part out altogether rather than cut it.
        noun: What a line is, in the plural.
    """

    title: str
    lines: tuple[str, ...]
    whole: bool = False
    noun: str = "lines"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A report before it is cut to size.

    Attributes:
        marker: By which a comment is found again, for instance ``flagctl:plan:production``.
        head: Title and summary; never left out.
        header: Titles of the table's columns.
        rows: Its cells, in Markdown.
        noun: What a row is, in the plural.
        folded: Further parts, the most important one first.
        command: What shows everything.
    """

    marker: str
    head: tuple[str, ...]
    header: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()
    noun: str = "rows"
    folded: tuple[Folded, ...] = ()
    command: str = ""

    def render(self, limit: int) -> str:
        """Return the page in at most `limit` bytes (and never less than its head): rows first, then folded parts."""
        text = f"<!-- {self.marker} -->\n" + "\n".join(self.head)
        left = limit - size(text) - _FOOTER_ROOM
        missing: list[str] = []
        if self.rows:
            table = ["", "", f"| {' | '.join(self.header)} |", "|" + "---|" * len(self.header)]
            rows = [f"| {' | '.join(row)} |" for row in self.rows]
            kept = _fitting(rows, left - size("\n".join(table)))
            if kept:
                text += "\n".join([*table, *rows[:kept]])
                left -= size("\n".join([*table, *rows[:kept]]))
            if kept < len(rows):
                missing.append(f"{len(rows) - kept} of {len(rows)} {self.noun}")
        for part in self.folded:
            block, kept = _folded(part, left)
            text += block
            left -= size(block)
            if kept < len(part.lines):
                lost = len(part.lines) - kept
                missing.append(part.title if part.whole or not kept else f"{lost} of {len(part.lines)} {part.noun}")
        if missing:
            text += f"\n\n_Shortened: {'; '.join(missing)} left out. Everything: {md_code(self.command)}_"
        return text


def _folded(part: Folded, room: int) -> tuple[str, int]:
    opening = f"\n\n<details>\n<summary>{part.title}</summary>\n\n"
    closing = "\n\n</details>"
    kept = _fitting(part.lines, room - size(opening + closing))
    if not kept or (part.whole and kept < len(part.lines)):
        return "", 0
    return opening + "\n".join(part.lines[:kept]) + closing, kept


def _fitting(lines: Iterable[str], room: int) -> int:
    """Return how many of the lines fit into `room` bytes."""
    kept = 0
    for line in lines:
        room -= size(line) + 1
        if room < 0:
            break
        kept += 1
    return kept


def render_findings_markdown(result: ValidateResult, limit: int = COMMENT_LIMIT) -> str:
    """Return findings as Markdown in at most `limit` bytes, the gravest first."""
    counts = [
        count(number, name)
        for severity, name in ((Severity.ERROR, "error"), (Severity.WARNING, "warning"), (Severity.INFO, "note"))
        if (number := result.count(severity))
    ]
    looked_at = f"{count(result.flags, 'flag')} in {count(result.files, 'file')}"
    if not counts:
        mark, said = "🟢", f"**Nothing to report**: {looked_at}"
    else:
        mark, said = "🔴" if result.count(Severity.ERROR) else "🟡", f"**{', '.join(counts)}** in {looked_at}"
    ordered = sorted(result.diagnostics, key=lambda d: list(Severity).index(d.severity))
    helped = [d for d in ordered if d.help]
    return Page(
        marker="flagctl:validate",
        head=("### Flag files", "", f"{mark} {said}"),
        header=("", "code", "where", "what is wrong"),
        rows=tuple(_finding_row(d) for d in ordered),
        noun="findings",
        folded=(
            Folded(title="What to do about them", lines=_advice(helped), noun="hints"),
            Folded(title="What the codes mean", lines=_codes(ordered), noun="codes"),
        )
        if ordered
        else (),
        command="flagctl validate",
    ).render(limit)


def _finding_row(diagnostic: Diagnostic) -> tuple[str, ...]:
    line = f":{diagnostic.span.line}" if diagnostic.span else ""
    return (_MARKS[diagnostic.severity], diagnostic.code, md_code(diagnostic.path + line), md(diagnostic.message))


def _advice(diagnostics: Sequence[Diagnostic]) -> tuple[str, ...]:
    return tuple(
        f"- {md_code(d.path + (f':{d.span.line}' if d.span else ''))} {d.code}: {md(d.help)}" for d in diagnostics
    )


def _codes(diagnostics: Sequence[Diagnostic]) -> tuple[str, ...]:
    rules = all_rules()
    codes = sorted({diagnostic.code for diagnostic in diagnostics})
    return tuple(f"- {code}: {md(rules[code].summary)}" for code in codes if code in rules)
