"""Plots as SVG: small, self-contained, coloured by the page's style sheet, readable without colour.

Every plot has a title for screen readers, and numbers as text, so that nothing hangs on colour alone. Classes: ``axis``,
``grid``, ``line``, ``band``, ``mark``, ``s0`` … ``s5`` for series.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

WIDTH = 720
_LEFT, _RIGHT, _TOP, _BOTTOM = 64, 16, 12, 34


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A row of a forest plot: label, middle and ends."""

    label: str
    middle: float
    low: float
    high: float
    tone: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """A line: label and (x, y) with an optional band (low, high) for each point; `color` 0 to 5, else its position."""

    label: str
    points: tuple[tuple[float, float], ...]
    band: tuple[tuple[float, float], ...] = ()
    color: int | None = None


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return round numbers between two numbers.

    >>> ticks(0, 10)
    [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]
    """
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / count
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * factor for factor in (1, 2, 2.5, 5, 10) if size * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(index * step, 12) + 0.0 for index in range(first, math.floor(high / step + 1e-9) + 1)]


def forest(
    title: str, rows: Sequence[Interval], show: Callable[[float], str], tick_text: Callable[[float], str] | None = None
) -> str:
    """Return intervals under one another on one axis, with a line at zero.

    Args:
        title: What is shown.
        rows: From top to bottom.
        show: Writes a number.
        tick_text: Writes the round numbers of the axis; None is as all others.
    """
    if not rows:
        return ""
    finite = [v for row in rows for v in (row.low, row.high, row.middle) if math.isfinite(v)]
    low, high = _padded(min([0.0, *finite]), max([0.0, *finite]))
    left, right = 246, 110
    height = 26 * len(rows) + 40

    def x(value: float) -> float:
        value = min(max(value, low), high)
        return left + (value - low) / (high - low) * (WIDTH - left - right)

    parts = []
    for tick in ticks(low, high):
        parts.append(f'<line class="grid" x1="{x(tick):.1f}" x2="{x(tick):.1f}" y1="4" y2="{height - 28}"/>')
        parts.append(
            f'<text class="axis" x="{x(tick):.1f}" y="{height - 12}" text-anchor="middle">{escape((tick_text or show)(tick))}</text>'
        )
    parts.append(f'<line class="zero" x1="{x(0):.1f}" x2="{x(0):.1f}" y1="4" y2="{height - 28}"/>')
    for index, row in enumerate(rows):
        y = 18 + 26 * index
        parts.append(
            f'<text x="{left - 10}" y="{y + 4}" text-anchor="end">{escape(_short(row.label, 28))}'
            f"<title>{escape(row.label)}</title></text>"
        )
        parts.append(f'<line class="line {row.tone}" x1="{x(row.low):.1f}" x2="{x(row.high):.1f}" y1="{y}" y2="{y}"/>')
        parts.append(f'<circle class="mark {row.tone}" cx="{x(row.middle):.1f}" cy="{y}" r="4.5"/>')
        parts.append(f'<text x="{WIDTH - right + 10}" y="{y + 4}">{escape(show(row.middle))}</text>')
    return _svg(title, height, parts)


def lines(  # noqa: PLR0913 - the rare ones by name
    title: str,
    series: Sequence[Series],
    show: Callable[[float], str],
    label: Callable[[float], str],
    *,
    zero: bool = True,
    vertical: tuple[float, str] | None = None,
) -> str:
    """Return lines over time, each with its band.

    Args:
        title: What is shown.
        series: At most six.
        show: Writes a value.
        label: Writes a place on the horizontal axis.
        zero: Whether zero is on the vertical axis.
        vertical: A marked place on the horizontal axis with its name.
    """
    points = [point for one in series for point in one.points]
    if not points:
        return ""
    height = 260
    values = [v for one in series for v in ([y for _, y in one.points] + [v for pair in one.band for v in pair])]
    finite = sorted(v for v in values if math.isfinite(v))
    if not finite:
        return ""
    # Bands of the first days are so wide that they would flatten everything else.
    cut = [v for one in series for pair in one.band[max(1, len(one.band) // 5) :] for v in pair if math.isfinite(v)]
    chosen = (cut or finite) + [y for one in series for _, y in one.points[len(one.points) // 5 :]]
    low, high = _padded(min([*chosen, *([0.0] if zero else [])]), max([*chosen, *([0.0] if zero else [])]))
    if zero:
        # A band that is cut off at the zero line would look as if it ended there.
        low = min(low, max(finite[0], low - (high - low) * 0.15))
    first, last = min(x for x, _ in points), max(x for x, _ in points)
    if vertical is not None:
        last = max(last, vertical[0])

    def x(value: float) -> float:
        return _LEFT + (value - first) / max(last - first, 1e-9) * (WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _TOP + (high - min(max(value, low), high)) / (high - low) * (height - _TOP - _BOTTOM)

    parts = _frame(ticks(low, high), show, y, height)
    wanted = [one for one in ticks(first, last, 6) if one == int(one)]
    for tick in wanted:
        # Near the right end of the picture half of a text would be cut off.
        anchor = "end" if x(tick) > WIDTH - 2 * _RIGHT else "middle"
        text = escape(label(tick))
        parts.append(f'<text class="axis" x="{x(tick):.1f}" y="{height - 12}" text-anchor="{anchor}">{text}</text>')
    if zero:
        parts.append(f'<line class="zero" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(0):.1f}" y2="{y(0):.1f}"/>')
    colors = [index if one.color is None else one.color for index, one in enumerate(series)]
    for index, one in zip(colors, series, strict=True):
        if one.band:
            upper = [f"{x(p[0]):.1f},{y(b[1]):.1f}" for p, b in zip(one.points, one.band, strict=True)]
            lower = [f"{x(p[0]):.1f},{y(b[0]):.1f}" for p, b in zip(one.points, one.band, strict=True)]
            parts.append(f'<polygon class="band s{index}" points="{" ".join(upper + lower[::-1])}"/>')
        path = " ".join(f"{x(a):.1f},{y(b):.1f}" for a, b in one.points)
        parts.append(f'<polyline class="line s{index}" points="{path}"/>')
    if vertical is not None:
        place = x(vertical[0])
        parts.append(f'<line class="zero" x1="{place:.1f}" x2="{place:.1f}" y1="{_TOP}" y2="{height - _BOTTOM}"/>')
        parts.append(
            f'<text class="axis" x="{place - 4:.1f}" y="{_TOP + 10}" text-anchor="end">{escape(vertical[1])}</text>'
        )
    return _svg(title, height, parts) + _legend([(one.label, color) for one, color in zip(series, colors, strict=True)])


def bars(
    title: str, labels: Sequence[str], series: Sequence[tuple[str, Sequence[float]]], show: Callable[[float], str]
) -> str:
    """Return grouped bars.

    Args:
        title: What is shown.
        labels: Of the groups.
        series: Label and one value for each group.
        show: Writes a value.
    """
    if not labels or not series:
        return ""
    height = 220
    _, high = _padded(0.0, max((v for _, values in series for v in values), default=1.0) or 1.0)
    room = (WIDTH - _LEFT - _RIGHT) / len(labels)
    width = max(1.0, room * 0.8 / len(series))

    def y(value: float) -> float:
        return _TOP + (high - value) / high * (height - _TOP - _BOTTOM)

    parts = _frame(ticks(0.0, high, 4), show, y, height)
    every = max(1, math.ceil(len(labels) / 9))
    for group, label in enumerate(labels):
        start = _LEFT + group * room + room * 0.1
        if group % every == 0:
            middle = start + room * 0.4
            parts.append(
                f'<text class="axis" x="{middle:.1f}" y="{height - 12}" text-anchor="middle">{escape(label)}</text>'
            )
        for index, (name, values) in enumerate(series):
            top = y(values[group])
            parts.append(
                f'<rect class="bar s{index}" x="{start + index * width:.1f}" y="{top:.1f}" width="{width:.1f}"'
                f' height="{max(0.0, height - _BOTTOM - top):.1f}">'
                f"<title>{escape(f'{label}, {name}: {show(values[group])}')}</title></rect>"
            )
    return _svg(title, height, parts) + _legend([(name, index) for index, (name, _) in enumerate(series)])


def _frame(
    values: Sequence[float], show: Callable[[float], str], y: Callable[[float], float], height: int
) -> list[str]:
    parts = []
    for tick in values:
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(
            f'<text class="axis" x="{_LEFT - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{escape(show(tick))}</text>'
        )
    parts.append(
        f'<line class="frame" x1="{_LEFT}" x2="{WIDTH - _RIGHT}" y1="{height - _BOTTOM}" y2="{height - _BOTTOM}"/>'
    )
    return parts


def _padded(low: float, high: float) -> tuple[float, float]:
    if high <= low:
        return low - 1, high + 1
    room = (high - low) * 0.06
    return (low - room if low < 0 else low), high + room


def _short(text: str, length: int) -> str:
    """Return text of at most `length` characters; what follows the last middle dot tells rows apart and stays.

    >>> _short("checkout-milliseconds · one", 20)
    'checkout-mill… · one'
    """
    if len(text) <= length:
        return text
    head, dot, tail = text.rpartition(" · ")
    room = length - len(dot) - len(tail)
    if not dot or room < length // 3:
        return text[: length - 1] + "…"
    return head[: room - 1] + "…" + dot + tail


def _svg(title: str, height: int, parts: Sequence[str]) -> str:
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}" xmlns="http://www.w3.org/2000/svg">'
        f"<title>{escape(title)}</title>{''.join(parts)}</svg>"
    )


def _legend(labels: Sequence[tuple[str, int]]) -> str:
    if len(labels) < 2:
        return ""
    items = "".join(f'<li><span class="key s{color}"></span>{escape(label)}</li>' for label, color in labels)
    return f'<ul class="legend">{items}</ul>'
