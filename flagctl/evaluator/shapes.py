"""A plan split into its shape and its constants.

Flags of one shape (the same attributes, operators and structure, whatever they compare with and answer) run the same
code with other constants, so that code is generated once for each shape. In a shape every constant is replaced by its
number; numbers are given in the order of one fixed walk, hence equal shapes number alike.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.evaluator.buckets import BUCKETS, threshold
from flagctl.evaluator.plan import Check, Group, Member, Reading, Serve, Test

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from flagctl.evaluator.plan import ConditionPlan, Draw, FlagPlan, Path, SegmentPlan, Split, Window


class TestShape(NamedTuple):
    """One attribute against a constant; `argument` is a second constant for `Check.CALL_WITH`."""

    path: Path
    reading: str
    check: str
    constant: int
    argument: int
    negated: bool


class GroupShape(NamedTuple):
    """Several conditions: any of them, or all."""

    any_of: bool
    parts: tuple[ConditionShape, ...]
    negated: bool


class MemberShape(NamedTuple):
    """Membership in the segment whose function is a constant."""

    function: int
    negated: bool


ConditionShape = TestShape | GroupShape | MemberShape


class DrawShape(NamedTuple):
    """A bucket: `seed` is a constant."""

    path: Path
    seed: int


class ServeShape(NamedTuple):
    """One answer; below a limit of the draw's hash if there is one. A `ramp` has its limit computed from the instant."""

    answer: int
    draw: int | None = None
    limit: int = -1
    ramp: bool = False


class SplitShape(NamedTuple):
    """Answers by the hash of `draw`: (end, answer) each; only within slots of the hash of `intake` if that is given."""

    draw: int
    arms: tuple[tuple[int, int], ...]
    intake: int | None
    slots: tuple[tuple[int | None, int | None], ...]
    """(start, end) each; None where the range of hashes begins or ends."""


class WindowShape(NamedTuple):
    """A half-open span; None for an open side."""

    start: int | None
    end: int | None


class RuleShape(NamedTuple):
    """One rule that can match."""

    conditions: tuple[ConditionShape, ...]
    window: WindowShape | None
    outcome: ServeShape | SplitShape


class FlagShape(NamedTuple):
    """One flag. Numbers are those of constants; prerequisites are (function, variants, answer)."""

    timed: bool
    window: WindowShape | None
    off: int | None
    prerequisites: tuple[tuple[int, int, int], ...]
    targets: int | None
    target_path: Path
    rules: tuple[RuleShape, ...]
    default: ServeShape | SplitShape
    missing: int | None
    draws: tuple[DrawShape, ...]
    constants: int


class SegmentShape(NamedTuple):
    """One segment."""

    include: int | None
    exclude: int | None
    conditions: tuple[ConditionShape, ...] | None
    constants: int


class LoneShape(NamedTuple):
    """One test as a function of its own. A test of few values may be a group here."""

    condition: TestShape | GroupShape
    constants: int


_ALL_HASHES: Final = threshold(BUCKETS)


class _Walk:
    """Gives constants their numbers."""

    __slots__ = ("constants", "draws", "segments")

    def __init__(self, segments: Callable[[str], Any]) -> None:
        self.constants: list[Any] = []
        self.draws: dict[Draw, tuple[int, DrawShape]] = {}
        self.segments = segments

    def constant(self, value: Any) -> int:
        self.constants.append(value)
        return len(self.constants) - 1

    def conditions(self, plans: Iterable[ConditionPlan]) -> tuple[ConditionShape, ...]:
        """Return conditions of a conjunction or disjunction, cheap ones first: their order has no effect."""
        return tuple([self.condition(plan) for plan in sorted(plans, key=cost)])

    def condition(self, plan: ConditionPlan) -> ConditionShape:
        if type(plan) is Test:
            path, reading, check, constant, negated = plan.path, plan.reading, plan.check, plan.constant, plan.negated
            argument = -1
            if check is Check.CALL_WITH:
                constant, second = constant
                argument = self.constant(second)
            elif check is Check.IN and len(constant) <= _FEW and reading in _COMPARED:
                parts = [TestShape(path, reading, Check.EQUALS, self.constant(one), -1, False) for one in constant]
                return GroupShape(True, tuple(parts), negated)
            number = -1 if constant is None else self.constant(constant)
            return TestShape(path, reading, check, number, argument, negated)
        if type(plan) is Group:
            return GroupShape(plan.any_of, self.conditions(plan.parts), plan.negated)
        assert type(plan) is Member  # noqa: S101 - for the type checker
        return MemberShape(self.constant(self.segments(plan.segment)), plan.negated)

    def window(self, window: Window | None) -> WindowShape | None:
        if window is None:
            return None
        start, end = window
        return WindowShape(None if start is None else self.constant(start), None if end is None else self.constant(end))

    def draw(self, draw: Draw) -> int:
        """Return the number of a draw: one for each (salt, unit), so that each is hashed once."""
        known = self.draws.get(draw)
        if known is None:
            known = self.draws[draw] = (len(self.draws), DrawShape(draw.path, self.constant(draw.seed)))
        return known[0]

    def outcome(self, plan: Serve | Split) -> ServeShape | SplitShape:
        if type(plan) is Serve:
            answer = self.constant(plan.answer)
            if plan.draw is None:
                return ServeShape(answer)
            ramp = type(plan.limit) is not int
            return ServeShape(answer, self.draw(plan.draw), self.constant(plan.limit), ramp)
        return self.split(plan)  # type: ignore[arg-type]

    def split(self, plan: Split) -> SplitShape:
        intake = None if plan.intake is None else self.draw(plan.intake)
        slots = tuple(
            [
                (self.constant(start) if start else None, self.constant(end) if end < _ALL_HASHES else None)
                for start, end in plan.slots
            ]
        )
        draw = self.draw(plan.draw)
        arms = [
            (self.constant(end), self.constant(answer)) for end, answer in zip(plan.ends, plan.answers, strict=True)
        ]
        return SplitShape(draw, tuple(arms), intake, slots)


_FEW: Final = 2
"""Comparing with so few texts is quicker than looking them up in a set."""
_COMPARED: Final = frozenset({Reading.TEXT, Reading.FOLDED})


def cost(plan: ConditionPlan) -> int:
    """Return roughly what a condition costs, for ordering only."""
    if type(plan) is Test:
        nested = 4 if type(plan.path) is tuple else 0
        return _READING_COST[plan.reading] + _CHECK_COST.get(plan.check, 0) + nested
    if type(plan) is Group:
        return 1 + sum([cost(part) for part in plan.parts])
    return 12


_READING_COST: Final = {
    Reading.RAW: 1,
    Reading.TEXT: 1,
    Reading.NUMBER: 2,
    Reading.SCALAR: 3,
    Reading.FOLDED: 3,
    Reading.SCALAR_FOLDED: 4,
    Reading.VERSION: 6,
    Reading.INSTANT: 8,
    Reading.ADDRESS: 10,
}
_CHECK_COST: Final = {
    Check.GREATER: 1,
    Check.LESS: 1,
    Check.GREATER_OR_EQUAL: 1,
    Check.LESS_OR_EQUAL: 1,
    Check.STARTS: 2,
    Check.ENDS: 2,
    Check.CALL: 30,
    Check.CALL_WITH: 8,
}


def flag_shape(
    plan: FlagPlan, timed: bool, flags: Callable[[str], Any], segments: Callable[[str], Any]
) -> tuple[FlagShape, list[Any]]:
    """Split a flag's plan.

    Args:
        plan: The flag.
        timed: Whether the answer depends on the instant, be it through a prerequisite.
        flags: Returns the function of a prerequisite.
        segments: Returns the function of a segment.

    Returns:
        The shape, and the constants in the order of their numbers.
    """
    walk = _Walk(segments)
    off = None if plan.off is None else walk.constant(plan.off)
    window = walk.window(plan.window)
    prerequisites = [
        (walk.constant(flags(need.flag)), walk.constant(need.variants), walk.constant(need.answer))
        for need in plan.prerequisites
    ]
    targets = walk.constant(plan.targets) if plan.targets else None
    rules = [
        RuleShape(walk.conditions(rule.conditions), walk.window(rule.window), walk.outcome(rule.outcome))
        for rule in plan.rules
        if rule.outcome is not None
    ]
    default = walk.outcome(plan.default)
    shape = FlagShape(
        timed=timed,
        window=window,
        off=off,
        prerequisites=tuple(prerequisites),
        targets=targets,
        target_path=plan.target_path,
        rules=tuple(rules),
        default=default,
        missing=None if plan.missing is None else walk.constant(plan.missing),
        draws=tuple([draw for _, draw in walk.draws.values()]),
        constants=len(walk.constants),
    )
    return shape, walk.constants


def segment_shape(plan: SegmentPlan, segments: Callable[[str], Any]) -> tuple[SegmentShape, list[Any]]:
    """Split a segment's plan, as :func:`flag_shape` a flag's."""
    walk = _Walk(segments)
    include = walk.constant(plan.include) if plan.include else None
    exclude = walk.constant(plan.exclude) if plan.exclude else None
    conditions = None if plan.conditions is None else walk.conditions(plan.conditions)
    return SegmentShape(include, exclude, conditions, len(walk.constants)), walk.constants


def test_shape(test: Test) -> tuple[LoneShape, list[Any]]:
    """Split a single test, as :func:`flag_shape` a flag."""
    walk = _Walk(_no_segment)
    shape = walk.condition(test)
    assert type(shape) is not MemberShape  # noqa: S101 - for the type checker
    return LoneShape(shape, len(walk.constants)), walk.constants  # type: ignore[arg-type]


def _no_segment(_: str) -> None:
    return None
