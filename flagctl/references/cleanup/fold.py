"""Folding: what a mark decides is decided, and the branch that is never taken goes."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

import libcst as cst

from flagctl.references.cleanup import shape
from flagctl.references.cleanup.marks import Details, Guard, Marks, literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_COMPARE: Final[dict[type[cst.BaseCompOp], Callable[[Any, Any], bool]]] = {
    cst.Equal: operator.eq,
    cst.NotEqual: operator.ne,
    cst.LessThan: operator.lt,
    cst.LessThanEqual: operator.le,
    cst.GreaterThan: operator.gt,
    cst.GreaterThanEqual: operator.ge,
    cst.In: lambda one, other: one in other,
    cst.NotIn: lambda one, other: one not in other,
    cst.Is: operator.is_,
    cst.IsNot: operator.is_not,
}


_SPACES: Final = ("whitespace_before_test", "whitespace_after_while", "whitespace_after_assert")


class Folder(cst.CSTTransformer):
    """One pass over a file; repeated until nothing changes.

    Args:
        marks: The marks of the file.

    Attributes:
        broken: Places that can't be folded without changing what a function is, with the reason.
        changed: Whether anything was folded.
    """

    def __init__(self, marks: Marks) -> None:
        super().__init__()
        self.marks = marks
        self.broken: dict[int, str] = {}
        self.changed = False
        self._elifs: set[cst.If] = set()

    # --- expressions ---

    def leave_Comparison(self, original_node: cst.Comparison, updated_node: cst.Comparison) -> cst.BaseExpression:
        """Compare what is known."""
        if len(updated_node.comparisons) != 1:
            return updated_node
        target = updated_node.comparisons[0]
        left, right = self.marks.get(updated_node.left), self.marks.get(target.comparator)
        mark = left or right
        if mark is None:
            return updated_node
        known_left, one = (True, left.value) if left else literal(updated_node.left)
        known_right, other = (True, right.value) if right else literal(target.comparator)
        if not (known_left and known_right) or isinstance(one, Details) or isinstance(other, Details):
            return updated_node
        if isinstance(target.operator, cst.Is | cst.IsNot) and not _is_single(one, other):
            return updated_node
        try:
            answer = bool(_COMPARE[type(target.operator)](one, other))
        except (TypeError, KeyError):
            return updated_node
        return self._mark(answer, mark.site)

    def leave_UnaryOperation(
        self, original_node: cst.UnaryOperation, updated_node: cst.UnaryOperation
    ) -> cst.BaseExpression:
        """Negate what is known."""
        mark = self.marks.get(updated_node.expression)
        if mark is None or not isinstance(updated_node.operator, cst.Not) or isinstance(mark.value, Details):
            return updated_node
        return self._mark(not mark.value, mark.site)

    def leave_BooleanOperation(
        self, original_node: cst.BooleanOperation, updated_node: cst.BooleanOperation
    ) -> cst.BaseExpression:
        """Drop the operand that decides nothing."""
        return self._boolean(updated_node, is_test=False)

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:
        """Choose."""
        test = self._test(updated_node.test)
        mark = self._decided(test)
        if mark is None:
            return updated_node if test is updated_node.test else updated_node.with_changes(test=test)
        self.changed = True
        return shape.in_place_of(updated_node, updated_node.body if mark else updated_node.orelse)

    def leave_Await(self, original_node: cst.Await, updated_node: cst.Await) -> cst.BaseExpression:
        """Wait for nothing that is known."""
        return updated_node.expression if self.marks.get(updated_node.expression) else updated_node

    def leave_Attribute(self, original_node: cst.Attribute, updated_node: cst.Attribute) -> cst.BaseExpression:
        """Read value and variant of details."""
        mark = self.marks.get(updated_node.value)
        if mark is None or not isinstance(mark.value, Details):
            return updated_node
        if updated_node.attr.value == "value":
            return self._mark(mark.value.kept.value, mark.site)
        if updated_node.attr.value == "variant":
            return self._mark(mark.value.kept.variant, mark.site)
        return updated_node

    def leave_Subscript(self, original_node: cst.Subscript, updated_node: cst.Subscript) -> cst.BaseExpression:
        """Read an entry of a JSON value."""
        mark = self.marks.get(updated_node.value)
        if mark is None or len(updated_node.slice) != 1 or not isinstance(updated_node.slice[0].slice, cst.Index):
            return updated_node
        known, index = literal(updated_node.slice[0].slice.value)
        if not known or not isinstance(mark.value, dict | list):
            return updated_node
        try:
            return self._mark(mark.value[index], mark.site)
        except (KeyError, IndexError, TypeError):
            return updated_node

    def leave_Call(self, original_node: cst.Call, updated_node: cst.Call) -> cst.BaseExpression:
        """See through ``bool(…)``."""
        if not (isinstance(updated_node.func, cst.Name) and updated_node.func.value == "bool"):
            return updated_node
        mark = self.marks.get(updated_node.args[0].value) if len(updated_node.args) == 1 else None
        if mark is None or isinstance(mark.value, Details | Guard):
            return updated_node
        return self._mark(bool(mark.value), mark.site)

    # --- statements ---

    def visit_If(self, node: cst.If) -> None:
        """Remember which ones are an ``elif``."""
        if isinstance(node.orelse, cst.If):
            self._elifs.add(node.orelse)

    def leave_If(self, original_node: cst.If, updated_node: cst.If) -> Any:
        """Decide an ``elif``; the others are decided with their block."""
        updated_node = self._with_test(original_node, updated_node)
        mark = self._decided(updated_node.test)
        if original_node not in self._elifs or mark is None:
            return updated_node
        self.changed = True
        if mark:
            return cst.Else(body=updated_node.body, leading_lines=updated_node.leading_lines)
        return cst.RemoveFromParent() if updated_node.orelse is None else updated_node.orelse

    def leave_While(self, original_node: cst.While, updated_node: cst.While) -> Any:
        """Simplify the test."""
        return self._with_test(original_node, updated_node)

    def leave_Assert(self, original_node: cst.Assert, updated_node: cst.Assert) -> Any:
        """Simplify the test."""
        return self._with_test(original_node, updated_node)

    def leave_CompIf(self, original_node: cst.CompIf, updated_node: cst.CompIf) -> Any:
        """Simplify the test; a condition that always holds goes."""
        updated_node = self._with_test(original_node, updated_node)
        if self._decided(updated_node.test):
            self.changed = True
            return cst.RemoveFromParent()
        return updated_node

    def leave_IndentedBlock(self, original_node: cst.IndentedBlock, updated_node: cst.IndentedBlock) -> Any:
        """Decide the statements of a block."""
        body, footer = self._body(updated_node.body, updated_node.footer)
        return updated_node.with_changes(body=body, footer=footer)

    def leave_Module(self, original_node: cst.Module, updated_node: cst.Module) -> cst.Module:
        """Decide the statements of the file."""
        body, footer = self._body(updated_node.body, updated_node.footer)
        return updated_node.with_changes(body=body, footer=footer)

    def leave_FunctionDef(self, original_node: cst.FunctionDef, updated_node: cst.FunctionDef) -> Any:
        """See that a function is still of the same nature."""
        if self.changed:
            before, after = shape.nature(original_node), shape.nature(updated_node)
            if before != after:
                what = "a generator" if before[0] != after[0] else "without its global or nonlocal names"
                reason = (
                    f"{original_node.name.value} would be {what if before[0] == after[0] else 'no generator any more'}"
                )
                for site in self.marks.within(original_node):
                    self.broken[site] = reason
        return updated_node

    def _with_test(self, original: Any, node: Any) -> Any:
        test = self._test(node.test)
        if test is not original.test:
            space = next((getattr(node, name) for name in _SPACES if hasattr(node, name)), None)
            if space is None or not getattr(space, "empty", False):
                test = shape.without_parentheses(test)
        return node if test is node.test else node.with_changes(test=test)

    def leave_Return(self, original_node: cst.Return, updated_node: cst.Return) -> Any:
        """Drop parentheses that are of no use any more."""
        value, space = updated_node.value, updated_node.whitespace_after_return
        if value is None or value is original_node.value or getattr(space, "empty", False):
            return updated_node
        return updated_node.with_changes(value=shape.without_parentheses(value)) if _folds(original_node.value) else updated_node

    def leave_Assign(self, original_node: cst.Assign, updated_node: cst.Assign) -> Any:
        """Drop parentheses that are of no use any more."""
        if updated_node.value is original_node.value or not _folds(original_node.value):
            return updated_node
        return updated_node.with_changes(value=shape.without_parentheses(updated_node.value))

    def _test(self, node: cst.BaseExpression) -> cst.BaseExpression:
        """Simplify an expression of which only matters whether it is true."""
        if isinstance(node, cst.BooleanOperation):
            left, right = self._test(node.left), self._test(node.right)
            if left is not node.left or right is not node.right:
                node = node.with_changes(left=left, right=right)
            return self._boolean(node, is_test=True)
        if isinstance(node, cst.UnaryOperation) and isinstance(node.operator, cst.Not):
            inner = self._test(node.expression)
            mark = self.marks.get(inner)
            if mark is not None and not isinstance(mark.value, Details):
                return self._mark(not mark.value, mark.site)
            return node if inner is node.expression else node.with_changes(expression=inner)
        return node

    def _boolean(self, node: cst.BooleanOperation, *, is_test: bool) -> cst.BaseExpression:
        is_and = isinstance(node.operator, cst.And)
        left, right = self.marks.get(node.left), self.marks.get(node.right)
        if left is not None and not isinstance(left.value, Details):
            self.changed = True
            return shape.in_place_of(node, node.right if bool(left.value) is is_and else node.left)
        if right is None or isinstance(right.value, Details):
            return node
        known = is_test or (isinstance(right.value, bool) and shape.is_boolean(node.left))
        if not known:
            return node
        if bool(right.value) is is_and:
            self.changed = True
            return shape.in_place_of(node, node.left)
        return self._mark(bool(right.value), right.site) if shape.is_pure(node.left) else node

    def _body(
        self, statements: Sequence[Any], footer: Sequence[cst.EmptyLine]
    ) -> tuple[list[Any], list[cst.EmptyLine]]:
        result: list[Any] = []
        pending: list[cst.EmptyLine] = []
        for statement in statements:
            parts, tail = self._statement(statement)
            for position, part in enumerate(parts):
                lines = joined_lines(part, pending) if position == 0 or pending else part
                result.append(lines)
                pending = []
            if not parts:
                pending = shape.joined(pending, shape.unattached(getattr(statement, "leading_lines", ())))
            pending += tail
            if parts and parts[-1] is not statement and any(map(shape.terminates, parts)):
                break  # what follows is never reached any more
        else:
            return result, [*pending, *footer] if any(line.comment for line in pending) else list(footer)
        return result, [line for line in pending if line.comment]

    def _statement(self, statement: Any) -> tuple[list[Any], list[cst.EmptyLine]]:
        """Return what a statement becomes, and comments for what follows."""
        if isinstance(statement, cst.If):
            return self._if(statement)
        if isinstance(statement, cst.While) and self._decided(statement.test) is False:
            self.changed = True
            return self._spliced(statement, None if statement.orelse is None else statement.orelse.body)
        if isinstance(statement, cst.With):
            return self._with(statement)
        if isinstance(statement, cst.Match):
            return self._match(statement)
        if isinstance(statement, cst.SimpleStatementLine):
            kept = [one for one in statement.body if not self._is_empty(one)]
            if len(kept) == len(statement.body):
                return [statement], []
            self.changed = True
            return ([statement.with_changes(body=kept)] if kept else []), []
        return [statement], []

    def _is_empty(self, statement: cst.BaseSmallStatement) -> bool:
        if isinstance(statement, cst.Assert):
            return self._decided(statement.test) is True
        return isinstance(statement, cst.Expr) and self.marks.get(statement.value) is not None

    def _if(self, statement: cst.If) -> tuple[list[Any], list[cst.EmptyLine]]:
        decided = self._decided(statement.test)
        if decided is None:
            empty = isinstance(statement.body, cst.IndentedBlock) and not statement.body.body
            if empty and statement.orelse is None and shape.is_pure(statement.test):
                self.changed = True
                return [], []
            return [statement], []
        self.changed = True
        if decided:
            return self._spliced(statement, statement.body)
        if isinstance(statement.orelse, cst.If):
            lines = shape.joined(shape.unattached(statement.leading_lines), statement.orelse.leading_lines)
            return self._if(statement.orelse.with_changes(leading_lines=lines))
        return self._spliced(statement, None if statement.orelse is None else statement.orelse.body)

    @staticmethod
    def _spliced(statement: Any, suite: cst.BaseSuite | None) -> tuple[list[Any], list[cst.EmptyLine]]:
        if suite is None:
            return [], []
        parts: list[Any] = shape.statements_of(suite)
        if len(parts) == 1 and isinstance(parts[0], cst.SimpleStatementLine):
            only = parts[0].body
            if len(only) == 1 and isinstance(only[0], cst.Pass):
                return [], shape.footer_of(suite)
        if parts:
            lines = shape.joined(statement.leading_lines, parts[0].leading_lines)
            parts[0] = parts[0].with_changes(leading_lines=lines)
        return parts, shape.footer_of(suite)

    def _with(self, statement: cst.With) -> tuple[list[Any], list[cst.EmptyLine]]:
        kept, bound = [], []
        for item in statement.items:
            mark = self.marks.get(item.item)
            if mark is None or not isinstance(mark.value, Guard):
                kept.append(item)
            elif item.asname is not None:
                name = item.asname.name
                if not mark.value.binds or not isinstance(name, cst.Name):
                    self.broken[mark.site] = "what 'as' binds is not known"
                    return [statement], []
                bound.append(
                    cst.SimpleStatementLine(
                        [cst.Assign([cst.AssignTarget(cst.Name(name.value))], self._mark(mark.value.value, mark.site))]
                    )
                )
        if len(kept) == len(statement.items):
            return [statement], []
        self.changed = True
        if kept:
            kept[-1] = kept[-1].with_changes(comma=cst.MaybeSentinel.DEFAULT)
            body = [*bound, *shape.statements_of(statement.body)]
            block = cst.IndentedBlock(body, footer=shape.footer_of(statement.body))
            return [statement.with_changes(items=kept, body=block)], []
        parts, tail = self._spliced(statement, statement.body)
        if bound and parts:
            bound[0] = bound[0].with_changes(leading_lines=parts[0].leading_lines)
            parts[0] = parts[0].with_changes(leading_lines=())
        return [*bound, *parts], tail

    def _match(self, statement: cst.Match) -> tuple[list[Any], list[cst.EmptyLine]]:
        mark = self.marks.get(statement.subject)
        if mark is None or isinstance(mark.value, Details):
            return [statement], []
        for case in statement.cases:
            fits = _fits(case.pattern, mark.value)
            guard = True if case.guard is None else self._decided(case.guard)
            if fits is False or guard is False:
                continue
            if fits is None or guard is None:
                self.broken[mark.site] = "a case can't be decided"
                return [statement], []
            self.changed = True
            return self._spliced(statement, case.body)
        self.changed = True
        return [], []

    def _decided(self, node: cst.BaseExpression) -> bool | None:
        mark = self.marks.get(node)
        return None if mark is None or isinstance(mark.value, Details | Guard) else bool(mark.value)

    def _mark(self, value: Any, site: int) -> cst.Name:
        self.changed = True
        return self.marks.make(value, site)


def joined_lines(statement: Any, pending: Sequence[cst.EmptyLine]) -> Any:
    """Return a statement with further lines above it."""
    if not pending or not hasattr(statement, "leading_lines"):
        return statement
    return statement.with_changes(leading_lines=shape.joined(pending, statement.leading_lines))


def _folds(node: cst.BaseExpression | None) -> bool:
    return isinstance(node, cst.BooleanOperation | cst.IfExp)


def _is_single(one: Any, other: Any) -> bool:
    return all(value is None or isinstance(value, bool) for value in (one, other)) or ((one is None) != (other is None))


def _fits(pattern: cst.MatchPattern, value: Any) -> bool | None:
    if isinstance(pattern, cst.MatchValue):
        known, expected = literal(pattern.value)
        return bool(expected == value) if known else None
    if isinstance(pattern, cst.MatchSingleton):
        known, expected = literal(pattern.value)
        return expected is value if known else None
    if isinstance(pattern, cst.MatchOr):
        answers = [_fits(one.pattern, value) for one in pattern.patterns]
        return True if True in answers else None if None in answers else False
    if isinstance(pattern, cst.MatchAs) and pattern.pattern is None and pattern.name is None:
        return True
    return None
