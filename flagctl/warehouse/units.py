"""The unit table, and the questions beside the verdict that it answers: units themselves, and units in two experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flagctl.warehouse import pipeline
from flagctl.warehouse.counting import busy_units
from flagctl.warehouse.moments import arm_of, caps_of, wanted_moments

if TYPE_CHECKING:
    from flagctl.experiments.data import ArmMetric
    from flagctl.model import Experiment, Metric
    from flagctl.warehouse.run import Run


class Seen(NamedTuple):
    """Who was exposed.

    Attributes:
        exposures: Those that count.
        events: Those that any metric reads.
        first: One row for each unit, with its first exposure.
        busy: Units that do too much on one day to be people; None without such a rule.
    """

    exposures: Any
    events: Any
    first: Any
    busy: Any


def first_seen(run: Run) -> Seen:
    """Find the first exposure of each unit."""
    experiment = run.experiment
    started = None if experiment.started_at_ms is None else experiment.started_at_ms * 1000
    exposures = pipeline.exposures_of(run.engine, experiment, run.options.environment, (started, run.until))
    run.say("finding first exposures")
    first = run.engine.materialise("first_exposures", pipeline.first_exposures(exposures, experiment.breakdowns))
    events = pipeline.used_events(run.engine, experiment, run.options.environment, run.until)
    return Seen(exposures, events, first, busy_units(run, exposures, events))


def summed_up(run: Run, seen: Seen) -> tuple[Any, Any]:
    """Return the events of the units that have one variant and are no bots, and one row for each of these units."""
    first = seen.first
    kept = first.filter(
        (first.variant == first.variant_max) & (first.bot == 0) & first.variant.isin(list(run.variants))
    )
    if seen.busy is not None:
        kept = kept.anti_join(seen.busy, "unit_id")
    run.say("summing up units")
    joined = pipeline.join_units(seen.events, kept)
    sums = pipeline.unit_sums(joined, run.experiment)
    return joined, run.engine.materialise("experiment_units", pipeline.unit_table(kept, sums, run.experiment))


def unit_table(run: Run) -> Any:
    """Return one row for each unit of an experiment that has one variant and is no bot, with its values."""
    return summed_up(run, first_seen(run))[1]


def complete(units: Any, run: Run, metric: Metric) -> Any:
    """Return the units that count towards a metric: those whose window is over, for the primary one if that was agreed."""
    if metric != run.experiment.primary or run.experiment.decision.maturity != "complete":
        return units
    return units.filter(units.first_ts + metric.window_ms * 1000 <= run.until)


def unit_values(run: Run, metric: Metric) -> dict[str, Any]:
    """Return the parts of a metric as arrays with one number for each unit, capped as agreed.

    Args:
        run: Engine, experiment and instant.
        metric: One of the experiment's, not a quantile over events.
    """
    position = run.experiment.metrics.index(metric)
    units = unit_table(run)
    cut = caps_of(run, units).get(position, (None, None))
    kept = complete(units, run, metric)
    parts = pipeline.metric_columns(metric, position)
    chosen = {part: pipeline.capped(kept, c, cut) if part == "value" else kept[c] for part, c in parts.items()}
    return run.engine.arrays(kept.order_by("unit_id").select(**chosen))


def crossed(run: Run, other: Experiment) -> dict[tuple[str, str], ArmMetric]:
    """Return the primary metric of the units that are in two experiments, by their variants in both.

    Args:
        run: Of the experiment whose metric it is; it has a primary one.
        other: The other experiment.
    """
    units = unit_table(run)
    primary = run.experiment.metrics[0]
    caps = caps_of(run, units)
    started = None if other.started_at_ms is None else other.started_at_ms * 1000
    seen = pipeline.exposures_of(run.engine, other, run.options.environment, (started, run.until))
    names = [arm.variant for arm in other.variants.arms]
    theirs = pipeline.first_exposures(seen, ())
    theirs = theirs.filter((theirs.variant == theirs.variant_max) & (theirs.bot == 0) & theirs.variant.isin(names))
    theirs = theirs.select("unit_id", other_variant=theirs.variant)
    both = complete(units, run, primary).inner_join(theirs, "unit_id")
    rows = run.engine.rows(
        both.group_by("variant", "other_variant").aggregate(**wanted_moments(both, primary, 0, caps, None))
    )
    return {(row["variant"], row["other_variant"]): arm_of(row["variant"], row, primary, 0) for row in rows}


def totals(run: Run, unit_type: str, names: tuple[str, ...], since: int) -> list[dict[str, Any]]:
    """Return what every unit did in a span of time, exposed or not: one row for each unit and event.

    Args:
        run: Engine, environment and the end of the span.
        unit_type: Of the units.
        names: Events.
        since: First instant, microseconds.
    """
    table = run.engine.table("events")
    kept = [table.event.isin(list(names)), table.ts >= since, table.ts < run.until]
    kept.append(table.unit_type.isnull() | (table.unit_type == unit_type))
    if run.options.environment is not None:
        kept.append(table.environment.isnull() | (table.environment == run.options.environment))
    chosen = table.filter(kept)
    return run.engine.rows(
        chosen.group_by("unit_id", "event").aggregate(n=chosen.count(), total=chosen.value.cast("float64").sum())
    )
