"""Rollouts as calendars and curves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.ops.rollout import share_of
from flagctl.ops.rollout_picture import certain_until, window_of
from flagctl.ops.rollout_words import next_change, step_when
from flagctl.report.edit import render_edit
from flagctl.report.style import wrap
from flagctl.report.table import Column, render_table
from flagctl.review import words

if TYPE_CHECKING:
    from flagctl.ops.rollout import RolloutStatus, RolloutView, StepView
    from flagctl.ops.rollout_check import CheckResult
    from flagctl.ops.rollout_simulate import RolloutSimulation
    from flagctl.report.style import Style

_BLOCKS: Final = " ▁▂▃▄▅▆▇█"
_ROWS: Final = 5
_COLUMNS: Final = 60
_MARGIN: Final = 8
_NARROWEST: Final = 24
_WIDEST: Final = 100
_COLOURS: Final = {"waiting": "yellow", "held": "yellow", "aborted": "red", "running": "green"}
_MARKS: Final = {"done": "✓", "now": "▶", "next": " ", "later": " "}
_TABLE: Final = (
    Column(title="FLAG", paint=("bold",), flexible=True),
    Column(title="RULE", flexible=True),
    Column(title="WHERE", flexible=True, droppable=True),
    Column(title="STRATEGY", droppable=True),
    Column(title="SERVES"),
    Column(title="STATE"),
    Column(title="NEXT"),
)


def render_rollouts(status: RolloutStatus, style: Style) -> str:
    """Return every rollout with calendar and curve; a line each if there are many."""
    if not status.rollouts:
        return "nothing grows here"
    flags = {view.key for view in status.rollouts}
    if len(flags) > 1:
        rows = [_row(view) for view in status.rollouts]
        return render_table(_TABLE, rows, style)
    return "\n\n".join(_one(view, status.now_ms, style) for view in status.rollouts)


def _row(view: RolloutView) -> tuple[str, ...]:
    serves = view.serves if view.kind == "blue-green" else f"{view.serves} {view.percent:g} %"
    return (view.key, view.rule or "", ", ".join(view.environments), view.kind, serves, view.state, next_change(view))


def _one(view: RolloutView, now_ms: int, style: Style) -> str:
    where = ", ".join(view.environments)
    title = f"{style.paint(view.key, 'bold')}  {view.kind}" + (f" rule {view.rule}" if view.rule else "")
    if view.kind == "blue-green":
        other = f", {view.previous} to flip back to" if view.previous else ""
        return f"{title}  {where}\n  {style.paint(view.serves, 'green')} is active{other}"
    state = style.paint(view.state, *(_COLOURS.get(view.state, "bold"),))
    lines = [f"{title}  {where}", f"  {state}: {view.serves} for {view.percent:g} %"]
    if view.reason:
        lines[-1] += f" ({view.reason})"
    if view.group:
        lines.append(f"  group: {view.group}")
    if view.steps:
        lines += ["", *(_step(step, style) for step in view.steps)]
    following = next_change(view)
    if following and view.state not in {"aborted", "finished"}:
        lines += ["", f"  next: {following}"]
    picture = curve(view, now_ms, _COLUMNS if style.width is None else style.width - _MARGIN)
    if picture:
        lines += ["", *(f"  {line}" for line in picture)]
    return "\n".join(lines)


def _step(step: StepView, style: Style) -> str:
    first = f"  {_MARKS[step.state]} {step.label:>8}  "
    return wrap(step_when(step), style.width, " " * len(first), first)


def curve(view: RolloutView, now_ms: int, columns: int = _COLUMNS) -> list[str]:
    """Return lines of text that show the share over time; ``░`` is what is expected but waits, ``┴`` is now."""
    window = window_of(view, now_ms)
    if window is None:
        return []
    width = min(max(columns, _NARROWEST), _WIDEST)
    start, end = window
    span = end - start
    certain = certain_until(view)
    rows = [[" "] * width for _ in range(_ROWS)]
    for column in range(width):
        at = start + span * (2 * column + 1) // (2 * width)
        eighths = round(share_of(view, at) / 100_000 * _ROWS * 8)
        for row in range(_ROWS):
            part = min(max(eighths - row * 8, 0), 8)
            block = _BLOCKS[part]
            rows[_ROWS - 1 - row][column] = "░" if part and certain is not None and at >= certain else block
    here = min(max(width * (now_ms - start) // span, 0), width - 1)
    labels = ["100 %" if row == 0 else "  0 %" if row == _ROWS - 1 else "     " for row in range(_ROWS)]
    lines = [f"{label} {''.join(row)}".rstrip() for label, row in zip(labels, rows, strict=True)]
    axis = "─" * here + "┴" + "─" * (width - 1 - here)
    first, last = words.instant(start)[:10], words.instant(end)[:10]
    middle = list(" " * (width - len(first) - len(last)))
    if len(first) < here <= width - len(last) - 3:
        middle[here - len(first) - 1 : here - len(first) + 2] = "now"
    return [*lines, f"      {axis}", f"      {first}{''.join(middle)}{last}"]


_DONE: Final = {
    "none": ("nothing to do", "bold"),
    "wait": ("waits", "yellow"),
    "advance": ("advances", "green"),
    "hold": ("held", "yellow"),
    "revert": ("reverted", "red"),
    "kill": ("killed", "red"),
}


_COMPARED: Final = {
    "in_line": "newcomers compared with those still in line, over all steps so far",
    "everybody_else": "compared with everybody else since the step began",
    "experiment": "as its experiment says",
}


def render_check(result: CheckResult, style: Style) -> str:
    """Return what a check found and did, and the difference it wrote."""
    if not result.decisions:
        return f"nothing is guarded in {result.environment}"
    lines = []
    for decision in result.decisions:
        word, colour = _DONE[decision.action]
        name = style.paint(decision.key, "bold")
        lines.append(f"{name}  rule {decision.rule}, {decision.percent:g} %: {style.paint(word, colour)}")
        lines.append(f"  {decision.reason}")
        if decision.verdict is not None and decision.verdict.control is not None:
            lines.append(style.paint(f"  {_COMPARED[decision.verdict.control]}", "dim"))
    if result.edit is not None:
        lines += ["", render_edit(result.edit, style)]
    return "\n".join(lines)


def render_rollout_simulation(result: RolloutSimulation, style: Style) -> str:
    """Return the counts of a simulated rollout, a line for each instant."""
    names = [name for name, _ in result.instants[0].counts]
    columns = (Column(title="FROM"), *(Column(title=name or "caller's default", right=True) for name in names))
    rows = [
        (words.instant(one.at_ms), *(f"{count:,}  {count / max(result.contexts, 1):6.1%}" for _, count in one.counts))
        for one in result.instants
    ]
    head = f"{style.paint(result.key, 'bold')} in {result.environment}: {result.contexts:,} contexts of {result.source}"
    return f"{head}\n\n{render_table(columns, rows, style)}"
