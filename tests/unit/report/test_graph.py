"""Graphs as text for other programs."""

from __future__ import annotations

from flagctl.ops.graph import Affected, Edge, EdgeKind, GraphResult, ImpactResult, Node
from flagctl.report.graph import render_dot, render_graph, render_impact, render_mermaid
from flagctl.report.style import Style

A, B, S = Node(kind="flag", key="a"), Node(kind="flag", key="b"), Node(kind="segment", key="s")
GRAPH = GraphResult(
    nodes=(A, B, S),
    edges=(
        Edge(source=A, target=B, kind=EdgeKind.PREREQUISITE, label='on, "x"', environments=("production",)),
        Edge(source=A, target=S, kind=EdgeKind.SEGMENT),
    ),
    focus="a",
)


def test_text_mermaid_and_dot_say_the_same() -> None:
    assert render_graph(GRAPH, Style()) == 'a\n  → b = on, "x"  (production)\n  → segment s'
    assert render_mermaid(GRAPH).splitlines() == [
        "flowchart LR",
        '  n0["a"]',
        '  n1["b"]',
        '  n2(["s"])',
        '  n0 -->|"on, &quot;x&quot; (production)"| n1',
        "  n0 -.-> n2",
        "  style n0 stroke-width:3px",
    ]
    assert '  "flag:a" -> "flag:b" [label="on, \\"x\\" (production)", style=solid];' in render_dot(GRAPH)
    assert '"flag:a" [label="a", shape=box, penwidth=3]' in render_dot(GRAPH)


def test_no_dependencies_are_said_in_words() -> None:
    assert render_graph(GraphResult(nodes=(A,), edges=()), Style()) == "no dependencies"
    assert "nothing depends on a" in render_graph(GraphResult(nodes=(A,), edges=(), focus="a"), Style())


def test_the_impact_names_what_is_served_and_why() -> None:
    result = ImpactResult(
        key="a",
        serves=(("staging", "off"), ("production", None)),
        affected=(
            Affected(key="b", chain=("a", "b"), environments=("staging",), serves=(("staging", "off"),)),
            Affected(key="c", chain=("a", "b", "c"), environments=("staging",), serves=(("staging", None),)),
        ),
        unaffected=("d",),
        experiments=("e",),
    )
    assert render_impact(result, Style()).splitlines() == [
        "With a off, it serves 'off' in staging, the caller's default in production.",
        "",
        "Turned off with it (2):",
        "  b serves 'off'",
        "  c serves the caller's default, because of a → b",
        "",
        "Not affected, though they ask for it: d",
        "",
        "Experiments that get no more units: e",
    ]
