"""Experiments: what was agreed on, how long it takes, and what came out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

from markupsafe import Markup
from starlette.responses import HTMLResponse

from flagctl.errors import UsageError
from flagctl.ops.experiment_analyze import AnalyzeOptions, analyze_experiment, find_experiment
from flagctl.ops.experiment_list import metric_words, summaries
from flagctl.ops.experiment_picture import effects_svg, over_time_svg, power_svg
from flagctl.ops.experiment_power import PowerOptions, plan_experiment
from flagctl.server.ui.experiment_forms import number_of, percent_of
from flagctl.server.ui.layers import parts_of, slots_picture
from flagctl.server.ui.pages.page import Page
from flagctl.server.ui.pictures import graph_picture

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.ops.experiment_analyze import AnalyzeResult
    from flagctl.server.ui.rendering import Ask

_REPORT_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""A report is one file with its style inside, and needs nothing else."""
_HUGE: Final = 10
"""Relative difference of which nobody needs to know more: what is known is next to nothing."""
_MOST_A_DAY: Final = 10**12


def experiments(ask: Ask) -> Response:
    """Show all experiments and layers."""
    model = ask.desk.model()
    layers = [(layer, parts_of(model, layer)) for layer in model.layers.values()]
    return ask.page(
        "experiments.html",
        result=summaries(model),
        layers=[(layer, slots_picture(layer, parts, ask.url), parts) for layer, parts in layers],
    )


def experiment(ask: Ask) -> Response:
    """Show what was agreed on; results and plans come in parts of their own."""
    revision = ask.query("at")
    model = ask.desk.model(revision)
    found = find_experiment(model, ask.path("key"))
    summary = summaries(model, key=found.key).experiments[0]
    graph = ask.desk.graph(found.flag, revision) if found.flag in model.flags else None
    layer = model.layers.get(found.layer or "")
    loaded = ask.desk.loaded(revision)
    return ask.page(
        "experiment.html",
        one=found,
        revision=revision,
        summary=summary,
        metrics=[(metric, metric_words(metric)) for metric in found.metrics],
        layer=layer,
        slots=slots_picture(layer, parts_of(model, layer), ask.url) if layer else None,
        graph=graph_picture(graph, ask.url) if graph and len(graph.nodes) > 1 else None,
        findings=[one for one in loaded.diagnostics if one.path == found.path],
        text=loaded.documents[found.path].text,
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
        percent=percent,
        forest=Markup(effects_svg(result.results, percent)),  # noqa: S704 - plots escape their texts
        over_time=Markup(over_time_svg(result.results, result.data.started_ms, _gap)),  # noqa: S704 - the same
    )


def report(ask: Ask) -> Response:
    """Show the report that `flagctl experiment analyze --report` writes."""
    if ask.options.experiment_report is None:
        raise UsageError("reports are written by flagctl experiment analyze --report")
    html = ask.options.experiment_report(_analysis(ask))
    return HTMLResponse(html, headers={"Content-Security-Policy": _REPORT_POLICY})


def power(ask: Ask) -> Response:
    """Show how many units are needed, and for how long, as somebody fills in what is known."""
    found = find_experiment(ask.desk.model(ask.query("at")), ask.path("key"))
    rate, effect = percent_of(ask, "rate"), percent_of(ask, "effect")
    mean, deviation = _number(ask, "mean"), _number(ask, "deviation")
    given = rate is not None or mean is not None
    if not given and ask.options.events is None:
        return ask.page("part_power.html", result=None, plot=None, share=_share)
    if effect == 0:
        raise UsageError("an effect of 0 % is none")
    result = plan_experiment(
        found,
        PowerOptions(
            root=ask.desk.root,
            key=found.key,
            metric=ask.query("metric") or None,
            rate=None if rate is None else rate / 100,
            mean=mean,
            deviation=deviation,
            events=None if given else ask.options.events,
            per_day=number_of(ask, "per-day", _MOST_A_DAY),
            effect=None if effect is None else effect / 100,
            now_ms=ask.desk.now_ms,
        ),
    )
    plot = Markup(power_svg(result, _share))  # noqa: S704 - plots escape their texts
    return ask.page("part_power.html", result=result, plot=plot, share=_share)


def _analysis(ask: Ask) -> AnalyzeResult:
    events = events_of(ask)
    experiment = find_experiment(ask.desk.model(), ask.path("key"))
    options = AnalyzeOptions(root=ask.desk.root, key=experiment.key, events=events, now_ms=ask.desk.now_ms)
    return analyze_experiment(experiment, options)


def events_of(ask: Ask) -> str:
    """Return where events were recorded.

    Raises:
        UsageError: If nothing says so.
    """
    if ask.options.events is None:
        raise UsageError(
            "nothing says where events were recorded", hint="start the UI with --events FOLDER or s3://bucket/prefix"
        )
    return ask.options.events


def _gap(kind: str, value: float) -> str:
    """Return a difference, of conversions in percentage points."""
    return f"{value * 100:.3g} pp" if kind == "conversion" else f"{value:.3g}"


def percent(value: float | None) -> str:
    """Return a difference with its sign, or ``none``."""
    if value is None or not math.isfinite(value):
        return "none"
    if abs(value) >= _HUGE:
        return f"above +{_HUGE * 100} %" if value > 0 else f"below -{_HUGE * 100} %"
    return f"{value * 100:+.2f} %"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value * 100:.3g} %"


def _number(ask: Ask, name: str) -> float | None:
    text = ask.query(name).strip()
    if not text:
        return None
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise UsageError(f"{text[:40]} is no number")
    return found


ROUTES: Final = (
    Page("GET", "/experiments", experiments),
    Page("GET", "/experiments/{key}", experiment),
    Page("GET", "/experiments/{key}/results", results),
    Page("GET", "/experiments/{key}/report", report),
    Page("GET", "/experiments/{key}/power", power),
)
