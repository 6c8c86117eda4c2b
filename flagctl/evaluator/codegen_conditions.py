"""Conditions as expressions of generated code."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from flagctl.evaluator.nodes import (
    both,
    call,
    compare,
    const,
    either,
    literal,
    method,
    name,
    negate,
    not_none,
    walrus,
    when,
)
from flagctl.evaluator.plan import Check
from flagctl.evaluator.shapes import GroupShape, MemberShape, TestShape

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.evaluator.codegen_reading import Readings
    from flagctl.evaluator.shapes import ConditionShape

_COMPARISONS: Final[dict[str, type[ast.cmpop]]] = {
    Check.LESS: ast.Lt,
    Check.LESS_OR_EQUAL: ast.LtE,
    Check.GREATER: ast.Gt,
    Check.GREATER_OR_EQUAL: ast.GtE,
}

_MOST_NESTED: Final = 20
"""So many conditions become statements within statements, of which the compiler takes a limited depth only."""


def tests_of(conditions: tuple[ConditionShape, ...]) -> Iterator[TestShape]:
    """Yield all tests in conditions."""
    for condition in conditions:
        if type(condition) is TestShape:
            yield condition
        elif type(condition) is GroupShape:
            yield from tests_of(condition.parts)


class Conditions:
    """Conditions as expressions; `readings` knows which attributes are kept in variables."""

    def __init__(self, readings: Readings) -> None:
        self.readings = readings

    def all_of(self, conditions: tuple[ConditionShape, ...]) -> ast.expr:
        """Return a conjunction as one expression."""
        return both([self.condition(part) for part in conditions])

    def nested(self, conditions: tuple[ConditionShape, ...], body: list[ast.stmt]) -> list[ast.stmt]:
        """Return a conjunction as `if` within `if`, around what is done when it holds.

        A text that one test alone needs is read by statements there, which takes fewer instructions than an expression.
        """
        near, far = conditions[:_MOST_NESTED], conditions[_MOST_NESTED:]
        if far:
            body = [when(self.all_of(far), body)]
        for shape in reversed(near):
            alone = self.lone_text(shape, body) if type(shape) is TestShape and not shape.negated else None
            body = alone or [when(self.condition(shape), body)]
        return body

    def lone_text(self, shape: TestShape, body: list[ast.stmt]) -> list[ast.stmt] | None:
        """Return a test of a text that no other test needs around a body; None for other tests."""
        read = self.readings.lone_text(shape, "v")
        if read is None:
            return None
        guard, before = read
        inside = [*before, when(self.compared(shape, name("v")), body)]
        return inside if guard is None else [when(guard, inside)]

    def condition(self, shape: ConditionShape) -> ast.expr:
        """Return a condition, negated if it is."""
        if type(shape) is TestShape:
            expression = self.test(shape)
        elif type(shape) is GroupShape:
            parts = [self.condition(part) for part in shape.parts]
            expression = either(parts) if shape.any_of else both(parts)
        else:
            assert type(shape) is MemberShape  # noqa: S101 - for the type checker
            expression = call(const(shape.function), name("c"))
        return negate(expression) if shape.negated else expression

    def test(self, shape: TestShape) -> ast.expr:
        """Return a test before its negation; a reading of None fails every one."""
        value, guard = self.readings.value(shape)
        test = self.compared(shape, value)
        return test if guard is None else both([guard, test])

    def compared(self, shape: TestShape, value: ast.expr) -> ast.expr:
        """Return a test of its reading."""
        match shape.check:
            case Check.EXISTS:
                return not_none(value)
            case Check.IS_TRUE:
                return compare(value, ast.Is(), literal(True))
            case Check.IS_FALSE:
                return compare(value, ast.Is(), literal(False))
            case Check.EQUALS:
                return compare(value, ast.Eq(), const(shape.constant))
            case Check.IN:
                return compare(value, ast.In(), const(shape.constant))
            case _:
                return self.guarded(shape, value)

    def guarded(self, shape: TestShape, value: ast.expr) -> ast.expr:
        """Return a test that can't be asked of None."""
        constant = const(shape.constant)
        if self.readings.is_sure(shape.path, shape.reading):
            return _asked(shape, value, constant)
        if type(value) is ast.Name:
            return both([not_none(value), _asked(shape, value, constant)])
        return both([not_none(walrus("t", value)), _asked(shape, name("t"), constant)])


def _asked(shape: TestShape, value: ast.expr, constant: ast.expr) -> ast.expr:
    """Return a test of a reading that is not None."""
    match shape.check:
        case Check.STARTS:
            return method(value, "startswith", constant)
        case Check.ENDS:
            return method(value, "endswith", constant)
        case Check.CALL:
            return call(constant, value)
        case Check.CALL_WITH:
            return call(constant, value, const(shape.argument))
        case check:
            return compare(value, _COMPARISONS[check](), constant)
