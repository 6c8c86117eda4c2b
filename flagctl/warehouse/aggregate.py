"""Events of one experiment to what the statistics read: the steps in their order.

1. exposures of the experiment, without bots; 2. first exposure of each unit, units that changed variants set aside;
3. what units did within the windows, zeros for those that did nothing; 4. the unit table, computed once; 5. caps over all
units of all variants; 6. moments by variant; the same by day, by age and by part for the primary metric; 7. quantiles.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from flagctl.experiments.data import DayData, ExperimentData
from flagctl.warehouse import folding, series
from flagctl.warehouse.counting import count_units
from flagctl.warehouse.distribution import distributions
from flagctl.warehouse.moments import all_metrics, caps_of, check_events, check_numbers, check_values, pooled_means
from flagctl.warehouse.parts import parts_of
from flagctl.warehouse.quantiles import quantile_metric, values_of
from flagctl.warehouse.run import AggregateOptions, Run
from flagctl.warehouse.units import first_seen, summed_up

__all__ = ["AggregateOptions", "aggregate"]

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.experiments.data import DataFinding, MetricData
    from flagctl.model import Experiment
    from flagctl.warehouse.pipeline import Engine


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
    run = Run(engine, experiment, options)
    seen = first_seen(run)
    counts = count_units(run, seen)
    joined, units, story, values = summed_up(run, seen, details=options.details and _is_followed(experiment))
    found = [*findings, *counts.findings, *check_values(run, units), *check_numbers(run, joined)]
    caps = caps_of(run, units)
    metrics, immature = all_metrics(run, units, caps)
    found += check_events(metrics, experiment.metrics)
    for position, metric in enumerate(experiment.metrics):
        if metric.kind == "quantile":
            run.say(f"reading {metric.key}")
            kept = values[position] if position in values else values_of(run, (joined, units), position)
            metrics[metric.key] = quantile_metric(run, kept, position)
    ages: dict[str, Any] = {}
    parts: dict[str, Any] = {}
    primary = experiment.primary
    series_by_day: dict[int, MetricData] = {}
    if options.details and primary is not None and _is_followed(experiment):
        run.say("following the primary metric day by day")
        lived = series.lives(run, units, primary)
        shift = pooled_means(metrics[primary.key])
        cut = caps.get(0, (None, None))
        if story is not None:
            changed = folding.changes(run, story, cut, shift)
        elif series.is_in_sums(primary):
            changed = series.first_changes(lived, shift)
        else:
            changed = series.changes(run, joined, cut, shift)
        series_by_day = series.cumulative(run, changed, lived.born, shift)
        ages = {primary.key: series.by_age(run, lived, changed)}
        parts = parts_of(run, units, caps)
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
        distributions=distributions(run, units) if options.details else {},
    )


def _is_followed(experiment: Experiment) -> bool:
    """Return whether the primary metric can be told day by day."""
    return experiment.primary is not None and experiment.primary.kind != "quantile"


def _days(run: Run, by_day: dict[int, dict[str, int]], cumulative: dict[int, MetricData]) -> tuple[DayData, ...]:
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
