"""From character offsets to lines and columns.

Offsets count characters of the decoded text. Line breaks are those of YAML 1.2 and of editors: LF, CRLF and CR.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

from flagctl.diagnostics import Span

_BREAK: Final = re.compile(r"\r\n|\n|\r")


class LineIndex:
    """Line starts of one text.

    Args:
        text: The decoded text without its byte order mark.
    """

    __slots__ = ("_starts", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self._starts = [0, *(match.end() for match in _BREAK.finditer(text))]

    def position(self, offset: int) -> tuple[int, int]:
        """Return line and column of an offset, both from 1."""
        offset = max(0, min(offset, len(self.text)))
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def span(self, start: int, end: int) -> Span:
        """Return the span of the half-open range of offsets."""
        line, column = self.position(start)
        end_line, end_column = self.position(max(start, end))
        return Span(line=line, column=column, end_line=end_line, end_column=end_column)

    def offset(self, line: int, column: int) -> int:
        """Return the offset of a line and column, both from 1."""
        start = self._starts[min(line, len(self._starts)) - 1]
        return min(start + column - 1, len(self.text))

    def line_start(self, offset: int) -> int:
        """Return the offset at which the line of `offset` begins."""
        return self._starts[self.position(offset)[0] - 1]

    def line_end(self, offset: int) -> int:
        """Return the offset at which the line of `offset` ends, before its break."""
        match = _BREAK.search(self.text, offset)
        return match.start() if match else len(self.text)

    def next_line(self, offset: int) -> int:
        """Return the offset at which the line behind that of `offset` begins, or the text's length."""
        match = _BREAK.search(self.text, offset)
        return match.end() if match else len(self.text)

    def line_text(self, offset: int) -> str:
        """Return the line of `offset` without its break."""
        return self.text[self.line_start(offset) : self.line_end(offset)]
