"""Segments, and experiments with their results."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from markupsafe import Markup
from starlette.responses import HTMLResponse

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.ops.experiment_analyze import AnalyzeOptions, analyze, find_experiment
from flagctl.ops.experiment_list import metric_words, summaries
from flagctl.ops.experiment_picture import effects_svg, over_time_svg
from flagctl.server.ui.pages.page import Page
from flagctl.server.ui.pictures import graph_picture

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.ops.experiment_analyze import AnalyzeResult
    from flagctl.server.ui.rendering import Ask

_REPORT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""A report is one file with its style inside, and needs nothing else."""


def segments(ask: Ask) -> Response:
    """Show all segments."""
    model = ask.desk.model()
    edges = ask.desk.graph().edges
    used: dict[str, set[str]] = {}
    for edge in edges:
        if edge.target.kind == "segment":
            used.setdefault(edge.target.key, set()).add(edge.source.key)
    return ask.page("segments.html", segments=list(model.segments.values()), used=used)


def segment(ask: Ask) -> Response:
    """Show one segment and who looks at it."""
    model = ask.desk.model()
    found = model.segments.get(ask.path("key"))
    if found is None:
        raise NothingMatchedError(f"there is no segment '{ask.path('key')}'", hint="the page of segments has all")
    edges = [edge for edge in ask.desk.graph().edges if edge.target.kind == "segment" and edge.target.key == found.key]
    loaded = ask.desk.loaded()
    return ask.page("segment.html", segment=found, edges=edges, text=loaded.documents[found.path].text)


def experiments(ask: Ask) -> Response:
    """Show all experiments and layers."""
    result = summaries(ask.desk.model())
    return ask.page("experiments.html", result=result)


def experiment(ask: Ask) -> Response:
    """Show what was agreed on; results come in a part of their own."""
    model = ask.desk.model()
    found = find_experiment(model, ask.path("key"))
    summary = summaries(model, key=found.key).experiments[0]
    graph = ask.desk.graph(found.flag) if found.flag in model.flags else None
    return ask.page(
        "experiment.html",
        one=found,
        summary=summary,
        metrics=[(metric, metric_words(metric)) for metric in found.metrics],
        graph=graph_picture(graph, ask.url) if graph and len(graph.nodes) > 1 else None,
        text=ask.desk.loaded().documents[found.path].text,
    )


def results(ask: Ask) -> Response:
    """Show verdict and plots."""
    result = _analysis(ask)
    metrics = result.results.metrics
    rows = [(metric, one) for metric in metrics for one in metric.estimates]
    return ask.page(
        "part_results.html",
        result=result,
        verdict=result.verdict,
        rows=rows,
        percent=_percent,
        forest=Markup(effects_svg(result.results, _percent)),  # noqa: S704 - plots escape their texts
        over_time=Markup(over_time_svg(result.results)),  # noqa: S704 - the same
    )


def report(ask: Ask) -> Response:
    """Show the report that `flagctl experiment report` writes."""
    if ask.options.experiment_report is None:
        raise UsageError("reports are written by flagctl experiment report")
    html = ask.options.experiment_report(_analysis(ask))
    return HTMLResponse(html, headers={"Content-Security-Policy": _REPORT_POLICY})


def _analysis(ask: Ask) -> AnalyzeResult:
    if ask.options.events is None:
        raise UsageError(
            "nothing says where events were recorded", hint="start the UI with --events FOLDER or s3://bucket/prefix"
        )
    options = AnalyzeOptions(root=ask.desk.root, key=ask.path("key"), events=ask.options.events, now_ms=ask.desk.now_ms)
    return analyze(options)


def _percent(value: float | None) -> str:
    """Return a share with its sign, or ``none``."""
    return "none" if value is None or not math.isfinite(value) else f"{value * 100:+.2f} %"


ROUTES: Final = (
    Page("GET", "/segments", segments),
    Page("GET", "/segments/{key}", segment),
    Page("GET", "/experiments", experiments),
    Page("GET", "/experiments/{key}", experiment),
    Page("GET", "/experiments/{key}/results", results),
    Page("GET", "/experiments/{key}/report", report),
)
