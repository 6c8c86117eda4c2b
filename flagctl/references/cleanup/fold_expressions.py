"""Folding of expressions: what a mark decides is decided."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any, Final

import libcst as cst

from flagctl.references.cleanup import shape
from flagctl.references.cleanup.marks import Details, Guard, Marks, literal

if TYPE_CHECKING:
    from collections.abc import Callable

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


class ExpressionFolder(cst.CSTTransformer):
    """One pass over the expressions of a file.

    Args:
        marks: The marks of the file.

    Attributes:
        changed: Whether anything was folded.
    """

    def __init__(self, marks: Marks) -> None:
        super().__init__()
        self.marks = marks
        self.changed = False
        self._above: list[cst.CSTNode] = []

    def on_visit(self, node: cst.CSTNode) -> bool:
        """Remember what is around that which follows."""
        self._above.append(node)
        return super().on_visit(node)

    def on_leave(self, original_node: Any, updated_node: Any) -> Any:
        """Forget it again."""
        left = super().on_leave(original_node, updated_node)
        self._above.pop()
        return left

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
        return self._boolean(updated_node, is_test=False, tight=self._is_tight(original_node))

    def leave_IfExp(self, original_node: cst.IfExp, updated_node: cst.IfExp) -> cst.BaseExpression:
        """Choose."""
        test = self._test(updated_node.test)
        mark = self._decided(test)
        if mark is None:
            return updated_node if test is updated_node.test else updated_node.with_changes(test=test)
        self.changed = True
        kept = updated_node.body if mark else updated_node.orelse
        return shape.in_place_of(updated_node, kept, tight=self._is_tight(original_node))

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
        return (
            updated_node.with_changes(value=shape.without_parentheses(value))
            if _folds(original_node.value)
            else updated_node
        )

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

    def _is_tight(self, node: cst.BaseExpression) -> bool:
        return not node.lpar or shape.is_tight(node, self._above[-2])

    def _boolean(self, node: cst.BooleanOperation, *, is_test: bool, tight: bool = True) -> cst.BaseExpression:
        is_and = isinstance(node.operator, cst.And)
        left, right = self.marks.get(node.left), self.marks.get(node.right)
        if left is not None and not isinstance(left.value, Details):
            self.changed = True
            return shape.in_place_of(node, node.right if bool(left.value) is is_and else node.left, tight=tight)
        if right is None or isinstance(right.value, Details):
            return node
        known = is_test or (isinstance(right.value, bool) and shape.is_boolean(node.left))
        if not known:
            return node
        if bool(right.value) is is_and:
            self.changed = True
            return shape.in_place_of(node, node.left, tight=tight)
        return self._mark(bool(right.value), right.site) if shape.is_pure(node.left) else node

    def _decided(self, node: cst.BaseExpression) -> bool | None:
        mark = self.marks.get(node)
        return None if mark is None or isinstance(mark.value, Details | Guard) else bool(mark.value)

    def _mark(self, value: Any, site: int) -> cst.Name:
        self.changed = True
        return self.marks.make(value, site)


def _folds(node: cst.BaseExpression | None) -> bool:
    return isinstance(node, cst.BooleanOperation | cst.IfExp)


def _is_single(one: Any, other: Any) -> bool:
    return all(value is None or isinstance(value, bool) for value in (one, other)) or ((one is None) != (other is None))
