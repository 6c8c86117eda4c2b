"""One edit as a change of a few lines: what to cut out of a text, and what to put in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.source.editing.edits import EditError
from flagctl.source.editing.render import (
    Style,
    block_lines,
    block_text,
    entry_lines,
    inline,
    inline_key,
    is_block,
    item_lines,
)
from flagctl.source.editing.scalars import scalar_text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagctl.diagnostics import Route
    from flagctl.source.editing.view import View
    from flagctl.source.tree import Node

Splice = tuple[int, int, str]
"""Replace the text from one offset to another."""

_QUOTES: Final = {'"', "'"}


def spliced(text: str, splices: Iterable[Splice]) -> str:
    """Return a text after replacing disjoint ranges."""
    for start, end, replacement in sorted(splices, key=lambda splice: splice[:2], reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


class Splicer:
    """Finds the splices of edits in one text.

    Args:
        view: The text.
    """

    def __init__(self, view: View) -> None:
        self.view = view
        self.text = view.text
        self.style: Style = view.style()

    # --- values ---

    def replace(self, route: Route, value: Any) -> list[Splice]:
        """Return the splices that give the value at `route` a new value."""
        view, node = self.view, self.view.node(route)
        start, end = self._value_range(route, node)
        in_flow = self._is_in_flow(route)
        column = view.column(start)
        header = self.text[node.start : view.lines.line_end(node.start)] if node.start < node.end else ""
        if header[:1] in {"|", ">"} and isinstance(value, str) and not in_flow:
            lines = block_text(value, " " * self._body_indent(node), header)
            if lines is not None:
                comment = header[len(header.partition(" #")[0].rstrip()) :].rstrip() if " #" in header else ""
                return [(node.start, node.end, self._join([lines[0] + comment, *lines[1:]]))]
        if in_flow or not is_block(value, route, column, self.style):
            return self._inline(node, start, end, self._one_line(value, node, flow=in_flow))
        return self._block(route, node, (start, end), value)

    def _body_indent(self, node: Node) -> int:
        first = self.view.lines.next_line(node.start)
        line = self.view.lines.line_text(first)
        return len(line) - len(line.lstrip(" "))

    def _one_line(self, value: Any, node: Node, *, flow: bool) -> str:
        if isinstance(value, str):
            old = self.text[node.start : node.end]
            plain = self.style.plain
            quote = old[0] if old[:1] in _QUOTES else ""
            return scalar_text(value, plain=plain, flow=flow, quote=quote)
        return inline(value, self.style, flow=flow)

    def _value_range(self, route: Route, node: Node) -> tuple[int, int]:
        """Return the range of a value; an empty one stands right behind its colon or dash."""
        if node.start < node.end:
            return node.start, node.end
        parent = self.view.node(route[:-1])
        if isinstance(route[-1], str):
            place = self.view.colon_end(parent.keys[route[-1]][1])
        else:
            place = self.view.entry_start(parent, route[-1]) + 1
        return place, place

    def _is_in_flow(self, route: Route) -> bool:
        return any(self.view.is_flow(self.view.node(route[:depth])) for depth in range(len(route)))

    def _inline(self, node: Node, start: int, end: int, text: str) -> list[Splice]:
        """Put a value on one line in the place of whatever was there."""
        view = self.view
        if start == end:
            return [(start, end, f" {text}")]
        is_scalar_block = self.text[start] in {"|", ">"}
        if is_scalar_block:
            header = view.lines.line_text(start)[view.column(start) :]
            comment = f" {header[header.index(' #') :].strip()}" if " #" in header else ""
            return [(start, end, text + comment)]
        if view.is_flow(node) or not node.children:
            return [(start, end, text)]
        first, last = view.entry_range(node, 0)[0], view.entry_range(node, len(node.children) - 1)[1]
        if not view.begins_line(start):  # behind a dash
            return [(start, end, text)]
        head = self._head_of(node)
        return [(head, head, f" {text}"), (first, last, "")]

    def _head_of(self, node: Node) -> int:
        """Return the place behind the colon or dash that a block collection belongs to."""
        parent = self._parent_of(node)
        for step, child in parent.children.items():
            if child is node:
                if isinstance(step, str):
                    return self.view.colon_end(parent.keys[step][1])
                return self.view.entry_start(parent, step) + 1
        raise EditError("the document itself can't be replaced")  # pragma: no cover

    def _parent_of(self, node: Node) -> Node:
        waiting = [self.view.root]
        while waiting:
            candidate = waiting.pop()
            for child in candidate.children.values():
                if child is node:
                    return candidate
                waiting.append(child)
        raise EditError("the document itself can't be replaced")

    def _block(self, route: Route, node: Node, place: tuple[int, int], value: Any) -> list[Splice]:
        """Put a value in lines in the place of whatever was there."""
        view, (start, end) = self.view, place
        old_is_block = bool(node.children) and not view.is_flow(node)
        if isinstance(route[-1], int) or (old_is_block and not isinstance(value, str)):
            column = view.column(start) if start < end else view.column(start) + 1
            lines = block_lines(value, route, column, self.style)
            shift = column - 2 if isinstance(value, str) else column
            lead = " " if start == end else ""
            return [(start, end, lead + self._join(self._shifted(lines, shift)).lstrip(" "))]
        parent = view.node(route[:-1])
        key = parent.keys[route[-1]]
        column = view.column(key[0])
        first, *rest = entry_lines(str(route[-1]), value, route, column, self.style)
        colon = view.colon_end(key[1])
        if isinstance(value, str):
            header = first.rpartition(" ")[2]
            return self._text_block(
                node, (colon, start, end), header, [" " * column + line if line else "" for line in rest]
            )
        line_end = view.lines.line_end(max(end, colon) if not old_is_block else colon)
        body = "".join(self.style.newline + (" " * column + line if line else "") for line in rest)
        if self.text[start:end][:1] in {"|", ">"}:
            return [(colon, end, body)]
        return [(colon, max(end, colon), ""), (line_end, line_end, body)]

    def _text_block(self, node: Node, place: tuple[int, int, int], header: str, body: list[str]) -> list[Splice]:
        colon, _, end = place
        if node.children and not self.view.is_flow(node):
            # A comment behind the old value's last line must not become a part of the text.
            line_end = self.view.lines.line_end(end)
            behind = self.text[end:line_end].rstrip()
            return [(colon, line_end, f" {header}{behind}" + self.style.newline + self._join(body))]
        line_end = self.view.lines.line_end(max(end, colon))
        return [(colon, max(colon, end), f" {header}"), (line_end, line_end, self.style.newline + self._join(body))]

    def _shifted(self, lines: list[str], column: int) -> list[str]:
        return [" " * column + line if line else "" for line in lines]

    def _join(self, lines: list[str]) -> str:
        return self.style.newline.join(lines)

    # --- entries ---

    def add(self, route: Route, step: str | int, value: Any, index: int) -> list[Splice]:
        """Return the splices that put a new entry at place `index` of the collection at `route`, which is not empty."""
        node = self.view.node(route)
        if self.view.is_flow(node):
            return self._add_in_flow(node, step, value, index)
        if not self.view.begins_line(self.view.entry_start(node, 0)) and index == 0:
            return self._add_first_behind_dash(node, (*route, step), step, value)
        column = self.view.column(self.view.entry_start(node, 0))
        lines = self._entry(step, value, (*route, step), column)
        text = "".join((" " * column + line if line else "") + self.style.newline for line in lines)
        blank = self.style.newline if self._is_airy(node) else ""
        if index == 0:
            at = self.view.entry_range(node, 0)[0]
            return [(at, at, text + blank)]
        at = self.view.entry_end(node, index - 1)
        return [(at, at, blank + text)]

    def _entry(self, step: str | int, value: Any, route: Route, column: int) -> list[str]:
        if isinstance(step, str):
            return entry_lines(step, value, route, column, self.style)
        return item_lines(value, route, column, self.style)

    def _add_first_behind_dash(self, node: Node, route: Route, step: str | int, value: Any) -> list[Splice]:
        """Put an entry in front of the first one of a mapping that begins behind a dash."""
        start = node.start
        column = self.view.column(start)
        lines = self._shifted(self._entry(step, value, route, column), column)
        return [(start, start, self._join(lines).lstrip(" ") + self.style.newline + " " * column)]

    def _is_airy(self, node: Node) -> bool:
        """Return whether all entries are set apart by blank lines."""
        if len(node.children) < 2:
            return False
        for index in range(1, len(node.children)):
            start = self.view.entry_range(node, index)[0]
            before = self.view.lines.line_start(start - 1) if start else 0
            if self.text[before:start].strip():
                return False
        return True

    def _add_in_flow(self, node: Node, step: str | int, value: Any, index: int) -> list[Splice]:
        text = inline(value, self.style, flow=True)
        if isinstance(step, str):
            text = f"{inline_key(step, self.style, flow=True)}: {text}"
        steps = self.view.steps(node)
        if index == 0:
            at = self._flow_entry(node, 0)[0]
            separator = f",{self.style.newline}{' ' * self.view.column(at)}" if self.view.begins_line(at) else ", "
            return [(at, at, text + separator)]
        start, end = self._flow_entry(node, index - 1)
        if not self.view.begins_line(start) or (
            index < 2 and len(steps) > 1 and not self.view.begins_line(self._flow_entry(node, 1)[0])
        ):
            return [(end, end, f", {text}")]
        following = self.view.gap_end(end)
        comma = self.text[following] == ","
        line_end = self.view.lines.line_end(following + 1 if comma else end)
        if self.text[end:line_end].lstrip(" \t,")[:1] in {"}", "]"}:
            return [(end, end, f", {text}")]
        lead = f"{self.style.newline}{' ' * self.view.column(start)}"
        splices = [(line_end, line_end, f"{lead}{text}{',' if comma else ''}")]
        return splices if comma else [(end, end, ","), *splices]

    def _flow_entry(self, node: Node, index: int) -> tuple[int, int]:
        """Return the range of an entry in braces: its key and value, without the comma."""
        step = self.view.steps(node)[index]
        child = node.children[step]
        if isinstance(step, str):
            key = node.keys[step]
            return key[0], max(key[1], child.end)
        return child.start, child.end

    # --- removal ---

    def remove(self, route: Route) -> list[Splice]:
        """Return the splices that take an entry away."""
        parent = self.view.node(route[:-1])
        index = self.view.steps(parent).index(route[-1])
        if self.view.is_flow(parent):
            return self._remove_from_flow(parent, index)
        if len(parent.children) == 1:
            if len(route) == 1:
                raise EditError("the document's last entry can't be removed")
            return self.replace(route[:-1], {} if isinstance(route[-1], str) else [])
        begin = self.view.entry_start(parent, index)
        if self.view.begins_line(begin):
            return [(*self._without_double_blank(*self.view.entry_range(parent, index)), "")]
        following = self.view.entry_start(parent, 1)
        end = parent.children[route[-1]].end
        if not self.text[end:following].strip():
            return [(begin, following, "")]
        # A comment stays where it is: behind the dash that what follows then belongs to.
        least = self.view.colon_end(parent.keys[route[-1]][1]) if isinstance(route[-1], str) else begin + 1
        return [(begin, max(end, least), "")]

    def _without_double_blank(self, start: int, end: int) -> tuple[int, int]:
        """Take one of two blank lines along that would meet, and blank lines that would end the text."""
        before = self.view.lines.line_start(start - 1) if start else 0
        if start and not self.text[before:start].strip():
            after = self.text[end : self.view.lines.line_end(end)]
            if end >= len(self.text) or not after.strip():
                return before, end
        return start, end

    def _remove_from_flow(self, parent: Node, index: int) -> list[Splice]:
        start, end = self._flow_entry(parent, index)
        last = len(parent.children) - 1
        following = self.view.gap_end(end)
        if self.text[following] == ",":
            after = following + 1
            if index < last or not self.view.has_comment(end, following):
                own_line = self.view.begins_line(start)
                rest = self.text[after : self.view.lines.line_end(after)]
                if (
                    own_line
                    and not self.view.has_comment(end, following)
                    and (not rest.strip() or rest.lstrip()[0] == "#")
                ):
                    return [(self.view.lines.line_start(start), self.view.lines.next_line(after), "")]
                # A comment keeps the blank in front of it, without which it would be none.
                blank = 0 if rest.lstrip(" \t")[:1] == "#" else len(rest) - len(rest.lstrip(" \t"))
                return [(start, after + blank, "")]
            return [(start, end, "")]
        if not index:
            return [(start, end, "")]
        previous = self._flow_entry(parent, index - 1)[1]
        if self.view.has_comment(previous, start):
            return [(start, end, "")]
        return [(previous, end, "")]

    # --- order and names ---

    def move(self, route: Route, source: int, target: int) -> list[Splice]:
        """Return the splices that bring an entry to another place."""
        node = self.view.node(route)
        if self.view.is_flow(node):
            ranges = [self._flow_entry(node, index) for index in range(len(node.children))]
            if self.view.has_comment(node.start, node.end):
                raise EditError("the layout of the file is unusual here")
        else:
            if not self.view.begins_line(self.view.entry_start(node, 0)):
                raise EditError("the layout of the file is unusual here")
            ranges = [self.view.entry_range(node, index) for index in range(len(node.children))]
        texts = [self.text[start:end] for start, end in ranges]
        texts.insert(target, texts.pop(source))
        return [
            (start, end, text) for (start, end), text in zip(ranges, texts, strict=True) if self.text[start:end] != text
        ]

    def rename(self, route: Route, key: str) -> list[Splice]:
        """Return the splice that gives an entry another key."""
        parent = self.view.node(route[:-1])
        start, end = parent.keys[route[-1]]
        in_flow = self._is_in_flow((*route[:-1], key)) if self.view.is_flow(parent) else self._is_in_flow(route[:-1])
        return [(start, end, inline_key(key, self.style, flow=in_flow))]
