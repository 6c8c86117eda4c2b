"""From events to one row for each unit: the same Ibis expressions on every engine.

Unit: what an experiment assigns. A unit counts from its first exposure; what it does within a metric's window after it
counts. Engines differ where one would not expect it, so: the variant of a unit is the smallest and the greatest name it was
exposed to (`argmin` on equal instants differs), values are float64 before they are squared, nothing is divided here, and no
hash of an engine is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.model import Experiment, Metric

DAY_US = 86_400_000_000
SKEW_US = 60_000_000
"""Clocks of a unit's devices and of servers differ: what happened up to a minute before the exposure counts as after it."""
LARGEST = 1e100
"""Greater numbers overflow when they are squared and summed up."""
COLUMN_SEPARATOR = "_"


class Engine(Protocol):
    """What computes expressions: DuckDB or Spark."""

    name: str

    def table(self, name: str) -> Any:
        """Return the table ``exposures`` or ``events``."""
        ...

    def materialise(self, name: str, expression: Any) -> Any:
        """Compute a table once and return it as an expression."""
        ...

    def rows(self, expression: Any) -> list[dict[str, Any]]:
        """Return the rows of a small result."""
        ...

    def arrays(self, expression: Any) -> dict[str, Any]:
        """Return the columns of a result that may be long, each as an array of numbers."""
        ...


def metric_columns(metric: Metric, position: int) -> dict[str, str]:
    """Return the unit table's column of each part of a metric: ``value``, ``denominator`` and their covariates."""
    parts = ["value"]
    if metric.kind == "ratio":
        parts.append("denominator")
    if metric.cuped_ms is not None and metric.kind != "quantile":
        parts += [("covariate" if part == "value" else "denominator_covariate") for part in list(parts)]
    return {part: f"m{position}_{part}" for part in parts}


def unit_metrics(experiment: Experiment) -> Iterator[tuple[int, Metric]]:
    """Yield the metrics that become columns of the unit table, with their positions."""
    for position, metric in enumerate(experiment.metrics):
        if metric.kind != "quantile" or metric.level == "unit":
            yield position, metric


def exposures_of(
    engine: Engine, experiment: Experiment, environment: str | None, window: tuple[int | None, int]
) -> Any:
    """Return the exposures that count: of this experiment and environment, before the end, and of people.

    Args:
        engine: Computes.
        experiment: Which one.
        environment: Only events of this one, None for all.
        window: First and last instant in microseconds, the first None if everything before the last counts.
    """
    table = engine.table("exposures")
    kept = [table.experiment == experiment.key, table.ts < window[1]]
    if window[0] is not None:
        kept.append(table.ts >= window[0])
    if environment is not None:
        kept.append(table.environment == environment)
    unit_type = ".".join(experiment.bucket_by)
    kept.append(table.unit_type.isnull() | (table.unit_type == unit_type))
    return table.filter(kept)


def first_exposures(exposures: Any, breakdowns: tuple[str, ...]) -> Any:
    """Return one row for each unit: first instant, smallest and greatest variant, mark of a bot, parts it belongs to."""
    parts = {f"b{index}": exposures.attrs.get(name, None).min() for index, name in enumerate(breakdowns)}
    return exposures.group_by("unit_id").aggregate(
        first_ts=exposures.ts.min(),
        variant=exposures.variant.min(),
        variant_max=exposures.variant.max(),
        bot=exposures.is_bot.fill_null(False).cast("int64").max(),
        sdk=exposures.sdk.min(),
        **parts,
    )


def busy_units(exposures: Any, events: Any, limit: int) -> Any:
    """Return the units with more than `limit` exposures and events on one day."""
    both = exposures.select("unit_id", "ts").union(events.select("unit_id", "ts"))
    daily = both.mutate(day=both.ts // DAY_US).group_by("unit_id", "day").aggregate(n=lambda t: t.count())
    return daily.filter(daily.n > limit).select("unit_id").distinct()


def used_events(engine: Engine, experiment: Experiment, environment: str | None, until: int) -> Any:
    """Return the events that any metric reads."""
    names = sorted({name for metric in experiment.metrics for name in metric.events})
    table = engine.table("events")
    kept = [table.event.isin(names), table.ts < until]
    if environment is not None:
        kept.append(table.environment.isnull() | (table.environment == environment))
    unit_type = ".".join(experiment.bucket_by)
    kept.append(table.unit_type.isnull() | (table.unit_type == unit_type))
    return table.filter(kept)


def number_of(joined: Any, column: str) -> Any:
    """Return where an event's number is: its value, or one of its attributes; nothing where that is no number to compute with."""
    if column == "value":
        return joined.value.cast("float64")
    number = joined.attrs.get(column, None).try_cast("float64")
    # As in `usable.FINITE`: false for NaN, too.
    return (number.abs() < LARGEST).ifelse(number, None)


def attribute_numbers(experiment: Experiment) -> list[tuple[str, str]]:
    """Return the events whose numbers metrics take from an attribute, each with the attribute."""
    found = []
    for metric in experiment.metrics:
        if metric.kind == "ratio":
            sides = [side for side in (metric.numerator, metric.denominator) if side and side.of == "value"]
            found += [(side.event, side.value) for side in sides]
        elif metric.kind not in {"conversion", "count"}:
            found.append((metric.events[0], metric.value))
    return list(dict.fromkeys(one for one in found if one[1] != "value"))


def within(joined: Any, metric: Metric) -> Any:
    """Return whether an event lies in a metric's window after the unit's first exposure."""
    return (joined.ts >= joined.first_ts - SKEW_US) & (joined.ts < joined.first_ts + metric.window_ms * 1000)


def before(joined: Any, metric: Metric) -> Any:
    """Return whether an event lies in the period before the first exposure that a covariate is made of."""
    start = joined.first_ts - SKEW_US
    return (joined.ts < start) & (joined.ts >= start - (metric.cuped_ms or 0) * 1000)


def join_units(events: Any, units: Any, columns: tuple[str, ...] = ("first_ts", "variant")) -> Any:
    """Return events with what is known of their units; events of units that were never exposed fall away."""
    return events.inner_join(units.select("unit_id", *columns), "unit_id")


def unit_sums(joined: Any, experiment: Experiment) -> Any:
    """Return one row for each unit that did anything: sums of each metric's parts, and how often its event happened."""
    sums: dict[str, Any] = {}
    for position, metric in unit_metrics(experiment):
        for part, column in metric_columns(metric, position).items():
            sums[column] = _sum_of(joined, metric, part)
        sums[f"m{position}_n"] = (within(joined, metric) & (joined.event == metric.events[0])).cast("int64").sum()
    return joined.group_by("unit_id").aggregate(**sums)


def _sum_of(joined: Any, metric: Metric, part: str) -> Any:
    import ibis  # noqa: PLC0415 - slow to import

    covariate = part.endswith("covariate")
    kept = before(joined, metric) if covariate else within(joined, metric)
    side = None
    if metric.kind == "ratio":
        side = metric.denominator if part.startswith("denominator") else metric.numerator
    event = side.event if side else metric.event
    kept = kept & (joined.event == event)
    counts = (side.of == "count") if side else metric.kind in {"conversion", "count"}
    if counts:
        return yes_or_no(kept).sum()
    number = number_of(joined, side.value if side else metric.value)
    return ibis.cases((kept, number), else_=None).sum().fill_null(0.0)


def yes_or_no(condition: Any) -> Any:
    """Return 1.0 or 0.0. Literals would do on Spark; DuckDB takes them for decimals with one digit, and sums keep it."""
    return condition.cast("int64").cast("float64")


def unit_table(first: Any, sums: Any, experiment: Experiment) -> Any:
    """Return one row for each unit: zeros where it did nothing, and yes or no for conversions."""
    joined = first.left_join(sums, "unit_id")
    columns = {}
    for position, metric in unit_metrics(experiment):
        for column in metric_columns(metric, position).values():
            value = joined[column].fill_null(0.0)
            if metric.kind == "conversion":
                value = yes_or_no(value > 0)
            columns[column] = value.cast("float64")
        columns[f"m{position}_n"] = joined[f"m{position}_n"].fill_null(0)
    return joined.select(*[first[name] for name in first.columns], **columns)


def capped(units: Any, column: str, caps: tuple[float | None, float | None]) -> Any:
    """Return a column with its extreme values cut."""
    value = units[column]
    if caps[0] is not None:
        value = value.clip(lower=caps[0])
    return value if caps[1] is None else value.clip(upper=caps[1])


def moment_columns(table: Any, columns: dict[str, Any], where: Any = None) -> dict[str, Any]:
    """Return the aggregates that `Moments` are made of.

    Args:
        table: Of units.
        columns: Part to expression.
        where: Only units for which this holds.
    """
    names = list(columns)
    found = {"n": table.count(where=where) if where is not None else table.count()}
    for index, name in enumerate(names):
        found[f"mean_{name}"] = columns[name].mean(where=where)
        found[f"var_{name}"] = columns[name].var(where=where, how="sample")
        for other in names[index + 1 :]:
            found[f"cov_{name}__{other}"] = columns[name].cov(columns[other], where=where, how="sample")
    return found
