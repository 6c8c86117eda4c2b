"""A flag between its line and its function: checked, with constants in the form operators compare and answers made.

Both ways of running a flag (`closures` for the first calls, `codegen` for hot flags) start from here, so that what a
condition means is decided once, in `conditions`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.evaluator.details import Answer

Path = str | tuple[str, ...]
"""One key of the context, or at least two keys into nested mappings."""


class Reading:
    """How an attribute's value is read before it is compared; see `flagctl.evaluator.readings`.

    Plain text and no enumeration, like `Check`: shapes are hashed whenever a flag is built, and members hash slowly.
    """

    RAW: Final = "raw"
    TEXT: Final = "text"
    FOLDED: Final = "folded"
    NUMBER: Final = "number"
    VERSION: Final = "version"
    INSTANT: Final = "instant"
    ADDRESS: Final = "address"
    SCALAR: Final = "scalar"
    SCALAR_FOLDED: Final = "scalar_folded"


class Check:
    """What is asked of a reading that is not None."""

    EXISTS: Final = "exists"
    IS_TRUE: Final = "is_true"
    IS_FALSE: Final = "is_false"
    EQUALS: Final = "equals"
    IN: Final = "in"
    LESS: Final = "less"
    LESS_OR_EQUAL: Final = "less_or_equal"
    GREATER: Final = "greater"
    GREATER_OR_EQUAL: Final = "greater_or_equal"
    STARTS: Final = "starts"
    ENDS: Final = "ends"
    CALL: Final = "call"
    """``constant(reading)``"""
    CALL_WITH: Final = "call_with"
    """``function(reading, constant)`` for the constant (function, constant)"""


class Test:
    """One attribute against constants. Flags of a bundle that ask the same share one instance.

    Attributes:
        path: Where the attribute is.
        reading: One of `Reading`.
        check: One of `Check`.
        constant: What is compared with.
        negated: Whether the test is to fail.
        function: The test as a function of the context, once it was needed.
    """

    __slots__ = ("check", "constant", "function", "negated", "path", "reading")

    def __init__(self, path: Path, reading: str, check: str, constant: Any = None, negated: bool = False) -> None:
        self.path = path
        self.reading = reading
        self.check = check
        self.constant = constant
        self.negated = negated
        self.function: Callable[[Any], bool] | None = None

    def negation(self) -> Test:
        """Return the negated test."""
        return Test(self.path, self.reading, self.check, self.constant, not self.negated)


class Group(NamedTuple):
    """Several conditions: any of them, or all."""

    any_of: bool
    parts: tuple[ConditionPlan, ...]
    negated: bool = False


class Member(NamedTuple):
    """Membership in a segment."""

    segment: str
    negated: bool = False


ConditionPlan = Test | Group | Member


class Draw(NamedTuple):
    """Which bucket decides: the seed of a salt, and where the unit is."""

    seed: int
    path: Path


class Serve(NamedTuple):
    """One answer, for a share of the units if `draw` is given.

    `limit` is the hash threshold below which units are served, or a function from the instant in milliseconds to it.
    """

    answer: Answer
    draw: Draw | None = None
    limit: int | Callable[[int], int] = 0


class Split(NamedTuple):
    """Answers by ranges of hashes: `ends` are ascending exclusive ends, the last one covers all.

    With `intake`, only units whose hash under its draw lies in one of `slots` take part.
    """

    draw: Draw
    ends: tuple[int, ...]
    answers: tuple[Answer, ...]
    intake: Draw | None = None
    slots: tuple[tuple[int, int], ...] = ()


OutcomePlan = Serve | Split | None
"""None in a rule: it never matches. None as the default: the caller's default."""


class Window(NamedTuple):
    """A half-open span of milliseconds; a side may be open."""

    start: int | None
    end: int | None

    def contains(self, now: int) -> bool:
        """Return whether an instant in milliseconds lies inside."""
        return (self.start is None or self.start <= now) and (self.end is None or now < self.end)


class RulePlan(NamedTuple):
    """One rule, ready to run."""

    conditions: tuple[ConditionPlan, ...]
    window: Window | None
    outcome: OutcomePlan


class PrerequisitePlan(NamedTuple):
    """Another flag and the variants of it that let evaluation go on; else `answer`."""

    flag: str
    variants: frozenset[str]
    answer: Answer


class FlagPlan(NamedTuple):
    """One flag, ready to run.

    `off` answers outside the window, and `missing` when the default needs a unit and there is none; both are only there
    if that can happen. `fixed` is set if the answer is always the same; then nothing else matters.
    """

    key: str
    off: Answer | None
    fixed: Answer | None
    window: Window | None
    prerequisites: tuple[PrerequisitePlan, ...]
    targets: Mapping[str, Answer]
    target_path: Path
    rules: tuple[RulePlan, ...]
    default: Serve | Split
    missing: Answer | None
    segments: set[str]
    patterns: set[str]
    timed: bool


class SegmentPlan(NamedTuple):
    """One segment, ready to run."""

    include: frozenset[str]
    exclude: frozenset[str]
    conditions: tuple[ConditionPlan, ...] | None
    segments: set[str]
    patterns: set[str]
