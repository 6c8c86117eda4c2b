"""Comments that switch a rule off for one place: ``# flagctl: ignore[CODE] reason``.

Behind something, a comment speaks for its line. On a line of its own it speaks for the line below, and if a mapping, a list item
or a whole key begins there, for everything in it. Several codes are separated by commas; the beginning of a code stands
for all codes that begin so, and a rule's name for its code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from flagctl.diagnostics import Span
from flagctl.lint.registry import ESSENTIAL, SOURCE_PREFIXES, matching_codes

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.diagnostics import Diagnostic
    from flagctl.source import Comment, SourceDocument

MARK: Final = "flagctl: ignore"
"""What a comment begins with to be a suppression."""

FOREIGN_PREFIXES: Final = ("BRK",)
"""Codes of other commands, which have their own use for such comments."""

NEEDS_REASON: Final = ("SEC",)
"""Codes that a suppression without a reason does not silence."""

_SYNTAX: Final = re.compile(r"flagctl: ignore\s*\[([^\]]*)\]\s*(.*)", re.DOTALL)


@dataclass(slots=True, kw_only=True)
class Suppression:
    """One such comment.

    Attributes:
        path: File.
        span: The comment itself.
        line: Line it speaks for.
        own_line: Whether it stands on a line of its own, and so speaks for a whole node.
        selectors: What is written between the brackets, each with the codes it stands for; None if it can't be read.
        reason: Text behind the brackets.
        used: Selectors that silenced something.
    """

    path: str
    span: Span
    line: int
    own_line: bool
    selectors: dict[str, frozenset[str]] | None
    reason: str
    used: set[str] = field(default_factory=set)


class Suppressions:
    """All suppressions of a repository, and which of them did something."""

    def __init__(self, documents: Mapping[str, SourceDocument]) -> None:
        self._by_path: dict[str, list[Suppression]] = {}
        for path, document in documents.items():
            if MARK in document.text:
                found = [_read(document, comment) for comment in document.comments() if comment.text.startswith(MARK)]
                if found:
                    self._by_path[path] = found
        self._documents = documents
        self.checked: frozenset[str] = frozenset()
        """Codes whose rules were run: only these can turn out unused."""
        self.unread: frozenset[str] = frozenset()
        """Files that could be read in part only."""

    def __iter__(self) -> Iterator[Suppression]:
        for found in self._by_path.values():
            yield from found

    def silences(self, diagnostic: Diagnostic) -> bool:
        """Return whether a comment silences a finding, and remember that it did something."""
        candidates = self._by_path.get(diagnostic.path)
        if not candidates or is_essential(diagnostic.code):
            return False
        lines: frozenset[int] | None = None
        result = False
        for suppression in candidates:
            for selector, codes in (suppression.selectors or {}).items():
                if diagnostic.code not in codes:
                    continue
                if lines is None:
                    lines = self._lines(diagnostic)
                here = diagnostic.span.line if diagnostic.span else 1
                if suppression.line == here or (suppression.own_line and suppression.line in lines):
                    suppression.used.add(selector)
                    result = result or bool(suppression.reason) or not diagnostic.code.startswith(NEEDS_REASON)
        return result

    def _lines(self, diagnostic: Diagnostic) -> frozenset[int]:
        """Return the lines on which the nodes around a finding begin."""
        document = self._documents[diagnostic.path]
        lines = set()
        for length in range(len(diagnostic.route) + 1):
            part = diagnostic.route[:length]
            span = document.span(part, "key" if part and isinstance(part[-1], str) else "value")
            if span is not None:
                lines.add(span.line)
        return frozenset(lines)


def is_essential(code: str) -> bool:
    """Return whether findings of a code can't be silenced or made milder."""
    return code in ESSENTIAL or code.startswith(SOURCE_PREFIXES)


def is_foreign(selector: str) -> bool:
    """Return whether a selector belongs to another command."""
    return selector.upper().startswith(FOREIGN_PREFIXES)


def _read(document: SourceDocument, comment: Comment) -> Suppression:
    lines = document.lines
    line_text = lines.line_text(lines.offset(comment.line, 1)).rstrip()
    # The comment's text was stripped: from its end, the sign is the last one in front of it.
    column = line_text.rindex("#", 0, len(line_text) - len(comment.text)) + 1
    match = _SYNTAX.match(comment.text)
    selectors = None
    if match:
        words = [word.strip() for word in match[1].split(",")]
        selectors = {word: matching_codes(word) for word in words if word} or None
    return Suppression(
        path=document.path,
        span=Span(line=comment.line, column=column, end_line=comment.line, end_column=len(line_text) + 1),
        line=_next_line(document, comment.line) if comment.own_line else comment.line,
        own_line=comment.own_line,
        selectors=selectors,
        reason=match[2].strip(" :-") if match else "",
    )


def _next_line(document: SourceDocument, line: int) -> int:
    """Return the next line below that holds neither nothing nor a comment; 0 if there is none."""
    lines = document.lines
    last = lines.position(len(document.text))[0]
    for number in range(line + 1, last + 1):
        text = lines.line_text(lines.offset(number, 1)).strip()
        if text and not text.startswith("#"):
            return number
    return 0
