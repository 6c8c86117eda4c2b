"""Segments, experiments and layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.model import (
    TARGETING_KEY,
    Amendment,
    Decision,
    Experiment,
    ExperimentStatus,
    Layer,
    Metric,
    RatioSide,
    Segment,
)
from flagctl.model.experiment import WEEK_MS
from flagctl.source.builder.parts import build_conditions, build_rollout
from flagctl.source.builder.site import PRUNED, Site, optional_path

if TYPE_CHECKING:
    from flagctl.diagnostics import Route

Data = dict[str, Any]


def build_segment(site: Site, data: Data) -> Segment:
    """Build a segment."""
    get = data.get
    when = get("when")
    return Segment(
        key=data["key"],
        path=site.document.path,
        name=get("name"),
        description=get("description"),
        owner=get("owner"),
        tags=tuple(get("tags", ())),
        include=site.units(get("include", ()), ("include",)),
        exclude=site.units(get("exclude", ()), ("exclude",)),
        members=get("members", {}).get("list"),
        when=None if when is None else build_conditions(when, ("when",)),
    )


def build_experiment(site: Site, data: Data) -> Experiment:
    """Build an experiment."""
    get = data.get
    traffic, metrics = get("traffic"), get("metrics", {})
    primary = metrics.get("primary")
    return Experiment(
        key=data["key"],
        path=site.document.path,
        flag=data["flag"],
        status=ExperimentStatus(data["status"]),
        variants=build_rollout(site, data["variants"], ("variants",)),
        owner=get("owner"),
        name=get("name"),
        description=get("description"),
        hypothesis=get("hypothesis"),
        tags=tuple(get("tags", ())),
        control=get("control"),
        winner=get("winner"),
        traffic=None if traffic is None else site.thousandths(traffic, ("traffic",)),
        layer=get("layer"),
        slots=site.ranges(get("slots", ()), ("slots",)),
        bucket_by=optional_path(get("bucket_by")) or TARGETING_KEY,
        started_at_ms=site.instant(get("started_at"), ("started_at",)),
        ended_at_ms=site.instant(get("ended_at"), ("ended_at",)),
        primary=None if primary is None else _metric(site, primary, ("metrics", "primary")),
        secondary=_metrics(site, metrics.get("secondary", ()), ("metrics", "secondary")),
        guardrails=_metrics(site, metrics.get("guardrails", ()), ("metrics", "guardrails")),
        decision=_decision(get("decision", {})),
        breakdowns=tuple(item for item in get("breakdowns", ()) if item is not PRUNED),
        bot_events_per_day=get("bots", {}).get("events_per_day"),
        registration=get("registration"),
        amendments=_amendments(site, get("amendments", ())),
    )


def _metrics(site: Site, items: list[Any], route: Route) -> tuple[Metric, ...]:
    return tuple(_metric(site, item, (*route, position)) for position, item in enumerate(items) if item is not PRUNED)


def _metric(site: Site, data: Data, route: Route) -> Metric:
    get = data.get
    cut = get("winsorize", {})
    return Metric(
        kind=data["kind"],
        event=get("event", ""),
        name=get("name"),
        direction=get("direction"),
        value=get("value", "value"),
        window_ms=site.duration(get("window")) or WEEK_MS,
        minimum_effect=get("minimum_effect"),
        margin=get("margin", 0.0),
        winsorize_lower=cut.get("lower"),
        winsorize_upper=cut.get("upper"),
        cuped_ms=site.duration(get("cuped")),
        quantile=get("quantile"),
        level=get("level", "event"),
        numerator=_side(get("numerator")),
        denominator=_side(get("denominator")),
        route=route,
    )


def _side(data: Data | None) -> RatioSide | None:
    return None if data is None else RatioSide(**data)


def _decision(data: Data) -> Decision:
    return Decision(**data)


def _amendments(site: Site, items: list[Any]) -> tuple[Amendment, ...]:
    return tuple(
        Amendment(
            at_ms=site.instant(item["at"], ("amendments", position, "at")) or 0,
            reason=item["reason"],
            registration=item["registration"],
            route=("amendments", position),
        )
        for position, item in enumerate(items)
        if item is not PRUNED
    )


def build_layer(site: Site, data: Data) -> Layer:
    """Build a layer."""
    get = data.get
    return Layer(
        key=data["key"],
        path=site.document.path,
        name=get("name"),
        description=get("description"),
        owner=get("owner"),
        holdout=site.ranges(get("holdout", ()), ("holdout",)),
    )
