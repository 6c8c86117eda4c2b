"""Comments of a YAML text: the parser drops them, suppressions and modelines need them.

The parser's scanner says where scalars stand; a ``#`` outside of every scalar, at the beginning of a line or behind white
space, begins a comment.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml
from yaml.events import ScalarEvent

from flagctl.source import parsers
from flagctl.source.lines import LineIndex

if TYPE_CHECKING:
    from collections.abc import Iterator

_CANDIDATE: Final = re.compile(r"(?:^|(?<=[ \t\r\n]))#[^\r\n]*")


class Comment(NamedTuple):
    """One comment.

    Attributes:
        line: Line it stands on, from 1.
        text: Without ``#`` and surrounding space.
        own_line: Whether nothing else stands on the line.
    """

    line: int
    text: str
    own_line: bool


def read_comments(text: str) -> tuple[Comment, ...]:
    """Return the comments of a text without byte order mark; of a text with a syntax error, those before the error."""
    if "#" not in text:
        return ()
    lines = LineIndex(text)
    covered, end = _scalars(text, lines)
    result: list[Comment] = []
    position = 0
    covered.append((end, end))
    at = 0
    while match := _CANDIDATE.search(text, at, end):
        start = match.start()
        while covered[position][1] <= start and position < len(covered) - 1:
            position += 1
        if covered[position][0] <= start:
            at = covered[position][1]
            continue
        at = match.end()
        before = text[lines.line_start(start) : start]
        result.append(Comment(lines.position(start)[0], match.group()[1:].strip(), not before.strip()))
    return tuple(result)


def _scalars(text: str, lines: LineIndex) -> tuple[list[tuple[int, int]], int]:
    """Return the ranges of quoted and block scalars, and the offset up to which the text could be parsed."""
    covered: list[tuple[int, int]] = []
    end = len(text)
    try:
        for event in _events(text):
            if isinstance(event, ScalarEvent) and event.style:
                covered.extend(_content(text, lines, event))
    except (yaml.YAMLError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        context = getattr(error, "context_mark", None)
        end = min([mark.index if mark else 0, *([context.index] if context else [])])
        end = max(end, covered[-1][1] if covered else 0)
    return covered, end


def _events(text: str) -> Iterator[Any]:
    next_event = parsers.open_parser(text).get_event
    while (event := next_event()) is not None:
        yield event


def _content(text: str, lines: LineIndex, event: Any) -> Iterator[tuple[int, int]]:
    start, end = event.start_mark.index, event.end_mark.index
    if event.style not in {"|", ">"}:
        yield start, end
        return
    # The header line of a block scalar may carry a comment of its own, and comments less indented than the text may
    # follow it before the next token; the parser counts both to the scalar.
    header_end = lines.line_end(start)
    explicit = re.match(r"[|>][-+]?[1-9]", text[start:header_end])
    body = offset = lines.next_line(start)
    indent = None
    while offset < end:
        line = text[offset : lines.line_end(offset)]
        if line.strip() and not explicit:
            width = len(line) - len(line.lstrip(" "))
            indent = width if indent is None else indent
            if width < indent:
                break
        offset = lines.next_line(offset)
    yield body, min(offset, end)
