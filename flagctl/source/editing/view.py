"""A text with exact positions of everything in it, for one splice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from flagctl.source.document import SourceDocument
from flagctl.source.editing.edits import EditError, describe, value_at
from flagctl.source.editing.render import Style
from flagctl.source.editing.scalars import habits

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.diagnostics import Route
    from flagctl.source.tree import Node

_COMMENT_LINE: Final = re.compile(r"[ \t]*#")
_GAP: Final = re.compile(r"(?:[ \t\r\n]+|#[^\r\n]*)*")
_MODELINE: Final = re.compile(r"[ \t]*#\s*yaml-language-server:")


class View:
    """A readable text and the ranges of its parts.

    Args:
        text: Of a document without a byte order mark.

    Raises:
        EditError: If the text has syntax errors: then nobody knows where things are.
    """

    def __init__(self, text: str) -> None:
        document = SourceDocument("", text)
        tree = document.tree
        if tree.problems or tree.data is None or tree.root is None:
            where = f" in line {document.lines.position(tree.problems[0].start)[0]}" if tree.problems else ""
            raise EditError(f"the file can't be read{where}, so it can't be edited", hint="run: flagctl validate")
        self.text = text
        self.lines = document.lines
        self.data: dict[str, Any] = tree.data
        self.root: Node = tree.root
        self._settle(self.root)

    def _settle(self, node: Node) -> int:
        """Correct the end of block scalars, to which the parser counts comments behind them, and of what is around."""
        if not node.children:
            if self.text[node.start : node.start + 1] in {"|", ">"}:
                node.end = self._block_end(node)
            return node.end
        ends = [self._settle(child) for child in node.children.values()]
        if not self.is_flow(node):
            node.end = max(ends + [end for _, end in node.keys.values()])
        return node.end

    def _block_end(self, node: Node) -> int:
        header = self.lines.line_end(node.start)
        explicit = re.match(r"[|>][-+]?[1-9]", self.text[node.start : header])
        end, indent = header, None
        offset = self.lines.next_line(node.start)
        while offset < node.end:
            line = self.text[offset : self.lines.line_end(offset)]
            if line.strip():
                width = len(line) - len(line.lstrip(" "))
                indent = width if indent is None else indent
                if width < indent and not explicit:
                    break
                end = offset + len(line)
            offset = self.lines.next_line(offset)
        while self.text[end - 1] in " \t" and end > node.start + 1:
            end -= 1
        return end

    def is_flow(self, node: Node) -> bool:
        """Return whether a node is a collection in braces or brackets."""
        return self.text[node.start : node.start + 1] in {"{", "["}

    def node(self, route: Route) -> Node:
        """Return the node at a route.

        Raises:
            EditError: If there is none.
        """
        node: Node | None = self.root
        for step in route:
            node = node.children.get(step) if node is not None else None
        if node is None:
            raise EditError(f"there is no {describe(route)}")
        return node

    def value(self, route: Route) -> Any:
        """Return the data at a route."""
        return value_at(self.data, route)

    def style(self) -> Style:
        """Return how the text is written."""
        plain = (self.text[start:end] for start, end in self._scalars(self.root) if start < end)
        return Style(
            newline=self.newline,
            offset=self._offset(self.root),
            plain=habits(text for text in plain if text[0] not in "\"'|>{["),
        )

    @property
    def newline(self) -> str:
        """The text's line break."""
        return "\r\n" if self.text.count("\r\n") * 2 > self.text.count("\n") else "\n"

    def _scalars(self, node: Node) -> Iterator[tuple[int, int]]:
        yield from node.keys.values()
        for child in node.children.values():
            yield from self._scalars(child)
        if not node.children:
            yield node.start, node.end

    def _offset(self, node: Node) -> int:
        for key, child in node.children.items():
            if child.children and not self.is_flow(child):
                if isinstance(key, str) and isinstance(next(iter(child.children)), int):
                    return min(2, max(0, self.column(child.start) - self.column(node.keys[key][0])))
                found = self._offset(child)
                if found != 2:
                    return found
        return 2

    # --- lines ---

    def column(self, offset: int) -> int:
        """Return the column of an offset, from 0."""
        return offset - self.lines.line_start(offset)

    def begins_line(self, offset: int) -> bool:
        """Return whether only spaces stand before an offset on its line."""
        return not self.text[self.lines.line_start(offset) : offset].strip(" ")

    def gap_end(self, offset: int) -> int:
        """Return the offset of the next token: white space and comments are skipped."""
        match = _GAP.match(self.text, offset)
        return match.end() if match else offset

    def colon_end(self, key_end: int) -> int:
        """Return the offset behind the colon of a key.

        Raises:
            EditError: If the colon stands somewhere else, as behind a ``?``.
        """
        at = key_end + len(self.text[key_end:]) - len(self.text[key_end:].lstrip(" \t"))
        if self.text[at : at + 1] != ":":
            raise EditError("the layout of the file is unusual here")
        return at + 1

    # --- entries of collections in block style ---

    def steps(self, node: Node) -> list[str | int]:
        """Return the keys or positions of a collection, in the order of the text."""
        return list(node.children)

    def entry_start(self, node: Node, index: int) -> int:
        """Return where the entry begins: its key, or its dash."""
        step = self.steps(node)[index]
        if isinstance(step, str):
            return node.keys[step][0]
        if index == 0:
            return node.start
        return self.gap_end(node.children[index - 1].end)

    def entry_range(self, node: Node, index: int) -> tuple[int, int]:
        """Return the lines of an entry, from the start of the first one to the start of the line behind the last one.

        The comment directly above it, in the same column, belongs to it, and so do comments below that stand further in.
        """
        start = self.entry_start(node, index)
        column = self.column(start)
        first = self.lines.line_start(start)
        while first > 0:
            before = self.lines.line_start(first - 1)
            line = self.text[before:first]
            if not _COMMENT_LINE.match(line) or line.index("#") != column or _MODELINE.match(line):
                break
            first = before
        return first, self.entry_end(node, index)

    def entry_end(self, node: Node, index: int) -> int:
        """Return the start of the line behind an entry and the comments below it that stand further in."""
        column = self.column(self.entry_start(node, index))
        step = self.steps(node)[index]
        last = node.children[step].end
        if isinstance(step, str):
            last = max(last, self.colon_end(node.keys[step][1]))
        end = offset = self.lines.next_line(last)
        while offset < len(self.text):
            line = self.text[offset : self.lines.line_end(offset)]
            following = self.lines.next_line(offset)
            if line.strip():
                if not _COMMENT_LINE.match(line) or line.index("#") <= column:
                    break
                end = following
            offset = following
        return end

    def has_comment(self, start: int, end: int) -> bool:
        """Return whether a comment begins in a range."""
        return any(start <= offset < end for offset in self.comment_offsets())

    def comment_offsets(self) -> list[int]:
        """Return where comments begin."""
        from flagctl.source.comments import read_comments  # noqa: PLC0415  only where comments matter

        found = []
        for comment in read_comments(self.text):
            start = self.lines.offset(comment.line, 1)
            end = self.lines.line_end(start)
            tail = self.text[start:end]
            at = len(tail)
            while (at := tail.rfind("#", 0, at)) >= 0:
                if tail[at + 1 :].strip() == comment.text:
                    found.append(start + at)
                    break
        return found
