"""The unit table, and the questions beside the verdict that it answers: units themselves, and units in two experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flagctl.warehouse import folding, pipeline, series
from flagctl.warehouse.moments import arm_of, caps_of, wanted_moments
from flagctl.warehouse.pipeline import DAY_US

if TYPE_CHECKING:
    from flagctl.experiments.data import ArmMetric
    from flagctl.model import Experiment, Metric
    from flagctl.warehouse.run import Run


class Seen(NamedTuple):
    """Who was exposed, and what happened.

    Attributes:
        exposures: Those that count.
        kinds: What there is among them.
        events: Those that any metric reads.
        event_days: Day since 1970 to how many of these events there are, and the newest of them.
        misnamed: How many others differ from them in capitals and blanks alone.
        first: One row for each unit, with its first exposure.
        busy: Units that do too much on one day to be people; None without such a rule.
    """

    exposures: Any
    kinds: pipeline.Kinds
    events: Any
    event_days: dict[int, tuple[int, int]]
    misnamed: int
    first: Any
    busy: Any


def first_seen(run: Run) -> Seen:
    """Find the first exposure of each unit, and the events that count."""
    experiment = run.experiment
    run.say("finding first exposures")
    exposures, kinds = _exposed(run, experiment)
    first = run.engine.numbered("first_exposures", pipeline.first_exposures(exposures, experiment.breakdowns, kinds))
    events = pipeline.possible_events(run.engine, experiment, run.options.environment, run.until)
    names = pipeline.event_names(experiment)
    event_days, others, misnamed = _event_days(run, events, names)
    # To look at every name of an event takes longer than to look whether there are others at all.
    events = events.filter(events.event.isin(names)) if others else events
    return Seen(exposures, kinds, events, event_days, misnamed, first, _busy_units(run, exposures, events))


def _exposed(run: Run, experiment: Experiment) -> tuple[Any, pipeline.Kinds]:
    started = None if experiment.started_at_ms is None else experiment.started_at_ms * 1000
    exposures = pipeline.exposures_of(run.engine, experiment, run.options.environment, (started, run.until))
    variants = tuple(arm.variant for arm in experiment.variants.arms)
    return exposures, pipeline.kinds_of(run.engine, exposures, variants)


def _event_days(run: Run, events: Any, names: tuple[str, ...]) -> tuple[dict[int, tuple[int, int]], bool, int]:
    """Return what there is of some events on each day, whether there are others, and how many of those are nearly called so."""
    table = events.mutate(day=events.ts // DAY_US)
    daily = table.group_by("event", "day").aggregate(n=table.count(), high=table.ts.max())
    alike = daily.event.strip().lower().isin([name.strip().lower() for name in names])
    daily = daily.mutate(used=daily.event.isin(names), alike=alike)
    rows = run.engine.rows(daily.group_by("used", "alike", "day").aggregate(n=daily.n.sum(), high=daily.high.max()))
    used = {int(row["day"]): (int(row["n"]), int(row["high"])) for row in rows if row["used"]}
    misnamed = sum(int(row["n"]) for row in rows if row["alike"] and not row["used"])
    return used, not all(row["used"] for row in rows), misnamed


def _busy_units(run: Run, exposures: Any, events: Any) -> Any:
    """Return the units that do too much on one day to be people, or None if the experiment has no such rule."""
    limit = run.experiment.bot_events_per_day
    if limit is None:
        return None
    return run.engine.materialise("busy_units", pipeline.busy_units(exposures, events, limit))


class Summed(NamedTuple):
    """What units did.

    Attributes:
        joined: The events of the units that have one variant and are no bots.
        units: One row for each of these units.
        story: The events of the primary metric in arrays, if it is followed that way.
        values: Position of a quantile over events to a table of its values, if they were kept.
    """

    joined: Any
    units: Any
    story: folding.Story | None
    values: dict[int, Any]


def summed_up(run: Run, seen: Seen, *, details: bool = False) -> Summed:
    """Sum up what units did.

    Args:
        run: What is aggregated.
        seen: Who was exposed.
        details: Whether the primary metric is followed over time, too.
    """
    experiment, engine = run.experiment, run.engine
    kept = pipeline.steady(seen.first, seen.kinds, run.variants)
    if seen.busy is not None:
        kept = kept.anti_join(seen.busy, "unit_id")
    run.say("summing up units")
    followed = experiment.primary if details else None
    number = int(engine.rows(seen.first.aggregate(n=seen.first.count()))[0]["n"])
    joined = pipeline.join_units(seen.events, kept, experiment, idle=False)
    nearby = _nearby(run, seen, number, len(pipeline.sums_of(joined, experiment).wanted))
    if nearby is None:
        joined = pipeline.join_units(seen.events, kept, experiment)
    in_sums = followed is not None and series.is_in_sums(followed)
    by_event = tuple(
        position for position, one in enumerate(experiment.metrics) if one.kind == "quantile" and one.level == "event"
    )
    is_read_again = nearby is None and (by_event or (followed is not None and not in_sums))
    if is_read_again or pipeline.attribute_numbers(experiment):
        joined = engine.materialise("unit_events", joined)
    sums = pipeline.sums_of(joined, experiment)
    story: folding.Story | None = None
    values: dict[int, Any] = {}
    if nearby is None:
        more = series.days_and_ages(joined, experiment, followed) if followed is not None and in_sums else {}
        table = engine.materialise("unit_sums", pipeline.summed(joined, sums, more))
    else:
        wanted = folding.Wanted(experiment, followed is not None, by_event)
        table, story, values = folding.summed(nearby, (kept, joined), sums, number, wanted)
        parts = [name for name in pipeline.unit_columns(kept) if name not in table.columns]
        if parts:
            table = engine.materialise("unit_sums", table.inner_join(kept.select("unit", *parts), "unit"))
    return Summed(joined, pipeline.unit_table(table, sums), story, values)


def _nearby(run: Run, seen: Seen, units: int, sums: int) -> pipeline.Nearby | None:
    """Return where to add up in arrays, or None where that is not possible."""
    nearby = run.engine.nearby
    events = sum(count for count, _ in seen.event_days.values())
    return nearby if nearby is not None and folding.fits(nearby, (units, events), sums) else None


def unit_table(run: Run) -> Any:
    """Return one row for each unit of an experiment that has one variant and is no bot, with its values and its id."""
    units = summed_up(run, first_seen(run)).units
    return units.inner_join(run.engine.table("first_exposures").select("unit", "unit_id"), "unit")


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
    exposures, kinds = _exposed(run, other)
    names = tuple(arm.variant for arm in other.variants.arms)
    theirs = pipeline.steady(pipeline.first_exposures(exposures, (), kinds), kinds, names)
    both = complete(units, run, primary).inner_join(theirs.select("unit_id", other_arm=theirs.arm), "unit_id")
    rows = run.rows(both.group_by("arm", "other_arm").aggregate(**wanted_moments(both, primary, 0, caps, None)))
    return {(row["variant"], names[int(row["other_arm"])]): arm_of(row["variant"], row, primary, 0) for row in rows}


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
