"""Syntax errors in people's words.

libyaml says what it expected; this module looks at the text around and says what probably happened: a tab, an unclosed
quote, a missing space after a colon, a line that is indented wrongly.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from flagctl.source.problem import Problem, TextEdit

if TYPE_CHECKING:
    import yaml

    from flagctl.source.lines import LineIndex

_NO_SPACE: Final = re.compile(r"\s*(?:- +)*(?:\"[^\"]*\"|'[^']*'|[A-Za-z0-9_.-]+)(:)[^\s:/]")
_INDENT: Final = re.compile(r"[ \t]*")
_CLOSERS: Final = {"[": "]", "{": "}"}
_NAMES: Final = {"[": "list", "{": "mapping"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParseState:
    """What the reader knew when the parser gave up.

    Attributes:
        open_flow: Offsets of the brackets ``[`` and ``{`` that are still open, outermost first.
        long_quote: Start and end of the last quoted scalar if it runs over several lines, else None.
    """

    open_flow: tuple[int, ...] = ()
    long_quote: tuple[int, int] | None = None


def explain_syntax(lines: LineIndex, error: yaml.YAMLError, state: ParseState) -> Problem:
    """Return the problem that a parser's exception stands for."""
    at = _offset(getattr(error, "problem_mark", None), default=len(lines.text))
    started = _offset(getattr(error, "context_mark", None), default=at)
    what = str(getattr(error, "problem", "") or "")
    context = str(getattr(error, "context", "") or "")
    problem = _tab(lines, at)
    if problem is None and "quoted scalar" in context:
        problem = _quoted(lines, at, started, what)
    if problem is None and state.long_quote and lines.position(state.long_quote[1])[0] == lines.position(at)[0]:
        problem = _unclosed_quote(lines, state.long_quote[0])
    if problem is None and state.open_flow:
        problem = _flow(lines, at, state.open_flow[-1])
    if problem is None:
        problem = _block(lines, at, started, what, context)
    return problem


def _offset(mark: yaml.Mark | None, default: int) -> int:
    return default if mark is None else int(mark.index)


def _tab(lines: LineIndex, at: int) -> Problem | None:
    start = lines.line_start(at)
    indent = _INDENT.match(lines.text, start)
    if indent is None or "\t" not in indent.group() or at > indent.end():
        return None
    first = start + indent.group().index("\t")
    return Problem(
        code="SYN104",
        message="a tab stands in the indentation, where YAML allows spaces only",
        start=first,
        end=indent.end(),
        help="indent with two spaces a level; most editors can convert tabs to spaces",
    )


def _quoted(lines: LineIndex, at: int, started: int, what: str) -> Problem:
    text = lines.text
    if "end of stream" in what or "document indicator" in what or "document separator" in what:
        return _unclosed_quote(lines, started)
    backslash = text.rfind("\\", started, at + 1)
    backslash = at if backslash < 0 else backslash
    if "Unicode" in what or "hexadecimal" in what or "hexdecimal" in what:
        return Problem(
            code="SYN103",
            message="the escape sequence does not name a character",
            start=backslash,
            end=min(at + 1, len(text)),
            help=r"write \xHH, \uHHHH or \UHHHHHHHH with that many hexadecimal digits",
        )
    escape = text[backslash : backslash + 2]
    return Problem(
        code="SYN103",
        message=f"'{escape}' is not an escape sequence of double-quoted text",
        start=backslash,
        end=min(backslash + 2, len(text)),
        help="put the text into single quotes, where a backslash is an ordinary character, or double the backslash",
    )


def _unclosed_quote(lines: LineIndex, start: int) -> Problem:
    quote = lines.text[start : start + 1] or '"'
    return Problem(
        code="SYN105",
        message=f"the text that begins here with {quote} is not closed on its line, and what follows does not fit",
        start=start,
        end=max(start + 1, lines.line_end(start)),
        help=f"add the closing {quote}",
    )


def _flow(lines: LineIndex, at: int, opened: int) -> Problem:
    text = lines.text
    bracket = text[opened : opened + 1]
    closer = _CLOSERS.get(bracket, "]")
    name = _NAMES.get(bracket, "list")
    at_end = not text[at:].strip()
    if at_end or lines.position(at)[0] > lines.position(opened)[0]:
        return Problem(
            code="SYN108",
            message=f"the {name} that begins here with '{bracket}' is not closed, or a comma is missing in it",
            start=opened,
            end=opened + 1,
            help=f"add '{closer}' where it ends",
            related=None if at_end else (at, at + 1, "this does not continue it"),
        )
    found = text[at : at + 1]
    if found == ":" and text[at + 1 : at + 2] in "[{,\"'" and text[at - 1 : at].strip():
        return missing_space(at + 1, at)
    if found == ",":
        message, advice = "a value is missing before this comma", "remove the comma or put a value before it"
    else:
        message = f"',' or '{closer}' was expected here, not '{found}'"
        advice = f"separate entries by commas, and put a text that contains any of , [ ] {{ }} : # into quotes (the {name} begins at line {lines.position(opened)[0]})"
    return Problem(code="SYN103", message=message, start=at, end=min(at + 1, len(text)), help=advice)


def _block(lines: LineIndex, at: int, started: int, what: str, context: str) -> Problem:
    if "cannot start any token" in what:
        return _bad_start(lines, at)
    if any(word in context for word in ("an alias", "an anchor", "a tag")):
        return _bad_start(lines, started)
    if "block scalar" in context:
        return _generic(
            lines, at, "after '|' or '>' only '+', '-' or one digit may stand; the text begins on the next line"
        )
    if "expected ':'" in what:
        return _no_colon(lines, started)
    if "mapping values" in what:
        return _second_colon(lines, at)
    if "sequence entries" in what:
        return _generic(
            lines, at, "a list item cannot begin here", "begin the list on a line of its own, or write it as [a, b]"
        )
    return _unexpected(lines, at, what)


def _bad_start(lines: LineIndex, at: int) -> Problem:
    character = lines.text[at : at + 1]
    return Problem(
        code="SYN103",
        message=f"a text without quotes cannot begin with '{character}'",
        start=at,
        end=max(at + 1, lines.line_end(at)),
        help="put the text into quotes",
    )


def _no_colon(lines: LineIndex, at: int) -> Problem:
    start = lines.line_start(at)
    match = _NO_SPACE.match(lines.text, start, lines.line_end(at))
    if match:
        return missing_space(match.end(1), start)
    first = _INDENT.match(lines.text, start)
    begin = first.end() if first else start
    return Problem(
        code="SYN103",
        message="this line is neither 'key: value' nor a list item",
        start=begin,
        end=max(begin + 1, lines.line_end(at)),
        help="put a colon and a space behind the key; a text that goes on over several lines must be indented deeper than its key",
    )


def missing_space(colon_end: int, start: int) -> Problem:
    """Return the problem of a colon without a space behind it.

    Args:
        colon_end: Offset behind the colon.
        start: Offset at which the key's line begins.
    """
    return Problem(
        code="SYN107",
        message="a space is missing behind the colon",
        start=max(start, colon_end - 1),
        end=colon_end,
        help="write 'key: value'",
        edit=TextEdit(title="Insert a space behind the colon", start=colon_end, end=colon_end, text=" "),
    )


def _second_colon(lines: LineIndex, at: int) -> Problem:
    start = lines.line_start(at)
    before = lines.text[start:at]
    if re.search(r":\s", before):
        return Problem(
            code="SYN103",
            message="a second ': ' on this line would begin a mapping inside a text",
            start=at,
            end=at + 1,
            help="put a text that contains ': ' into quotes",
        )
    above = _line_above(lines, start)
    if above is not None and _width(lines, start) <= _width(lines, above):
        return _no_colon(lines, above)
    return _indentation(
        lines,
        at,
        "this key is indented deeper than the line above, which already has its value",
        "align it with its siblings",
    )


def _line_above(lines: LineIndex, start: int) -> int | None:
    """Return where the next line above begins that holds more than white space and comments."""
    while start > 0:
        start = lines.line_start(start - 1)
        line = lines.line_text(start).strip()
        if line and not line.startswith("#"):
            return start
    return None


def _width(lines: LineIndex, start: int) -> int:
    indent = _INDENT.match(lines.text, start)
    return len(indent.group()) if indent else 0


def _unexpected(lines: LineIndex, at: int, what: str) -> Problem:
    text = lines.text
    start = lines.line_start(at)
    before = text[start:at].rstrip()
    if before and before[-1] in "\"'":
        return _generic(
            lines,
            at,
            "text follows the closing quote",
            "put the whole text into one pair of quotes; double a single quote inside '…'",
        )
    if before and before[-1] in "]}":
        return _generic(lines, at, f"text follows the closing '{before[-1]}'", "put the whole text into quotes")
    if not before or re.fullmatch(r"\s*(?:- *)*", before):
        if text[at : at + 1] == ":":
            return _generic(lines, at, "a key is missing before this colon")
        return _indentation(lines, at, "the indentation of this line fits no line above", "align it with its siblings")
    found = text[at : at + 1]
    return _generic(lines, at, f"'{found}' does not fit here" if found.strip() else _plain_words(what))


def _indentation(lines: LineIndex, at: int, message: str, advice: str) -> Problem:
    start = lines.line_start(at)
    indent = _INDENT.match(lines.text, start)
    begin = indent.end() if indent else start
    return Problem(code="SYN106", message=message, start=begin, end=max(begin + 1, lines.line_end(at)), help=advice)


def _generic(lines: LineIndex, at: int, message: str, advice: str | None = None) -> Problem:
    return Problem(code="SYN103", message=message, start=at, end=min(at + 1, len(lines.text)), help=advice)


def _plain_words(what: str) -> str:
    return f"this is not valid YAML ({what})" if what else "this is not valid YAML"
