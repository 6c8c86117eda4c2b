"""What checks of experiments show, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report import experiment_words as words
from flagctl.report.style import plain, wrap
from flagctl.report.table import Column, render_table
from flagctl.report.values import count, show_instant

if TYPE_CHECKING:
    from flagctl.experiments.selftest import SelfTest
    from flagctl.ops.experiment_holdout import HoldoutResult
    from flagctl.ops.experiment_interactions import Crossing, InteractionsResult
    from flagctl.ops.experiment_selftest import SelfTestResult
    from flagctl.report.style import Style

_SUSPICIOUS = 0.05
_WRONG = 0.001
_BAR = 30


def render_self_test(result: SelfTestResult, style: Style) -> str:
    """Return how often something was found where nothing is, and how p-values are spread."""
    test = result.test
    title = style.paint("PASSED", "bold", "green") if test.passed else style.paint("FAILED", "bold", "red")
    lines = [f"{title}  {plain(result.experiment)}, {plain(result.metric)}"]
    found = (
        f"{count(test.units, 'unit')} dealt out at random {test.runs:,} times: an effect was found {count(test.alarms, 'time')} "
        f"({test.alarms / test.runs * 100:.1f} %, {test.alpha * 100:g} % are allowed)."
    )
    lines.append(wrap(found, style.width, "", ""))
    spread = (
        "p-values are spread as they should be" if test.even_p_value >= _WRONG else "p-values are NOT spread evenly"
    )
    lines.append(wrap(f"{spread} (p = {words.p_text(test.even_p_value)}):", style.width, "", ""))
    most = max(test.histogram)
    for index, number in enumerate(test.histogram):
        bar = "#" * round(_BAR * number / most) if most else ""
        lines.append(f"  {index / 10:.1f} to {(index + 1) / 10:.1f}  {number:>6,}  {bar}".rstrip())
    lines += [wrap(line, style.width, "", "") for line in _library(test)]
    if not test.passed and test.library_agrees:
        why = (
            "The interval of this metric is not to be trusted on these data. Values may be too skewed for so few units "
            "(cut them: winsorize), or units are not independent of one another."
        )
        lines.append(wrap(why, style.width, "", ""))
    return "\n".join(lines)


def _library(test: SelfTest) -> list[str]:
    if not test.library_runs:
        return []
    of = f"{count(test.library_runs, 'dealing')}, without a covariate"
    if test.library_agrees:
        return [f"{test.library} computes the same p-values ({of}; largest difference {test.library_difference:.0e})."]
    return [
        f"{test.library} computes OTHER p-values ({of}; up to {test.library_difference:.2g} apart). Please report this."
    ]


def render_interactions(result: InteractionsResult, style: Style) -> str:
    """Return a table for each experiment that shares units, and what is to be seen in it."""
    lines = []
    for one in result.crossings:
        lines += [*_crossing(result, one, style), ""]
    if not result.crossings:
        lines += [f"{plain(result.experiment)} shares no unit with another experiment.", ""]
    elif result.apart:
        lines += [wrap(plain(f"No unit in common: {', '.join(result.apart)}."), style.width, "", ""), ""]
    return "\n".join(lines[:-1])


def _crossing(result: InteractionsResult, one: Crossing, style: Style) -> list[str]:
    title = f"{plain(result.experiment)} and {plain(one.other)}"
    lines = [f"{style.paint(title, 'bold')}: {count(one.units, 'unit')} in both"]
    columns = [
        Column(title=result.experiment, flexible=True),
        Column(title=one.other, flexible=True),
        Column(title="UNITS", right=True),
        Column(title=result.metric, right=True),
    ]
    rows = [(cell.variant, cell.other_variant, f"{cell.units:,}", words.number(cell.mean)) for cell in one.cells]
    lines.append(render_table(columns, rows, style))
    if one.assignment_p_value is not None and one.assignment_p_value < _WRONG:
        text = "the variants of one are NOT independent of those of the other: are salts shared?"
        lines.append(style.paint(wrap(text, style.width, "    ", "  ! "), "yellow"))
    found = [(a, b, p) for a, b, p in one.pairs if p < _SUSPICIOUS]
    for variant, other, p in found:
        text = f"the effect of {variant} depends on whether a unit has {other} (p = {words.p_text(p)})"
        lines.append(style.paint(wrap(plain(text), style.width, "    ", "  ! "), "yellow"))
    if not found:
        text = "no sign that they disturb one another" if one.pairs else "too few units to compare"
        lines.append(wrap(text, style.width, "    ", "  · "))
    return lines


def render_holdout(result: HoldoutResult, style: Style) -> str:
    """Return what the rest does more than the holdout."""
    held = f"{result.share * 100:g} % held out of {count(len(result.experiments), 'experiment')}"
    lines = [f"{style.paint(plain(result.layer), 'bold')}: {held}"]
    span = f"{show_instant(result.since_ms)} to {show_instant(result.until_ms)}"
    units = f"{sum(result.units):,} seen, {result.units[0]:,} of them held out"
    lines += [wrap(plain(text), style.width, " " * 8, "") for text in (f"time    {span}", f"units   {units}")]
    if result.units_p_value is not None and result.units_p_value < _WRONG:
        text = "that is not the holdout's share: experiments keep units away, or draw them"
        lines.append(style.paint(wrap(text, style.width, "    ", "  ! "), "yellow"))
    columns = [
        Column(title="EVENT", flexible=True),
        Column(title="OF"),
        Column(title="EFFECT OF ALL", right=True),
        Column(title="INTERVAL", right=True),
        Column(title="P", right=True),
    ]
    rows = [
        (
            row.event,
            row.of,
            words.share(row.estimate.relative),
            f"{words.share(row.estimate.relative_low)} to {words.share(row.estimate.relative_high)}",
            words.p_text(row.corrected_p_value),
        )
        for row in result.rows
    ]
    lines += ["", render_table(columns, rows, style) if rows else "too little happened to compare"]
    note = "Per slot, the rest against the holdout; single look, 95 %. p is corrected for the number of rows (Holm)."
    lines.append(style.paint(wrap(note, style.width, "", ""), "dim"))
    return "\n".join(lines)
