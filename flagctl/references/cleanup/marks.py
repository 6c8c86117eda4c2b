"""Marks: names that stand for what a flag answers while a file is worked on.

Only marks are folded. A `True` that somebody wrote stays where it is, and so does the `if True:` around it.
"""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import libcst as cst

_PREFIX: Final = "__flagctl_kept_"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The answer that stays.

    Attributes:
        key: The flag.
        variant: Name of its variant.
        value: Its value, as JSON has it.
    """

    key: str
    variant: str
    value: Any


class Details(NamedTuple):
    """Stands for evaluation details, of which `value` and `variant` are known."""

    kept: Kept


class Guard(NamedTuple):
    """Stands for a context manager that does nothing any more; `value` is what ``as`` binds, or None."""

    value: Any
    binds: bool


class Mark(NamedTuple):
    """What a mark stands for, and the number of the place it came from."""

    value: Any
    site: int


@dataclass(slots=True)
class Marks:
    """All marks of one file."""

    table: dict[str, Mark] = field(default_factory=dict)

    def make(self, value: Any, site: int) -> cst.Name:
        """Return a new mark."""
        name = f"{_PREFIX}{len(self.table)}__"
        self.table[name] = Mark(value, site)
        return cst.Name(name)

    def get(self, node: cst.CSTNode | None) -> Mark | None:
        """Return what a node stands for, if it is a mark."""
        return self.table.get(node.value) if isinstance(node, cst.Name) else None

    def within(self, node: cst.CSTNode) -> set[int]:
        """Return the places that the marks inside of a node came from."""
        finder = _Finder(self)
        node.visit(finder)
        return finder.sites


class _Finder(cst.CSTVisitor):
    def __init__(self, marks: Marks) -> None:
        super().__init__()
        self.marks = marks
        self.sites: set[int] = set()

    def visit_Name(self, node: cst.Name) -> None:
        mark = self.marks.get(node)
        if mark is not None:
            self.sites.add(mark.site)


def literal(node: cst.BaseExpression) -> tuple[bool, Any]:
    """Return whether a node is a literal of plain data, and its value."""
    if not isinstance(
        node,
        cst.SimpleString | cst.Integer | cst.Float | cst.Name | cst.UnaryOperation | cst.Tuple | cst.List | cst.Set,
    ):
        return False, None
    try:
        return True, ast.literal_eval(cst.Module([]).code_for_node(node).strip())
    except (ValueError, SyntaxError, TypeError, MemoryError):
        return False, None


def as_source(value: Any, quote: str) -> cst.BaseExpression:
    """Return plain data as an expression, strings in the quotes given."""
    return cst.parse_expression(_source(value, quote))


def _source(value: Any, quote: str) -> str:
    if isinstance(value, str):
        if quote == '"':
            return json.dumps(value, ensure_ascii=False)
        return repr(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_source(k, quote)}: {_source(v, quote)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_source(item, quote) for item in value) + "]"
    return repr(value)
