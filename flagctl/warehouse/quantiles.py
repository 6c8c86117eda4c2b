"""Quantiles with what their intervals need, by two passes over the values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.experiments.data import ArmMetric, MetricData, Moments, QuantileSample
from flagctl.experiments.quantiles import Z, cluster_inflation, levels
from flagctl.experiments.reduce import NotEnoughDataError
from flagctl.warehouse.pipeline import is_event, number_columns, within

if TYPE_CHECKING:
    from flagctl.model import Metric
    from flagctl.warehouse.run import Run


def values_of(run: Run, tables: tuple[Any, Any], position: int) -> Any:
    """Return the values that a quantile is taken over, each with its unit and variant.

    Args:
        run: Engine and experiment.
        tables: Events with their units (of `flagctl.warehouse.pipeline.join_units`), and the unit table.
        position: Of the metric in the experiment; a quantile, over events or over units.
    """
    joined, units = tables
    metric = run.experiment.metrics[position]
    if metric.level == "unit":
        return units.select("unit", "arm", v=units[f"m{position}_value"], did=units[f"m{position}_n"] > 0)
    kept = joined.filter(within(joined, metric) & is_event(joined, run.experiment, *metric.events))
    values = kept.select("unit", "arm", v=kept[number_columns(run.experiment)[metric.value]])
    return run.engine.materialise(f"values_{position}", values.filter(values.v.notnull()))


def quantile_metric(run: Run, values: Any, position: int) -> MetricData:
    """Return a quantile of each variant.

    Args:
        run: Engine and experiment.
        values: Of `values_of`.
        position: Of the metric in the experiment.
    """
    metric = run.experiment.metrics[position]
    q = float(metric.quantile or 50.0) / 100
    wanted = {"estimate": values.v.quantile(q), "events": values.count(), "n": values.unit.nunique()}
    if metric.level == "unit":
        # Units that did nothing have a value, too.
        wanted["conversions"] = values.did.cast("int64").sum()
    found = {row["variant"]: row for row in run.rows(values.group_by("arm").aggregate(**wanted))}
    return MetricData(key=metric.key, arms=tuple(_arm(run, values, metric, v, found.get(v)) for v in run.variants))


def _arm(run: Run, values: Any, metric: Metric, variant: str, row: dict[str, Any] | None) -> ArmMetric:
    none = ArmMetric(variant=variant, moments=Moments(n=0, means={}, covariances={}))
    if row is None or not row["n"]:
        return none
    q = float(metric.quantile or 50.0) / 100
    own = values.filter(values.arm == row["arm"])
    n, events = int(row["n"]), int(row["events"])
    inflation = 1.0
    try:
        if metric.level == "event":
            below = (own.v <= row["estimate"]).cast("float64")
            per_unit = own.group_by("unit").aggregate(x=(below - q).sum())
            variance = run.engine.rows(per_unit.aggregate(s=per_unit.x.var(how="sample")))[0]["s"]
            inflation = cluster_inflation(q, events / n, float(variance or 0.0))
        low, high = levels(q, n, inflation=inflation)
    except NotEnoughDataError:
        # As with a mean of one unit: the statistics say what is missing.
        return ArmMetric(variant=variant, moments=Moments(n=n, means={}, covariances={}))
    ends = run.engine.rows(own.aggregate(low=own.v.quantile(low), high=own.v.quantile(high)))[0]
    return ArmMetric(
        variant=variant,
        conversions=int(row["conversions"]) if "conversions" in row else None,
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
