"""The first way of running a flag: a small interpreter over its tests, ready in microseconds.

Most flags of a large bundle are evaluated a few times in a process's life; compiling those would cost more than it
ever saves. Single tests are generated code already, but few of them differ in more than their constants, and flags
share equal ones. Conditions run in the order they are written, each reading its attribute by itself. `codegen` takes
over for flags that turn out to be hot, and tests hold both to the same answers.

Every function takes a context that is a plain dict (or a `LazyContext`), and an instant in milliseconds.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from mmh3 import hash as murmur3

from flagctl.evaluator import readings
from flagctl.evaluator.buckets import NO_HASH, unit_hash, unit_of
from flagctl.evaluator.plan import Group, Member, Serve, Split, Test
from flagctl.evaluator.shares import ALWAYS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.evaluator.details import Answer
    from flagctl.evaluator.plan import ConditionPlan, Draw, FlagPlan, Path, RulePlan, SegmentPlan, Window

    Slots = tuple[tuple[int, int], ...]

    Condition = Callable[[Any], bool]
    Evaluate = Callable[..., Answer]
    """(context, now in milliseconds or None) -> answer."""
    Reach = frozenset[tuple[str, str]]

encode: Final[Callable[[Any], bytes]] = str.encode

NO_REACH: Final[Reach] = frozenset()

_NEVER: Final = 1 << 62


def unit_at(context: Any, path: Path) -> object:
    """Return what lies at a path of a context, None if nothing does."""
    if type(path) is tuple:
        return readings.walk(context, path)
    return context[path] if path in context else None  # noqa: SIM401 - not every mapping's `get` is its own


def condition(plan: ConditionPlan, segments: Mapping[str, BuiltSegment]) -> Condition:
    """Return a condition as a function of the context. Tests keep theirs, because many flags share one test."""
    if type(plan) is Test:
        if plan.function is None:
            from flagctl.evaluator import codegen, shapes  # noqa: PLC0415 - `ast` is only needed from here on

            shape, constants = shapes.test_shape(plan)
            plan.function = codegen.factory(shape)(*constants)
        return plan.function
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


def _member(segment: BuiltSegment, negated: bool) -> Condition:
    if negated:
        return lambda context: not segment.function(context)
    return lambda context: segment.function(context)  # noqa: PLW0108 - a better function may come


class BuiltFlag:
    """A flag that was asked for; others that need it call it through this.

    Attributes:
        function: (context, now or None) -> Answer; None if the answer is always the same.
        answer: That answer, or None.
        window: The flag's schedule if it decides whether the flag is disabled, and the answer outside it.
        reach: Every other entry, as (section, key), that the answer depends on.
        timed: Whether the answer depends on the instant.
        compiled: Whether the function is generated code, or will never be.
    """

    __slots__ = ("answer", "compiled", "function", "reach", "timed", "window")

    def __init__(self, function: Evaluate | None, answer: Answer | None) -> None:
        self.function = function
        self.answer = answer
        self.window: tuple[Window, Answer] | None = None
        self.reach: Reach = NO_REACH
        self.timed = False
        self.compiled = function is None

    def evaluate(self, context: Any, now: int | None = None) -> Answer:
        """Return the flag's answer."""
        if self.function is None:
            assert self.answer is not None  # noqa: S101 - for the type checker
            return self.answer
        return self.function(context, now)


class BuiltSegment:
    """A segment that was asked for, with every other entry it depends on; conditions call it through this."""

    __slots__ = ("compiled", "function", "reach")

    def __init__(self, function: Condition, reach: Reach) -> None:
        self.function = function
        self.reach = reach
        self.compiled = False


def segment_function(plan: SegmentPlan, segments: Mapping[str, BuiltSegment]) -> Condition:
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
        if conditions is None:
            return False
        for part in conditions:  # noqa: SIM110 - a generator costs as much as the tests
            if not part(context):
                return False
        return True

    return member


class HotError(Exception):
    """Raised instead of an answer by a flag that was asked often enough to be worth compiling; then ask again."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Interpreter:
    """One flag as an object whose bound method `evaluate` is its function.

    Compact on purpose: a large bundle has thousands of these, and memory that is spread out costs more than the work.

    Args:
        plan: A flag without a fixed answer.
        flags: Its prerequisites.
        segments: Its segments.
        clock: Returns the current instant in milliseconds; None if the answer does not depend on it.
        patience: After how many calls to raise `HotError`, twice in a row, and then again each time; 0: never.
    """

    __slots__ = ("before", "default", "left", "rest", "rules")

    def __init__(
        self,
        plan: FlagPlan,
        flags: Mapping[str, BuiltFlag],
        segments: Mapping[str, BuiltSegment],
        clock: Callable[[], int] | None,
        patience: int,
    ) -> None:
        self.left = patience or _NEVER
        self.rest = _Rest(plan, flags, clock, patience)
        special = clock is not None or plan.prerequisites or plan.targets
        self.before = self.rest.before_rules if special else None
        self.rules = tuple([_rule(rule, segments) for rule in plan.rules if rule.outcome is not None])
        self.default = _outcome(plan.default)

    def evaluate(self, context: Any, now: Any = None) -> Answer:
        """Return the flag's answer."""
        self.left -= 1
        if self.left < 1:
            # Twice: the caller's fast path takes any exception for a reason to ask again, and then it is looked at.
            if self.left < 0:
                self.left = self.rest.patience
            raise HotError(self.rest.key)
        answer: Any
        if self.before is not None:
            if now is None and self.rest.clock is not None:
                now = self.rest.clock()
            answer = self.before(context, now)
            if answer is not None:
                return answer  # type: ignore[no-any-return]
        for first, more, outcome in self.rules:
            if first is not None and not first(context):
                continue
            for test in more:
                if not test(context):
                    break
            else:
                if not outcome:  # an answer; a function is true
                    return outcome  # type: ignore[no-any-return]
                answer = outcome(context, now)
                if answer is not None:
                    return answer  # type: ignore[no-any-return]
        default = self.default
        if not default:
            return default  # type: ignore[no-any-return]
        answer = default(context, now)
        return self.rest.missing if answer is None else answer  # type: ignore[return-value]

    def again(self) -> Interpreter:
        """Return a copy that never raises `HotError`.

        Copies made one after the other lie side by side in memory, where those that are made while lines are decoded are
        spread out; and fetching them is what takes time when thousands take turns.
        """
        copy = Interpreter.__new__(Interpreter)
        copy.left = _NEVER
        copy.rest, copy.before, copy.default = self.rest, self.before, self.default
        copy.rules = tuple([(first, more, outcome) for first, more, outcome in self.rules])
        return copy


class _Rest:
    """What an interpreter needs less often."""

    __slots__ = ("clock", "key", "missing", "patience", "prerequisites", "target_path", "targets", "window")

    def __init__(
        self, plan: FlagPlan, flags: Mapping[str, BuiltFlag], clock: Callable[[], int] | None, patience: int
    ) -> None:
        self.key = plan.key
        self.patience = patience
        self.clock = clock
        self.missing = plan.missing
        self.window = None if plan.window is None or plan.off is None else (plan.window, plan.off)
        self.prerequisites = [(flags[need.flag], need.variants, need.answer) for need in plan.prerequisites] or None
        self.targets = plan.targets
        self.target_path = plan.target_path

    def before_rules(self, context: Any, now: Any) -> Answer | None:
        """Return the answer of schedule, prerequisites and targets, or None if they leave it to the rules."""
        if self.window is not None and not self.window[0].contains(now):
            return self.window[1]
        for flag, variants, answer in self.prerequisites or ():
            if flag.evaluate(context, now).variant not in variants:
                return answer
        if self.targets:
            unit = unit_of(unit_at(context, self.target_path))
            if unit is not None:
                return self.targets.get(unit)
        return None


def _rule(plan: RulePlan, segments: Mapping[str, BuiltSegment]) -> tuple[Condition | None, tuple[Condition, ...], Any]:
    """Return a rule's first test, its other tests, and its outcome."""
    assert plan.outcome is not None  # noqa: S101 - for the type checker
    outcome = _outcome(plan.outcome)
    if plan.window is not None:
        outcome = partial(_in_time, plan.window, outcome)
    if not plan.conditions:
        return None, (), outcome
    first, *more = [condition(part, segments) for part in plan.conditions]
    return first, tuple(more), outcome


def _in_time(window: Window, outcome: Any, context: Any, now: Any) -> Answer | None:
    if not window.contains(now):
        return None
    return outcome(context, now) if outcome else outcome  # type: ignore[no-any-return]


def _outcome(plan: Serve | Split) -> Any:
    """Return an outcome as an `Answer`, or a function of context and instant that gives one or None."""
    if type(plan) is Split:
        split = partial(_split, plan.draw.path, plan.draw.seed, plan.ends, plan.answers)
        return split if plan.intake is None else partial(_experiment, plan.intake, plan.slots, split)
    assert type(plan) is Serve  # noqa: S101 - for the type checker
    if plan.draw is None:
        return plan.answer
    if type(plan.limit) is int:
        return partial(_share, plan.draw.path, plan.draw.seed, plan.limit, plan.answer)
    return partial(_ramp, plan)


def _hash(path: Path, seed: int, context: Any) -> int:
    try:
        return murmur3(encode(context[path] or 0), seed, False)
    except Exception:  # noqa: BLE001 - absent, no text, or not to be encoded: read it carefully
        return unit_hash(unit_at(context, path), seed)


def _share(path: Path, seed: int, limit: int, answer: Answer, context: Any, _now: Any) -> Answer | None:
    return answer if _hash(path, seed, context) < limit else None


def _ramp(plan: Serve, context: Any, now: int) -> Answer | None:
    reached = plan.limit(now)  # type: ignore[operator]
    if not reached:
        return None
    assert plan.draw is not None  # noqa: S101 - for the type checker: only plans that draw come here
    path, seed = plan.draw.path, plan.draw.seed
    return plan.answer if reached == ALWAYS or _hash(path, seed, context) < reached else None


def _split(
    path: Path, seed: int, ends: tuple[int, ...], answers: tuple[Answer, ...], context: Any, _now: Any
) -> Answer | None:
    drawn = _hash(path, seed, context)
    return None if drawn == NO_HASH else answers[bisect_right(ends, drawn)]


def _experiment(
    intake: Draw, slots: Slots, split: Callable[..., Answer | None], context: Any, now: Any
) -> Answer | None:
    drawn = _hash(intake.path, intake.seed, context)
    if not any(start <= drawn < end for start, end in slots):
        return None
    return split(context, now)
