"""The steps of an evaluation in words, with the lines of files that say so: what the terminal and the web UI show.

The words are those of one room so that a sentence from a terminal is found again on a page.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.review.words import instant, share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.diagnostics import Route
    from flagctl.evaluator.trace_steps import (
        ConditionStep,
        DefaultStep,
        DrawStep,
        PrerequisiteStep,
        RuleStep,
        ScheduleStep,
        Seen,
        SegmentStep,
        SplitStep,
        Trace,
    )
    from flagctl.ops.places import Places, SourcePlace

_LONGEST: Final = 80
"""Characters of a value that are shown."""


class StepLine(NamedTuple):
    """One step.

    Attributes:
        depth: How far inside of others it stands.
        held: Whether it held; None for what was not reached or could not be read.
        text: What was looked at, and what was there.
        place: File and line that say so, if any do.
        decided: Whether the answer comes from here.
    """

    depth: int
    held: bool | None
    text: str
    place: SourcePlace | None
    decided: bool = False


def step_lines(trace: Trace, places: Places, *, brief: bool = False) -> Iterator[StepLine]:
    """Yield the steps of an evaluation from the first to the last.

    Args:
        trace: The evaluation.
        places: Finds lines of files.
        brief: Only what was tried, with the conditions that failed.
    """
    return _Steps(places, brief=brief).trace(trace, 0)


class _Steps:
    def __init__(self, places: Places, *, brief: bool) -> None:
        self._places = places
        self._brief = brief

    def trace(self, trace: Trace, depth: int) -> Iterator[StepLine]:
        """Yield the steps of one flag."""
        yield from self._gates(trace, depth)
        for prerequisite in trace.prerequisites:
            yield from self._prerequisite(trace.key, prerequisite, depth)
        if trace.targets is not None and not (self._brief and not trace.targets.held):
            step = trace.targets
            unit = _seen(step.value) if step.unit is None else _json_text(step.unit)
            text = f"targets list {unit}: {step.variant}" if step.held else f"targets do not list {unit}"
            yield StepLine(depth, step.held, text, self._at(trace.key, step.route), step.held)
        for rule in trace.rules:
            yield from self._rule(trace.key, rule, depth)
        if trace.default is not None:
            yield self._default(trace.key, trace.default, depth)

    def _gates(self, trace: Trace, depth: int) -> Iterator[StepLine]:
        """Yield what keeps a flag from being evaluated at all."""
        texts = {
            "unknown_flag": "there is no such flag",
            "disabled": "disabled (enabled: false)",
            "killed": "on the kill list",
            "invalid_context": str(trace.details.error_message),
        }
        if trace.state in texts:
            place = self._at(trace.key, ("enabled",)) if trace.state == "disabled" else None
            yield StepLine(depth, False, texts[trace.state], place, decided=True)
        if trace.schedule is not None and trace.state != "disabled":
            line = self._schedule(trace.key, trace.schedule, depth)
            yield line._replace(decided=not line.held)

    def _schedule(self, key: str, step: ScheduleStep, depth: int) -> StepLine:
        return StepLine(depth, step.held, f"schedule {_window(step.from_ms, step.until_ms)}", self._at(key, step.route))

    def _prerequisite(self, key: str, step: PrerequisiteStep, depth: int) -> Iterator[StepLine]:
        if self._brief and step.held:
            return
        text = f"needs {step.flag} = {' or '.join(step.variants)}: it serves {step.served or 'no variant'}"
        yield StepLine(depth, step.held, text, self._at(key, step.route), step.held is False)
        for line in self.trace(step.trace, depth + 1):
            yield line._replace(decided=False)

    def _rule(self, key: str, rule: RuleStep, depth: int) -> Iterator[StepLine]:
        place = self._at(key, rule.route)
        if not rule.reached:
            if not self._brief:
                yield StepLine(depth, None, f"rule {rule.id}: not reached", place)
            return
        outcome = f" → {rule.variant}" if rule.matched else ""
        yield StepLine(depth, rule.matched, f"rule {rule.id}{outcome}", place, bool(rule.matched))
        if rule.schedule is not None:
            yield self._schedule(key, rule.schedule, depth + 1)
        for condition in rule.conditions:
            if not self._brief or not condition.held:
                yield from self._condition(condition, key, None, depth + 1)
        yield from self._draws(key, rule, depth + 1)

    def _draws(self, key: str, rule: RuleStep, depth: int) -> Iterator[StepLine]:
        if rule.experiment is not None:
            step = rule.experiment
            text = f"experiment {step.key} is {step.status}"
            if step.draw is not None:
                slots = ", ".join(f"{start}-{end}" for start, end in step.slots) or "none"
                text += f": {_draw(step.draw)}, slots {slots}"
            yield StepLine(depth, step.held, text, self._at(key, step.route))
        if rule.percentage is not None:
            part = rule.percentage
            text = f"{share(part.share)} of units" + (f": {_draw(part.draw)}" if part.draw is not None else "")
            yield StepLine(depth, part.held, text, self._at(key, part.route))
        if rule.split is not None:
            yield StepLine(depth, rule.split.variant is not None, _split(rule.split), self._at(key, rule.route))

    def _default(self, key: str, step: DefaultStep, depth: int) -> StepLine:
        served = step.variant is not None
        text = f"default → {step.variant}" if served else "default: none, the caller's default is served"
        if step.split is not None:
            text = f"default: {_split(step.split)}"
        return StepLine(depth, served, text, self._at(key, step.route), decided=True)

    def _condition(self, step: ConditionStep, key: str, segment: str | None, depth: int) -> Iterator[StepLine]:
        place = self._at(key, step.route) if segment is None else self._places.of_segment(segment, step.route)
        if step.kind == "segment" and step.segment is not None:
            yield StepLine(depth, step.held, _segment(step.segment), place)
            if not self._brief:
                for part in step.segment.conditions:
                    yield from self._condition(part, key, step.segment.key, depth + 1)
        elif step.kind == "attribute":
            yield StepLine(depth, step.held, _comparison(step), place)
        else:
            name = {"all": "all of", "any": "any of", "not": "not"}[step.kind]
            yield StepLine(depth, step.held, name, place)
            for part in step.parts:
                yield from self._condition(part, key, segment, depth + 1)

    def _at(self, key: str, route: Route) -> SourcePlace | None:
        return self._places.of_flag(key, route)


def _comparison(step: ConditionStep) -> str:
    name = ".".join(step.attribute)
    text = f"{name} {(step.operator or '').replace('_', ' ')}"
    if step.constant is not None:
        text += f" {_constant(step)}"
    if step.ignore_case:
        text += " (any case)"
    text += f"; {name} is {_seen(step.value)}"
    return f"{text} ({step.note})" if step.note and step.value and step.value.value is not None else text


def _constant(step: ConditionStep) -> str:
    """Return what is compared with, as a flag file has it; instants are microseconds in a bundle."""
    if (step.operator or "").removeprefix("not_") in {"before", "after"} and isinstance(step.constant, int):
        return instant(step.constant // 1000)
    return _shown(step.constant)


def _segment(step: SegmentStep) -> str:
    unit = "no targeting_key" if step.unit is None else _shown(step.unit)
    how = {
        "exclude": f"{unit} is excluded",
        "include": f"{unit} is included",
        "list": f"{unit} is in its list",
        "list_unknown": f"{unit} is not included, and its list is not at hand",
        "when": "by its conditions",
        "no_match": f"{unit} is not included",
    }[step.by]
    return f"segment {step.key}: {how}"


def _draw(step: DrawStep) -> str:
    name = ".".join(step.attribute)
    if step.bucket is None:
        return f"{name} is {_seen(step.value)}, which has no bucket"
    return f"{name} {_shown(step.unit)} has bucket {step.bucket} under salt {step.salt}"


def _split(step: SplitStep) -> str:
    shares = ", ".join(f"{share(end - start)} {variant}" for start, end, variant in step.ranges)
    return f"{_draw(step.draw)}; {shares}" + (f" → {step.variant}" if step.variant is not None else "")


def _seen(seen: Seen | None) -> str:
    return "missing" if seen is None else _shown(seen.value)


def _shown(data: Any) -> str:
    text = _json_text(data)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _json_text(data: Any) -> str:
    try:
        return json.dumps(data, ensure_ascii=False, default=str)
    except ValueError:  # a context that contains itself
        return repr(data)


def _window(start: int | None, end: int | None) -> str:
    parts = [] if start is None else [f"from {instant(start)}"]
    if end is not None:
        parts.append(f"until {instant(end)}")
    return " ".join(parts) or "always"
