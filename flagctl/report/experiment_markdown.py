"""What an experiment shows, as Markdown to commit beside it or to put under a pull request."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report import experiment_words as words
from flagctl.report.values import show_instant

if TYPE_CHECKING:
    from flagctl.ops.experiment_analyze import AnalyzeResult


def render_markdown(result: AnalyzeResult) -> str:
    """Return the report."""
    _, title = words.OUTCOMES[result.verdict.outcome.value]
    lines = [
        f"# {title}: {_text(result.experiment.name or result.experiment.key)}",
        "",
        _text(result.verdict.headline),
        "",
    ]
    lines += [f"- {_text(reason)}" for reason in result.verdict.reasons]
    if result.verdict.warnings:
        lines += ["", "## Before the numbers", ""]
        lines += [f"- {_text(warning)}" for warning in result.verdict.warnings]
    lines += ["", "| | |", "|---|---|"]
    lines += [f"| {_text(name)} | {_text(value)} |" for name, value in words.facts(result)]
    lines += ["", "## Results", "", "| metric | variant | control | mean | effect, relative | interval | p | |"]
    lines.append("|---|---|--:|--:|--:|--:|--:|---|")
    for row in words.rows(result.results):
        name = f"**{_text(row.metric)}**" if row.role == "primary" else _text(row.metric)
        cells = (row.variant, row.control, row.mean, row.effect, row.interval, row.p_value, row.verdict)
        lines.append(f"| {name} | " + " | ".join(_text(cell) for cell in cells) + " |")
    lines += ["", words.method_note(result.results)]
    if result.results.guardrails:
        lines += ["", "## Guardrails", ""]
        lines += [
            f"- {_text(one.metric)}, {_text(one.variant or 'all')}: **{one.state.replace('_', ' ')}**: {_text(one.reason)}"
            for one in result.results.guardrails
        ]
    lines += ["", "## What is measured", ""]
    lines += [f"- {role}: **{_text(key)}**: {_text(what)}" for role, key, what in words.measured(result)]
    agreed = result.experiment.registration or "nothing registered"
    lines += ["", f"Events up to {show_instant(result.data.as_of_ms)}; agreed on: `{agreed}`"]
    lines += [
        f"- amended {show_instant(one.at_ms)}: {_text(one.reason)} (`{one.registration}`)"
        for one in result.experiment.amendments
    ]
    return "\n".join(lines) + "\n"


def _text(text: str) -> str:
    """Return text that Markdown takes for text."""
    for character in "\\`*_[]<>|#":
        text = text.replace(character, "\\" + character)
    return " ".join(text.split())
