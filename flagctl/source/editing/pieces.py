"""A document as pieces to lay out anew: every scalar as it is written, every comment where it belongs.

Comments stand in the gaps between the parser's tokens. One behind something belongs to that line; one on a line of its own belongs to what
follows, unless it stands further in than that: then it closes the list or mapping before it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from yaml.events import MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent

from flagctl.source import parsers

if TYPE_CHECKING:
    from collections.abc import Callable

_COMMENT: Final = re.compile(r"(?:^|(?<=[ \t\n]))#")
_VALUES: Final[frozenset[type]] = frozenset({ScalarEvent, MappingStartEvent, SequenceStartEvent})
BLANK: Final = ""
"""Stands for blank lines among comments."""


_class: Final[Callable[[Any], Any]] = type
"""The class of an event; under this name it narrows no types, since what PyYAML's stubs say of marks is not so of parsed events."""


class UnusualError(Exception):
    """A layout that is not written anew."""


class Piece:
    """A value.

    Attributes:
        kind: ``s`` for a scalar, ``m`` for a mapping, ``q`` for a list.
        text: Of a scalar, as written; of a collection in braces, all of it on one line, if it can be.
        flow: Whether a collection is in braces.
        entries: Of a collection.
        foot: Comments that close a collection, each on a line of its own.
        tail: The comment behind it, with the space in front.
        commented: Whether there are comments inside of it.
    """

    __slots__ = ("commented", "entries", "flow", "foot", "kind", "tail", "text")

    def __init__(self, kind: str, text: str | None = None) -> None:
        self.kind = kind
        self.text = text
        self.flow = False
        self.entries: list[Entry] = []
        self.foot: list[str] = []
        self.tail = ""
        self.commented = False


class Entry:
    """An entry of a collection.

    Attributes:
        lead: Comments above it, and `BLANK` for blank lines.
        name: A mapping's key as data.
        key: The same as written; None in a list.
        head: The comment behind the colon or dash, if the value does not stand on that line.
        value: The value.
    """

    __slots__ = ("head", "key", "lead", "name", "value")

    def __init__(self, lead: list[str], name: str | None, key: str | None, value: Piece) -> None:
        self.lead = lead
        self.name = name
        self.key = key
        self.value = value
        self.head = ""

    def has_comment(self) -> bool:
        """Return whether a comment stands above it, behind it, or inside of it."""
        return bool(self.head or self.value.tail or self.value.foot or self.value.commented) or (
            any(self.lead) or any(entry.has_comment() for entry in self.value.entries)
        )


class Pieces:
    """Reads a text into pieces.

    Args:
        text: A document in the dialect, with line feeds only.

    Attributes:
        root: The whole document.
        lead: Comments above the first line.

    Raises:
        UnusualError: If something in it is not known how to lay out.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.has_comments = "#" in text
        self.at = 0
        self.pending: list[tuple[int, str]] = []
        self.carry: list[str] = []
        next_event: Callable[[], Any] = parsers.open_parser(text).get_event
        self.next_event: Callable[[], Any] = next_event
        next_event()
        next_event()
        event = next_event()
        if _class(event) is not MappingStartEvent:
            raise UnusualError
        self.root = self.value(event)[0]
        tail = self.gap(len(text))
        self.root.foot += [tail.strip()] if tail else []
        self.root.foot += self.take()
        if self.carry:
            raise UnusualError

    # --- gaps ---

    def gap(self, start: int) -> str:
        """Look through the text up to the next token; return the comment on the line of the token before."""
        gap = self.text[self.at : start]
        if not self.at:
            gap = "\n" + gap
        self.at = start
        if "\n" not in gap or (gap.isspace() and gap.count("\n") == 1):
            return ""
        first, *lines = gap.split("\n")
        tail = ""
        if self.has_comments and "#" in first:
            tail = _tail(first)
        last = len(lines) - 1
        for index, line in enumerate(lines):
            stripped = line.strip()
            if not stripped:
                if index < last or start >= len(self.text):
                    self.pending.append((-1, BLANK))
            elif "#" in line:
                match = _COMMENT.search(line)
                if match is None:
                    raise UnusualError
                self.pending.append((match.start(), line[match.start() :].rstrip()))
        return tail

    def take(self) -> list[str]:
        """Return the comments that were found and belong to nobody yet."""
        found = [text for _, text in self.pending]
        self.pending = []
        return found

    def take_inside(self, column: int, outer: int) -> list[str]:
        """Return those of them that stand at least at `column`, and further in than what follows."""
        count = 0
        for index, (place, text) in enumerate(self.pending):
            if text == BLANK:
                continue
            if place < column or place <= outer:
                break
            count = index + 1
        found = [text for _, text in self.pending[:count]]
        del self.pending[:count]
        return found

    def column(self, offset: int) -> int:
        """Return the column of an offset; -1 at the end of the text."""
        if offset >= len(self.text):
            return -1
        return offset - self.text.rfind("\n", 0, offset) - 1

    # --- values ---

    def value(self, event: Any) -> tuple[Piece, str]:
        """Return the piece that `event` begins, and the comment behind what stood before it."""
        if _class(event) not in _VALUES or event.anchor or event.tag:
            raise UnusualError
        start = event.start_mark.index
        before = self.gap(start)
        if _class(event) is ScalarEvent:
            return self.scalar(event, start), before
        if event.flow_style:
            return self.flow(event), before
        piece = Piece("m" if _class(event) is MappingStartEvent else "q")
        column = self.column(start)
        end = self.mapping(piece) if piece.kind == "m" else self.sequence(piece)
        following = end.end_mark.index
        tail = self.gap(following)
        if tail:
            self.last_tail(piece, tail)
        if self.pending:
            piece.foot = self.take_inside(column, self.column(following))
        return piece, before

    def last_tail(self, piece: Piece, tail: str) -> None:
        """Give a comment to the last thing that stands in a collection: it is on its line."""
        while piece.kind != "s" and not piece.flow and piece.entries:
            last = piece.entries[-1]
            if last.value.kind == "s" and not last.value.text:
                last.head = tail
                return
            piece = last.value
        piece.tail = tail

    def scalar(self, event: Any, start: int) -> Piece:
        """Return a scalar as it is written."""
        end = event.end_mark.index
        style = event.style
        if style in {"|", ">"}:
            end = self.block_end(start, end)
        self.at = end
        return Piece("s", self.text[start:end])

    def block_end(self, start: int, end: int) -> int:
        """Return where a block scalar really ends: the parser counts comments behind it to it."""
        text = self.text
        header = text.find("\n", start)
        if header < 0 or header >= end:
            return end
        if re.match(r"[|>][-+]?[1-9]", text[start:header]):
            raise UnusualError
        keep = "+" in text[start:header].partition("#")[0]
        last, indent, offset = header, -1, header + 1
        while offset < end:
            line_end = text.find("\n", offset)
            line_end = len(text) if line_end < 0 else line_end
            line = text[offset:line_end]
            if line.strip():
                width = len(line) - len(line.lstrip(" "))
                indent = width if indent < 0 else indent
                if width < indent:
                    break
                last = line_end
            elif keep:
                last = min(line_end, end)
            offset = line_end + 1
        return last

    def mapping(self, piece: Piece) -> Any:
        """Read the entries of a mapping in lines; return the event that ends it."""
        entries = piece.entries
        previous: Entry | None = None
        while True:
            event: Any = self.next_event()
            if _class(event) is not ScalarEvent:
                if _class(event) is not MappingEndEvent:
                    raise UnusualError
                return event
            start, end = event.start_mark.index, event.end_mark.index
            tail = self.gap(start)
            lead = self.take() if self.pending else []
            if tail:
                self.settle(previous, tail, lead)
            self.at = end
            key = self.text[start:end]
            if "\n" in key:
                raise UnusualError
            value, head = self.value(self.next_event())
            entry = Entry(lead, event.value, key, value)
            self.attach(entry, head)
            entries.append(entry)
            previous = entry

    def sequence(self, piece: Piece) -> Any:
        """Read the items of a list in lines; return the event that ends it."""
        entries = piece.entries
        previous: Entry | None = None
        while True:
            event = self.next_event()
            if _class(event) is SequenceEndEvent:
                return event
            start = event.start_mark.index
            if _class(event) is not ScalarEvent and not event.flow_style and _class(event) is SequenceStartEvent:
                raise UnusualError  # a list right in a list in lines
            behind_dash = self.text[self.at : self.at + 1] == "-"
            tail = self.gap(start)
            lead = self.take() if self.pending else []
            if tail:
                self.settle(None if behind_dash else previous, tail, lead)
            value, _ = self.value(event)
            entry = Entry(lead, None, None, value)
            self.attach(entry, "")
            entries.append(entry)
            previous = entry

    def settle(self, previous: Entry | None, tail: str, lead: list[str]) -> None:
        """Give a comment to the value before it, or let it begin the comments above what follows."""
        if previous is None:
            lead.insert(0, tail.strip())
        elif previous.value.kind == "s" and not previous.value.text:
            previous.head = tail
        else:
            self.last_tail(previous.value, tail)

    def attach(self, entry: Entry, head: str) -> None:
        """Keep the comment behind a colon; what stood between it and a value on a later line goes above the entry."""
        if head:
            entry.head = head
        if entry.value.kind == "s" or entry.value.flow:
            between = self.carry
            self.carry = []
            if self.pending and entry.value.kind == "s" and entry.value.text:
                between = [*between, *self.take()]
            entry.lead += [text for text in between if text]

    # --- braces ---

    def flow(self, event: Any) -> Piece:
        """Return a collection in braces, with its text on one line."""
        is_mapping = _class(event) is MappingStartEvent
        piece = Piece("m" if is_mapping else "q")
        piece.flow = True
        self.at = event.start_mark.index
        if self.text[self.at] in "{[":
            self.at += 1
        texts: list[str | None] = []
        previous: Entry | None = None
        end_class = MappingEndEvent if is_mapping else SequenceEndEvent
        while True:
            event = self.next_event()
            tail, lead = self.flow_gap(event.start_mark.index)
            if tail or lead:
                piece.commented = True
            if tail:
                self.settle(previous, tail, lead)
            if _class(event) is end_class:
                piece.foot = lead
                self.at = event.end_mark.index
                break
            name = key = None
            if is_mapping:
                name, key, event = self.flow_key(event, lead)
                piece.commented = piece.commented or bool(lead)
            value = self.flow_value(event)
            piece.commented = piece.commented or value.commented
            previous = Entry(lead, name, key, value)
            piece.entries.append(previous)
            shown = value.text
            if shown is None or "\n" in shown:
                texts.append(None)
            elif is_mapping:
                texts.append(f"{key}: {shown or 'null'}")
            else:
                texts.append(shown or "null")
        if not piece.commented and None not in texts:
            inside = ", ".join(texts)  # type: ignore[arg-type]  # no None is in it
            piece.text = f"{{{inside}}}" if is_mapping else f"[{inside}]"
        return piece

    def flow_key(self, event: Any, lead: list[str]) -> tuple[str, str, Any]:
        """Return a key in braces as data and as written, and the event of its value; adds comments between them to `lead`."""
        if _class(event) is not ScalarEvent:
            raise UnusualError
        name = event.value
        key = self.text[event.start_mark.index : event.end_mark.index]
        if "\n" in key:
            raise UnusualError
        self.at = event.end_mark.index
        event = self.next_event()
        tail, more = self.flow_gap(event.start_mark.index)
        lead += more
        if tail:
            lead.append(tail.strip())
        return name, key, event

    def flow_value(self, event: Any) -> Piece:
        """Return a value in braces."""
        if _class(event) is ScalarEvent:
            return self.scalar(event, event.start_mark.index)
        if _class(event) not in _VALUES:
            raise UnusualError
        return self.flow(event)

    def flow_gap(self, start: int) -> tuple[str, list[str]]:
        """Return the comments up to the next token in braces: behind the one before, and on lines of their own."""
        if not self.has_comments or "#" not in self.text[self.at : start]:
            self.at = start
            return "", []
        tail = self.gap(start)
        return tail, [text for text in self.take() if text]


def _tail(line: str) -> str:
    match = _COMMENT.search(line)
    if match is None:
        raise UnusualError
    before = line[: match.start()]
    space = before[len(before.rstrip(" \t,")) :].lstrip(",")
    return (space.expandtabs(4) or " ") + line[match.start() :].rstrip()
