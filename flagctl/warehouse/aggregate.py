"""Events of one experiment to what the statistics read: the steps in their order.

1. exposures of the experiment, without bots; 2. first exposure of each unit, units that changed variants set aside;
3. what units did within the windows, zeros for those that did nothing; 4. the unit table, computed once; 5. caps over all
units of all variants; 6. moments by variant; the same by day, by age and by part for the primary metric; 7. quantiles.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flagctl.experiments.data import (
    ArmMetric,
    DataFinding,
    DayData,
    ExperimentData,
    MetricData,
    Moments,
)
from flagctl.warehouse import pipeline, series
from flagctl.warehouse.pipeline import DAY_US
from flagctl.warehouse.quantiles import quantile_metric

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from flagctl.model import Experiment, Metric
    from flagctl.warehouse.pipeline import Engine

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MAX_PARTS = 20
"""Values of a breakdown that are shown one by one; the rest is put together."""
OTHER = "(other)"
MISSING = "(missing)"


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateOptions:
    """How to read events.

    Attributes:
        as_of_ms: Events up to this instant count.
        environment: Only events of this environment; None for all.
        details: Whether days, ages and parts are computed, too.
        progress: Called with what is done next.
    """

    as_of_ms: int
    environment: str | None = None
    details: bool = True
    progress: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class _Run:
    """What the steps have in common."""

    engine: Engine
    experiment: Experiment
    options: AggregateOptions
    variants: tuple[str, ...]
    until: int

    def say(self, text: str) -> None:
        if self.options.progress is not None:
            self.options.progress(text)


def aggregate(
    engine: Engine, experiment: Experiment, options: AggregateOptions, findings: Sequence[DataFinding] = ()
) -> ExperimentData:
    """Return the counts and moments of an experiment.

    Args:
        engine: With the tables ``exposures`` and ``events``.
        experiment: Which one.
        options: How.
        findings: What is wrong with the files already.
    """
    variants = tuple(arm.variant for arm in experiment.variants.arms)
    run = _Run(engine, experiment, options, variants, options.as_of_ms * 1000)
    found = list(findings)
    run.say("finding first exposures")
    started = None if experiment.started_at_ms is None else experiment.started_at_ms * 1000
    exposures = pipeline.exposures_of(engine, experiment, options.environment, (started, run.until))
    first = engine.materialise("first_exposures", pipeline.first_exposures(exposures, experiment.breakdowns))
    events = pipeline.used_events(engine, experiment, options.environment, run.until)
    busy = _busy(run, exposures, events)
    counts = _count(run, first, busy)
    found += counts.findings
    kept = first.filter((first.variant == first.variant_max) & (first.bot == 0) & first.variant.isin(list(variants)))
    if busy is not None:
        kept = kept.anti_join(busy, "unit_id")
    run.say("summing up units")
    joined = pipeline.join_units(events, kept)
    sums = pipeline.unit_sums(joined, experiment)
    units = engine.materialise("experiment_units", pipeline.unit_table(kept, sums, experiment))
    found += _check_values(run, units)
    caps = _caps(run, units)
    metrics, immature = _metrics(run, units, caps)
    for position, metric in enumerate(experiment.metrics):
        if metric.kind == "quantile":
            run.say(f"reading {metric.key}")
            metrics[metric.key] = quantile_metric(engine, (joined, units), metric, position, variants)
    days: tuple[DayData, ...] = ()
    ages: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    primary = experiment.primary
    new_units = _new_units(run, units)
    series_by_day: dict[int, MetricData] = {}
    if options.details and primary is not None and primary.kind != "quantile":
        run.say("following the primary metric day by day")
        unit_days = engine.materialise("unit_days", series.unit_days(joined, primary))
        shift = _pooled_means(metrics[primary.key])
        moved = series.changes(unit_days, primary, caps.get(0, (None, None)), shift)
        followed = series.Followed(engine, primary, variants, run.until)
        series_by_day = series.cumulative(followed, moved, new_units, shift)
        ages = {primary.key: series.by_age(followed, unit_days, units)}
        parts = _parts(run, units, caps)
    days = _days(run, counts.by_day, series_by_day)
    return ExperimentData(
        experiment=experiment,
        started_ms=experiment.started_at_ms if experiment.started_at_ms is not None else counts.started_ms,
        as_of_ms=options.as_of_ms,
        freshest_ms=counts.freshest_ms,
        units=counts.units,
        units_by=counts.units_by,
        days=days,
        switchers=counts.switchers,
        excluded=counts.excluded,
        immature=immature,
        metrics=metrics,
        breakdowns=parts,
        by_age=ages,
        findings=tuple(found),
    )


@dataclass(frozen=True, slots=True)
class _Counts:
    units: dict[str, int]
    units_by: dict[str, dict[str, dict[str, int]]]
    by_day: dict[int, dict[str, int]]
    switchers: int
    excluded: dict[str, int]
    started_ms: int | None
    freshest_ms: int | None
    findings: list[DataFinding]


def _busy(run: _Run, exposures: Any, events: Any) -> Any:
    limit = run.experiment.bot_events_per_day
    if limit is None:
        return None
    return run.engine.materialise("busy_units", pipeline.busy_units(exposures, events, limit))


def _count(run: _Run, first: Any, busy: Any) -> _Counts:
    """Count units by variant, day, library and attribute; switchers are in, bots are not."""
    engine, variants = run.engine, run.variants
    table = first
    excluded: dict[str, int] = {}
    bots = int(engine.rows(first.aggregate(n=(first.bot > 0).cast("int64").sum()))[0]["n"] or 0)
    if bots:
        excluded["marked as bots"] = bots
    table = table.filter(table.bot == 0)
    if busy is not None:
        before = int(engine.rows(table.aggregate(n=table.count()))[0]["n"])
        table = table.anti_join(busy, "unit_id")
        after = int(engine.rows(table.aggregate(n=table.count()))[0]["n"])
        if before - after:
            excluded[f"more than {run.experiment.bot_events_per_day} events on a day"] = before - after
    names = ["sdk", *(f"b{index}" for index in range(len(run.experiment.breakdowns)))]
    grouped = table.mutate(day=table.first_ts // DAY_US, switched=(table.variant != table.variant_max).cast("int64"))
    rows = engine.rows(
        grouped.group_by("variant", "day", *names).aggregate(
            n=grouped.count(), switched=grouped.switched.sum(), low=grouped.first_ts.min(), high=grouped.first_ts.max()
        )
    )
    unknown = sum(int(row["n"]) for row in rows if row["variant"] not in variants)
    findings = []
    if unknown:
        strange = sorted({str(row["variant"]) for row in rows if row["variant"] not in variants})
        findings.append(
            DataFinding(
                code="unknown-variants",
                message=f"units were exposed to variants that the experiment does not have: {', '.join(strange[:5])}",
                count=unknown,
                blocks=True,
            )
        )
    known = [row for row in rows if row["variant"] in variants]
    units = dict.fromkeys(variants, 0)
    by_day: dict[int, dict[str, int]] = {}
    for row in known:
        units[row["variant"]] += int(row["n"])
        day = by_day.setdefault(int(row["day"]), {})
        day[row["variant"]] = day.get(row["variant"], 0) + int(row["n"])
    empty = [variant for variant, count in units.items() if not count]
    if empty and any(units.values()):
        findings.append(
            DataFinding(code="empty-variants", message=f"no unit was exposed to {', '.join(empty)}", count=len(empty))
        )
    labels = {"sdk": "sdk", **{f"b{index}": name for index, name in enumerate(run.experiment.breakdowns)}}
    return _Counts(
        units=units,
        units_by={labels[name]: _by(known, name) for name in names},
        by_day=by_day,
        switchers=sum(int(row["switched"]) for row in known),
        excluded=excluded,
        started_ms=min((int(row["low"]) for row in known), default=0) // 1000 if known else None,
        freshest_ms=_freshest(run, max((int(row["high"]) for row in known), default=None)),
        findings=findings,
    )


def _by(rows: list[dict[str, Any]], name: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        value = MISSING if row[name] is None else str(row[name])
        part = found.setdefault(value, {})
        part[row["variant"]] = part.get(row["variant"], 0) + int(row["n"])
    return found


def _freshest(run: _Run, exposed: int | None) -> int | None:
    events = pipeline.used_events(run.engine, run.experiment, run.options.environment, run.until)
    latest = run.engine.rows(events.aggregate(high=events.ts.max()))[0]["high"]
    known = [int(one) for one in (exposed, latest) if one is not None]
    return max(known) // 1000 if known else None


def _check_values(run: _Run, units: Any) -> list[DataFinding]:
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


def _caps(run: _Run, units: Any) -> dict[int, tuple[float | None, float | None]]:
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


def _metrics(
    run: _Run, units: Any, caps: dict[int, tuple[float | None, float | None]]
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
        wanted |= _wanted(units, metric, position, caps, where)
    rows = (
        {row["variant"]: row for row in run.engine.rows(units.group_by("variant").aggregate(**wanted))}
        if wanted
        else {}
    )
    result = {}
    for position, metric in pipeline.unit_metrics(experiment):
        arms = tuple(_arm(variant, rows.get(variant), metric, position) for variant in run.variants)
        result[metric.key] = MetricData(key=metric.key, arms=arms, caps=caps.get(position, (None, None)))
    return result, sum(int(row.get("immature") or 0) for row in rows.values())


def _wanted(
    units: Any, metric: Metric, position: int, caps: dict[int, tuple[float | None, float | None]], where: Any
) -> dict[str, Any]:
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


def _arm(variant: str, row: dict[str, Any] | None, metric: Metric, position: int) -> ArmMetric:
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


def _pooled_means(data: MetricData) -> tuple[float, float]:
    """Return the means of the value and of the denominator over the units of all variants."""
    known = [arm.moments for arm in data.arms if arm.moments is not None and arm.moments.n]
    total = sum(one.n for one in known)
    if not total:
        return 0.0, 0.0
    value, denominator = (
        sum(one.n * one.means.get(name, 0.0) for one in known) / total for name in ("value", "denominator")
    )
    return value, denominator


def _new_units(run: _Run, units: Any) -> dict[int, dict[str, int]]:
    table = units.mutate(day=units.first_ts // DAY_US)
    found: dict[int, dict[str, int]] = {}
    for row in run.engine.rows(table.group_by("variant", "day").aggregate(n=table.count())):
        found.setdefault(int(row["day"]), {})[row["variant"]] = int(row["n"])
    return found


def _days(run: _Run, by_day: dict[int, dict[str, int]], cumulative: dict[int, MetricData]) -> tuple[DayData, ...]:
    if not by_day:
        return ()
    primary = run.experiment.primary
    result = []
    for day in range(min(by_day), max([*by_day, *cumulative]) + 1):
        date = (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)).date().isoformat()
        metrics = {primary.key: cumulative[day]} if primary is not None and day in cumulative else {}
        counts = {variant: by_day.get(day, {}).get(variant, 0) for variant in run.variants}
        result.append(DayData(date=date, units=counts, metrics=metrics))
    return tuple(result)


def _parts(
    run: _Run, units: Any, caps: dict[int, tuple[float | None, float | None]]
) -> dict[str, dict[str, dict[str, MetricData]]]:
    """Return the primary metric within parts: declared attributes, and the weekday of the first exposure."""
    primary = run.experiment.primary
    if primary is None:
        return {}
    # 1970-01-01 was a Thursday.
    table = units.mutate(weekday=((units.first_ts // DAY_US + 3) % 7).cast("string"))
    labels = {f"b{index}": name for index, name in enumerate(run.experiment.breakdowns)} | {"weekday": "weekday"}
    result: dict[str, dict[str, dict[str, MetricData]]] = {}
    for column, label in labels.items():
        chosen = table.mutate(part=table[column].fill_null(MISSING))
        if column != "weekday":
            chosen = _with_largest(run, chosen)
        rows = run.engine.rows(chosen.group_by("variant", "part").aggregate(**_wanted(chosen, primary, 0, caps, None)))
        parts: dict[str, dict[str, dict[str, Any]]] = {}
        for row in rows:
            parts.setdefault(str(row["part"]), {})[row["variant"]] = row
        result[label] = {
            (_WEEKDAYS[int(value)] if column == "weekday" else value): {
                primary.key: MetricData(
                    key=primary.key, arms=tuple(_arm(v, found.get(v), primary, 0) for v in run.variants)
                )
            }
            for value, found in sorted(parts.items())
        }
    return result


def _with_largest(run: _Run, table: Any) -> Any:
    import ibis  # noqa: PLC0415 - slow to import

    sizes = table.group_by("part").aggregate(n=table.count())
    largest = [row["part"] for row in run.engine.rows(sizes.order_by([ibis.desc("n"), "part"]).limit(MAX_PARTS))]
    return table.mutate(part=ibis.cases((table.part.isin(largest), table.part), else_=OTHER))
