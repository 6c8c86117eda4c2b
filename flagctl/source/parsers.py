"""Event parsers: libyaml's through PyYAML, or PyYAML's own where libyaml is missing, made to accept the same texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from yaml.parser import Parser
from yaml.reader import Reader
from yaml.scanner import Scanner, ScannerError
from yaml.tokens import ScalarToken

if TYPE_CHECKING:
    from collections.abc import Callable

    import yaml
    from yaml.events import Event

try:
    from yaml._yaml import CParser
except ImportError:  # pragma: no cover - PyYAML's wheels carry libyaml
    CParser = None  # type: ignore[assignment,misc]


_BLANK = "\0 \t\r\n"


class EventParser(Protocol):
    """A source of events; `get_event` returns None after the last one and raises `yaml.YAMLError`."""

    def get_event(self) -> Event | None:
        """Return the next event."""


class PurePythonParser(Reader, Scanner, Parser):
    """PyYAML's own parser, corrected where it accepts other texts than libyaml does.

    Args:
        text: The document; must not begin with a byte order mark.
    """

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def get_event(self) -> Event | None:
        """Return the next event, or None after the last."""
        event: Event | None = super().get_event()  # type: ignore[no-untyped-call]
        return event

    def scan_to_next_token(self) -> None:
        """Skip white space and comments; unlike PyYAML's, also tabs where a token can't begin a line's indentation."""
        super().scan_to_next_token()
        while self.peek() == "\t" and (self.flow_level or not self.allow_simple_key):
            while self.peek() in " \t":
                self.forward()
            super().scan_to_next_token()

    def scan_flow_scalar_non_spaces(self, double: bool, start_mark: yaml.Mark) -> list[str]:
        """Scan a part of a quoted scalar; unlike PyYAML's, refuse escapes that are no characters."""
        problem = "found invalid Unicode character escape code"
        try:
            chunks: list[str] = super().scan_flow_scalar_non_spaces(double, start_mark)
        except (ValueError, OverflowError) as error:
            raise ScannerError("while parsing a quoted scalar", start_mark, problem, self.get_mark()) from error
        if double and any("\ud800" <= character <= "\udfff" for chunk in chunks for character in chunk):
            raise ScannerError("while parsing a quoted scalar", start_mark, problem, self.get_mark())
        return chunks

    def scan_plain(self) -> ScalarToken:
        """Scan a plain scalar as libyaml does: with tabs and question marks inside, and no bracket right behind a colon."""
        start_mark = end_mark = self.get_mark()
        indent = self.indent + 1
        text = space = ""
        while self.peek() != "#" and not self._at_document_marker():
            length = self._plain_length(start_mark)
            if length == 0:
                break
            self.allow_simple_key = False
            text += space + self.prefix(length)
            self.forward(length)
            end_mark = self.get_mark()
            space = self._plain_space(indent, start_mark)
            if not space or (not self.flow_level and self.column < indent):
                break
        return ScalarToken(text, True, start_mark, end_mark)

    def _plain_length(self, start_mark: yaml.Mark) -> int:
        length = 0
        while (character := self.peek(length)) not in _BLANK:
            following = self.peek(length + 1)
            if self.flow_level and character == ":" and following in ",?[]{}":
                self.forward(length)
                raise ScannerError("while scanning a plain scalar", start_mark, "found unexpected ':'", self.get_mark())
            if (character == ":" and following in _BLANK) or (self.flow_level and character in ",[]{}"):
                break
            length += 1
        return length

    def _plain_space(self, indent: int, start_mark: yaml.Mark) -> str:
        """Skip white space behind a part of a plain scalar; return what it becomes if the scalar goes on."""
        space = ""
        breaks = 0
        while self.peek() in " \t\r\n":
            if self.peek() in "\r\n":
                self.scan_line_break()  # type: ignore[no-untyped-call]
                self.allow_simple_key = True
                breaks += 1
            else:
                if breaks and self.column < indent and self.peek() == "\t":
                    problem = "found a tab character that violates indentation"
                    raise ScannerError("while scanning a plain scalar", start_mark, problem, self.get_mark())
                space += self.peek()
                self.forward()
        if breaks:
            return "\n" * (breaks - 1) or " "
        return space

    def _at_document_marker(self) -> bool:
        return self.column == 0 and self.prefix(3) in {"---", "..."} and self.peek(3) in _BLANK


HAS_LIBYAML = CParser is not None
"""Whether the fast parser is there; without it everything works, some twenty times slower."""

open_parser: Callable[[str], EventParser] = CParser if HAS_LIBYAML else PurePythonParser
"""Start parsing a text."""
