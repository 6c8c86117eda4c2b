"""Colour and width of text for terminals.

Plain ANSI sequences instead of a terminal library: ten thousand findings cost nothing, and text of users can't be taken for
markup.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

_CODES = {
    "bold": "1",
    "dim": "2",
    "underline": "4",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "blue": "34",
    "magenta": "35",
    "cyan": "36",
}

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_BEFORE_PERCENT = re.compile(r"(?<=\d) (?=%)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How text may look on one stream.

    Attributes:
        color: Whether ANSI sequences may be used.
        width: Columns of the terminal; None when there is no terminal, so that nothing is wrapped or cut.
    """

    color: bool = False
    width: int | None = None

    def paint(self, text: str, *names: str) -> str:
        """Return `text` in the named colours and weights; unchanged without colour."""
        if not self.color or not text or not names:
            return text
        return f"\x1b[{';'.join(_CODES[name] for name in names)}m{text}\x1b[0m"


PLAIN = Style()
"""No colour, no width: what a file gets."""


def plain(text: object) -> str:
    """Return text with control, bidirectional and surrogate characters (but line feeds) written as escapes."""
    return _CONTROL.sub(lambda match: _escaped(match.group()), str(text))


def one_line(text: object) -> str:
    """Return `plain` text on one line."""
    return " ".join(plain(text).split())


def _escaped(character: str) -> str:
    if character == "\t":
        return "    "
    code = ord(character)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def cell_width(text: str) -> int:
    """Return the number of terminal columns `text` takes; ANSI sequences take none, East Asian wide characters two."""
    text = _ANSI.sub("", text)
    if text.isascii():
        return len(text)
    return sum(
        0
        if unicodedata.combining(character) or character in "\u200b\u200d\ufe0f"
        else 2
        if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )


def shorten(text: str, width: int) -> str:
    """Return unstyled `text` in at most `width` columns, ended by an ellipsis if something was cut off."""
    if cell_width(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        step = cell_width(character)
        if used + step > max(width - 1, 0):
            break
        kept.append(character)
        used += step
    return "".join(kept).rstrip() + "…"


def wrap(text: str, width: int | None, indent: str = "", first: str | None = None) -> str:
    """Return `text` broken at spaces into lines of at most `width` columns; words, and numbers with their ``%``, never are.

    Args:
        text: Unstyled text; its own line breaks are kept.
        width: Columns, or None for no wrapping.
        indent: Put before every line but the first.
        first: Put before the first line; `indent` if None.
    """
    lead = indent if first is None else first
    lines: list[str] = []
    for paragraph in text.split("\n"):
        prefix = lead if not lines else indent
        if width is None:
            lines.append((prefix + paragraph).rstrip())
            continue
        current, used = prefix, cell_width(prefix)
        empty = True
        for part in _BEFORE_PERCENT.sub("\0", paragraph).split(" "):
            word = part.replace("\0", " ")
            size = cell_width(word)
            if not empty and used + 1 + size > width:
                lines.append(current.rstrip())
                current, used, empty = indent + word, cell_width(indent) + size, False
            else:
                current += word if empty else " " + word
                used += size + (0 if empty else 1)
                empty = False
        lines.append(current.rstrip())
    return "\n".join(lines)
