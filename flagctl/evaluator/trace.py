"""Why a flag answers as it does: an interpreter of compiled flags that records every step.

It walks the same entries that compiled functions are built from, in the order that evaluation is defined in, and keeps
what it saw: the state of the flag, each prerequisite with a trace of its own, targets, each rule with each condition and
the value read, draws with salt, unit, bucket and threshold, and the default. Its answer is that of
`flagctl.evaluator.FlagSet`; a property test compares them. It is for people and tools, not for serving answers: it takes
a hundred times as long.

>>> explain(document, "new-checkout-flow", {"targeting_key": "user-1"}, 1_796_083_200_000)  # doctest: +SKIP
Trace(key='new-checkout-flow', ..., decided_by=('rules', 1), ...)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flagctl.evaluator.buckets import BUCKETS, bucket, unit_of
from flagctl.evaluator.details import ErrorCode, EvaluationDetails, Reason, stale
from flagctl.evaluator.trace_conditions import TARGETING_KEY, ConditionTracer, keys_of, read
from flagctl.evaluator.trace_steps import (
    ConditionStep,
    DefaultStep,
    DrawStep,
    ExperimentStep,
    PercentageStep,
    PrerequisiteStep,
    Route,
    RuleStep,
    ScheduleStep,
    Seen,
    SplitStep,
    TargetsStep,
    Trace,
)

if TYPE_CHECKING:
    from flagctl.evaluator.document import Document
    from flagctl.evaluator.lists import ListReader


@dataclass(frozen=True, slots=True, kw_only=True)
class ExplainOptions:
    """State of the evaluation that is not in the bundle.

    Attributes:
        default: The caller's default.
        killed: Keys of flags on the kill list.
        stale: Whether the manifest has expired.
        lists: Knows the units of lists; None: nobody does.
    """

    default: Any = None
    killed: frozenset[str] = field(default_factory=frozenset)
    stale: bool = False
    lists: ListReader | None = None


def explain(
    document: Document,
    key: str,
    context: object,
    now_ms: int,
    options: ExplainOptions | None = None,
) -> Trace:
    """Evaluate a flag and return how it came to its answer. Total like evaluation itself: no context makes it raise.

    The answer equals `FlagSet.evaluate`'s for the same instant and state, but for the wording of an error message, which
    is more particular here. Contexts whose own code raises are the one
    exception: whether a read that raises is reached at all may depend on the order in which conditions are tried, and
    a compiled flag tries cheap ones first.

    Args:
        document: A bundle, after `flagctl.evaluator.structure.check_structure`.
        key: Of the flag.
        context: What the application passes: a mapping, None for an empty one, or anything by mistake.
        now_ms: Instant of the evaluation in milliseconds since the epoch.
        options: Kill list, staleness and the caller's default; none, fresh and None unless given.
    """
    return _Explanation(document, key, context, now_ms, options or ExplainOptions()).trace()


class _InvalidContextError(Exception):
    """The context is no mapping, or a read from it raised."""


class _Explanation:
    """One evaluation in progress; its lists hold the steps taken so far."""

    def __init__(self, document: Document, key: str, context: object, now_ms: int, options: ExplainOptions) -> None:
        self._document = document
        self._key = key
        self._context: Any = {} if context is None else context
        self._conditions = ConditionTracer(
            document, self._context, options.lists
        )  # asked only once it is known to be a mapping
        self._now_ms = now_ms
        self._options = options
        self._flag: Mapping[str, Any] = {}
        self._schedule: ScheduleStep | None = None
        self._prerequisites: list[PrerequisiteStep] = []
        self._targets: TargetsStep | None = None
        self._rules: list[RuleStep] = []
        self._default: DefaultStep | None = None

    def trace(self) -> Trace:
        """Take the steps of an evaluation in their order until one decides."""
        if self._key not in self._known_flags():
            return self._error("unknown_flag", ErrorCode.FLAG_NOT_FOUND, f"the bundle has no flag {self._key!r}")
        self._flag = self._document.flag(self._key)
        self._schedule = self._window(self._flag.get("schedule"), ("schedule",))
        if self._key in self._options.killed:
            return self._off("killed", ())
        if self._flag.get("enabled") is False:
            return self._off("disabled", ("enabled",))
        if self._schedule is not None and not self._schedule.held:
            return self._off("outside_schedule", ("schedule",))
        try:
            return self._decide()
        except _InvalidContextError as error:
            return self._error("invalid_context", ErrorCode.INVALID_CONTEXT, str(error))

    def _known_flags(self) -> tuple[object, ...]:
        """Return all keys; a key of a wrong type is unknown, not an error."""
        return self._document.flag_keys()

    def _decide(self) -> Trace:
        self._check_context()
        for index, (key, variants) in enumerate(self._flag.get("prerequisites", ())):
            if not self._prerequisite(key, variants, ("prerequisites", index)):
                return self._off("evaluated", ("prerequisites", index), f"prerequisite:{key}")
        if "targets" in self._flag:
            found = self._target()
            if found is not None:
                position, index = found
                return self._served(index, Reason.TARGETING_MATCH, "target", ("targets", position))
        for position, rule in enumerate(self._flag.get("rules", ())):
            chosen = self._rule(rule, ("rules", position))
            if chosen is not None:
                drawn = any(part in rule for part in ("percentage", "split", "experiment"))
                reason = Reason.SPLIT if drawn else Reason.TARGETING_MATCH
                self._pass_over_rules(after=position)
                return self._served(chosen, reason, rule["id"], ("rules", position))
        return self._last()

    # --- the parts, in the order of evaluation ---

    def _check_context(self) -> None:
        try:
            is_mapping = isinstance(self._context, Mapping)
        except Exception:  # noqa: BLE001 - even asking a foreign object for its class can raise
            is_mapping = False
        if not is_mapping:
            raise _InvalidContextError(f"a context is a mapping or None, not {type(self._context).__name__}")

    def _prerequisite(self, key: str, variants: Sequence[str], route: Route) -> bool:
        options = ExplainOptions(killed=self._options.killed, lists=self._options.lists)
        trace = _Explanation(self._document, key, self._context, self._now_ms, options).trace()
        failed = trace.state == "invalid_context"
        served = trace.details.variant
        held = None if failed else served in variants
        self._prerequisites.append(
            PrerequisiteStep(route=route, flag=key, variants=tuple(variants), held=held, trace=trace, served=served)
        )
        if failed:
            raise _InvalidContextError(trace.details.error_message)
        return held is True

    def _target(self) -> tuple[int, int] | None:
        """Return position and variant of the list that has the unit."""
        path = self._flag.get("unit", TARGETING_KEY)
        seen = self._read(path)
        unit = None if seen is None else unit_of(seen.value)
        found = None
        if unit is not None:
            found = next(((i, index) for i, (index, units) in enumerate(self._flag["targets"]) if unit in units), None)
        self._targets = TargetsStep(
            route=("targets",) if found is None else ("targets", found[0]),
            attribute=keys_of(path),
            held=found is not None,
            value=seen,
            unit=unit,
            variant=None if found is None else self._name(found[1]),
        )
        return found

    def _rule(self, rule: Mapping[str, Any], route: Route) -> int | None:
        """Return the index of the variant that a rule serves, None if it does not match."""
        parts: dict[str, Any] = {}
        index: int | None = None
        matched: bool | None = None
        try:
            index = self._try_rule(rule, route, parts)
            matched = index is not None
        finally:
            self._rules.append(
                RuleStep(
                    route=route,
                    id=rule["id"],
                    reached=True,
                    matched=matched,
                    variant=None if index is None else self._name(index),
                    **parts,
                )
            )
        return index

    def _try_rule(self, rule: Mapping[str, Any], route: Route, parts: dict[str, Any]) -> int | None:
        """Evaluate a rule, leaving each step in `parts` as it is taken."""
        schedule = parts["schedule"] = self._window(rule.get("schedule"), (*route, "schedule"))
        held, parts["conditions"] = self._conditions.all_of(rule.get("when", ()), (*route, "when"))
        if schedule is not None and not schedule.held:
            return None
        if held is None:
            raise _InvalidContextError(_first_failure(parts["conditions"]))
        if not held:
            return None
        if "experiment" in rule:
            step = parts["experiment"] = self._experiment(rule, (*route, "experiment"))
            if not step.held:
                return None
        if "percentage" in rule:
            share = parts["percentage"] = self._percentage(rule, (*route, "percentage"))
            if not share.held:
                return None
        if "split" in rule:
            parts["split"], index = self._split(rule, (*route, "split"))
            return index
        return int(rule["serve"])

    def _experiment(self, rule: Mapping[str, Any], route: Route) -> ExperimentStep:
        experiment = rule["experiment"]
        key, status = experiment["key"], experiment["status"]
        if status != "running":
            return ExperimentStep(route=route, key=key, status=status, held=status == "completed" and "serve" in rule)
        draw = self._draw(rule, experiment["salt"])
        slots = tuple((start, end) for start, end in experiment["slots"])
        held = draw.bucket is not None and any(start <= draw.bucket < end for start, end in slots)
        return ExperimentStep(route=route, key=key, status=status, held=held, slots=slots, draw=draw)

    def _percentage(self, rule: Mapping[str, Any], route: Route) -> PercentageStep:
        percentage = rule["percentage"]
        form = "fixed" if isinstance(percentage, int) else next(iter(percentage))
        share = share_at(percentage, self._now_ms)
        draw = None if share in {0, BUCKETS} else self._draw(rule)
        held = share == BUCKETS if draw is None else draw.bucket is not None and draw.bucket < share
        return PercentageStep(route=route, form=form, share=share, held=held, draw=draw)

    def _split(self, outcome: Mapping[str, Any], route: Route) -> tuple[SplitStep, int | None]:
        draw = self._draw(outcome)
        ranges, start, chosen = [], 0, None
        for end, index in outcome["split"]:
            ranges.append((start, end, self._name(index)))
            if draw.bucket is not None and start <= draw.bucket < end:
                chosen = index
            start = end
        name = None if chosen is None else self._name(chosen)
        return SplitStep(route=route, ranges=tuple(ranges), draw=draw, variant=name), chosen

    def _pass_over_rules(self, after: int) -> None:
        for position, rule in enumerate(self._flag["rules"]):
            if position > after:
                self._rules.append(RuleStep(route=("rules", position), id=rule["id"], reached=False))

    def _last(self) -> Trace:
        outcome = self._flag.get("default", {})
        if "split" in outcome:
            split, index = self._split(outcome, ("default", "split"))
            self._default = DefaultStep(route=("default",), variant=split.variant, split=split)
            if index is None:
                return self._error("evaluated", ErrorCode.TARGETING_KEY_MISSING, _missing_unit(split.draw.attribute))
            return self._served(index, Reason.SPLIT, None, ("default",))
        is_static = not any(self._flag.get(part) for part in ("rules", "targets", "prerequisites", "schedule"))
        index = outcome.get("serve")
        self._default = DefaultStep(route=("default",), variant=None if index is None else self._name(index))
        return self._served(index, Reason.STATIC if is_static else Reason.DEFAULT, None, ("default",))

    # --- readings ---

    def _read(self, path: str | Sequence[str]) -> Seen | None:
        try:
            return read(self._context, path)
        except Exception as error:
            name = ".".join(keys_of(path))
            raise _InvalidContextError(f"reading {name!r} raised {type(error).__name__}") from error

    def _draw(self, outcome: Mapping[str, Any], salt: str | None = None) -> DrawStep:
        """Draw the unit of a rule or default under its salt, or under the one given."""
        path = outcome.get("unit", TARGETING_KEY)
        chosen = outcome.get("salt", self._key) if salt is None else salt
        seen = self._read(path)
        unit = None if seen is None else unit_of(seen.value)
        return DrawStep(
            attribute=keys_of(path),
            salt=chosen,
            value=seen,
            unit=unit,
            bucket=None if unit is None else bucket(chosen, unit),
        )

    def _window(self, schedule: Mapping[str, int] | None, route: Route) -> ScheduleStep | None:
        if schedule is None:
            return None
        start, end = schedule.get("from"), schedule.get("until")
        held = (start is None or start <= self._now_ms) and (end is None or self._now_ms < end)
        return ScheduleStep(route=route, held=held, from_ms=start, until_ms=end)

    def _name(self, index: int) -> str:
        return str(self._flag["variants"][index][0])

    # --- answers ---

    def _off(self, state: str, decided_by: Route, rule: str | None = None) -> Trace:
        return self._served(self._flag.get("off"), Reason.DISABLED, rule, decided_by, state)

    def _served(
        self, index: int | None, reason: Reason, rule: str | None, decided_by: Route, state: str = "evaluated"
    ) -> Trace:
        variant, value = (None, self._options.default) if index is None else self._flag["variants"][index]
        details = EvaluationDetails(value, variant, reason, None, None, rule, self._metadata())
        return self._finished(state, decided_by, details)

    def _error(self, state: str, code: ErrorCode, message: str) -> Trace:
        value = self._options.default
        metadata = self._metadata() if state == "evaluated" else {}
        details = EvaluationDetails(value, None, Reason.ERROR, code, message, None, metadata)
        return self._finished(state, ("default",) if state == "evaluated" else (), details)

    def _metadata(self) -> dict[str, Any]:
        metadata = {"owner": self._flag.get("owner"), "tags": tuple(self._flag.get("tags", ()))}
        metadata["digest"] = self._document.digest(self._key)
        return {name: value for name, value in metadata.items() if value}

    def _finished(self, state: str, decided_by: Route, details: EvaluationDetails) -> Trace:
        return Trace(
            key=self._key,
            now_ms=self._now_ms,
            state=state,
            decided_by=decided_by,
            details=stale(details) if self._options.stale else details,
            schedule=self._schedule,
            prerequisites=tuple(self._prerequisites),
            targets=self._targets,
            rules=tuple(self._rules),
            default=self._default,
        )


def share_at(percentage: int | Mapping[str, Any], now_ms: int) -> int:
    """Return a percentage at an instant, in thousandths of a percent."""
    if isinstance(percentage, int):
        return percentage
    if "steps" in percentage:
        return max(((since, share) for since, share in percentage["steps"] if since <= now_ms), default=(0, 0))[1]
    since, until, start, end = percentage["linear"]
    elapsed = min(max(now_ms - since, 0), until - since)
    return int(start + (end - start) * elapsed // (until - since))


def _missing_unit(path: tuple[str, ...]) -> str:
    return f"the default is a rollout, and {'.'.join(path)!r} names no unit"


def _first_failure(steps: Sequence[ConditionStep]) -> str:
    """Say which read raised; one of the steps has no `held`."""
    step = next(step for step in steps if step.held is None)
    inside = step.parts if step.segment is None else step.segment.conditions
    if inside:
        return _first_failure(inside)
    if step.segment is not None:
        return f"reading the unit for segment {step.segment.key!r} raised an exception"
    return f"of the attribute {'.'.join(step.attribute)!r}: {step.note}"
