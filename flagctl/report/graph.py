"""Dependency graphs as text, Mermaid and Graphviz dot; and what turns off with a flag."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flagctl.ops.graph import EdgeKind
from flagctl.report.style import Style, one_line, plain, wrap

if TYPE_CHECKING:
    from flagctl.ops.graph import Edge, GraphResult, ImpactResult, Node

_MERMAID_SHAPES = {"flag": ("[", "]"), "segment": ("([", "])"), "experiment": ("{{", "}}"), "layer": ("[/", "/]")}
_DOT_SHAPES = {"flag": "box", "segment": "ellipse", "experiment": "hexagon", "layer": "parallelogram"}


def render_graph(result: GraphResult, style: Style) -> str:
    """Return, for each thing that depends on something, what it depends on."""
    if not result.edges:
        subject = result.focus or "these flags"
        return f"nothing depends on {subject}, and {subject} depends on nothing" if result.focus else "no dependencies"
    lines: list[str] = []
    last: Node | None = None
    for edge in result.edges:
        if edge.source != last:
            kind = "" if edge.source.kind == "flag" else f"{edge.source.kind} "
            lines.append(kind + style.paint(plain(edge.source.key), "bold"))
            last = edge.source
        lines.append(f"  → {_target(edge, style)}")
    return "\n".join(lines)


def _target(edge: Edge, style: Style) -> str:
    kind = "" if edge.target.kind == "flag" else f"{edge.target.kind} "
    needs = f" = {plain(edge.label)}" if edge.label else ""
    where = style.paint(f"  ({', '.join(edge.environments)})", "dim") if edge.environments else ""
    return f"{kind}{plain(edge.target.key)}{needs}{where}"


def render_mermaid(result: GraphResult) -> str:
    """Return a Mermaid flowchart; arrows point at what is needed."""
    names = {node: f"n{index}" for index, node in enumerate(result.nodes)}
    lines = ["flowchart LR"]
    for node, name in names.items():
        opening, closing = _MERMAID_SHAPES[node.kind]
        lines.append(f'  {name}{opening}"{_mermaid_text(node.key)}"{closing}')
    for edge in result.edges:
        label = _edge_label(edge)
        arrow = "-->" if edge.kind is EdgeKind.PREREQUISITE else "-.->"
        middle = f'|"{_mermaid_text(label)}"|' if label else ""
        lines.append(f"  {names[edge.source]} {arrow}{middle} {names[edge.target]}")
    if result.focus is not None:
        focused = next(name for node, name in names.items() if node.kind == "flag" and node.key == result.focus)
        lines.append(f"  style {focused} stroke-width:3px")
    return "\n".join(lines)


def render_dot(result: GraphResult) -> str:
    """Return a Graphviz digraph; arrows point at what is needed."""
    lines = ["digraph flags {", "  rankdir=LR;"]
    for node in result.nodes:
        bold = ", penwidth=3" if node.kind == "flag" and node.key == result.focus else ""
        lines.append(f"  {_dot_id(node)} [label={_dot_text(node.key)}, shape={_DOT_SHAPES[node.kind]}{bold}];")
    for edge in result.edges:
        label = _edge_label(edge)
        look = "solid" if edge.kind is EdgeKind.PREREQUISITE else "dashed"
        text = f"label={_dot_text(label)}, " if label else ""
        lines.append(f"  {_dot_id(edge.source)} -> {_dot_id(edge.target)} [{text}style={look}];")
    lines.append("}")
    return "\n".join(lines)


def _edge_label(edge: Edge) -> str:
    where = ", ".join(edge.environments)
    return f"{edge.label} ({where})" if edge.label and where else edge.label or where


def _mermaid_text(text: str) -> str:
    return one_line(text).replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")


def _dot_id(node: Node) -> str:
    return _dot_text(f"{node.kind}:{node.key}")


def _dot_text(text: str) -> str:
    return json.dumps(one_line(text), ensure_ascii=False)


def render_impact(result: ImpactResult, style: Style) -> str:
    """Return what turns off with a flag, nearest first."""
    key = style.paint(plain(result.key), "bold")
    lines = [f"With {key} off, it serves {_serves(result.serves)}."]
    if result.affected:
        lines.append(f"\nTurned off with it ({len(result.affected)}):")
        for flag in result.affected:
            chain = f", because of {' → '.join(map(plain, flag.chain[:-1]))}" if len(flag.chain) > 2 else ""
            text = wrap(f"{plain(flag.key)} serves {_serves(flag.serves)}{chain}", style.width, "    ", "  ")
            lines.append(text.replace(plain(flag.key), style.paint(plain(flag.key), "bold"), 1))
    else:
        lines.append("\nNo other flag turns off with it.")
    if result.unaffected:
        lines.append(f"\nNot affected, though they ask for it: {', '.join(map(plain, result.unaffected))}")
    if result.experiments:
        lines.append(f"\nExperiments that get no more units: {', '.join(map(plain, result.experiments))}")
    return "\n".join(lines)


def _serves(serves: tuple[tuple[str, str | None], ...]) -> str:
    names = {off for _, off in serves}
    if len(names) == 1:
        return _off(names.pop())
    return ", ".join(f"{_off(off)} in {environment}" for environment, off in serves)


def _off(variant: str | None) -> str:
    return "the caller's default" if variant is None else f"'{plain(variant)}'"
