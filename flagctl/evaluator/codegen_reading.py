"""How generated code reads attributes: in place where one test needs them, in a variable where several do."""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING, Final

from flagctl.evaluator.codegen_conditions import tests_of
from flagctl.evaluator.nodes import (
    assign,
    branch,
    call,
    choose,
    compare,
    either,
    is_none,
    item,
    literal,
    name,
    negate,
    not_none,
    type_is,
    walrus,
    when,
)
from flagctl.evaluator.plan import Check, Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagctl.evaluator.plan import Path
    from flagctl.evaluator.shapes import ConditionShape, TestShape

_CONTEXT: Final = "c"

_NOTHING: Final = {Reading.TEXT: ("no_text", "text_or_none"), Reading.NUMBER: ("no_number", "number_or_none")}
"""What stands for nothing in readings that need no None, and the function that makes it so."""

_SURE_CHECKS: Final = frozenset(
    {
        Check.EQUALS,
        Check.IN,
        Check.STARTS,
        Check.ENDS,
        Check.LESS,
        Check.LESS_OR_EQUAL,
        Check.GREATER,
        Check.GREATER_OR_EQUAL,
    }
)
"""Checks that fail by themselves on what stands for nothing. (An empty prefix is no prefix check in a plan.)"""


class Readings:
    """The attributes one function reads.

    Args:
        tests: All its tests.
        also: Paths that are read for units besides.
    """

    def __init__(self, tests: Iterable[TestShape], also: Iterable[Path]) -> None:
        tests = list(tests)
        self._uses = Counter((test.path, test.reading) for test in tests)
        kinds = Counter(path for path, _ in self._uses)
        kinds.update(set(also) & kinds.keys())
        self._shared = [path for path, count in kinds.items() if count > 1]
        """Paths whose raw value serves several readings, in a variable of its own."""
        asked = {(test.path, test.reading) for test in tests if test.check not in _SURE_CHECKS}
        self._sure = {key for key in self._uses if key[1] in _NOTHING and key not in asked}
        """Readings that have a value even if nothing is there, one that fails all their tests."""
        self._set: set[str] = set()
        self._present: set[Path] = set()
        self._numbers: dict[object, int] = {}

    def is_sure(self, path: Path, reading: str) -> bool:
        """Return whether a reading is never None."""
        return (path, reading) in self._sure

    def enter(self, path: Path) -> tuple[set[str], set[Path]]:
        """Begin a block in which a path is known to be there; returns what to give to :meth:`leave`."""
        kept = (set(self._set), set(self._present))
        self._present.add(path)
        return kept

    def leave(self, kept: tuple[set[str], set[Path]]) -> None:
        """End a block: variables set inside are not set after it."""
        self._set, self._present = kept

    def _variable(self, letter: str, key: object) -> str:
        return f"{letter}{self._numbers.setdefault(key, len(self._numbers))}"

    def before_rule(self, conditions: tuple[ConditionShape, ...]) -> list[ast.stmt]:
        """Return the assignments that conditions need first."""
        before: list[ast.stmt] = []
        for test in tests_of(conditions):
            if test.path in self._shared:
                before += self._fetch(test.path)
            key = (test.path, test.reading)
            if test.reading is not Reading.RAW and self._uses[key] > 1:
                variable = self._variable("x", key)
                if variable not in self._set:
                    before += self._keep(variable, test.path, test.reading)
                    self._set.add(variable)
            elif test.reading is Reading.RAW and self._uses[key] > 1:
                before += self._fetch(test.path)
        return before

    def _keep(self, variable: str, path: Path, reading: str) -> list[ast.stmt]:
        """Return the statements that put a reading into a variable; quicker than the same as an expression."""
        value, guard = self._raw(path)
        sure = (path, reading) in self._sure
        absent: list[ast.stmt] = [assign(variable, name(_NOTHING[reading][0]) if sure else literal(None))]
        if reading is Reading.TEXT:
            body = self._text(variable, path)
        else:
            body = [assign(variable, self._read(path, reading)[0])]
        if type(value) is ast.Name:
            guard = not_none(value)
        return body if guard is None else [branch(guard, body, absent)]

    def _text(self, variable: str, path: Path) -> list[ast.stmt]:
        """Return the statements that put a text that is there into a variable."""
        sure = (path, Reading.TEXT) in self._sure
        careful = call(_NOTHING[Reading.TEXT][1] if sure else Reading.TEXT, name(variable))
        other = negate(type_is(name(variable), "str"))
        return [assign(variable, self._raw(path)[0]), when(other, [assign(variable, careful)])]

    def lone_text(self, test: TestShape, variable: str) -> tuple[ast.expr | None, list[ast.stmt]] | None:
        """Return how a text that one test alone needs gets into a variable: what must hold first, and statements.

        None for other readings, for those that are in a variable already, and where None would have to be told apart.
        """
        key = (test.path, test.reading)
        value, guard = self._raw(test.path)
        if test.reading is not Reading.TEXT or self._uses[key] > 1 or key not in self._sure or type(value) is ast.Name:
            return None
        return guard, self._text(variable, test.path)

    def value(self, test: TestShape) -> tuple[ast.expr, ast.expr | None]:
        """Return a test's reading, and a condition that must hold before it can be evaluated."""
        key = (test.path, test.reading)
        if test.reading is Reading.RAW:
            return self._raw(test.path)
        if self._uses[key] > 1:
            return name(self._variable("x", key)), None
        return self._read(test.path, test.reading)

    def raw(self, path: Path) -> tuple[list[ast.stmt], ast.expr]:
        """Return assignments and an expression for what lies at a path, None if nothing does."""
        before = self._fetch(path) if path in self._shared else []
        value, guard = self._raw(path)
        return before, value if guard is None else choose(guard, value, literal(None))

    def unit(self, path: Path) -> tuple[list[ast.stmt], ast.expr]:
        """Return as :meth:`raw` for a unit; the expression may raise KeyError if nothing lies there."""
        if self._variable("r", path) in self._set:
            return [], name(self._variable("r", path))
        if type(path) is tuple:
            return [], call("walk", name(_CONTEXT), literal(path))
        return [], item(name(_CONTEXT), literal(path))

    def _fetch(self, path: Path) -> list[ast.stmt]:
        """Return the assignment of a path's raw value to its variable, unless that is done."""
        variable = self._variable("r", path)
        if variable in self._set:
            return []
        value, guard = self._raw(path)
        self._set.add(variable)
        return [assign(variable, value if guard is None else choose(guard, value, literal(None)))]

    def _raw(self, path: Path) -> tuple[ast.expr, ast.expr | None]:
        variable = self._variable("r", path)
        if variable in self._set:
            return name(variable), None
        if type(path) is tuple:
            return call("walk", name(_CONTEXT), literal(path)), None
        key = literal(path)
        guard = None if path in self._present else compare(key, ast.In(), name(_CONTEXT))
        return item(name(_CONTEXT), key), guard

    def _read(self, path: Path, reading: str) -> tuple[ast.expr, ast.expr | None]:
        value, guard = self._raw(path)
        kept = type(value) is ast.Name
        again = value if kept else name("v")
        first = value if kept else walrus("v", value)
        sure = (path, reading) in self._sure
        careful = call(_NOTHING[reading][1] if sure else reading, again)
        if reading is Reading.TEXT:
            made: ast.expr = choose(type_is(first, "str"), again, careful)
        elif reading is Reading.NUMBER:
            kind = walrus("n", call("type", first))
            is_int = compare(kind, ast.Is(), name("int"))
            made = choose(either([is_int, compare(name("n"), ast.Is(), name("float"))]), again, careful)
        else:
            return call(reading, value), guard
        if kept:
            # Absent is common, and the careful reading of None would cost a call.
            made = choose(is_none(again), name(_NOTHING[reading][0]) if sure else literal(None), made)
        return made, guard
