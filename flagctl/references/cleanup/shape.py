"""What is known of pieces of code without running them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import libcst as cst

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_EFFECTS: Final = (cst.Call, cst.Await, cst.Yield, cst.NamedExpr)
_ATOMS: Final = (
    cst.Attribute,
    cst.Call,
    cst.Dict,
    cst.FormattedString,
    cst.List,
    cst.Name,
    cst.Set,
    cst.SimpleString,
    cst.Subscript,
)
"""What needs no parentheses wherever it stands; a number does, in front of a dot."""


def is_pure(node: cst.CSTNode) -> bool:
    """Return whether evaluating an expression, or not, makes no difference but for errors."""
    return not contains(node, _EFFECTS)


def may_be_dropped(node: cst.CSTNode) -> bool:
    """Return whether an argument of an evaluation may go with it: it may call, but not bind, wait or yield."""
    return not contains(node, (cst.Await, cst.Yield, cst.NamedExpr))


def contains(node: cst.CSTNode, kinds: tuple[type[cst.CSTNode], ...]) -> bool:
    """Return whether a node is or has one of these kinds."""
    if isinstance(node, kinds):
        return True
    return any(contains(child, kinds) for child in node.children)


def is_boolean(node: cst.BaseExpression) -> bool:
    """Return whether an expression is True or False for sure, and not only true or false."""
    if isinstance(node, cst.Comparison):
        return True
    if isinstance(node, cst.UnaryOperation):
        return isinstance(node.operator, cst.Not)
    if isinstance(node, cst.BooleanOperation):
        return is_boolean(node.left) and is_boolean(node.right)
    if isinstance(node, cst.Call) and isinstance(node.func, cst.Name):
        return node.func.value in {"bool", "isinstance", "issubclass", "callable", "hasattr", "any", "all"}
    return isinstance(node, cst.Name) and node.value in {"True", "False"}


def in_place_of(outer: cst.BaseExpression, inner: cst.BaseExpression, *, tight: bool = True) -> cst.BaseExpression:
    """Return `inner` as it can stand where `outer` stood: in the same parentheses, if it has none of its own.

    Args:
        outer: What goes.
        inner: A part of it.
        tight: Whether a word may stand right beside the parentheses, so that they must stay; others go where nothing needs them.
    """
    if not outer.lpar or inner.lpar:
        return inner
    if not tight and isinstance(inner, _ATOMS) and not _has_comment(outer):
        return inner
    return inner.with_changes(lpar=outer.lpar, rpar=outer.rpar)


def is_tight(node: cst.BaseExpression, parent: cst.CSTNode) -> bool:
    """Return whether a word stands right beside an expression: ``if(a and b):``."""
    own, around = (cst.Module([]).code_for_node(one) for one in (node, parent))
    at = around.find(own)
    return at < 0 or around[at - 1 : at].isalnum() or around[at + len(own) : at + len(own) + 1].isalnum()


def _has_comment(node: cst.BaseExpression) -> bool:
    return any("#" in cst.Module([]).code_for_node(part) for part in (*node.lpar, *node.rpar))


def without_parentheses(node: cst.BaseExpression) -> cst.BaseExpression:
    """Return an expression that needs none, behind a keyword, without its parentheses."""
    if not node.lpar or isinstance(node, cst.Tuple | cst.NamedExpr | cst.GeneratorExp | cst.Yield):
        return node
    bare = node.with_changes(lpar=(), rpar=())
    return node if "\n" in cst.Module([]).code_for_node(bare) else bare


def terminates(statement: cst.BaseStatement | cst.BaseSmallStatement) -> bool:
    """Return whether nothing behind a statement is ever reached."""
    if isinstance(statement, cst.SimpleStatementLine):
        return any(isinstance(one, cst.Return | cst.Raise | cst.Continue | cst.Break) for one in statement.body)
    if isinstance(statement, cst.If) and statement.orelse is not None:
        other = statement.orelse
        last = terminates(other) if isinstance(other, cst.If) else _ends(other.body)
        return last and _ends(statement.body)
    return False


def _ends(suite: cst.BaseSuite) -> bool:
    if isinstance(suite, cst.SimpleStatementSuite):
        return any(isinstance(one, cst.Return | cst.Raise | cst.Continue | cst.Break) for one in suite.body)
    return any(terminates(one) for one in suite.body if isinstance(one, cst.BaseStatement))


def statements_of(suite: cst.BaseSuite) -> list[cst.BaseStatement]:
    """Return the statements of a block, also of one behind a colon on the same line."""
    if isinstance(suite, cst.SimpleStatementSuite):
        return [cst.SimpleStatementLine(body=suite.body, trailing_whitespace=suite.trailing_whitespace)]
    return [one for one in suite.body if isinstance(one, cst.BaseStatement)]


def footer_of(suite: cst.BaseSuite) -> list[cst.EmptyLine]:
    """Return the comments behind a block's last statement."""
    return list(suite.footer) if isinstance(suite, cst.IndentedBlock) else []


def unattached(lines: Iterable[cst.EmptyLine]) -> list[cst.EmptyLine]:
    """Return the lines above a statement that goes, but for the comment that belongs to it."""
    kept = list(lines)
    while kept and kept[-1].comment is not None:
        kept.pop()
    return kept


def joined(before: Sequence[cst.EmptyLine], after: Sequence[cst.EmptyLine]) -> list[cst.EmptyLine]:
    """Return lines of two statements put together, without doubling blank lines."""
    first, second = list(before), list(after)
    if not any(line.comment for line in first):
        return first if len(first) > len(second) and not any(line.comment for line in second) else second or first
    while first and second and first[-1].comment is None and second[0].comment is None:
        first.pop()
    return first + second


class _Yields(cst.CSTVisitor):
    def __init__(self) -> None:
        super().__init__()
        self.found = False
        self.declared: set[str] = set()
        self._depth = 0

    def visit_FunctionDef(self, node: cst.FunctionDef) -> bool:
        self._depth += 1
        return self._depth == 1

    def leave_FunctionDef(self, original_node: cst.FunctionDef) -> None:
        self._depth -= 1

    def visit_Lambda(self, node: cst.Lambda) -> bool:
        return False

    def visit_Yield(self, node: cst.Yield) -> None:
        self.found = True

    def visit_Global(self, node: cst.Global) -> None:
        self.declared |= {one.name.value for one in node.names}

    def visit_Nonlocal(self, node: cst.Nonlocal) -> None:
        self.declared |= {one.name.value for one in node.names}


def nature(function: cst.FunctionDef) -> tuple[bool, frozenset[str]]:
    """Return whether a function is a generator, and the names it declares global or nonlocal."""
    visitor = _Yields()
    function.visit(visitor)
    return visitor.found, frozenset(visitor.declared)
