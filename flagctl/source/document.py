"""One file of a flag repository: its text, its data, and where everything stands."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from flagctl.diagnostics import Applicability, Diagnostic, Edit, Fix, Related, Route, Severity, Span
from flagctl.source.comments import Comment, read_comments
from flagctl.source.lines import LineIndex
from flagctl.source.tree import Node, Tree, read_tree_of

if TYPE_CHECKING:
    from typing import Literal

    from flagctl.source.problem import Problem


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """Optional parts of a diagnostic made by `SourceDocument.finding`.

    Attributes:
        help: What to do about it.
        related: ``(route, part, message)`` of another place in the same file.
        replacement: ``(title, text, applicability)``: a fix that replaces the finding's own span.
        part: Whether the finding is about a value, its key, or the beginning of a mapping that lacks something.
    """

    help: str | None = None
    related: tuple[Route, Literal["value", "key"], str] | None = None
    replacement: tuple[str, str, Applicability] | None = None
    part: Literal["value", "key", "head"] = "value"


class SourceDocument:
    """A file as read. Positions are found by a second parse, when somebody first asks for one.

    Attributes:
        path: Relative to the repository's root, with forward slashes.
        text: Decoded, without a byte order mark.
        data: What it says, as plain data; None if it cannot be read as a mapping.
        kind: ``flag``, ``segment``, ``experiment``, ``layer``, ``config``, ``test``, or None if unknown.
        key: The document's key, or None if it has none.
    """

    def __init__(self, path: str, text: str, *, data: dict[str, Any] | None = None, tree: Tree | None = None) -> None:
        self.path = path
        self.text = text
        self.data = data
        self.kind: str | None = None
        self.key: str | None = None
        if tree is not None:
            self.tree = tree

    def __repr__(self) -> str:
        return f"SourceDocument({self.path!r}, kind={self.kind!r}, key={self.key!r})"

    @cached_property
    def lines(self) -> LineIndex:
        """Line starts of the text."""
        return LineIndex(self.text)

    @cached_property
    def tree(self) -> Tree:
        """Positions of all values."""
        return read_tree_of(self.lines)

    def span(self, route: Route, part: Literal["value", "key"] = "value") -> Span | None:
        """Return where a value or its mapping key stands.

        A route that does not exist gives the nearest enclosing value; None only if the file has no structure at all.
        """
        node = self.tree.root
        if node is None:
            return None
        place = (node.start, node.end)
        for position, step in enumerate(route):
            child = node.children.get(step)
            if child is None:
                break
            key = node.keys.get(step)
            last = position == len(route) - 1
            place = key if last and part == "key" and key else (child.start, child.end)
            node = child
        return self.lines.span(*place)

    def head_span(self, route: Route) -> Span | None:
        """Return the first line of a value: where to point when something is missing in it."""
        node = self.node(route)
        if node is None:
            return None
        if route and isinstance(route[-1], str):
            return self.span(route, "key")
        return self.lines.span(node.start, max(node.start, min(node.end, self.lines.line_end(node.start))))

    def node(self, route: Route) -> Node | None:
        """Return the node of exactly this route."""
        node = self.tree.root
        for step in route:
            if node is None:
                return None
            node = node.children.get(step)
        return node

    def alias(self, route: Route, written: str, meant: str) -> None:
        """Let the mapping at `route` answer for the key `meant` where the misspelt key `written` stands."""
        node = self.node(route)
        if node is not None and written in node.children and meant not in node.children:
            node.children[meant] = node.children[written]
            node.keys[meant] = node.keys[written]

    def source_of(self, route: Route) -> str | None:
        """Return the text of a value as it is written, with its quotes; None if the route does not exist."""
        node = self.node(route)
        return None if node is None else self.text[node.start : node.end]

    def comments(self) -> tuple[Comment, ...]:
        """Return all comments in the order of the text."""
        return self._comments

    @cached_property
    def _comments(self) -> tuple[Comment, ...]:
        return read_comments(self.text)

    def finding(self, code: str, message: str, route: Route = (), detail: Detail | None = None) -> Diagnostic:
        """Return an error about a place in this file."""
        detail = detail or Detail()
        span = self.head_span(route) if detail.part == "head" else self.span(route, detail.part)
        related: tuple[Related, ...] = ()
        if detail.related:
            other, part, text = detail.related
            related = (Related(path=self.path, span=self.span(other, part), message=text),)
        fix = None
        if detail.replacement and span:
            title, text, applicability = detail.replacement
            fix = Fix(title=title, applicability=applicability, edits=(Edit(path=self.path, span=span, text=text),))
        return Diagnostic(
            code=code,
            severity=Severity.ERROR,
            message=message,
            path=self.path,
            span=span,
            route=route,
            help=detail.help,
            related=related,
            fix=fix,
            key=self.key,
        )

    def from_problem(self, problem: Problem) -> Diagnostic:
        """Return the diagnostic of a problem of this file's text."""
        fix = None
        if problem.edit:
            edit = Edit(
                path=self.path, span=self.lines.span(problem.edit.start, problem.edit.end), text=problem.edit.text
            )
            applicability = Applicability.SAFE if problem.edit.safe else Applicability.UNSAFE
            fix = Fix(title=problem.edit.title, applicability=applicability, edits=(edit,))
        related: tuple[Related, ...] = ()
        if problem.related:
            start, end, message = problem.related
            related = (Related(path=self.path, span=self.lines.span(start, end), message=message),)
        return Diagnostic(
            code=problem.code,
            severity=Severity.ERROR,
            message=problem.message,
            path=self.path,
            span=self.lines.span(problem.start, problem.end),
            route=problem.route,
            help=problem.help,
            related=related,
            fix=fix,
            key=self.key,
        )
