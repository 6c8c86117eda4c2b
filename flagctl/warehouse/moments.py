"""Moments of every metric by variant, from the unit table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.experiments.data import ArmMetric, DataFinding, MetricData, Moments
from flagctl.warehouse import pipeline
from flagctl.warehouse.usable import BAD_SHARE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.model import Metric
    from flagctl.warehouse.run import Run

_MANY = 100
"""Units of which at least one should have done what is hoped for."""
Caps = dict[int, tuple[float | None, float | None]]
"""Position of a metric to the values at which it is cut."""


def check_values(run: Run, units: Any) -> list[DataFinding]:
    """Negative sums of what is a count of money or time are possible, and worth a word."""
    checks = {
        f"m{position}": (units[f"m{position}_value"] < 0).cast("int64").sum()
        for position, metric in pipeline.unit_metrics(run.experiment)
        if metric.kind in {"mean", "revenue"}
    }
    if not checks:
        return []
    row = run.engine.rows(units.aggregate(**checks))[0]
    metrics = run.experiment.metrics
    return [
        DataFinding(
            code="negative-values",
            message=f"units have a negative sum of {metrics[int(name[1:])].key}",
            count=int(count),
        )
        for name, count in row.items()
        if count
    ]


def check_numbers(run: Run, joined: Any) -> list[DataFinding]:
    """Events without the attribute that a metric takes its number from count as none, which may be no accident."""
    wanted: dict[str, Any] = {}
    pairs = pipeline.attribute_numbers(run.experiment)
    for index, (event, attribute) in enumerate(pairs):
        own = pipeline.is_event(joined, run.experiment, event)
        column = pipeline.number_columns(run.experiment)[attribute]
        wanted[f"all_{index}"] = own.cast("int64").sum()
        wanted[f"bad_{index}"] = (own & joined[column].isnull()).cast("int64").sum()
    if not wanted:
        return []
    row = run.engine.rows(joined.aggregate(**wanted))[0]
    return [
        DataFinding(
            code="unusable-numbers",
            message=f"some of {total:,} events '{event}' have no number in their attribute {attribute}, and count as 0",
            count=bad,
            blocks=bad / total > BAD_SHARE,
        )
        for index, (event, attribute) in enumerate(pairs)
        if (bad := int(row[f"bad_{index}"] or 0)) and (total := int(row[f"all_{index}"]))
    ]


def check_events(metrics: Mapping[str, MetricData], wanted: Iterable[Metric]) -> list[DataFinding]:
    """Events that are hoped for and that no unit of many did: often they have another name."""
    found: dict[str, DataFinding] = {}
    for metric in wanted:
        if metric.kind == "quantile" or metric.direction == "decrease":
            continue
        arms = metrics[metric.key].arms
        units = sum(arm.moments.n for arm in arms if arm.moments is not None)
        done = sum(arm.conversions or 0 for arm in arms)
        event = metric.events[0]
        if units >= _MANY and not done:
            message = f"units have no '{event}' within the window after their exposure: is that the event's name?"
            found.setdefault(event, DataFinding(code="missing-events", message=message, count=units))
    return list(found.values())


def caps_of(run: Run, units: Any) -> dict[int, tuple[float | None, float | None]]:
    """Return the values at which metrics are cut: percentiles over the units of all variants together."""
    wanted: dict[str, Any] = {}
    for position, metric in pipeline.unit_metrics(run.experiment):
        column = units[f"m{position}_value"]
        if metric.winsorize_lower is not None:
            wanted[f"low_{position}"] = column.quantile(metric.winsorize_lower / 100)
        if metric.winsorize_upper is not None:
            wanted[f"high_{position}"] = column.quantile(metric.winsorize_upper / 100)
    if not wanted:
        return {}
    row = run.engine.rows(units.aggregate(**wanted))[0]
    return {
        position: (row.get(f"low_{position}"), row.get(f"high_{position}"))
        for position, _ in pipeline.unit_metrics(run.experiment)
        if f"low_{position}" in row or f"high_{position}" in row
    }


def all_metrics(
    run: Run, units: Any, caps: dict[int, tuple[float | None, float | None]]
) -> tuple[dict[str, MetricData], int]:
    """Return the moments of every metric by variant, and how many units are too young for the primary one."""
    experiment = run.experiment
    wanted: dict[str, Any] = {}
    mature = None
    primary = experiment.primary
    if primary is not None and experiment.decision.maturity == "complete":
        mature = units.first_ts + primary.window_ms * 1000 <= run.until
        wanted["immature"] = (~mature).cast("int64").sum()
    for position, metric in pipeline.unit_metrics(experiment):
        where = mature if position == 0 and primary is not None else None
        wanted |= wanted_moments(units, metric, position, caps, where)
    rows = {row["variant"]: row for row in run.rows(units.group_by("arm").aggregate(**wanted))} if wanted else {}
    result = {}
    for position, metric in pipeline.unit_metrics(experiment):
        arms = tuple(arm_of(variant, rows.get(variant), metric, position) for variant in run.variants)
        result[metric.key] = MetricData(key=metric.key, arms=arms, caps=caps.get(position, (None, None)))
    return result, sum(int(row.get("immature") or 0) for row in rows.values())


def wanted_moments(
    units: Any, metric: Metric, position: int, caps: dict[int, tuple[float | None, float | None]], where: Any
) -> dict[str, Any]:
    """Return the aggregates of one metric, named by its position; `where` leaves units out."""
    cut = caps.get(position, (None, None))
    columns = {}
    for part, column in pipeline.metric_columns(metric, position).items():
        columns[part] = pipeline.capped(units, column, cut) if part == "value" else units[column]
    wanted = {f"m{position}_{name}": value for name, value in pipeline.moment_columns(units, columns, where).items()}
    happened = units[f"m{position}_n"] > 0
    wanted[f"m{position}_conversions"] = (happened if where is None else happened & where).cast("int64").sum()
    if cut != (None, None):
        beyond = units[f"m{position}_value"] != columns["value"]
        wanted[f"m{position}_capped"] = (beyond if where is None else beyond & where).cast("int64").sum()
    return wanted


def arm_of(variant: str, row: dict[str, Any] | None, metric: Metric, position: int) -> ArmMetric:
    """Return one variant of a metric from a row of aggregates."""
    parts = list(pipeline.metric_columns(metric, position))
    prefix = f"m{position}_"
    n = int(row[f"{prefix}n"]) if row else 0
    if row is None or n == 0:
        return ArmMetric(variant=variant, moments=Moments(n=0, means={}, covariances={}), conversions=0)
    means = {part: float(row[f"{prefix}mean_{part}"]) for part in parts}
    covariances = {}
    if n > 1:
        for index, part in enumerate(parts):
            covariances[part, part] = float(row[f"{prefix}var_{part}"])
            for other in parts[index + 1 :]:
                covariances[part, other] = float(row[f"{prefix}cov_{part}__{other}"])
    return ArmMetric(
        variant=variant,
        moments=Moments(n=n, means=means, covariances=covariances),
        conversions=int(row[f"{prefix}conversions"] or 0),
        capped=int(row.get(f"{prefix}capped") or 0),
    )


def pooled_means(data: MetricData) -> tuple[float, float]:
    """Return the means of the value and of the denominator over the units of all variants."""
    known = [arm.moments for arm in data.arms if arm.moments is not None and arm.moments.n]
    total = sum(one.n for one in known)
    if not total:
        return 0.0, 0.0
    value, denominator = (
        sum(one.n * one.means.get(name, 0.0) for one in known) / total for name in ("value", "denominator")
    )
    return value, denominator
