"""Quantiles with what their intervals need, by two passes over the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.experiments.data import ArmMetric, MetricData, Moments, QuantileSample
from flagctl.experiments.quantiles import Z, cluster_inflation, levels
from flagctl.experiments.reduce import NotEnoughDataError
from flagctl.warehouse.pipeline import number_of, within

if TYPE_CHECKING:
    from flagctl.model import Metric
    from flagctl.warehouse.pipeline import Engine


def quantile_metric(
    engine: Engine, tables: tuple[Any, Any], metric: Metric, position: int, variants: tuple[str, ...]
) -> MetricData:
    """Return a quantile of each variant.

    Args:
        engine: Computes.
        tables: Events with their units (of `flagctl.warehouse.pipeline.join_units`), and the unit table.
        metric: A quantile, over events or over units.
        position: Of the metric in the experiment.
        variants: In their order.
    """
    joined, units = tables
    q = float(metric.quantile or 50.0) / 100
    if metric.level == "unit":
        values = units.select("unit_id", "variant", v=units[f"m{position}_value"])
    else:
        kept = joined.filter(within(joined, metric) & (joined.event == metric.event))
        values = kept.select("unit_id", "variant", v=number_of(kept, metric.value))
        values = engine.materialise(f"values_{position}", values.filter(values.v.notnull()))
    found = {
        row["variant"]: row
        for row in engine.rows(
            values.group_by("variant").aggregate(
                estimate=values.v.quantile(q), events=values.count(), n=values.unit_id.nunique()
            )
        )
    }
    return MetricData(key=metric.key, arms=tuple(_arm(engine, values, metric, v, found.get(v)) for v in variants))


def _arm(engine: Engine, values: Any, metric: Metric, variant: str, row: dict[str, Any] | None) -> ArmMetric:
    none = ArmMetric(variant=variant, moments=Moments(n=0, means={}, covariances={}))
    if row is None or not row["n"]:
        return none
    q = float(metric.quantile or 50.0) / 100
    own = values.filter(values.variant == variant)
    n, events = int(row["n"]), int(row["events"])
    inflation = 1.0
    try:
        if metric.level == "event":
            below = (own.v <= row["estimate"]).cast("float64")
            per_unit = own.group_by("unit_id").aggregate(x=(below - q).sum())
            variance = engine.rows(per_unit.aggregate(s=per_unit.x.var(how="sample")))[0]["s"]
            inflation = cluster_inflation(q, events / n, float(variance or 0.0))
        low, high = levels(q, n, inflation=inflation)
    except NotEnoughDataError:
        # As with a mean of one unit: the statistics say what is missing.
        return ArmMetric(variant=variant, moments=Moments(n=n, means={}, covariances={}))
    ends = engine.rows(own.aggregate(low=own.v.quantile(low), high=own.v.quantile(high)))[0]
    return ArmMetric(
        variant=variant,
        quantile=QuantileSample(
            n=n,
            events=events,
            q=q,
            estimate=float(row["estimate"]),
            low=float(ends["low"]),
            high=float(ends["high"]),
            z=Z,
        ),
    )
