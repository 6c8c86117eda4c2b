"""What depends on what, as SVG. Colours come from the style sheet."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Callable

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
    title = "Dependencies: an arrow leads from what needs to what is needed"
    # a group, because an image could have no links inside
    return Markup(  # noqa: S704 - made of numbers and escaped text
        f'<svg class="picture graph" role="group" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'xmlns="http://www.w3.org/2000/svg" aria-label="{title}">{"".join(parts)}</svg>'
    )


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
