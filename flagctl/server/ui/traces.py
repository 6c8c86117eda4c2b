"""The steps of an evaluation as rows of a page, in the words of `flagctl eval --explain`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flagctl.review.words import instant, share, value

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.diagnostics import Route
    from flagctl.evaluator.trace_steps import (
        ConditionStep,
        DrawStep,
        PrerequisiteStep,
        RuleStep,
        Seen,
        SegmentStep,
        SplitStep,
        Trace,
    )
    from flagctl.ops.evaluate import EvaluateResult
    from flagctl.ops.places import Places


class Row(NamedTuple):
    """One step.

    Attributes:
        depth: How far inside of others it stands.
        held: Whether it held; None for what was not reached or could not be read.
        text: What was looked at, and what was there.
        place: File and line that say so, or empty.
        decided: Whether the answer comes from here.
    """

    depth: int
    held: bool | None
    text: str
    place: str
    decided: bool = False


def steps_of(result: EvaluateResult) -> list[Row]:
    """Return the steps of an answer from the first to the last."""
    return list(_Rows(result.places).trace(result.trace, 0))


class _Rows:
    def __init__(self, places: Places) -> None:
        self._places = places

    def trace(self, trace: Trace, depth: int) -> Iterator[Row]:
        """Yield the steps of one flag."""
        yield from self._gates(trace, depth)
        for step in trace.prerequisites:
            yield from self._prerequisite(trace.key, step, depth)
        if trace.targets is not None:
            targets = trace.targets
            unit = _seen(targets.value) if targets.unit is None else value(targets.unit)
            text = f"targets list {unit}: {targets.variant}" if targets.held else f"targets do not list {unit}"
            yield Row(depth, targets.held, text, self._at(trace.key, targets.route), targets.held)
        for rule in trace.rules:
            yield from self._rule(trace, rule, depth)
        if trace.default is not None:
            default = trace.default
            text = f"default → {default.variant}" if default.variant else "no default: the caller's is served"
            if default.split is not None:
                text = f"default: {_split(default.split)}"
            yield Row(depth, default.variant is not None, text, self._at(trace.key, default.route), decided=True)

    def _gates(self, trace: Trace, depth: int) -> Iterator[Row]:
        """Yield what keeps a flag from being evaluated at all."""
        texts = {
            "unknown_flag": "there is no such flag",
            "disabled": "disabled (enabled: false)",
            "killed": "on the kill list",
            "invalid_context": str(trace.details.error_message),
        }
        if trace.state in texts:
            place = self._at(trace.key, ("enabled",)) if trace.state == "disabled" else ""
            yield Row(depth, False, texts[trace.state], place, decided=True)
        if trace.schedule is not None and trace.state != "disabled":
            window = trace.schedule
            text = f"schedule {_window(window.from_ms, window.until_ms)}"
            yield Row(depth, window.held, text, self._at(trace.key, window.route), not window.held)

    def _prerequisite(self, key: str, step: PrerequisiteStep, depth: int) -> Iterator[Row]:
        text = f"needs {step.flag} = {' or '.join(step.variants)}: it serves {step.served or 'no variant'}"
        yield Row(depth, step.held, text, self._at(key, step.route), step.held is False)
        for row in self.trace(step.trace, depth + 1):
            yield row._replace(decided=False)

    def _rule(self, trace: Trace, rule: RuleStep, depth: int) -> Iterator[Row]:
        key, place = trace.key, self._at(trace.key, rule.route)
        if not rule.reached:
            yield Row(depth, None, f"rule {rule.id}: not reached", place)
            return
        outcome = f" → {rule.variant}" if rule.matched else ""
        yield Row(depth, rule.matched, f"rule {rule.id}{outcome}", place, bool(rule.matched))
        if rule.schedule is not None:
            text = f"schedule {_window(rule.schedule.from_ms, rule.schedule.until_ms)}"
            yield Row(depth + 1, rule.schedule.held, text, self._at(key, rule.schedule.route))
        for condition in rule.conditions:
            yield from self._condition(condition, key, None, depth + 1)
        if rule.experiment is not None:
            step = rule.experiment
            text = f"experiment {step.key} is {step.status}"
            if step.draw is not None:
                slots = ", ".join(f"{start}-{end}" for start, end in step.slots) or "none"
                text += f": {_draw(step.draw)}, slots {slots}"
            yield Row(depth + 1, step.held, text, self._at(key, step.route))
        if rule.percentage is not None:
            part = rule.percentage
            text = f"{share(part.share)} of units" + (f": {_draw(part.draw)}" if part.draw is not None else "")
            yield Row(depth + 1, part.held, text, self._at(key, part.route))
        if rule.split is not None:
            yield Row(depth + 1, rule.split.variant is not None, _split(rule.split), self._at(key, rule.route))

    def _condition(self, step: ConditionStep, key: str, segment: str | None, depth: int) -> Iterator[Row]:
        found = (
            self._places.of_flag(key, step.route) if segment is None else self._places.of_segment(segment, step.route)
        )
        place = str(found) if found else ""
        if step.kind == "segment" and step.segment is not None:
            yield Row(depth, step.held, _segment(step.segment), place)
            for part in step.segment.conditions:
                yield from self._condition(part, key, step.segment.key, depth + 1)
        elif step.kind == "attribute":
            yield Row(depth, step.held, _comparison(step), place)
        else:
            name = {"all": "all of", "any": "any of", "not": "not"}[step.kind]
            yield Row(depth, step.held, name, place)
            for part in step.parts:
                yield from self._condition(part, key, segment, depth + 1)

    def _at(self, key: str, route: Route) -> str:
        found = self._places.of_flag(key, route)
        return str(found) if found else ""


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
    return _cut(value(step.constant))


def _segment(step: SegmentStep) -> str:
    unit = "no targeting_key" if step.unit is None else _cut(value(step.unit))
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
    return f"{name} {_cut(value(step.unit))} has bucket {step.bucket} under salt {step.salt}"


def _split(step: SplitStep) -> str:
    shares = ", ".join(f"{share(end - start)} {variant}" for start, end, variant in step.ranges)
    return f"{_draw(step.draw)}; {shares}" + (f" → {step.variant}" if step.variant is not None else "")


def _seen(seen: Seen | None) -> str:
    return "missing" if seen is None else _cut(_json_text(seen.value))


def _json_text(data: Any) -> str:
    try:
        return value(data)
    except (TypeError, ValueError):  # contexts come from JSON, so this is for what nobody sends
        return str(data)


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "…"


def _window(start: int | None, end: int | None) -> str:
    parts = [] if start is None else [f"from {instant(start)}"]
    if end is not None:
        parts.append(f"until {instant(end)}")
    return " ".join(parts) or "always"
