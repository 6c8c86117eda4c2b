"""The body of a flag's function, as statements of generated code; `codegen` shows what comes of it."""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING

from flagctl.evaluator.buckets import NO_HASH
from flagctl.evaluator.codegen_conditions import Conditions, tests_of
from flagctl.evaluator.codegen_reading import Readings
from flagctl.evaluator.nodes import (
    assign,
    both,
    call,
    choose,
    compare,
    const,
    either,
    give,
    is_none,
    item,
    literal,
    name,
    negate,
    rescue,
    walrus,
    when,
)
from flagctl.evaluator.shapes import FlagShape, ServeShape, SplitShape, TestShape, WindowShape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flagctl.evaluator.plan import Path
    from flagctl.evaluator.shapes import RuleShape


class FlagBody:
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

    def statements(self) -> list[ast.stmt]:
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
        before = self.readings.before_rule(rule.conditions)
        known = set(self.ready)
        body = self.conditions.nested(rule.conditions, self.outcome(rule.outcome))
        if rule.window is not None:
            body = [when(_inside(rule.window), body)]
        ramp = type(rule.outcome) is ServeShape and rule.outcome.ramp
        if rule.conditions or rule.window is not None or ramp:
            self.ready = known  # what was computed inside may have been passed by
        return [*before, *body]

    def outcome(self, outcome: ServeShape | SplitShape) -> list[ast.stmt]:
        """Return what a rule does when its conditions hold."""
        if type(outcome) is SplitShape:
            return self.split(outcome)
        assert type(outcome) is ServeShape  # noqa: S101 - for the type checker
        answer = give(const(outcome.answer))
        if outcome.draw is None:
            return [answer]
        limit: ast.expr = name("limit") if outcome.ramp else const(outcome.limit)
        body = [*self.hash(outcome.draw), when(compare(self.drawn(outcome.draw), ast.Lt(), limit), [answer])]
        if outcome.ramp:
            return [when(walrus("limit", call(const(outcome.limit), name("now"))), body)]
        return body

    def split(self, split: SplitShape) -> list[ast.stmt]:
        """Return a rule's split; without a unit it serves nothing, because no range reaches `NO_HASH`."""
        if split.intake is None:
            return self.hash(split.draw) + self.arms(split, len(split.arms))
        known = set(self.ready)
        before = self.hash(split.intake)
        drawn = self.drawn(split.intake)
        taken = either([_between(drawn, start, end) for start, end in split.slots])
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
        value: ast.expr = call("hash", unit, const(seed))
        if sure:
            return self.once(variable, [*self.unit(path), assign(variable, value)])
        careful = assign(variable, choose(unit, value, literal(NO_HASH)))
        if unit.id in self.begun or variable in self.begun:
            return self.once(variable, [*self.unit(path), careful])
        (*before, reading) = self.unit(path)
        assert type(reading) is ast.Try  # noqa: S101 - for the type checker
        reading.body.append(assign(variable, value))  # a unit that was read the quick way is there
        reading.handlers[0].body.append(careful)
        return self.once(variable, [*before, reading])

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
        return [*before, rescue([assign(variable, call("hash", unit, const(seed)))], handler)]

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
    """Divide rules into runs that all need one attribute, and the rest.

    Nothing that a run reads is read outside of it: variables set in its block could not be used there.
    """
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
                yield _shared_path(run, common, rules), run
            run, common = [], needs
        run.append(rule)
    if run:
        yield _shared_path(run, common, rules), run


def _shared_path(run: list[RuleShape], common: set[str], rules: tuple[RuleShape, ...]) -> str | None:
    """Return the attribute that a run of rules can be skipped by, None if it should not be a block."""
    if len(run) < 2 or not common:
        return None
    inside = {test.path for rule in run for test in tests_of(rule.conditions)}
    outside = {test.path for rule in rules if rule not in run for test in tests_of(rule.conditions)}
    return None if inside & outside else min(common)


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
