"""The careful path: a YAML text to a tree with positions, with every irregularity named.

Used when the fast path gave up, and when a finding needs a span. Some problems leave the data usable (a duplicate key, an
anchor); then reading goes on and `poisoned` lists the places whose value is not what the author meant, so that nobody
complains about them twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceStartEvent,
    StreamEndEvent,
    StreamStartEvent,
)

from flagctl.source import parsers
from flagctl.source.plain import MAX_DEPTH, UNWANTED
from flagctl.source.problem import Problem, TextEdit
from flagctl.source.scalars import MAX_INTEGER, IntegerRangeError, NotFiniteError, resolve
from flagctl.source.syntax import ParseState, explain_syntax, missing_space

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.diagnostics import Route
    from flagctl.source.lines import LineIndex

MAX_PER_KIND: Final = 10
"""Most findings about single characters in one file; a binary file has thousands."""

_DIRECTIVE: Final = re.compile(r"^%[^\r\n]*", re.MULTILINE)
_BEFORE_CONTENT: Final = re.compile(r"(?:[ \t]*(?:#[^\r\n]*)?(?:\r\n|\n|\r)|%[^\r\n]*(?:\r\n|\n|\r))*")
_VERSION_1_2: Final = re.compile(r"%YAML[ \t]+1\.2[ \t]*(?:#.*)?\Z")
_ONE_LINER: Final = re.compile(r"[A-Za-z0-9_.-]+(:)\S")


_EMPTY_HELP: Final = "every file holds one document that says its kind"


@dataclass(slots=True)
class Node:
    """A value in the text, from offset `start` to `end` (exclusive).

    `children` has an entry for each mapping key or list position; `keys` has the range of each mapping key.
    """

    start: int
    end: int
    children: dict[str | int, Node] = field(default_factory=dict)
    keys: dict[str | int, tuple[int, int]] = field(default_factory=dict)


@dataclass(slots=True)
class Tree:
    """What the careful path found out.

    Attributes:
        data: The mapping, or None when there is none to work with.
        root: Its positions; also present, as far as it goes, when `data` is None.
        problems: Everything that breaks the dialect, in the order of the text.
        poisoned: Routes whose value was guessed.
    """

    data: dict[str, Any] | None = None
    root: Node | None = None
    problems: list[Problem] = field(default_factory=list)
    poisoned: list[Route] = field(default_factory=list)


class _TooDeepError(Exception):
    pass


def read_tree_of(lines: LineIndex) -> Tree:
    """Read a text without byte order mark; never raises for anything in the text."""
    tree = Tree()
    text = _clean(lines.text, tree)
    damaged = bool(tree.problems)
    text = _check_directives(text, tree)
    reader = _Reader(text, lines, tree)
    try:
        data = reader.document()
    except yaml.YAMLError as error:
        problem = explain_syntax(lines, error, reader.state())
        if not _is_near(lines, problem, [] if not damaged else tree.problems):
            tree.problems.append(problem)
    except _TooDeepError:
        pass
    else:
        tree.data = None if damaged else data
    tree.problems.sort(key=lambda problem: problem.start)
    return tree


def _is_near(lines: LineIndex, problem: Problem, others: list[Problem]) -> bool:
    """Return whether a syntax error is probably only the consequence of an unwanted character."""
    line = lines.position(problem.start)[0]
    damaged = (lines.position(other.start)[0] for other in others if other.code == "SYN102")
    return any(abs(line - other) <= 1 for other in damaged)


def _clean(text: str, tree: Tree) -> str:
    for count, match in enumerate(UNWANTED.finditer(text)):
        if count == MAX_PER_KIND:
            break
        tree.problems.append(_unwanted(match))
    return UNWANTED.sub(" ", text)


def _unwanted(match: re.Match[str]) -> Problem:
    character = match.group()
    if character == "\ufeff":
        message = "a byte order mark stands inside the text"
    elif character in "\u0085\u2028\u2029":
        message = (
            f"the line separator U+{ord(character):04X} stands in the text; programs disagree whether it ends a line"
        )
    else:
        message = f"the control character U+{ord(character):04X} stands in the text"
    return Problem(
        code="SYN102",
        message=message,
        start=match.start(),
        end=match.end(),
        help=f'remove it, or write it as "\\u{ord(character):04X}" in double quotes'
        if character != "\0"
        else "remove it",
    )


def _check_directives(text: str, tree: Tree) -> str:
    """Report directives; unknown ones become comments, so that every parser goes on alike."""
    head = _BEFORE_CONTENT.match(text)
    end = head.end() if head else 0
    for match in _DIRECTIVE.finditer(text, 0, end):
        if _VERSION_1_2.match(match.group()):
            continue
        tree.problems.append(
            Problem(
                code="SYN121",
                message=f"the directive '{_short(match.group().strip())}' is not supported",
                start=match.start(),
                end=match.end(),
                help="remove the line: files are read as YAML 1.2",
            )
        )
    return _DIRECTIVE.sub(lambda match: "#" + match.group()[1:], text[:end]) + text[end:]


class _Reader:
    """Events to data, nodes and problems."""

    def __init__(self, text: str, lines: LineIndex, tree: Tree) -> None:
        self.text = text
        self.lines = lines
        self.tree = tree
        self.next_event: Callable[[], Any] = parsers.open_parser(text).get_event
        self.open_flow: list[int] = []
        self.long_quote: tuple[int, int] | None = None

    def state(self) -> ParseState:
        """Return what helps to explain a syntax error."""
        return ParseState(open_flow=tuple(self.open_flow), long_quote=self.long_quote)

    def problem(self, code: str, message: str, place: tuple[int, int], **more: Any) -> None:
        self.tree.problems.append(Problem(code=code, message=message, start=place[0], end=place[1], **more))

    def document(self) -> dict[str, Any] | None:
        event = self.next_event()
        while isinstance(event, StreamStartEvent):
            event = self.next_event()
        if event is None or isinstance(event, StreamEndEvent):
            self.problem("SYN118", "the file is empty", (0, 0), help=_EMPTY_HELP)
            return None
        event = self.next_event()
        data, self.tree.root = self.value(event, (), 1)
        self.next_event()
        event = self.next_event()
        if isinstance(event, DocumentStartEvent):
            start, _ = _range(event)
            self.problem(
                "SYN113",
                "a second document begins here",
                (start, max(start + 1, self.lines.line_end(start))),
                help="put every document into a file of its own",
            )
        if isinstance(data, dict):
            return data
        self.not_a_mapping(data, self.tree.root)
        return None

    def not_a_mapping(self, data: Any, root: Node) -> None:
        if data is None and root.start == root.end:
            self.problem("SYN118", "the document is empty", (root.start, root.end), help=_EMPTY_HELP)
            return
        if isinstance(data, str) and (match := _ONE_LINER.match(self.text, root.start)):
            self.tree.problems.append(missing_space(match.end(1), root.start))
            return
        what = "a list" if isinstance(data, list) else "a single value"
        self.problem(
            "SYN119",
            f"the document is {what}, not a mapping of keys to values",
            (root.start, root.end),
            help="begin with 'kind: flag' and 'key: ...'",
        )

    def value(self, event: Any, route: Route, depth: int) -> tuple[Any, Node]:
        """Build the value that `event` begins; consumes all its events."""
        start, end = _range(event)
        if isinstance(event, AliasEvent):
            self.problem(
                "SYN111",
                f"'*{event.anchor}' repeats another part of the file, which is not supported",
                (start, end),
                route=route,
                help="write the value out; conditions that several flags share belong in a segment. A text that begins with * needs quotes",
            )
            self.tree.poisoned.append(route)
            return None, Node(start, end)
        self.check_properties(event, route)
        if isinstance(event, ScalarEvent):
            return self.scalar(event, route)
        if depth > MAX_DEPTH:
            self.problem(
                "SYN116",
                f"mappings and lists are nested deeper than {MAX_DEPTH} levels",
                (start, start + 1),
                route=route,
            )
            raise _TooDeepError
        start = self.content_start(event)
        data: Any
        if event.flow_style:
            self.open_flow.append(start)
        if isinstance(event, MappingStartEvent):
            data, node, close = self.mapping(start, route, depth)
        else:
            data, node, close = self.sequence(start, route, depth)
        if event.flow_style:
            self.open_flow.pop()
            node.end = close.end_mark.index
        return data, node

    def check_properties(self, event: Any, route: Route) -> None:
        start, _ = _range(event)
        if event.anchor:
            at = self.text.find("&", start)
            self.problem(
                "SYN111",
                f"the anchor '&{event.anchor}' is not supported",
                (at, at + 1 + len(event.anchor)),
                route=route,
                help="write values out; conditions that several flags share belong in a segment. A text that begins with & needs quotes",
            )
        if event.tag:
            at = self.text.find("!", start)
            match = re.compile(r"!\S*").match(self.text, at)
            tag = match.group() if match else "!"
            self.problem(
                "SYN112",
                f"the tag '{tag}' is not supported",
                (at, at + len(tag)),
                route=route,
                help="remove it; to make a text of a number put it into quotes. A text that begins with ! needs quotes",
            )
            self.tree.poisoned.append(route)

    def content_start(self, event: Any) -> int:
        """Return where a collection's own text begins, behind anchor and tag."""
        start, _ = _range(event)
        if not (event.anchor or event.tag):
            return start
        match = re.compile(r"(?:[&!]\S*\s+)*").match(self.text, start)
        return match.end() if match else start

    def scalar(self, event: Any, route: Route) -> tuple[Any, Node]:
        start, end = _range(event)
        style = event.style
        if style in {"|", ">"}:
            end = start + len(self.text[start:end].rstrip())
        elif event.anchor or event.tag:
            start = self.content_start(event)
        node = Node(start, max(start, end))
        if style in {'"', "'"} and self.lines.position(start)[0] != self.lines.position(end)[0]:
            self.long_quote = (start, end)
        value = event.value
        if style == '"' and "\0" in value:
            self.problem(
                "SYN102", "the text contains the character U+0000", (start, end), route=route, help="remove it"
            )
            self.tree.poisoned.append(route)
        if style:
            return value, node
        try:
            return resolve(value), node
        except NotFiniteError:
            self.problem(
                "SYN114",
                f"'{_short(value)}' is not a finite number",
                (start, end),
                route=route,
                help="JSON has no such number; put it into quotes if a text is meant",
            )
        except IntegerRangeError:
            self.problem(
                "SYN115",
                f"the integer {_short(value)} is beyond ±2^53 ({MAX_INTEGER}), where programs begin to round",
                (start, end),
                route=route,
                help="put it into quotes: an id is a text",
                edit=TextEdit(title="Put the number into quotes", start=start, end=end, text=f'"{value}"', safe=False),
            )
        self.tree.poisoned.append(route)
        return 0, node

    def mapping(self, start: int, route: Route, depth: int) -> tuple[dict[str, Any], Node, Any]:
        data: dict[str, Any] = {}
        node = Node(start, start)
        while True:
            event = self.next_event()
            if not isinstance(event, (ScalarEvent, AliasEvent, MappingStartEvent, SequenceStartEvent)):
                return data, node, event
            place = _range(event)
            key = self.key(event, route, depth)
            step = key if key is not None else ""
            value, child = self.value(self.next_event(), (*route, step), depth + 1)
            node.end = max(node.end, place[1], child.end)
            if key is None:
                self.tree.poisoned.append((*route, step))
                continue
            if key in data:
                self.problem(
                    "SYN110",
                    f"the key '{_short(key)}' stands here a second time",
                    place,
                    route=(*route, key),
                    help="remove one of the two",
                    related=(*node.keys[key], "first defined here"),
                )
                continue
            data[key] = value
            node.keys[key] = place
            node.children[key] = child

    def key(self, event: Any, route: Route, depth: int) -> str | None:
        """Return a mapping key as text, or None if it is no scalar."""
        if isinstance(event, ScalarEvent):
            self.check_properties(event, route)
            value: str = event.value
            if event.style == '"' and "\0" in value:
                place = _range(event)
                self.problem("SYN102", "the key contains the character U+0000", place, route=route, help="remove it")
            return value
        _, node = self.value(event, route, depth + 1)
        if not isinstance(event, AliasEvent):
            self.problem(
                "SYN120",
                "a key must be a text, not a list or a mapping",
                (node.start, max(node.end, node.start + 1)),
                route=route,
                help="put a text that begins with [ or { into quotes",
            )
        return None

    def sequence(self, start: int, route: Route, depth: int) -> tuple[list[Any], Node, Any]:
        data: list[Any] = []
        node = Node(start, start)
        while True:
            event = self.next_event()
            if not isinstance(event, (ScalarEvent, AliasEvent, MappingStartEvent, SequenceStartEvent)):
                return data, node, event
            position = len(data)
            value, child = self.value(event, (*route, position), depth + 1)
            data.append(value)
            node.children[position] = child
            node.end = max(node.end, child.end)


def _range(event: Any) -> tuple[int, int]:
    return event.start_mark.index, event.end_mark.index


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."
