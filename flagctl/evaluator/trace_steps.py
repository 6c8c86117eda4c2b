"""The tree of steps that explains one evaluation; `flagctl.evaluator.trace` builds it.

Every step carries a route: where in the compiled entry it stands, such as ``("rules", 2, "when", 0)``. Steps inside a
segment have routes from the segment's own entry. A `held` of None means that reading the context raised, which ends the
evaluation with ``INVALID_CONTEXT``. All steps have ``to_dict()``, whose result is plain JSON: parts that are None or
empty are left out, and context values that JSON cannot hold are described as ``{"type": ..., "text": ...}``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from flagctl.evaluator.details import EvaluationDetails

Route = tuple[str | int, ...]
"""Keys and positions from the root of a compiled entry."""

_LONGEST_LIST: Final = 50
"""Items of a list that JSON output shows; a condition may have 100 000."""
_DEEPEST: Final = 8


class Step:
    """Base of all steps."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the step as the JSON output has it."""
        result = {}
        for item in fields(self):  # type: ignore[arg-type]  # every subclass is a dataclass
            value = getattr(self, item.name)
            if value is None or value == ():
                continue
            result[item.name] = _jsonable(value.value) if isinstance(value, Seen) else _plain(value)
        return result


@dataclass(frozen=True, slots=True)
class Seen:
    """A value that was read from the context, of any type whatever."""

    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleStep(Step):
    """A window of time, half-open, in milliseconds since the epoch; `held` says whether the instant lies in it."""

    route: Route
    held: bool
    from_ms: int | None = None
    until_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawStep(Step):
    """Where a unit falls under a salt.

    Attributes:
        attribute: Path of the attribute that names the unit.
        salt: Salt of the draw.
        value: What the context has there, None if nothing.
        unit: The value's string form, None if it names no unit; then there is no bucket.
        bucket: 0 to 99 999.
    """

    attribute: tuple[str, ...]
    salt: str
    value: Seen | None = None
    unit: str | None = None
    bucket: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentStep(Step):
    """Whether the context belongs to a segment.

    Attributes:
        key: The segment's.
        held: Whether it is a member.
        by: What decided: ``exclude``, ``include``, ``list``, ``when``; ``no_match`` if the segment has no `when`, or
            ``list_unknown`` if it has a list besides that was not at hand.
        unit: String form of the targeting key, None if there is none.
        conditions: Steps of its `when`, with routes from the segment's entry; none if the lists decided.
    """

    key: str
    held: bool | None
    by: str
    unit: str | None = None
    conditions: tuple[ConditionStep, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ConditionStep(Step):
    """One condition; `kind` is ``attribute``, ``all``, ``any``, ``not`` or ``segment``.

    Attributes:
        route: Where it stands.
        kind: Which of the fields below are used.
        held: Whether it holds.
        attribute: Path that is read.
        operator: As in the bundle, with ``not_`` where negated.
        constant: What the attribute is compared with; lists as in the bundle.
        ignore_case: Whether text is compared by casefold.
        value: What the context has there, None if nothing.
        note: Why the value could not be read, if so.
        parts: Conditions inside; all are recorded, those after the deciding one too.
        segment: The segment's own step.
    """

    route: Route
    kind: str
    held: bool | None
    attribute: tuple[str, ...] = ()
    operator: str | None = None
    constant: Any = None
    ignore_case: bool | None = None
    value: Seen | None = None
    note: str | None = None
    parts: tuple[ConditionStep, ...] = ()
    segment: SegmentStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PercentageStep(Step):
    """A percentage at the instant of the evaluation.

    Attributes:
        route: Where it stands.
        form: ``fixed``, ``steps`` or ``linear``.
        share: Thousandths of a percent at this instant; buckets below it hold.
        held: Whether the bucket lies below.
        draw: None if the share is 0 or 100 %: these hold or not without a unit.
    """

    route: Route
    form: str
    share: int
    held: bool
    draw: DrawStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitStep(Step):
    """A rollout: ``(start, end, variant)`` ranges with exclusive ends, and the one that the unit falls into, if any."""

    route: Route
    ranges: tuple[tuple[int, int, str], ...]
    draw: DrawStep
    variant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentStep(Step):
    """Whether an experiment takes the unit in.

    Attributes:
        route: Where it stands.
        key: The experiment's.
        status: ``draft``, ``running`` or ``completed``.
        held: Whether the unit is taken in; for a completed one, whether a winner is served.
        slots: Bucket ranges of the allocation draw that are taken in.
        draw: The allocation draw of a running experiment.
    """

    route: Route
    key: str
    status: str
    held: bool
    slots: tuple[tuple[int, int], ...] = ()
    draw: DrawStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleStep(Step):
    """One targeting rule.

    Attributes:
        route: Where it stands.
        id: The rule's.
        reached: False for rules after the one that decided; nothing else is recorded of them.
        matched: Whether it decided; None if reading the context raised.
        variant: What it serves, if it matched.
    """

    route: Route
    id: str
    reached: bool
    matched: bool | None = False
    variant: str | None = None
    schedule: ScheduleStep | None = None
    conditions: tuple[ConditionStep, ...] = ()
    experiment: ExperimentStep | None = None
    percentage: PercentageStep | None = None
    split: SplitStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetsStep(Step):
    """The lists of single units: the unit that was looked for, and the list that has it, if any."""

    route: Route
    attribute: tuple[str, ...]
    held: bool
    value: Seen | None = None
    unit: str | None = None
    variant: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PrerequisiteStep(Step):
    """Another flag that must serve one of `variants`; `served` is what it serves, `trace` why."""

    route: Route
    flag: str
    variants: tuple[str, ...]
    held: bool | None
    trace: Trace
    served: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DefaultStep(Step):
    """What is served when nothing else decides; no variant stands for the caller's default."""

    route: Route
    variant: str | None = None
    split: SplitStep | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace(Step):
    """Why an evaluation answers as it does.

    Attributes:
        key: The flag's.
        now_ms: Instant of the evaluation, milliseconds since the epoch.
        state: How far it got: ``unknown_flag``, ``killed``, ``disabled``, ``outside_schedule``, ``invalid_context`` or
            ``evaluated``.
        decided_by: Route of the part that decided: ``("enabled",)``, ``("schedule",)``, ``("prerequisites", i)``,
            ``("targets", i)``, ``("rules", i)``, ``("default",)``; empty for an unknown or killed flag and a bad context.
        details: The answer, equal to `FlagSet.evaluate`'s.
    """

    key: str
    now_ms: int
    state: str
    decided_by: Route
    details: EvaluationDetails
    schedule: ScheduleStep | None = None
    prerequisites: tuple[PrerequisiteStep, ...] = ()
    targets: TargetsStep | None = None
    rules: tuple[RuleStep, ...] = ()
    default: DefaultStep | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the trace as the JSON output has it."""
        result = Step.to_dict(self)
        details = self.details
        result["decided_by"] = list(self.decided_by)
        result["details"] = {
            "value": _jsonable(details.value),
            "variant": details.variant,
            "reason": str(details.reason),
            "error_code": None if details.error_code is None else str(details.error_code),
            "error_message": details.error_message,
            "rule": details.rule,
        }
        return result


def _plain(value: Any) -> Any:
    """Convert what steps hold of the bundle; constants are JSON already."""
    if isinstance(value, Step):
        return value.to_dict()
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value[:_LONGEST_LIST]]
    return value


def _jsonable(value: Any, depth: int = 0) -> Any:
    """Describe any object at all as JSON; never raises."""
    try:
        if value is None or isinstance(value, bool):
            return value
        if isinstance(value, str):
            return str.__str__(value).encode("utf-8", "backslashreplace").decode()
        if isinstance(value, int) and -(2**53) <= value <= 2**53:
            return int.__int__(value)
        if isinstance(value, float) and math.isfinite(value):
            return float.__float__(value)
        if depth < _DEEPEST and isinstance(value, Mapping):
            return {str(key): _jsonable(value[key], depth + 1) for key in value}
        if depth < _DEEPEST and isinstance(value, (list, tuple, set, frozenset)):
            return [_jsonable(item, depth + 1) for item in list(value)[:_LONGEST_LIST]]
        return {"type": type(value).__name__, "text": str(value)[:200]}
    except Exception:  # noqa: BLE001 - a hostile object may raise anywhere
        return {"type": type(value).__name__, "text": "cannot be shown"}
