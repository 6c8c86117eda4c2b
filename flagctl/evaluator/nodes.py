"""Small makers of syntax trees, so that `codegen` reads like the code it generates."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

LOAD: Final = ast.Load()
STORE: Final = ast.Store()


def name(identifier: str) -> ast.Name:
    """`identifier`."""
    return ast.Name(identifier, LOAD)


def literal(value: Any) -> ast.Constant:
    """A constant of the code itself."""
    return ast.Constant(value)


def const(number: int) -> ast.Name:
    """The constant of a shape with this number."""
    return ast.Name(f"k{number}", LOAD)


def call(function: ast.expr | str, *arguments: ast.expr) -> ast.Call:
    """`function(arguments)`."""
    return ast.Call(name(function) if type(function) is str else function, list(arguments), [])  # type: ignore[arg-type]


def method(value: ast.expr, attribute: str, *arguments: ast.expr) -> ast.Call:
    """`value.attribute(arguments)`."""
    return ast.Call(ast.Attribute(value, attribute, LOAD), list(arguments), [])


def compare(left: ast.expr, operator: ast.cmpop, right: ast.expr) -> ast.Compare:
    """`left operator right`."""
    return ast.Compare(left, [operator], [right])


def is_none(value: ast.expr) -> ast.Compare:
    """`value is None`."""
    return compare(value, ast.Is(), literal(None))


def not_none(value: ast.expr) -> ast.Compare:
    """`value is not None`."""
    return compare(value, ast.IsNot(), literal(None))


def type_is(value: ast.expr, kind: str) -> ast.Compare:
    """`type(value) is kind`."""
    return compare(call("type", value), ast.Is(), name(kind))


def negate(value: ast.expr) -> ast.expr:
    """`not value`."""
    return ast.UnaryOp(ast.Not(), value)


def both(values: Sequence[ast.expr]) -> ast.expr:
    """`a and b and …`; True for nothing."""
    if not values:
        return literal(True)
    return values[0] if len(values) == 1 else ast.BoolOp(ast.And(), list(values))


def either(values: Sequence[ast.expr]) -> ast.expr:
    """`a or b or …`."""
    return values[0] if len(values) == 1 else ast.BoolOp(ast.Or(), list(values))


def choose(test: ast.expr, yes: ast.expr, no: ast.expr) -> ast.IfExp:
    """`yes if test else no`."""
    return ast.IfExp(test, yes, no)


def walrus(identifier: str, value: ast.expr) -> ast.NamedExpr:
    """`(identifier := value)`."""
    return ast.NamedExpr(ast.Name(identifier, STORE), value)


def item(value: ast.expr, key: ast.expr) -> ast.Subscript:
    """`value[key]`."""
    return ast.Subscript(value, key, LOAD)


def assign(identifier: str, value: ast.expr) -> ast.stmt:
    """`identifier = value`."""
    return ast.Assign([ast.Name(identifier, STORE)], value)


def when(test: ast.expr, body: list[ast.stmt]) -> ast.stmt:
    """`if test: body`."""
    return ast.If(test, body, [])


def branch(test: ast.expr, yes: list[ast.stmt], no: list[ast.stmt]) -> ast.stmt:
    """`if test: yes` / `else: no`."""
    return ast.If(test, yes, no)


def give(value: ast.expr) -> ast.stmt:
    """`return value`."""
    return ast.Return(value)


def rescue(body: list[ast.stmt], handler: list[ast.stmt]) -> ast.stmt:
    """`try: body` / `except Exception: handler`."""
    return ast.Try(body, [ast.ExceptHandler(name("Exception"), None, handler)], [], [])


def parameters(
    names: Sequence[str], optional: Sequence[str] = (), defaults: Sequence[ast.expr] | None = None
) -> ast.arguments:
    """Positional parameters; optional ones default to None unless `defaults` are given."""
    return ast.arguments(
        posonlyargs=[],
        args=[ast.arg(identifier) for identifier in (*names, *optional)],
        vararg=None,
        kwonlyargs=[],
        kw_defaults=[],
        kwarg=None,
        defaults=[literal(None) for _ in optional] if defaults is None else list(defaults),
    )


def function(identifier: str, arguments: ast.arguments, body: list[ast.stmt]) -> ast.stmt:
    """`def identifier(arguments): body`."""
    made = ast.FunctionDef(identifier, arguments, body, [])
    if "type_params" in ast.FunctionDef._fields:  # since Python 3.12
        made.type_params = []  # type: ignore[attr-defined, unused-ignore]
    return made
