"""Pictures of one flag as SVG: its dependencies, and its share over time. Colours come from the style sheet."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from flagctl.model import LinearPercentage, SteppedPercentage
from flagctl.review.words import instant, share

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.model import Percentage
    from flagctl.ops.graph import GraphResult, Node

_BOX: Final = (200, 34)
_GAP: Final = (70, 14)
_PAGES: Final = {"flag": "/flags/", "segment": "/segments/", "experiment": "/experiments/"}


def graph_picture(graph: GraphResult, url: Callable[[str], str]) -> Markup:
    """Return dependencies from left (who needs) to right (what is needed)."""
    columns = _columns(graph)
    places: dict[Node, tuple[int, int]] = {}
    tallest = max(len(column) for column in columns)
    for number, column in enumerate(columns):
        lead = (tallest - len(column)) * (_BOX[1] + _GAP[1]) // 2
        for row, node in enumerate(column):
            places[node] = (number * (_BOX[0] + _GAP[0]) + 4, lead + row * (_BOX[1] + _GAP[1]) + 4)
    width = len(columns) * (_BOX[0] + _GAP[0]) - _GAP[0] + 8
    height = tallest * (_BOX[1] + _GAP[1]) - _GAP[1] + 8
    parts = []
    for edge in graph.edges:
        (x1, y1), (x2, y2) = places[edge.source], places[edge.target]
        start, end, half = x1 + _BOX[0], x2, _BOX[1] // 2
        bend = max(30, abs(end - start) // 2)
        title = f"{edge.source.key} needs {edge.target.key}" + (f" = {edge.label}" if edge.label else "")
        parts.append(
            f'<path class="edge {edge.kind.value}" d="M{start},{y1 + half} C{start + bend},{y1 + half} '
            f'{end - bend},{y2 + half} {end},{y2 + half}"><title>{escape(title)}</title></path>'
        )
    for node, (x, y) in places.items():
        focus = " focus" if node.kind == "flag" and node.key == graph.focus else ""
        name = node.key if len(node.key) <= 24 else node.key[:22] + "…"
        inner = (
            f'<rect class="node {node.kind}{focus}" x="{x}" y="{y}" width="{_BOX[0]}" height="{_BOX[1]}" rx="6"/>'
            f'<text x="{x + 10}" y="{y + 21}">{escape(name)}</text>'
        )
        page = _PAGES.get(node.kind)
        title = f"<title>{escape(node.kind)} {escape(node.key)}</title>"
        parts.append(
            f'<a href="{escape(url(page + node.key))}">{title}{inner}</a>' if page else f"<g>{title}{inner}</g>"
        )
    return _svg("Dependencies: an arrow leads from what needs to what is needed", (width, height), parts, "graph")


def _columns(graph: GraphResult) -> list[list[Node]]:
    """Return nodes by their longest way from those that nobody needs."""
    depth = dict.fromkeys(graph.nodes, 0)
    for _ in graph.nodes:
        moved = False
        for edge in graph.edges:
            if depth[edge.target] < depth[edge.source] + 1 <= len(graph.nodes):
                depth[edge.target], moved = depth[edge.source] + 1, True
        if not moved:
            break
    used = sorted(set(depth.values()))
    return [[node for node in graph.nodes if depth[node] == level] for level in used]


def curve(percentage: Percentage | None, now_ms: int) -> Markup | None:
    """Return a share over time with a mark at the present; None for a share that does not change."""
    match percentage:
        case SteppedPercentage(steps=steps) if steps:
            corners = [(step.from_ms, step.thousandths) for step in steps]
            points: list[tuple[int, int]] = []
            before = 0
            for moment, amount in corners:
                points += [(moment, before), (moment, amount)]
                before = amount
        case LinearPercentage():
            corners = [(percentage.from_ms, percentage.start), (percentage.to_ms, percentage.end)]
            points = list(corners)
        case _:
            return None
    return _curve(points, corners, now_ms)


def _curve(points: list[tuple[int, int]], corners: list[tuple[int, int]], now_ms: int) -> Markup:
    first, last = points[0][0], points[-1][0]
    span = max(last - first, 86_400_000)
    near = -span < now_ms - first and now_ms - last < span
    low = min(first, now_ms) if near else first
    high = max(last, now_ms) if near else last
    pad = max((high - low) // 12, 3_600_000)
    low, high = low - pad, high + pad
    width, height, left, bottom = 360, 150, 44, 26

    def x(moment: int) -> float:
        return left + (moment - low) / (high - low) * (width - left - 10)

    def y(amount: int) -> float:
        return 12 + (100_000 - amount) / 100_000 * (height - bottom - 12)

    parts = [
        f'<line class="grid" x1="{left}" x2="{width - 10}" y1="{y(level):.1f}" y2="{y(level):.1f}"/>'
        f'<text class="axis" x="{left - 6}" y="{y(level) + 4:.1f}" text-anchor="end">{level // 1000} %</text>'
        for level in (0, 50_000, 100_000)
    ]
    line = [(low, points[0][1]), *points, (high, points[-1][1])]
    path = " ".join(f"{x(moment):.1f},{y(amount):.1f}" for moment, amount in line)
    parts.append(f'<polygon class="area" points="{x(low):.1f},{y(0):.1f} {path} {x(high):.1f},{y(0):.1f}"/>')
    parts.append(f'<polyline class="curve" points="{path}"/>')
    for moment, amount in corners:
        title = f"{share(amount)} from {instant(moment)}"
        parts.append(
            f'<circle class="mark" cx="{x(moment):.1f}" cy="{y(amount):.1f}" r="4"><title>{title}</title></circle>'
        )
    for moment, anchor in ((first, "start"), (last, "end")):
        parts.append(
            f'<text class="axis" x="{x(moment):.1f}" y="{height - 6}" text-anchor="{anchor}">{instant(moment)[:10]}</text>'
        )
    if low <= now_ms <= high:
        parts.append(f'<line class="now" x1="{x(now_ms):.1f}" x2="{x(now_ms):.1f}" y1="8" y2="{height - bottom}"/>')
        parts.append(f'<text class="now" x="{x(now_ms) + 4:.1f}" y="18">now</text>')
    return _svg("Share of units over time", (width, height), parts, "rollout")


def _svg(title: str, size: tuple[int, int], parts: list[str], kind: str) -> Markup:
    """Return a picture; everything in `parts` was escaped when it was made."""
    body = "".join(parts)
    role = "group" if kind == "graph" else "img"  # an image could have no links inside
    return Markup(  # noqa: S704 - made of numbers and escaped text
        f'<svg class="picture {kind}" role="{role}" viewBox="0 0 {size[0]} {size[1]}" width="{size[0]}" height="{size[1]}" '
        f'xmlns="http://www.w3.org/2000/svg" aria-label="{escape(title)}">{body}</svg>'
    )
