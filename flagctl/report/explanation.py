"""Answers and why they came about, step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.ops.steps import step_lines
from flagctl.report.style import Style, plain, wrap
from flagctl.report.table import render_fields
from flagctl.report.values import show_instant, show_value

if TYPE_CHECKING:
    from flagctl.evaluator.trace_steps import Trace
    from flagctl.ops.evaluate import EvaluateResult, Explained
    from flagctl.ops.places import Places
    from flagctl.ops.steps import StepLine


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
    return f"{render_evaluation(result, style)}\n\n{_Lines(result.places, style).of(result.trace)}"


def render_trace_briefly(trace: Trace, places: Places, style: Style, indent: str = "") -> str:
    """Return one line for each rule and what decided."""
    return _Lines(places, style, indent).of(trace, brief=True)


class _Lines:
    """Writes steps as lines.

    Args:
        places: Finds lines of files.
        style: Of the terminal.
        indent: Before every line.
    """

    def __init__(self, places: Places, style: Style, indent: str = "") -> None:
        self._places = places
        self._style = style
        self._indent = indent

    def of(self, trace: Trace, *, brief: bool = False) -> str:
        """Return the lines of an evaluation."""
        own = self._places.of_flag(trace.key, ())
        file = own.path if own is not None else None
        return "\n".join(self._line(step, file) for step in step_lines(trace, self._places, brief=brief))

    def _line(self, step: StepLine, file: str | None) -> str:
        """Return one line; a place in the flag's own `file` is the line's number alone."""
        mark, color = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "dim")}[step.held]
        place = step.place
        shown = "" if place is None else f"line\u00a0{place.line}" if place.path == file else str(place)
        lead = f"{self._indent}{'  ' * step.depth}{mark} "
        text = plain(step.text) + (f"  {plain(shown)}" if shown else "")
        body = wrap(text, self._style.width, " " * len(lead), lead)
        body = body.replace(mark, self._style.paint(mark, color), 1)
        if shown and body.endswith(plain(shown)):
            body = body[: -len(plain(shown))] + self._style.paint(plain(shown), "dim")
        return body.replace("\u00a0", " ")
