"""How fast this machine evaluates flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.style import Style, wrap
from flagctl.report.table import Column, render_fields, render_table
from flagctl.report.values import show_size

if TYPE_CHECKING:
    from flagctl.ops.bench import BenchResult, LargeTiming
    from flagctl.ops.bench_levels import LevelTiming


def render_bench(result: BenchResult, style: Style) -> str:
    """Return times of single evaluations with their ratios, and those of a large bundle."""
    columns = (
        Column(title="EVALUATION", paint=("bold",)),
        Column(title="METHOD"),
        Column(title="TIME", right=True),
        Column(title="PER SECOND", right=True, droppable=True),
        Column(title="RATIO", right=True),
        Column(title="LIMIT", right=True, droppable=True),
        Column(title="P99", right=True, droppable=True),
    )
    rows = [
        (
            case.case,
            case.method,
            f"{case.nanoseconds:.0f} ns",
            f"{1e3 / case.nanoseconds:.1f} M",
            f"{case.ratio:.1f} x {case.reference}",
            f"{case.limit:g}",
            f"{case.p99_nanoseconds / 1000:.1f} µs",
        )
        for case in result.cases
    ]
    about = (
        f"References on this machine, in this run: a Python call with a dict look-up takes "
        f"{result.call_nanoseconds:.0f} ns (call), hashing a short text {result.hash_nanoseconds:.0f} ns (hash)."
    )
    parts = [wrap(about, style.width), render_table(columns, rows, style)]
    if result.large is not None:
        parts.append(_large(result.large, style))
    if result.levels:
        parts.append(_levels(result.levels, style))
    return "\n\n".join(parts)


_LEVELS = {
    "memory": "from memory",
    "first": "asked for the first time",
    "redis": "changed, fetched through Redis",
    "store": "changed, fetched from the store",
}


def _levels(levels: tuple[LevelTiming, ...], style: Style) -> str:
    columns = (
        Column(title="ONE FLAG OF THE LARGE BUNDLE", paint=("bold",)),
        Column(title="MEDIAN", right=True),
        Column(title="P99", right=True),
        Column(title="LIMIT", right=True, droppable=True),
        Column(title="WHERE", flexible=True, droppable=True),
    )
    rows = [
        (
            _LEVELS[level.level],
            f"{level.median_ms:.4g} ms",
            f"{level.p99_ms:.4g} ms",
            f"{level.limit_ms:g} ms",
            level.url or "",
        )
        for level in levels
    ]
    return render_table(columns, rows, style)


def _large(large: LargeTiming, style: Style) -> str:
    def megabytes(value: float | None) -> str | None:
        return None if value is None else f"{value:.1f} MB"

    fields = render_fields(
        [
            ("open, check the digest, first answer", f"{large.open_ms:.1f} ms"),
            ("check the whole structure, once", f"{large.check_ms:.1f} ms"),
            ("every flag for the first time", f"{large.cold_ms:.0f} ms"),
            ("every flag again", f"{large.warm_ms:.1f} ms"),
            ("memory when opened", megabytes(large.open_megabytes)),
            ("memory when all were used", megabytes(large.used_megabytes)),
        ],
        style,
        indent="  ",
    )
    return f"{style.paint(f'A bundle of {large.flags:,} flags, {show_size(large.bytes)}', 'bold')}\n{fields}"
