"""What an experiment shows, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report import experiment_words as words
from flagctl.report.style import one_line, plain, wrap
from flagctl.report.table import Column, render_table
from flagctl.report.values import count

if TYPE_CHECKING:
    from flagctl.ops.experiment_analyze import AnalyzeResult, GuardResult
    from flagctl.ops.experiment_simulate import SimulateEventsResult
    from flagctl.report.style import Style

_PARTS = 8
_VERDICTS = {"better": "green", "worse": "red"}


def render_analysis(result: AnalyzeResult, style: Style) -> str:
    """Return the verdict, its reasons, warnings, the table, guardrails and parts."""
    color, title = words.OUTCOMES[result.verdict.outcome.value]
    lines = [f"{style.paint(title, 'bold', color)}  {style.paint(plain(result.experiment.key), 'bold')}"]
    lines.append(wrap(plain(result.verdict.headline), style.width, "", ""))
    lines += [wrap(plain(reason), style.width, "    ", "  · ") for reason in result.verdict.reasons]
    if result.verdict.warnings:
        lines.append("")
        lines += [
            style.paint(wrap(plain(text), style.width, "    ", "  ! "), "yellow") for text in result.verdict.warnings
        ]
    lines.append("")
    for name, value in words.facts(result):
        lines.append(wrap(plain(value), style.width, " " * 12, f"{name:<12}"))
    if result.data.total_units:
        lines += ["", _table(result, style)]
    note = words.method_note(result.results)
    if note:
        lines.append(style.paint(wrap(f"* Primary metric. {note}", style.width, "", ""), "dim"))
    lines += _guardrails(result, style)
    lines += _parts(result, style)
    return "\n".join(lines)


def _table(result: AnalyzeResult, style: Style) -> str:
    """Return a row for each metric and variant; where names of metrics would be cut, they get lines of their own.

    Names begin alike more often than not, and the mark of the primary metric is at the end.
    """
    columns = [
        Column(title="METRIC", flexible=True),
        Column(title="VARIANT", flexible=True),
        Column(title="CONTROL", right=True, droppable=True),
        Column(title="MEAN", right=True, droppable=True),
        Column(title="EFFECT", right=True),
        Column(title="INTERVAL", right=True, droppable=style.width is not None and style.width < 60),
        Column(title="P", right=True, droppable=True),
        Column(title="", wraps=True),
    ]
    rows = [
        (
            row.metric + (" *" if row.role == "primary" else ""),
            row.variant,
            row.control,
            row.mean,
            row.effect,
            row.interval,
            row.p_value,
            row.verdict,
        )
        for row in words.rows(result.results)
    ]
    names = [row[0] for row in rows]
    table = render_table(columns, rows, style)
    if all(name in table for name in map(one_line, names)):
        return table if rows else "no metrics"
    return render_table(columns[1:], [row[1:] for row in rows], style, names)


def _guardrails(result: AnalyzeResult, style: Style) -> list[str]:
    found = result.results.guardrails
    if not found:
        return []
    lines = ["", style.paint("Guardrails", "bold")]
    paints = {"harmed": "red", "safe": "green", "no_data": "yellow", "open": "dim"}
    for one in found:
        state = style.paint(f"{one.state.replace('_', ' '):<8}", paints[one.state])
        text = wrap(plain(f"{one.metric}, {one.variant or 'all'}: {one.reason}"), style.width, " " * 11)
        lines.append(f"  {state} {text[11:]}")
    return lines


def _parts(result: AnalyzeResult, style: Style) -> list[str]:
    lines = []
    for one in result.results.differences:
        if one.corrected_p_value < 0.05:
            text = f"the effect of {one.variant} differs by {one.dimension} (p = {words.p_text(one.corrected_p_value)})"
            lines.append(wrap(plain(text), style.width, "    ", "  · "))
    for trend in result.results.trends:
        if trend.p_value < 0.01:
            word = "grows" if trend.slope > 0 else "falls"
            text = f"the effect of {trend.variant} {word} with the days since the first exposure (p = {words.p_text(trend.p_value)})"
            lines.append(wrap(plain(text), style.width, "    ", "  · "))
    return ["", style.paint("To look into", "bold"), *lines[:_PARTS]] if lines else []


def render_guard(result: GuardResult, style: Style) -> str:
    """Return the state of the guardrails."""
    paint = {"harmed": "red", "safe": "green"}.get(result.state, "yellow")
    state = "cannot be trusted" if result.problems else result.state.replace("_", " ")
    lines = [f"{plain(result.experiment)}: {style.paint(state, 'bold', paint)}"]
    lines += [wrap(plain(problem), style.width, "    ", "  ! ") for problem in result.problems]
    if not (result.results or result.problems):
        lines.append("  · it has no guardrails")
    for one in result.results:
        lines.append(wrap(plain(f"{one.metric}, {one.variant or 'all'}: {one.reason}"), style.width, "    ", "  · "))
    return "\n".join(lines)


def render_events(result: SimulateEventsResult, style: Style) -> str:
    """Return what was made up, and what to type next."""
    events = f"{count(result.exposures, 'exposure')} and {count(result.conversions, 'conversion')}"
    after = f"next: flagctl experiment analyze {plain(result.experiment)} --events {plain(result.out)}"
    made = f"{plain(result.out)}: {events} of {count(result.units, 'unit')}, made up"
    return f"{wrap(made, style.width)}\n{style.paint(after, 'dim')}"
