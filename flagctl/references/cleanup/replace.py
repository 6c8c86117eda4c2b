"""The first step: evaluations become marks, and so do guards and overrides of tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import libcst as cst
from libcst.metadata import ParentNodeProvider, PositionProvider

from flagctl.references.cleanup import shape
from flagctl.references.cleanup.marks import Details, Guard, Kept, Marks, literal
from flagctl.references.python_methods import OVERRIDES, Answer

if TYPE_CHECKING:
    from collections.abc import Mapping


class Place(NamedTuple):
    """Where a call stands: lines from 1, columns from 0 in characters."""

    line: int
    column: int
    end_line: int
    end_column: int


class Spot(NamedTuple):
    """A call to replace.

    `answer` is what it gives; `served` says that a guard binds value and variant, not only a boolean.
    """

    number: int
    answer: Answer
    served: bool = False


class Replacer(cst.CSTTransformer):
    """Puts marks in place of evaluations.

    Args:
        marks: The marks of the file.
        kept: The answer that stays.
        spots: Calls to replace.
        names: Names that stand for the key in this file.

    Attributes:
        problems: Numbers of places that must be left alone, with the reason and the line.
        dead_tests: Names and lines of tests of an answer that goes; they are removed.
        handled: Lines of overrides that were taken out.
    """

    METADATA_DEPENDENCIES = (PositionProvider, ParentNodeProvider)

    def __init__(self, marks: Marks, kept: Kept, spots: Mapping[Place, Spot], names: frozenset[str]) -> None:
        super().__init__()
        self.marks = marks
        self.kept = kept
        self.spots = spots
        self.names = names
        self.problems: dict[int, str] = {}
        self.loose: dict[int, str] = {}
        self.dead_tests: list[tuple[str, int]] = []
        self._dead: set[cst.FunctionDef] = set()
        self._functions: list[cst.FunctionDef] = []
        self._next = -1

    def visit_FunctionDef(self, node: cst.FunctionDef) -> None:
        """Remember the function around what follows."""
        self._functions.append(node)

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> Any:
        """Take out a test of an answer that goes."""
        self._functions.pop()
        if original_node in self._dead:
            self.dead_tests.append((original_node.name.value, self._line(original_node)))
            return cst.RemoveFromParent()
        return updated_node

    def leave_Decorator(self, original_node: cst.Decorator, updated_node: cst.Decorator) -> Any:
        """Take out a decorator that does nothing any more."""
        mark = self.marks.get(updated_node.decorator)
        if mark is not None and isinstance(mark.value, Guard):
            return cst.RemoveFromParent()
        return updated_node

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        """Put the mark in place."""
        if isinstance(original_node.func, cst.Name | cst.Attribute) and _last(original_node.func) in OVERRIDES:
            return self._override(original_node, updated_node)
        spot = self.spots.get(self._place(original_node))
        if spot is None:
            return updated_node
        parent = self.get_metadata(ParentNodeProvider, original_node)
        problem = self._problem(spot, original_node, parent)
        if problem is not None:
            self.problems[spot.number] = problem
            return updated_node
        if spot.answer is Answer.DETAILS:
            return self.marks.make(Details(self.kept), spot.number)
        if spot.answer is Answer.GUARD:
            value = Details(self.kept) if spot.served else bool(self.kept.value)
            return self.marks.make(Guard(value, binds=True), spot.number)
        if spot.answer is Answer.DECORATOR:
            return self.marks.make(Guard(None, binds=False), spot.number)
        return self.marks.make(self.kept.value, spot.number)

    def _problem(self, spot: Spot, node: cst.Call, parent: cst.CSTNode) -> str | None:
        if not all(shape.may_be_dropped(argument) for argument in node.args):
            return "an argument binds a name, waits or yields"
        if spot.answer is Answer.VARIANT:
            return "it asks for an experiment's variant"
        if spot.answer is Answer.GUARD and not isinstance(parent, cst.WithItem):
            return "the guard is no `with` of its own"
        if spot.answer is Answer.DECORATOR:
            if not isinstance(parent, cst.Decorator):
                return "it decorates without an @"
            if not self.kept.value:
                return "the function is only for the answer that goes"
        return None

    # --- overrides of tests ---

    def _override(self, original: cst.Call, updated: cst.Call) -> cst.BaseExpression:
        for position, argument in enumerate(updated.args):
            if not isinstance(argument.value, cst.Dict):
                continue
            elements = argument.value.elements
            mine = [one for one in elements if isinstance(one, cst.DictElement) and self._is_key(one.key)]
            if not mine:
                continue
            agrees = self._agrees(mine[-1].value)
            if agrees is None:
                self.loose[self._line(original)] = "a test sets it to something that is not known here"
                return updated
            if not agrees:
                self._dead_test(original)
                return updated
            rest = [one for one in elements if one not in mine]
            if rest:
                rest[-1] = rest[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
                dictionary = argument.value.with_changes(elements=rest)
                arguments = list(updated.args)
                arguments[position] = argument.with_changes(value=dictionary)
                return updated.with_changes(args=arguments)
            parent = self.get_metadata(ParentNodeProvider, original)
            if isinstance(parent, cst.WithItem | cst.Decorator | cst.Expr):
                self._next -= 1
                return self.marks.make(Guard(None, binds=False), self._next)
            self.loose[self._line(original)] = "an override that is kept somewhere"
        return updated

    def _agrees(self, node: cst.BaseExpression) -> bool | None:
        if isinstance(node, cst.Call) and len(node.args) == 1 and isinstance(node.func, cst.Name | cst.Attribute):
            known, value = literal(node.args[0].value)
            if known and _last(node.func) == "variant":
                return bool(value == self.kept.variant)
            return bool(value == self.kept.value) if known and _last(node.func) == "value" else None
        known, value = literal(node)
        if not known:
            return None
        if isinstance(value, str) and value == self.kept.variant:
            return True
        return type(value) is type(self.kept.value) and value == self.kept.value

    def _dead_test(self, node: cst.Call) -> None:
        function = self._functions[-1] if self._functions else None
        parent = self.get_metadata(ParentNodeProvider, node)
        if isinstance(parent, cst.Decorator):
            function = self.get_metadata(ParentNodeProvider, parent)  # type: ignore[assignment]
        if isinstance(function, cst.FunctionDef) and function.name.value.startswith("test"):
            statement = parent
            while not isinstance(statement, cst.With | cst.SimpleStatementLine | cst.Decorator):
                statement = self.get_metadata(ParentNodeProvider, statement)
            bodies = [one for one in function.body.body if not _is_preparation(one)]
            whole = isinstance(statement, cst.Decorator | cst.SimpleStatementLine) or bodies == [statement]
            if whole and (isinstance(statement, cst.Decorator) or statement in function.body.body):
                self._dead.add(function)
                return
        self.loose[self._line(node)] = "it tests the answer that goes"

    def _is_key(self, node: cst.BaseExpression) -> bool:
        known, value = literal(node)
        if known:
            return bool(value == self.kept.key)
        return cst.Module([]).code_for_node(node).strip() in self.names

    def _place(self, node: cst.CSTNode) -> Place:
        found = self.get_metadata(PositionProvider, node)
        return Place(found.start.line, found.start.column, found.end.line, found.end.column)

    def _line(self, node: cst.CSTNode) -> int:
        return int(self.get_metadata(PositionProvider, node).start.line)


def _last(node: cst.BaseExpression) -> str:
    if isinstance(node, cst.Attribute):
        return node.attr.value
    return node.value if isinstance(node, cst.Name) else ""


def _is_preparation(statement: cst.CSTNode) -> bool:
    """Return whether a statement only prepares: documentation and assignments."""
    return isinstance(statement, cst.SimpleStatementLine) and all(
        isinstance(one, cst.Assign | cst.AnnAssign)
        or (isinstance(one, cst.Expr) and isinstance(one.value, cst.SimpleString))
        for one in statement.body
    )
