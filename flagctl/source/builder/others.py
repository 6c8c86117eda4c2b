"""Segments, experiments and layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.model import TARGETING_KEY, Experiment, ExperimentStatus, Layer, Metric, Segment
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
        primary=None if primary is None else _metric(primary, ("metrics", "primary")),
        secondary=_metrics(metrics.get("secondary", ()), ("metrics", "secondary")),
        guardrails=_metrics(metrics.get("guardrails", ()), ("metrics", "guardrails")),
    )


def _metrics(items: list[Any], route: Route) -> tuple[Metric, ...]:
    return tuple(_metric(item, (*route, position)) for position, item in enumerate(items) if item is not PRUNED)


def _metric(data: Data, route: Route) -> Metric:
    return Metric(
        event=data["event"],
        kind=data["kind"],
        name=data.get("name"),
        direction=data.get("direction"),
        route=route,
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
    )
