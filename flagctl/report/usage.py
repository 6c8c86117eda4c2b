"""Usage and performance of flags, as text."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from flagctl.report import experiment_words as words
from flagctl.report.style import plain, wrap
from flagctl.report.table import Column, render_table
from flagctl.report.values import count, show_duration

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flagctl.ops.performance import PerformanceResult
    from flagctl.ops.usage import FlagUsage, UsageResult
    from flagctl.report.style import Style

_BARS = "·▁▂▃▄▅▆▇█"
_NAMES = 30
_DAYS = 14
"""Days that are drawn, up to the last one."""


def render_usage(result: UsageResult, style: Style) -> str:
    """Return what was asked for, unknown keys, and flags that nobody asks for."""
    span = f"{result.first_day} to {result.last_day}"
    kind = "counts" if result.counted == "usage" else "a sampled log: numbers are of the sample"
    lines = [style.paint(f"Usage from {span} ({kind})", "bold"), ""]
    known = [one for one in result.flags if one.known]
    if known:
        columns = [
            Column(title="FLAG"),
            Column(title="EVALUATIONS", right=True),
            Column(title="LAST", droppable=True),
            Column(title="DAYS", droppable=True),
            Column(title="VARIANTS", wraps=True),
            Column(title="REASONS", wraps=True),
        ]
        days = _last_days(result)
        lines.append(render_table(columns, [_row(one, days) for one in known], style))
    elif result.flags or result.never:
        lines.append("no flag was asked for")
    else:
        lines.append("nothing was counted in these days, so nobody knows what was asked for")
    if result.unknown:
        lines += ["", style.paint("Asked for, but no flag:", "bold", "red")]
        lines += [
            wrap(plain(f"{one.key}: {count(one.count, 'time')}, last on {one.last_day}"), style.width, "    ", "  ")
            for one in result.unknown
        ]
    if result.never:
        lines += ["", style.paint("Nobody asked for:", "bold", "yellow")]
        more = f" and {len(result.never) - _NAMES} more" if len(result.never) > _NAMES else ""
        lines.append(wrap(plain(", ".join(result.never[:_NAMES]) + more), style.width, "  ", "  "))
    lines += [style.paint(wrap(plain(one), style.width, "    ", "  ! "), "yellow") for one in result.findings]
    return "\n".join(lines)


def _last_days(result: UsageResult) -> list[str]:
    last = date.fromisoformat(result.last_day)
    days = [(last - timedelta(days=ago)).isoformat() for ago in reversed(range(_DAYS))]
    return [day for day in days if day >= result.first_day]


def _row(one: FlagUsage, days: Sequence[str]) -> tuple[str, str, str, str, str, str]:
    variants, reasons = (_shares(counts, one.count) for counts in (one.variants, one.reasons))
    return one.key, f"{one.count:,}", one.last_day, spark([one.days.get(day, 0) for day in days]), variants, reasons


def _shares(counts: Mapping[str, int], total: int) -> str:
    shares = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name or '(default)'} {number / total:.0%}" for name, number in shares if number)


def spark(numbers: Sequence[int]) -> str:
    """Return numbers as a line of bars, and none of them as a dot.

    >>> spark([1, 0, 4, 8])
    '▁·▄█'
    """
    top = max(numbers, default=0)
    return "".join(_BARS[max(1, round(number / top * 8)) if number else 0] for number in numbers)


def render_performance(result: PerformanceResult, style: Style) -> str:
    """Return how long evaluations took, and measurements compared between variants."""
    lines = [style.paint(plain(result.key), "bold")]
    if result.latencies:
        columns = [
            Column(title="EVALUATIONS OF"),
            Column(title="LOGGED", right=True),
            *(Column(title=title, right=True) for title in ("P50", "P95", "P99")),
        ]
        rows = [
            (one.variant or "(default)", f"{one.count:,}", *(_nanoseconds(v) for v in (one.p50, one.p95, one.p99)))
            for one in result.latencies
        ]
        lines += ["", render_table(columns, rows, style)]
    else:
        lines += ["", "no durations in the evaluation log"]
    findings = [style.paint(wrap(plain(one), style.width, "    ", "  ! "), "yellow") for one in result.findings]
    if not result.effects:
        lone = f"measurements are known of the variant '{result.control}' only: nothing to compare with"
        lines += ["", lone if result.control else "no measurement can be told apart by variant", *findings]
        return "\n".join(lines)
    columns = [
        Column(title="MEASUREMENT", flexible=True),
        Column(title="", right=True),
        Column(title="VARIANT"),
        Column(title=f"{result.control}", right=True, droppable=True),
        Column(title="VALUE", right=True),
        Column(title="EFFECT", right=True),
        Column(title="INTERVAL", right=True, droppable=True),
        Column(title="P", right=True),
    ]
    rows = []
    for one in result.effects:
        e = one.estimate
        interval = "" if e.relative_low is None else f"{words.share(e.relative_low)} to {words.share(e.relative_high)}"
        effect = words.share(e.relative) or (e.reason or "")
        cells = (one.measurement, f"p{one.level * 100:g}", e.variant, words.number(e.control), words.number(e.mean))
        rows.append((*cells, effect, interval, words.p_text(one.corrected_p_value)))
    lines += ["", render_table(columns, rows, style)]
    note = "Intervals are 95 % for each row; p-values are corrected for the number of rows. A single look, no decision."
    lines += [style.paint(wrap(note, style.width, "", ""), "dim"), *findings]
    return "\n".join(lines)


def _nanoseconds(value: float) -> str:
    if value < 1000:
        return f"{value:.0f} ns"
    return f"{value / 1000:.3g} µs" if value < 1e6 else show_duration(value / 1e9)
