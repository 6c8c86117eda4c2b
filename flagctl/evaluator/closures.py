"""The first way of running a flag: nested closures, built in microseconds and right from the first call.

Most flags of a large bundle are evaluated a few times in a process's life; compiling those would cost more than it
ever saves. Conditions run in the order they are written, each reading its attribute by itself. `codegen` takes over for
flags that turn out to be hot, and its tests hold both to the same answers.

Every function takes a context that is a plain dict (or a `LazyContext`), and an instant in milliseconds.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from operator import contains, eq, is_, le, lt, methodcaller
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.evaluator import readings
from flagctl.evaluator.buckets import NO_HASH, unit_hash, unit_of
from flagctl.evaluator.lowering import ALWAYS
from flagctl.evaluator.plan import Check, Group, Member, Reading, Serve, Split, Test

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.evaluator.details import Answer
    from flagctl.evaluator.plan import ConditionPlan, Draw, FlagPlan, Path, RulePlan, SegmentPlan

    Condition = Callable[[Any], bool]
    Evaluate = Callable[..., Answer]
    """(context, now in milliseconds or None) -> answer."""
    Outcome = Callable[[Any, int], Answer | None]
    """(context, now) -> answer, or None if the rule does not match after all."""

READERS: Final[Mapping[Reading, Callable[[object], Any]]] = {
    Reading.RAW: readings.raw,
    Reading.TEXT: readings.text,
    Reading.FOLDED: readings.folded,
    Reading.NUMBER: readings.number,
    Reading.VERSION: readings.version,
    Reading.INSTANT: readings.instant,
    Reading.ADDRESS: readings.address,
    Reading.SCALAR: readings.scalar,
    Reading.SCALAR_FOLDED: readings.scalar_folded,
}
"""The function behind each reading."""


class FunctionCell:
    """A place for a function that others call: filled after its callers are built, and again when a better one exists."""

    __slots__ = ("call",)

    def __init__(self, call: Callable[..., Any] | None = None) -> None:
        self.call: Callable[..., Any] = call or _unfilled


def _unfilled(*_: object) -> Any:
    raise RuntimeError("a function was called before it was built")


def _true(_: object) -> bool:
    return True


def _predicate(test: Test) -> Callable[[Any], bool]:
    """Return what is asked of a reading that is not None."""
    constant = test.constant
    match test.check:
        case Check.EXISTS:
            return _true
        case Check.IS_TRUE:
            return partial(is_, True)
        case Check.IS_FALSE:
            return partial(is_, False)
        case Check.EQUALS:
            return partial(eq, constant)
        case Check.IN:
            return partial(contains, constant)
        case Check.LESS:
            return partial(_greater, constant)
        case Check.LESS_OR_EQUAL:
            return partial(_greater_or_equal, constant)
        case Check.GREATER:
            return partial(lt, constant)
        case Check.GREATER_OR_EQUAL:
            return partial(le, constant)
        case Check.STARTS:
            return methodcaller("startswith", constant)
        case Check.ENDS:
            return methodcaller("endswith", constant)
        case Check.CALL:
            return constant  # type: ignore[no-any-return]
        case Check.CALL_WITH:
            function, argument = constant
            return lambda value: function(value, argument)


def _greater(constant: Any, value: Any) -> bool:
    return bool(value < constant)


def _greater_or_equal(constant: Any, value: Any) -> bool:
    return bool(value <= constant)


def getter(path: Path) -> Callable[[Any], Any]:
    """Return a function that reads a path from a context, None if nothing is there."""
    if type(path) is tuple:
        return lambda context: readings.walk(context, path)
    return lambda context: context[path] if path in context else None  # noqa: SIM401 - not every mapping's `get` is its own


def condition(plan: ConditionPlan, segments: Mapping[str, FunctionCell]) -> Condition:
    """Return a condition as a function of the context."""
    if type(plan) is Test:
        return _test(plan)
    if type(plan) is Member:
        return _member(segments[plan.segment], plan.negated)
    assert type(plan) is Group  # noqa: S101 - for the type checker
    parts = tuple([condition(part, segments) for part in plan.parts])
    decides = plan.any_of
    answer = plan.any_of != plan.negated

    def group(context: Any) -> bool:
        for part in parts:
            if part(context) is decides:
                return answer
        return not answer

    return group


def _test(test: Test) -> Condition:
    predicate = _predicate(test)
    read = READERS[test.reading]
    path = test.path
    met, unmet = not test.negated, test.negated
    if type(path) is tuple:

        def walked(context: Any) -> bool:
            value = readings.walk(context, path)
            if value is None or (value := read(value)) is None:
                return unmet
            return met if predicate(value) else unmet

        return walked

    def direct(context: Any) -> bool:
        if path not in context:
            return unmet
        value = read(context[path])
        if value is None:
            return unmet
        return met if predicate(value) else unmet

    return direct


def _member(segment: FunctionCell, negated: bool) -> Condition:
    if negated:
        return lambda context: not segment.call(context)
    return lambda context: bool(segment.call(context))


def segment_function(plan: SegmentPlan, segments: Mapping[str, FunctionCell]) -> Condition:
    """Return a segment as a function of the context."""
    include, exclude = plan.include, plan.exclude
    conditions = None if plan.conditions is None else tuple([condition(part, segments) for part in plan.conditions])
    listed = bool(include or exclude)

    def member(context: Any) -> bool:
        if listed:
            unit = unit_of(context["targeting_key"]) if "targeting_key" in context else None
            if unit in exclude:
                return False
            if unit in include:
                return True
        return conditions is not None and all(part(context) for part in conditions)

    return member


class HotError(Exception):
    """Raised instead of an answer by a flag that was asked often enough to be worth compiling; then ask again."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Surroundings(NamedTuple):
    """What a flag's function needs besides its plan.

    Attributes:
        clock: Returns the current instant in milliseconds.
        flags: Functions of prerequisites.
        segments: Functions of segments.
        timed: Whether the answer depends on the instant, be it through a prerequisite.
    """

    clock: Callable[[], int]
    flags: Mapping[str, FunctionCell]
    segments: Mapping[str, FunctionCell]
    timed: bool


def flag_function(plan: FlagPlan, around: Surroundings, patience: int) -> Evaluate:
    """Return a flag as a function of context and instant.

    Args:
        plan: The flag; one without a fixed answer.
        around: What it needs besides.
        patience: After how many calls to raise `HotError`, and then again each time; 0: never.
    """
    clock = around.clock if around.timed else None
    window, off, key = plan.window, plan.off, plan.key
    prerequisites = tuple([(around.flags[need.flag], need.variants, need.answer) for need in plan.prerequisites])
    targets, target = plan.targets, getter(plan.target_path)
    rules = tuple([_rule(rule, around.segments) for rule in plan.rules])
    default = _default(plan.default, plan.missing)
    left = patience or -1

    def evaluate(context: Any, now: Any = None) -> Answer:
        nonlocal left
        left -= 1
        if left == 0:
            left = patience
            raise HotError(key)
        if clock is not None:
            if now is None:
                now = clock()
            if window is not None and not window.contains(now):
                return off
        for cell, variants, answer in prerequisites:
            if cell.call(context, now).variant not in variants:
                return answer
        if targets:
            unit = unit_of(target(context))
            if unit in targets:
                return targets[unit]  # type: ignore[index]
        for rule in rules:
            found = rule(context, now)
            if found is not None:
                return found
        return default(context, now)

    return evaluate


def _rule(plan: RulePlan, segments: Mapping[str, FunctionCell]) -> Outcome:
    """Return a rule as a function that answers None if it does not match."""
    conditions = tuple([condition(part, segments) for part in plan.conditions])
    window = plan.window
    if plan.outcome is None:
        return _never
    outcome = _serve(plan.outcome) if type(plan.outcome) is Serve else _split(plan.outcome)  # type: ignore[arg-type]

    def rule(context: Any, now: int) -> Answer | None:
        if window is not None and not window.contains(now):
            return None
        for part in conditions:
            if not part(context):
                return None
        return outcome(context, now)

    return rule


def _never(_context: Any, _now: int) -> None:
    return None


def _default(plan: Serve | Split, missing: Answer) -> Callable[[Any, int | None], Answer]:
    outcome: Outcome = _serve(plan) if type(plan) is Serve else _split(plan)  # type: ignore[arg-type]

    def default(context: Any, now: int | None) -> Answer:
        answer = outcome(context, now or 0)
        return missing if answer is None else answer

    return default


def _hasher(draw: Draw) -> Callable[[Any], int]:
    seed, unit = draw.seed, getter(draw.path)
    return lambda context: unit_hash(unit(context), seed)


def _serve(plan: Serve) -> Outcome:
    answer, limit = plan.answer, plan.limit
    if plan.draw is None:
        return lambda _context, _now: answer
    draw = _hasher(plan.draw)
    if type(limit) is int:
        return lambda context, _now: answer if draw(context) < limit else None

    def ramp(context: Any, now: int) -> Answer | None:
        reached = limit(now)  # type: ignore[operator]
        return answer if reached and (reached == ALWAYS or draw(context) < reached) else None

    return ramp


def _split(plan: Split) -> Outcome:
    draw = _hasher(plan.draw)
    ends, answers, slots = plan.ends, plan.answers, plan.slots
    intake = None if plan.intake is None else _hasher(plan.intake)

    def split(context: Any, _now: int) -> Answer | None:
        if intake is not None:
            drawn = intake(context)
            if not any(start <= drawn < end for start, end in slots):
                return None
        drawn = draw(context)
        return None if drawn == NO_HASH else answers[bisect_right(ends, drawn)]

    return split
