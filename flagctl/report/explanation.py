"""Answers and why they came about, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.report.style import Style, plain, wrap
from flagctl.report.table import render_fields
from flagctl.report.values import show_instant, show_share, show_value

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
        Trace,
    )
    from flagctl.ops.evaluate import EvaluateResult, Explained
    from flagctl.ops.places import Places, SourcePlace

_LONGEST = 80
"""Characters of a value that are shown."""
_NOTHING = "missing"


def render_evaluation(result: EvaluateResult, style: Style) -> str:
    """Return the answer in a few lines."""
    details = result.details
    where = f"{result.environment}" + (f" at {result.revision}" if result.revision else "")
    why = str(details.reason) + (f", rule {details.rule}" if details.rule else "")
    if details.error_code is not None:
        why += f", {details.error_code}"
    fields: list[tuple[str, object]] = [
        ("value", show_value(details.value)),
        ("variant", details.variant if details.variant is not None else "none: the caller's default"),
        ("reason", why),
        ("problem", details.error_message),
        ("decided by", str(result.decided_at) if result.decided_at else None),
        ("environment", where),
        ("instant", show_instant(result.now_ms)),
    ]
    return f"{style.paint(plain(result.key), 'bold')}\n{render_fields(fields, style, indent='  ')}"


def render_explained(explained: Explained, style: Style) -> str:
    """Return the answer, then every step that led to it."""
    result = explained.result
    steps = _Steps(result.places, style).trace(result.trace)
    return f"{render_evaluation(result, style)}\n\n" + "\n".join(steps)


def render_trace_briefly(trace: Trace, places: Places, style: Style, indent: str = "") -> str:
    """Return one line for each rule and what decided."""
    steps = _Steps(places, style, brief=True, indent=indent)
    return "\n".join(steps.trace(trace))


class _Steps:
    """Writes a trace as lines.

    Args:
        places: Finds lines of files.
        style: Of the terminal.
        brief: Only rules that were tried, with their first failing condition.
        indent: Before every line.
    """

    def __init__(self, places: Places, style: Style, *, brief: bool = False, indent: str = "") -> None:
        self._places = places
        self._style = style
        self._brief = brief
        self._indent = indent
        self._file: str | None = None

    def trace(self, trace: Trace, depth: int = 0) -> Iterator[str]:
        """Yield the lines of a flag's evaluation."""
        before, own = self._file, self._places.of_flag(trace.key, ())
        if depth == 0 and own is not None:
            self._file = own.path
        yield from self._gates(trace, depth)
        for prerequisite in trace.prerequisites:
            yield from self._prerequisite(trace.key, prerequisite, depth)
        if trace.targets is not None and not (self._brief and not trace.targets.held):
            step = trace.targets
            unit = _seen(step.value) if step.unit is None else show_value(step.unit)
            text = f"targets list {unit}: {step.variant}" if step.held else f"targets do not list {unit}"
            yield self._line(depth, step.held, text, self._at(trace.key, step.route))
        for rule in trace.rules:
            yield from self._rule(trace.key, rule, depth)
        if trace.default is not None:
            yield from self._default(trace, depth)
        self._file = before

    def _gates(self, trace: Trace, depth: int) -> Iterator[str]:
        """Yield what keeps a flag from being evaluated at all."""
        if trace.state == "unknown_flag":
            yield self._line(depth, False, "there is no such flag", None)
        elif trace.state == "disabled":
            yield self._line(depth, False, "disabled (enabled: false)", self._at(trace.key, ("enabled",)))
        elif trace.state == "killed":
            yield self._line(depth, False, "on the kill list", None)
        elif trace.state == "invalid_context":
            yield self._line(depth, False, str(trace.details.error_message), None)
        if trace.schedule is not None and trace.state != "disabled":
            step = trace.schedule
            text = f"schedule {_window(step.from_ms, step.until_ms)}"
            yield self._line(depth, step.held, text, self._at(trace.key, step.route))

    def _prerequisite(self, key: str, step: PrerequisiteStep, depth: int) -> Iterator[str]:
        if self._brief and step.held:
            return
        wanted = " or ".join(step.variants)
        text = f"needs {step.flag} = {wanted}: it serves {step.served or 'no variant'}"
        yield self._line(depth, step.held, text, self._at(key, step.route))
        yield from self.trace(step.trace, depth + 1)

    def _rule(self, key: str, rule: RuleStep, depth: int) -> Iterator[str]:
        place = self._at(key, rule.route)
        if not rule.reached:
            if not self._brief:
                yield self._line(depth, None, f"rule {rule.id}: not reached", place)
            return
        outcome = f" → {rule.variant}" if rule.matched else ""
        yield self._line(depth, rule.matched, f"rule {rule.id}{outcome}", place)
        if rule.schedule is not None:
            text = f"schedule {_window(rule.schedule.from_ms, rule.schedule.until_ms)}"
            yield self._line(depth + 1, rule.schedule.held, text, self._at(key, rule.schedule.route))
        for condition in rule.conditions:
            if not self._brief or not condition.held:
                yield from self._condition(condition, key, None, depth + 1)
        yield from self._draws(key, rule, depth + 1)

    def _draws(self, key: str, rule: RuleStep, depth: int) -> Iterator[str]:
        if rule.experiment is not None:
            step = rule.experiment
            text = f"experiment {step.key} is {step.status}"
            if step.draw is not None:
                slots = ", ".join(f"{start}-{end}" for start, end in step.slots) or "none"
                text += f": {_draw(step.draw)}, slots {slots}"
            yield self._line(depth, step.held, text, self._at(key, step.route))
        if rule.percentage is not None:
            share = rule.percentage
            text = f"{show_share(share.share)} of units"
            text += f": {_draw(share.draw)}" if share.draw is not None else ""
            yield self._line(depth, share.held, text, self._at(key, share.route))
        if rule.split is not None:
            yield self._line(depth, rule.split.variant is not None, _split(rule.split), self._at(key, rule.route))

    def _default(self, trace: Trace, depth: int) -> Iterator[str]:
        step = trace.default
        if step is None:
            return
        text = (
            f"default → {step.variant}" if step.variant is not None else "default: none, the caller's default is served"
        )
        if step.split is not None:
            text = f"default: {_split(step.split)}"
        yield self._line(depth, step.variant is not None, text, self._at(trace.key, step.route))

    def _condition(self, step: ConditionStep, key: str, segment: str | None, depth: int) -> Iterator[str]:
        place = self._at(key, step.route) if segment is None else self._places.of_segment(segment, step.route)
        if step.kind == "segment" and step.segment is not None:
            yield self._line(depth, step.held, _segment(step.segment), place)
            if not self._brief:
                for part in step.segment.conditions:
                    yield from self._condition(part, key, step.segment.key, depth + 1)
            return
        if step.kind == "attribute":
            yield self._line(depth, step.held, _comparison(step), place)
            return
        name = {"all": "all of", "any": "any of", "not": "not"}[step.kind]
        yield self._line(depth, step.held, name, place)
        for part in step.parts:
            yield from self._condition(part, key, segment, depth + 1)

    def _at(self, key: str, route: Route) -> SourcePlace | None:
        return self._places.of_flag(key, route)

    def _line(self, depth: int, held: bool | None, text: str, place: SourcePlace | None) -> str:
        mark, color = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "dim")}[held]
        shown = "" if place is None else f"line\u00a0{place.line}" if place.path == self._file else str(place)
        lead = f"{self._indent}{'  ' * depth}{mark} "
        body = wrap(plain(text) + (f"  {plain(shown)}" if shown else ""), self._style.width, " " * len(lead), lead)
        body = body.replace(mark, self._style.paint(mark, color), 1)
        if shown and body.endswith(plain(shown)):
            body = body[: -len(plain(shown))] + self._style.paint(plain(shown), "dim")
        return body.replace("\u00a0", " ")


def _comparison(step: ConditionStep) -> str:
    name = ".".join(step.attribute)
    operator = (step.operator or "").replace("_", " ")
    text = f"{name} {operator}"
    if step.constant is not None:
        text += f" {_constant(step)}"
    if step.ignore_case:
        text += " (any case)"
    text += f"; {name} is {_seen(step.value)}"
    return f"{text} ({step.note})" if step.note and step.value and step.value.value is not None else text


def _constant(step: ConditionStep) -> str:
    """Return what is compared with, as a flag file has it; instants are microseconds in a bundle."""
    if step.operator is not None and step.operator.removeprefix("not_") in {"before", "after"}:
        return show_instant(step.constant // 1000) if isinstance(step.constant, int) else show_value(step.constant)
    return show_value(step.constant, _LONGEST)


def _segment(step: SegmentStep) -> str:
    unit = "no targeting_key" if step.unit is None else show_value(step.unit, _LONGEST)
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
    return f"{name} {show_value(step.unit, _LONGEST)} has bucket {step.bucket} under salt {step.salt}"


def _split(step: Any) -> str:
    shares = ", ".join(f"{show_share(end - start)} {variant}" for start, end, variant in step.ranges)
    chosen = f" → {step.variant}" if step.variant is not None else ""
    return f"{_draw(step.draw)}; {shares}{chosen}"


def _seen(seen: Seen | None) -> str:
    return _NOTHING if seen is None else show_value(seen.value, _LONGEST)


def _window(start: int | None, end: int | None) -> str:
    parts = []
    if start is not None:
        parts.append(f"from {show_instant(start)}")
    if end is not None:
        parts.append(f"until {show_instant(end)}")
    return " ".join(parts) or "always"
