"""The canonical layout of flag files.

Indentation is two columns, lists stand two columns further in than their key. What the author wrote in braces stays in braces if it fits
into a line, and becomes lines if it does not; what the author wrote in lines stays in lines. Keys are put in order where their order
means nothing; rules, variants, rollouts, targets and everything of users stay in theirs. Scalars keep their quotes, and comments their
words; one behind something keeps its distance. At most one blank line stays between entries.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Final

import yaml

from flagctl.source.editing.edits import EditError, same
from flagctl.source.editing.layout import WIDTH, key_order
from flagctl.source.editing.pieces import BLANK, Entry, Piece, Pieces, UnusualError
from flagctl.source.plain import IrregularError, load_plain

if TYPE_CHECKING:
    from typing import Any

    from flagctl.diagnostics import Route

_HINT: Final = (
    "a list right in a list, a key of several lines, or a block with a number for its indentation: write it plainly"
)
_TOP_COMMENTS: Final = ("# yaml-language-server:", "#!")


def format_text(text: str) -> str:
    """Return a document in the canonical layout.

    The result is read again: it says the same, or there is none.

    Args:
        text: Of the document, without a byte order mark.

    Raises:
        EditError: If the text breaks the dialect, or is laid out so that it can't be written anew.
    """
    crlf = text.count("\r\n") * 2 > text.count("\n")
    plain = text.replace("\r\n", "\n").replace("\r", "\n") if "\r" in text else text
    bare = not plain.endswith("\n")
    try:
        result = _Writer(Pieces(plain + "\n" if bare else plain)).text()
    except (UnusualError, yaml.YAMLError, ValueError, RecursionError) as error:  # nested too deeply, the last one
        _read(
            text
        )  # most texts are right, and the parser has read this one already: only now it is asked what is wrong
        raise EditError("it is laid out so that it can't be written anew", hint=_HINT) from error
    if crlf:
        result = result.replace("\n", "\r\n")
    if result == text:
        return text
    before = _read(text)
    if _same_meaning(before, _read(result)):
        return result
    if bare:  # a last text in lines would get the line break that the file does not have
        result = result.removesuffix("\n").removesuffix("\r")
    if not _same_meaning(before, _read(result)):
        raise EditError("written anew it would mean something else, so it is left as it is", hint=_HINT)
    return result


def _read(text: str) -> dict[str, Any]:
    try:
        return load_plain(text)
    except IrregularError:
        raise EditError("it has errors", hint="flagctl validate shows them") from None


def _same_meaning(one: Any, other: Any, kind: str | None = None, route: Route = ()) -> bool:
    """Return whether two values are the same but for the order of keys that has no meaning."""
    if isinstance(one, dict) and isinstance(other, dict):
        kind = str(one.get("kind")) if not route and "kind" in one else kind
        if one.keys() != other.keys():
            return False
        if list(one) != list(other) and not key_order(kind, route):
            return False
        return all(_same_meaning(one[key], other[key], kind, (*route, key)) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            _same_meaning(a, b, kind, (*route, index)) for index, (a, b) in enumerate(zip(one, other, strict=True))
        )
    return same(one, other)


class _Writer:
    def __init__(self, pieces: Pieces) -> None:
        self.root = pieces.root
        self.has_comments = pieces.has_comments
        self.lines: list[str] = []
        kind = next((entry.value.text for entry in self.root.entries if entry.name == "kind"), None)
        self.kind = kind.strip("\"'") if kind else None

    def text(self) -> str:
        root = self.root
        header: list[str] = []
        if root.entries:
            header, root.entries[0].lead = _split_header(root.entries[0].lead)
        self.comments(header, "")
        self.mapping(root, 0, ())
        while self.lines and not self.lines[-1]:
            self.lines.pop()
        first = 0
        while first < len(self.lines) and not self.lines[first]:
            first += 1
        return "\n".join(self.lines[first:]) + "\n"

    def comments(self, texts: list[str], indent: str) -> None:
        for text in texts:
            if text == BLANK:
                if self.lines and self.lines[-1]:
                    self.lines.append("")
            else:
                self.lines.append(indent + text)

    def ordered(self, piece: Piece, route: Route) -> list[Entry]:
        order = key_order(self.kind, route)
        entries = piece.entries
        if not order:
            return entries
        ranks = [order.index(entry.name) if entry.name in order else len(order) for entry in entries]
        if all(a <= b for a, b in pairwise(ranks)):
            return entries
        result = [entry for _, entry in sorted(zip(ranks, entries, strict=True), key=lambda pair: pair[0])]
        if not self.has_comments:
            return result
        # Comments may refer to one another, and group what is below them: where their order would change, nothing moves.
        noted = [entry for entry in entries if entry.has_comment()]
        return result if noted == [entry for entry in result if entry in noted] else entries

    def mapping(self, piece: Piece, column: int, route: Route) -> None:
        indent = " " * column
        entries = self.ordered(piece, route)
        if column and entries is not piece.entries:
            self.drop_first_blank(entries)
        for entry in entries:
            if entry.lead:
                self.comments(entry.lead, indent)
            self.entry(entry, column, route)
        self.foot(piece, indent)

    def entry(self, entry: Entry, column: int, route: Route) -> None:
        value, indent = entry.value, " " * column
        begin = f"{indent}{entry.key}:"
        text = value.text
        if value.kind == "s":
            self.scalar(begin, entry, column)
        elif text is not None and self.fits(value, text, len(begin) + 1, (*route, entry.name or "")):
            self.lines.append(f"{begin} {self.inline(value, (*route, entry.name or ''))}{value.tail or entry.head}")
        elif not value.entries and not value.commented:
            self.lines.append(f"{begin} {'{}' if value.kind == 'm' else '[]'}{value.tail or entry.head}")
        else:
            self.lines.append(begin + (entry.head or (value.tail if value.flow else "")))
            if value.flow and entry.head and value.tail:
                value.foot.append(value.tail.strip())
            if not value.entries:
                self.lines[-1] = f"{begin} {'{}' if value.kind == 'm' else '[]'}" + value.tail
                self.foot(value, indent)
                return
            self.drop_first_blank(value.entries)
            if value.kind == "m":
                self.mapping(value, column + 2, (*route, entry.name or ""))
            else:
                self.sequence(value, column + 2, (*route, entry.name or ""))

    def sequence(self, piece: Piece, column: int, route: Route) -> None:
        indent = " " * column
        for index, entry in enumerate(piece.entries):
            value = entry.value
            inside = (*route, index)
            if (
                value.kind == "m"
                and value.entries
                and (not value.flow or not self.is_inline(value, column + 2, inside))
            ):
                entry.lead += [text for text in value.entries[0].lead if text]
                value.entries[0].lead = []
            if value.kind != "s" and entry.head:
                entry.lead.append(entry.head.strip())
                entry.head = ""
            self.comments(entry.lead, indent)
            self.item(entry, column, inside)
        self.foot(piece, indent)

    def item(self, entry: Entry, column: int, route: Route) -> None:
        value, indent = entry.value, " " * column
        if value.kind == "s":
            self.scalar(f"{indent}-", entry, column)
        elif self.is_inline(value, column + 2, route):
            self.lines.append(f"{indent}- {self.inline(value, route)}{value.tail}")
        else:
            if value.flow and value.tail:
                self.lines.append(indent + value.tail.strip())
            at = len(self.lines)
            if value.kind == "m":
                self.mapping(value, column + 2, route)
            else:
                self.sequence(value, column + 2, route)
            while self.lines[at].lstrip().startswith("#"):
                self.lines[at] = indent + self.lines[at].lstrip()
                at += 1
            self.lines[at] = f"{indent}- {self.lines[at][column + 2 :]}"

    def is_inline(self, value: Piece, column: int, route: Route) -> bool:
        if value.kind != "s" and not value.entries and not value.commented:
            return True
        return value.text is not None and self.fits(value, value.text, column, route)

    def fits(self, value: Piece, text: str, column: int, _route: Route) -> bool:
        return value.flow and column + len(text) <= WIDTH

    def inline(self, value: Piece, route: Route) -> str:
        """Return a collection in braces, with its keys in order."""
        if value.text is None or not value.entries:
            return value.text or ("{}" if value.kind == "m" else "[]")
        if value.kind == "q":
            if all(entry.value.kind == "s" for entry in value.entries):
                return value.text
            parts = [
                self.inline(entry.value, (*route, index)) if entry.value.kind != "s" else entry.value.text or "null"
                for index, entry in enumerate(value.entries)
            ]
            return "[" + ", ".join(parts) + "]"
        entries = self.ordered(value, route)
        if entries is value.entries and all(entry.value.kind == "s" for entry in entries):
            return value.text
        parts = [
            f"{entry.key}: "
            + (
                self.inline(entry.value, (*route, entry.name or ""))
                if entry.value.kind != "s"
                else entry.value.text or "null"
            )
            for entry in entries
        ]
        return "{" + ", ".join(parts) + "}"

    def scalar(self, begin: str, entry: Entry, column: int) -> None:
        value = entry.value
        text = value.text or ""
        if not text:
            self.lines.append(begin + entry.head)
            return
        if "\n" not in text:
            if value.tail and entry.head:
                self.lines.append(" " * column + entry.head.strip())
            self.lines.append(f"{begin} {text}{value.tail or entry.head}")
            return
        if entry.head:
            self.lines.append(" " * column + entry.head.strip())
        first, *rest = text.split("\n")
        indent = " " * (column + 2)
        if text[0] in "|>":
            self.lines.append(f"{begin} {first.rstrip()}")
            width = min((len(line) - len(line.lstrip(" ")) for line in rest if line.strip()), default=0)
            self.lines += [indent + line[width:] if line.strip() else "" for line in rest]
            if value.tail:
                raise UnusualError
            return
        self.lines.append(f"{begin} {first.rstrip()}")
        self.lines += [indent + line.strip() if line.strip() else "" for line in rest]
        self.lines[-1] += value.tail

    def foot(self, piece: Piece, indent: str) -> None:
        if piece.foot:
            self.comments(piece.foot, indent)

    @staticmethod
    def drop_first_blank(entries: list[Entry]) -> None:
        lead = entries[0].lead
        while lead and lead[0] == BLANK:
            del lead[0]


def _split_header(lead: list[str]) -> tuple[list[str], list[str]]:
    """Split the comments on top: what is about the whole file stays on top whatever becomes the first entry."""
    for index in range(len(lead) - 1, -1, -1):
        if lead[index] == BLANK or lead[index].startswith(_TOP_COMMENTS):
            return lead[: index + 1], lead[index + 1 :]
    return [], lead
