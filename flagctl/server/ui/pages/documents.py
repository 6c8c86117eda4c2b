"""Segments, and experiments with their results."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from markupsafe import Markup
from starlette.responses import HTMLResponse

from flagctl import plots
from flagctl.errors import NothingMatchedError, UsageError
from flagctl.ops.experiment_analyze import AnalyzeOptions, analyze, find_experiment
from flagctl.ops.experiment_list import metric_words, summaries
from flagctl.server.ui.pages.page import Page
from flagctl.server.ui.pictures import graph_picture

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.experiments.analysis import MetricResult
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
        forest=Markup(_forest(metrics)),  # noqa: S704 - plots escape their texts
        over_time=Markup(_over_time(result)),  # noqa: S704 - the same
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


def _forest(metrics: Any) -> str:
    rows = [
        plots.Interval(
            label=metric.metric.key if len(metric.estimates) == 1 else f"{metric.metric.key} · {one.variant}",
            middle=one.relative,
            low=one.relative_low,
            high=one.relative_high,
            tone=_tone(metric, one.relative_low, one.relative_high),
        )
        for metric in metrics
        for one in metric.estimates
        if None not in {one.relative, one.relative_low, one.relative_high}
    ]
    return plots.forest("Relative effect on each metric, with its interval", rows, _percent)


def _tone(metric: MetricResult, low: float, high: float) -> str:
    rises = metric.metric.direction != "decrease"
    if low > 0:
        return "good" if rises else "bad"
    return ("bad" if rises else "good") if high < 0 else ""


def _over_time(result: AnalyzeResult) -> str:
    primary = result.results.primary
    if primary is None or not primary.series:
        return ""
    dates = [date for date, _ in primary.series]
    series = []
    for index, first in enumerate(primary.series[0][1]):
        known = [
            (float(day), estimates[index])
            for day, (_, estimates) in enumerate(primary.series)
            if None not in {estimates[index].difference, estimates[index].low, estimates[index].high}
        ]
        points = tuple((day, one.difference or 0.0) for day, one in known)
        band = tuple((one.low or 0.0, one.high or 0.0) for _, one in known)
        series.append(plots.Series(label=first.variant, points=points, band=band))

    def label(place: float) -> str:
        return dates[int(place)][5:] if 0 <= int(place) < len(dates) else f"day {int(place) + 1}"

    title = f"Difference in {primary.metric.key} from the control, with a band that holds every day at once"
    return plots.lines(title, series, lambda value: f"{value:.3g}", label)


ROUTES: Final = (
    Page("GET", "/segments", segments),
    Page("GET", "/segments/{key}", segment),
    Page("GET", "/experiments", experiments),
    Page("GET", "/experiments/{key}", experiment),
    Page("GET", "/experiments/{key}/results", results),
    Page("GET", "/experiments/{key}/report", report),
)
