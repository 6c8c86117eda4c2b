"""The fast way of running a flag: one Python function for it, generated as a syntax tree.

The text of a flag never becomes program text: names of attributes are constants of the tree, everything else a flag
says is passed in as an argument of the factory that makes the function. What such a function looks like, for a flag
with one rule and a rollout::

    def factory(k0, …, k8):
        def flag(c, now=None):
            if "country" in c and (v if type(v := c["country"]) is str else text(v)) in k1:
                return k2
            try:
                h0 = hash(encode(c["targeting_key"] or 0), k3, False)
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
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from mmh3 import hash as murmur3

from flagctl.evaluator import readings
from flagctl.evaluator.buckets import NO_HASH, unit_of
from flagctl.evaluator.codegen_reading import Readings
from flagctl.evaluator.nodes import (
    assign,
    both,
    call,
    choose,
    compare,
    const,
    either,
    function,
    give,
    is_none,
    item,
    literal,
    method,
    name,
    negate,
    not_none,
    parameters,
    rescue,
    walrus,
    when,
)
from flagctl.evaluator.plan import Check
from flagctl.evaluator.shapes import (
    FlagShape,
    GroupShape,
    MemberShape,
    SegmentShape,
    ServeShape,
    SplitShape,
    TestShape,
    WindowShape,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from flagctl.evaluator.plan import Path
    from flagctl.evaluator.shapes import ConditionShape, RuleShape

MOST_CONSTANTS: Final = 2_000
"""A flag with more is not worth compiling: it takes long, and its time goes into work that closures do as well."""

_MOST_FACTORIES: Final = 4_096

_COMPARISONS: Final[dict[str, type[ast.cmpop]]] = {
    Check.LESS: ast.Lt,
    Check.LESS_OR_EQUAL: ast.LtE,
    Check.GREATER: ast.Gt,
    Check.GREATER_OR_EQUAL: ast.GtE,
}


def unit_bytes(context: Any, path: Path) -> bytes:
    """Return the UTF-8 of the unit at a path, empty if there is none there; what the quick way can't read."""
    steps = (path,) if isinstance(path, str) else path
    unit = unit_of(readings.walk(context, steps))
    return b"" if unit is None else unit.encode()


def hash_of(context: Any, path: Path, seed: int) -> int:
    """Return the hash of the unit at a path, `NO_HASH` if there is none there; what the quick way can't read."""
    unit = unit_bytes(context, path)
    return murmur3(unit, seed, signed=False) if unit else NO_HASH


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

_factories: dict[FlagShape | SegmentShape, Callable[..., Any]] = {}


def factory(shape: FlagShape | SegmentShape) -> Callable[..., Any]:
    """Return the function that makes a flag's or segment's function from its constants.

    A flag's takes the clock as a first argument before the constants.

    Raises:
        RecursionError: The shape is nested too deeply for the compiler.
    """
    made = _factories.get(shape)
    if made is None:
        tree = flag_tree(shape) if type(shape) is FlagShape else segment_tree(shape)  # type: ignore[arg-type]
        found: dict[str, Any] = {}
        exec(compile(tree, "<flag>", "exec"), _NAMESPACE, found)  # noqa: S102 - a tree made here, from no text
        if len(_factories) >= _MOST_FACTORIES:
            _factories.clear()
        made = _factories[shape] = found["factory"]
    return made


def flag_tree(shape: FlagShape) -> ast.Module:
    """Return the syntax tree of a flag's factory."""
    return _module(shape.constants, "clock", function("flag", parameters(["c"], ["now"]), _Flag(shape).body()))


def segment_tree(shape: SegmentShape) -> ast.Module:
    """Return the syntax tree of a segment's factory."""
    return _module(shape.constants, "", function("segment", parameters(["c"]), _segment_body(shape)))


def _module(constants: int, first: str, inner: ast.stmt) -> ast.Module:
    names = ([first] if first else []) + [f"k{number}" for number in range(constants)]
    outer = function("factory", parameters(names), [inner, give(name(inner.name))])  # type: ignore[attr-defined]
    return ast.fix_missing_locations(ast.Module([outer], []))


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

    def all_of(self, conditions: tuple[ConditionShape, ...]) -> list[ast.expr]:
        """Return the parts of a conjunction."""
        return [self.condition(part) for part in conditions]

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
        match shape.check:
            case Check.EXISTS:
                test: ast.expr = not_none(value)
            case Check.IS_TRUE:
                test = compare(value, ast.Is(), literal(True))
            case Check.IS_FALSE:
                test = compare(value, ast.Is(), literal(False))
            case Check.EQUALS:
                test = compare(value, ast.Eq(), const(shape.constant))
            case Check.IN:
                test = compare(value, ast.In(), const(shape.constant))
            case _:
                test = self.guarded(shape, value)
        return test if guard is None else both([guard, test])

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


class _Flag:
    """The body of one flag's function.

    Units (encoded) and hashes are variables `e…` and `h…`, computed where they are first needed. Where one is needed
    again, and the first place may have been passed by, it is computed unless it was.
    """

    def __init__(self, shape: FlagShape) -> None:
        self.shape = shape
        self.paths = list(dict.fromkeys(draw.path for draw in shape.draws))
        used = [draw for rule in shape.rules for draw in _draws(rule.outcome)] + _draws(shape.default)
        self.unit_uses = Counter(shape.draws[draw].path for draw in used)
        tests = [test for rule in shape.rules for test in tests_of(rule.conditions)]
        also = [*self.paths, *([shape.target_path] if shape.targets is not None else [])]
        self.readings = Readings(tests, also)
        self.conditions = Conditions(self.readings)
        self.begun: set[str] = set()
        """Variables that are set somewhere above."""
        self.ready: set[str] = set()
        """Variables that are set on every way to where the next statement goes."""
        self.lazy: list[str] = []
        """Variables that are asked whether they are set, and so begin as None."""

    def body(self) -> list[ast.stmt]:
        """Return the statements."""
        shape = self.shape
        body: list[ast.stmt] = []
        if shape.timed:
            body.append(when(is_none(name("now")), [assign("now", call("clock"))]))
        if shape.window is not None and shape.off is not None:
            body.append(when(negate(_inside(shape.window)), [give(const(shape.off))]))
        for flag, variants, answer in shape.prerequisites:
            served = ast.Attribute(call(const(flag), name("c"), name("now")), "variant", ast.Load())
            body.append(when(compare(served, ast.NotIn(), const(variants)), [give(const(answer))]))
        if shape.targets is not None:
            body += self.targets(shape.targets)
        for path, rules in _blocks(shape.rules):
            body += self.block(path, rules)
        body += self.default()
        return [assign(variable, literal(None)) for variable in self.lazy] + body

    def targets(self, targets: int) -> list[ast.stmt]:
        """`if unit in targets: return targets[unit]`."""
        before, value = self.readings.raw(self.shape.target_path)
        again = name("u")
        unit = choose(compare(call("type", again), ast.Is(), name("str")), again, call("unit_of", again))
        return [
            *before,
            assign("u", value),
            assign("u", unit),
            when(compare(again, ast.In(), const(targets)), [give(item(const(targets), again))]),
        ]

    def block(self, path: str | None, rules: Sequence[RuleShape]) -> list[ast.stmt]:
        """Return rules that follow one another, skipped together if what all of them need is absent."""
        if path is None:
            return [statement for rule in rules for statement in self.rule(rule)]
        ready, kept = set(self.ready), self.readings.enter(path)
        body = [statement for rule in rules for statement in self.rule(rule)]
        self.ready = ready  # what was computed inside may have been passed by
        self.readings.leave(kept)
        return [when(compare(literal(path), ast.In(), name("c")), body)]

    def rule(self, rule: RuleShape) -> list[ast.stmt]:
        """Return one rule."""
        before, tests = self.readings.before_rule(rule.conditions, self.conditions)
        if rule.window is not None:
            tests = [_inside(rule.window), *tests]
        known = set(self.ready)
        body = self.outcome(rule.outcome, tests)
        ramp = type(rule.outcome) is ServeShape and rule.outcome.ramp
        if tests or ramp:
            self.ready = known  # what was computed inside may have been passed by
        return [*before, *body]

    def outcome(self, outcome: ServeShape | SplitShape, tests: list[ast.expr]) -> list[ast.stmt]:
        """Return what a rule does when its tests hold."""
        if type(outcome) is ServeShape:
            answer = give(const(outcome.answer))
            if outcome.draw is None:
                return [when(both(tests), [answer])] if tests else [answer]
            limit: ast.expr = const(outcome.limit)
            if outcome.ramp:
                tests = [*tests, walrus("limit", call(limit, name("now")))]
                limit = name("limit")
            known = bool(tests)
            body = [*self.hash(outcome.draw), when(compare(self.drawn(outcome.draw), ast.Lt(), limit), [answer])]
            return [when(both(tests), body)] if known else body
        assert type(outcome) is SplitShape  # noqa: S101 - for the type checker
        body = self.split(outcome)
        return [when(both(tests), body)] if tests else body

    def split(self, split: SplitShape) -> list[ast.stmt]:
        """Return a rule's split; without a unit it serves nothing, because no range reaches `NO_HASH`."""
        if split.intake is None:
            return self.hash(split.draw) + self.arms(split, len(split.arms))
        known = set(self.ready)
        before = self.hash(split.intake)
        taken = either([_between(self.drawn(split.intake), start, end) for start, end in split.slots])
        # A unit that was taken in exists.
        same = self.shape.draws[split.intake].path == self.shape.draws[split.draw].path
        inside = self.hash(split.draw, sure=same)
        arms = self.arms(split, len(split.arms) - same)
        if same:
            arms.append(give(const(split.arms[-1][1])))
        self.ready = known | {f"h{split.intake}"}
        return [*before, when(taken, inside + arms)]

    def arms(self, split: SplitShape, count: int) -> list[ast.stmt]:
        """Return the comparisons with the first `count` ends."""
        drawn = self.drawn(split.draw)
        return [when(compare(drawn, ast.Lt(), const(end)), [give(const(answer))]) for end, answer in split.arms[:count]]

    def default(self) -> list[ast.stmt]:
        """Return what happens when no rule decided."""
        default = self.shape.default
        if type(default) is ServeShape:
            return [give(const(default.answer))]
        assert type(default) is SplitShape  # noqa: S101 - for the type checker
        path = self.shape.draws[default.draw].path
        assert self.shape.missing is not None  # noqa: S101 - for the type checker
        missing = [give(const(self.shape.missing))]
        if self.unit_uses[path] == 1:
            needed = self.only_hash(default.draw, missing)
        else:
            absent = when(negate(name(self.unit_name(path))), missing)
            needed = [*self.unit(path), absent, *self.hash(default.draw, sure=True)]
        return [
            *needed,
            *self.arms(default, len(default.arms) - 1),
            give(const(default.arms[-1][1])),
        ]

    def unit_name(self, path: Path) -> str:
        """Return the variable of a unit."""
        return f"e{self.paths.index(path)}"

    def drawn(self, draw: int) -> ast.expr:
        """Return the variable of a hash."""
        return name(f"h{draw}")

    def unit(self, path: Path) -> list[ast.stmt]:
        """Return the statements that make sure a unit's variable is set: empty bytes for no unit."""
        variable = self.unit_name(path)
        before, value = self.readings.unit(path)
        compute = [
            *before,
            rescue(
                [assign(variable, call("encode", ast.BoolOp(ast.Or(), [value, literal(0)])))],
                [assign(variable, call("unit_bytes", name("c"), literal(path)))],
            ),
        ]
        return self.once(variable, compute)

    def hash(self, draw: int, *, sure: bool = False) -> list[ast.stmt]:
        """Return the statements that make sure a hash's variable is set; `sure`: there is a unit."""
        variable = f"h{draw}"
        if variable in self.ready:
            return []
        path, seed = self.shape.draws[draw]
        if self.unit_uses[path] == 1:
            return self.only_hash(draw, [])
        unit = name(self.unit_name(path))
        value: ast.expr = call("hash", unit, const(seed), literal(False))
        if not sure:
            value = choose(unit, value, literal(NO_HASH))
        compute = [*self.unit(path), assign(variable, value)]
        return self.once(variable, compute)

    def only_hash(self, draw: int, missing: list[ast.stmt]) -> list[ast.stmt]:
        """Return the statements that set the hash of a unit that nothing else needs; `missing`: what if there is none."""
        path, seed = self.shape.draws[draw]
        before, value = self.readings.unit(path)
        variable = f"h{draw}"
        unit = call("encode", ast.BoolOp(ast.Or(), [value, literal(0)]))
        careful = assign(variable, call("hash_of", name("c"), literal(path), const(seed)))
        if missing:
            absent = when(compare(name(variable), ast.Eq(), literal(NO_HASH)), missing)
            handler = [careful, absent]
        else:
            handler = [careful]
        return [*before, rescue([assign(variable, call("hash", unit, const(seed), literal(False)))], handler)]

    def once(self, variable: str, compute: list[ast.stmt]) -> list[ast.stmt]:
        """Return a computation, skipped if it was done already."""
        if variable in self.ready:
            return []
        self.ready.add(variable)
        if variable not in self.begun:
            self.begun.add(variable)
            return compute
        if variable not in self.lazy:
            self.lazy.append(variable)
        return [when(is_none(name(variable)), compute)]


def _draws(outcome: ServeShape | SplitShape) -> list[int]:
    """Return the draws of an outcome."""
    if type(outcome) is SplitShape:
        return [outcome.draw] if outcome.intake is None else [outcome.intake, outcome.draw]
    return [] if outcome.draw is None else [outcome.draw]


def _blocks(rules: tuple[RuleShape, ...]) -> Iterator[tuple[str | None, list[RuleShape]]]:
    """Divide rules into runs that all need one attribute, and the rest."""
    run: list[RuleShape] = []
    common: set[str] = set()
    for rule in rules:
        needs = {
            test.path
            for test in rule.conditions
            if type(test) is TestShape and not test.negated and isinstance(test.path, str)
        }
        if run and common & needs:
            common &= needs
        else:
            if run:
                yield (min(common) if common and len(run) > 1 else None), run
            run, common = [], needs
        run.append(rule)
    if run:
        yield (min(common) if common and len(run) > 1 else None), run


def _inside(window: WindowShape) -> ast.expr:
    now = name("now")
    parts: list[ast.expr] = []
    if window.start is not None:
        parts.append(compare(now, ast.GtE(), const(window.start)))
    if window.end is not None:
        parts.append(compare(now, ast.Lt(), const(window.end)))
    return both(parts)


def _between(value: ast.expr, start: int | None, end: int | None) -> ast.expr:
    """Return whether a hash lies in a slot; without an end, below `NO_HASH`."""
    below = compare(value, ast.Lt(), literal(NO_HASH) if end is None else const(end))
    return below if start is None else both([compare(value, ast.GtE(), const(start)), below])


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
    before, parts = reader.before_rule(shape.conditions, Conditions(reader))
    return [*body, *before, give(both(parts))]
