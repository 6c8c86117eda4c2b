"""Corrections as edits of the text: they keep comments and layout, because nothing else is touched.

Every function returns None where the layout is not one of the plain ones it knows; then the finding has no fix.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from flagctl.diagnostics import Applicability, Edit, Fix, Span, did_you_mean
from flagctl.source.lines import LineIndex
from flagctl.source.scalars import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagctl.lint.context import LintContext
    from flagctl.lint.finding import Place

_PLAIN: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./@+-]*\Z")
_COMMA: Final = re.compile(r"\s*,[ \t]*")
_COMMA_BEFORE: Final = re.compile(r",\s*\Z")
_REST_OF_LINE: Final = re.compile(r"[ \t]*(?:#[^\r\n]*)?(?:\r\n|\n|\r|\Z)")


def scalar(value: str | bool) -> str:
    """Return a text or boolean as a flag file writes it, without quotes where that reads back the same."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if _PLAIN.match(value) and resolve(value) == value and isinstance(resolve(value), str):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


def span_of(context: LintContext, place: Place) -> Span | None:
    """Return the concrete place, or None if its file is not there."""
    if place.span is not None:
        return place.span
    document = context.documents.get(place.path)
    return document.span(place.route, place.part) if document is not None else None


def rewrite(context: LintContext, place: Place, text: str, *, title: str, safe: bool = False) -> Fix | None:
    """Replace what stands at a place.

    Args:
        context: Where the texts are.
        place: The value or key.
        text: What to write instead.
        title: The fix in a few words.
        safe: Whether nobody can get another answer by it.
    """
    span = span_of(context, place)
    if span is None:
        return None
    return _fix(title, Edit(path=place.path, span=span, text=text), safe=safe)


def rename(context: LintContext, place: Place, word: str, candidates: Iterable[str]) -> Fix | None:
    """Replace a misspelt name by the closest known one; never safe, because only its author knows what was meant."""
    closest = did_you_mean(word, candidates)
    return rewrite(context, place, scalar(closest), title=f"write '{closest}'") if closest is not None else None


def drop(context: LintContext, place: Place, *, title: str, safe: bool) -> Fix | None:
    """Remove a list item, or (with `part` "key") an entry of a mapping."""
    document = context.documents.get(place.path)
    value = span_of(context, place._replace(part="value"))
    begin = span_of(context, place)
    if document is None or begin is None or value is None:
        return None
    lines = LineIndex(document.text)
    start = lines.offset(begin.line, begin.column)
    end = lines.offset(value.end_line, value.end_column)
    cut = _cut(document.text, lines, start, end, opener="" if place.part == "key" else "-")
    return _fix(title, Edit(path=place.path, span=lines.span(*cut), text=""), safe=safe) if cut else None


def add_before(context: LintContext, place: Place, entry: str, *, title: str) -> Fix | None:
    """Put the entry ``key: value`` in front of the mapping's entry whose key is at `place`."""
    document = context.documents.get(place.path)
    key = span_of(context, place._replace(part="key"))
    mapping = span_of(context, place._replace(route=place.route[:-1], part="value"))
    if document is None or key is None or mapping is None:
        return None
    lines = LineIndex(document.text)
    in_flow = document.text[lines.offset(mapping.line, mapping.column)] == "{"
    text = f"{entry}, " if in_flow else f"{entry}\n{' ' * (key.column - 1)}"
    at = Span(line=key.line, column=key.column, end_line=key.line, end_column=key.column)
    return _fix(title, Edit(path=place.path, span=at, text=text), safe=False)


def cut_comment(path: str, text: str, span: Span, *, title: str) -> Fix:
    """Remove a comment, with its line if it has one to itself."""
    lines = LineIndex(text)
    start, end = lines.offset(span.line, span.column), lines.offset(span.end_line, span.end_column)
    before = text[lines.line_start(start) : start]
    if before.strip():
        start -= len(before) - len(before.rstrip())
    else:
        start = lines.line_start(start)
        rest = _REST_OF_LINE.match(text, end)
        end = rest.end() if rest else end
    return _fix(title, Edit(path=path, span=lines.span(start, end), text=""), safe=True)


def _cut(text: str, lines: LineIndex, start: int, end: int, *, opener: str) -> tuple[int, int] | None:
    """Return the range to delete so that the rest stays well formed; `opener` is what stands before it in block style."""
    before = text[lines.line_start(start) : start]
    rest = _REST_OF_LINE.match(text, end)
    if rest and not before.strip(" -"):
        return (lines.line_start(start), rest.end()) if before.strip() == opener else None
    comma = _COMMA.match(text, end)
    if comma:
        return start, comma.end()
    leading = _COMMA_BEFORE.search(text[lines.line_start(start) : start])
    return (lines.line_start(start) + leading.start(), end) if leading else None


def _fix(title: str, edit: Edit, *, safe: bool) -> Fix:
    return Fix(title=title, applicability=Applicability.SAFE if safe else Applicability.UNSAFE, edits=(edit,))
