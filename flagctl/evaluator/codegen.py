"""The fast way of running a flag: one Python function for it, generated as a syntax tree.

The text of a flag never becomes program text: names of attributes, and short constants, are constants of the tree;
everything else a flag says is passed in as an argument of the factory that makes the function. What such a function
looks like, for a flag with one rule and a rollout, constants not yet in place::

    def factory(k0, …, k8):
        def flag(c, now=None):
            if "country" in c and (v if type(v := c["country"]) is str else text(v)) in k1:
                return k2
            try:
                h0 = hash(encode(c["targeting_key"] or 0), k3)
            except Exception:
                h0 = hash_of(c, "targeting_key", k3)
                if h0 == 4294967296:
                    return k8
            if h0 < k4:
                return k5
            return k7
        return flag

Conditions are inlined and cheap ones come first. A reading of an attribute that several tests use is kept in a
variable; a unit is encoded once and hashed once for each salt. Nothing is allocated but hash and encoded unit.
"""

from __future__ import annotations

import ast
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from mmh3 import mmh3_32_uintdigest as murmur3

from flagctl.evaluator import readings
from flagctl.evaluator.buckets import NO_HASH, unit_of
from flagctl.evaluator.codegen_conditions import Conditions, tests_of
from flagctl.evaluator.codegen_flag import FlagBody
from flagctl.evaluator.codegen_reading import Readings
from flagctl.evaluator.nodes import (
    assign,
    call,
    choose,
    compare,
    const,
    function,
    give,
    literal,
    name,
    parameters,
    when,
)
from flagctl.evaluator.shapes import (
    FlagShape,
    LoneShape,
    SegmentShape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flagctl.evaluator.plan import Path

    AnyShape = FlagShape | SegmentShape | LoneShape

MOST_CONSTANTS: Final = 2_000
"""A flag with more is not worth compiling: it takes long, and its time goes into work that closures do as well."""

_MOST_FACTORIES: Final = 4_096

MOST_OWN_CODE: Final = 1_000
"""So many flags of a process may have code of their own; at some 4 kB each."""

_PLAIN: Final = frozenset({str, int, float})
_SHORT: Final = 16
_compiled: Final = count()


def unit_bytes(context: Any, path: Path) -> bytes:
    """Return the UTF-8 of the unit at a path, empty if there is none there; what the quick way can't read."""
    steps = (path,) if isinstance(path, str) else path
    unit = unit_of(readings.walk(context, steps))
    return b"" if unit is None else unit.encode()


def hash_of(context: Any, path: Path, seed: int) -> int:
    """Return the hash of the unit at a path, `NO_HASH` if there is none there; what the quick way can't read."""
    unit = unit_bytes(context, path)
    return murmur3(unit, seed) if unit else NO_HASH


_NAMESPACE: Final[dict[str, Any]] = {
    "__builtins__": {},
    "Exception": Exception,
    "address": readings.address,
    "encode": str.encode,
    "float": float,
    "folded": readings.folded,
    "hash": murmur3,
    "hash_of": hash_of,
    "instant": readings.instant,
    "int": int,
    "no_number": readings.NO_NUMBER,
    "no_text": readings.NO_TEXT,
    "number": readings.number,
    "number_or_none": readings.number_or_none,
    "scalar": readings.scalar,
    "scalar_folded": readings.scalar_folded,
    "str": str,
    "text": readings.text,
    "text_or_none": readings.text_or_none,
    "type": type,
    "unit_bytes": unit_bytes,
    "unit_of": unit_of,
    "version": readings.version,
    "walk": readings.walk,
}
"""Everything generated code can reach besides its arguments."""

_factories: dict[AnyShape, Callable[..., Any]] = {}


def factory(shape: AnyShape) -> Callable[..., Any]:
    """Return the function that makes a flag's, segment's or test's function from its constants.

    A flag's takes the clock as a first argument before the constants.

    Raises:
        RecursionError: The shape is nested too deeply for the compiler.
    """
    made = _factories.get(shape)
    if made is None:
        tree = _tree(shape)
        found: dict[str, Any] = {}
        exec(compile(tree, "<flag>", "exec"), _NAMESPACE, found)  # noqa: S102 - a tree made here, from no text
        if len(_factories) >= _MOST_FACTORIES:
            _factories.clear()
        made = _factories[shape] = found["factory"]
    return made


def flag_function(shape: FlagShape, constants: Sequence[Any], clock: Callable[[], int]) -> Callable[..., Any]:
    """Return a flag's function.

    The first hot flags of a process get code of their own, with short constants in place and the others as globals: a
    closure would copy all of them for each call, to use one. That runs some 8 % faster; the many that may follow share
    one code object for each shape, which is made ten times faster.

    Raises:
        RecursionError: The shape is nested too deeply for the compiler.
    """
    if next(_compiled) > MOST_OWN_CODE:
        return factory(shape)(clock, *constants)  # type: ignore[no-any-return]
    found: dict[str, Any] = {}
    tree = _module(_InPlace(constants).visit(_flag(shape)))
    named = {f"k{number}": value for number, value in enumerate(constants) if not _is_short(value)}
    exec(compile(tree, "<flag>", "exec"), {**_NAMESPACE, "clock": clock, **named}, found)  # noqa: S102 - as above
    return found["flag"]  # type: ignore[no-any-return]


class _InPlace(ast.NodeTransformer):
    """Puts short plain constants where their names are; nothing else of a flag becomes part of code."""

    def __init__(self, constants: Sequence[Any]) -> None:
        self._values = {f"k{number}": value for number, value in enumerate(constants) if _is_short(value)}

    def visit_Name(self, node: ast.Name) -> ast.expr:
        """Return the constant of a name."""
        if node.id in self._values:
            return ast.copy_location(ast.Constant(self._values[node.id]), node)
        return node


def _is_short(value: Any) -> bool:
    kind = type(value)
    if kind is frozenset or kind is tuple:
        return len(value) <= _SHORT and all(type(part) in _PLAIN for part in value)
    return kind in _PLAIN


def _tree(shape: AnyShape) -> ast.Module:
    if type(shape) is FlagShape:
        return flag_tree(shape)
    return segment_tree(shape) if type(shape) is SegmentShape else test_tree(shape)  # type: ignore[arg-type]


def test_tree(shape: LoneShape) -> ast.Module:
    """Return the syntax tree of a single test's factory.

    A test has its constants as defaults of parameters that nobody passes: thousands of these functions lie in memory,
    and a closure is a tuple and a cell for each constant more to fetch.
    """
    conditions = Conditions(Readings(tests_of((shape.condition,)), ()))
    before = conditions.readings.before_rule((shape.condition,))
    body = [*before, give(conditions.condition(shape.condition))]
    constants = [f"k{number}" for number in range(shape.constants)]
    test_parameters = parameters(["c"], constants, [name(constant) for constant in constants])
    return _factory(shape.constants, "", function("test", test_parameters, body))


def flag_tree(shape: FlagShape) -> ast.Module:
    """Return the syntax tree of a flag's factory."""
    return _factory(shape.constants, "clock", _flag(shape))


def segment_tree(shape: SegmentShape) -> ast.Module:
    """Return the syntax tree of a segment's factory."""
    return _factory(shape.constants, "", function("segment", parameters(["c"]), _segment_body(shape)))


def _factory(constants: int, first: str, inner: ast.stmt) -> ast.Module:
    names = ([first] if first else []) + [f"k{number}" for number in range(constants)]
    return _module(function("factory", parameters(names), [inner, give(name(inner.name))]))  # type: ignore[attr-defined]


def _module(definition: ast.stmt) -> ast.Module:
    return ast.fix_missing_locations(ast.Module([definition], []))


def _flag(shape: FlagShape) -> ast.stmt:
    return function("flag", parameters(["c"], ["now"]), FlagBody(shape).statements())


def _segment_body(shape: SegmentShape) -> list[ast.stmt]:
    body: list[ast.stmt] = []
    listed = shape.include is not None or shape.exclude is not None
    tests = list(tests_of(shape.conditions or ()))
    reader = Readings(tests, ["targeting_key"] if listed else [])
    if listed:
        before, value = reader.raw("targeting_key")
        again = name("u")
        unit = choose(compare(call("type", again), ast.Is(), name("str")), again, call("unit_of", again))
        body += [*before, assign("u", value), assign("u", unit)]
        for units, answer in ((shape.exclude, False), (shape.include, True)):
            if units is not None:
                body.append(when(compare(again, ast.In(), const(units)), [give(literal(answer))]))
    if shape.conditions is None:
        return [*body, give(literal(False))]
    before = reader.before_rule(shape.conditions)
    return [*body, *before, give(Conditions(reader).all_of(shape.conditions))]
