"""From events to one row for each unit: the same Ibis expressions on every engine.

Unit: what an experiment assigns. A unit counts from its first exposure; what it does within a metric's window after it
counts. Engines differ where one would not expect it, so: the variant of a unit is the smallest and the greatest name it was
exposed to (`argmin` on equal instants differs), values are float64 before they are squared, nothing is divided here, and no
hash of an engine is used.

Ids and names are text, which is dear to compare and to keep. So names become small numbers while events are read, a unit gets
a number with its first exposure, and everything after the one join of events with units is done with numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from flagctl.model import Experiment, Metric

DAY_US = 86_400_000_000
SKEW_US = 60_000_000
"""Clocks of a unit's devices and of servers differ: what happened up to a minute before the exposure counts as after it."""
LARGEST = 1e100
"""Greater numbers overflow when they are squared and summed up."""
COLUMN_SEPARATOR = "_"


class Nearby(Protocol):
    """What an engine can do whose rows are in the memory of this process."""

    def room(self) -> int:
        """Return how many bytes arrays may take beside what the engine takes."""
        ...

    def arrays(self, expression: Any) -> dict[str, Any]:
        """As of an engine."""
        ...

    def given(self, name: str, arrays: dict[str, Any]) -> Any:
        """Return a table of columns that are there as arrays of numbers."""
        ...


class Engine(Protocol):
    """What computes expressions: DuckDB or Spark."""

    name: str

    @property
    def nearby(self) -> Nearby | None:
        """What it can do because it is in this process; None if it is not."""
        ...

    def table(self, name: str) -> Any:
        """Return the table ``exposures`` or ``events``."""
        ...

    def materialise(self, name: str, expression: Any) -> Any:
        """Compute a table once and return it as an expression."""
        ...

    def numbered(self, name: str, expression: Any) -> Any:
        """Compute a table of one row for each ``unit_id`` once, with a column ``unit`` that stands for it."""
        ...

    def rows(self, expression: Any) -> list[dict[str, Any]]:
        """Return the rows of a small result."""
        ...

    def arrays(self, expression: Any) -> dict[str, Any]:
        """Return the columns of a result that may be long, each as an array of its numbers, none of which is null."""
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


class Kinds(NamedTuple):
    """What there is among exposures, so that only what differs is asked of each unit.

    Attributes:
        variants: Names of all variants, in the order of names; each one's position stands for it.
        sdks: All libraries.
        bots: Whether any exposure is marked as one of a bot.
    """

    variants: tuple[str, ...]
    sdks: tuple[str | None, ...]
    bots: bool


MOST_NAMES = 200
"""Names of variants that are told apart. More are garbage, and a unit that saw any of it blocks a verdict."""


def kinds_of(engine: Engine, exposures: Any, variants: tuple[str, ...]) -> Kinds:
    """Look which variants and libraries there are, besides the variants that there should be."""
    rows = engine.rows(exposures.select("variant", "sdk", "is_bot").distinct())
    strange = sorted({str(row["variant"]) for row in rows} - set(variants))[:MOST_NAMES]
    return Kinds(
        variants=tuple(sorted({*variants, *strange})),
        sdks=tuple({row["sdk"]: None for row in rows}),
        bots=any(row["is_bot"] for row in rows),
    )


def position_of(column: Any, names: Sequence[str] | Sequence[int]) -> Any:
    """Return a name's position among `names`, and their number for all others."""
    import ibis  # noqa: PLC0415 - slow to import

    found = [(column == name, ibis.literal(index, "int16")) for index, name in enumerate(names)]
    others = ibis.literal(len(names), "int16")
    return ibis.cases(*found, else_=others) if found else others


def first_exposures(exposures: Any, breakdowns: tuple[str, ...], kinds: Kinds) -> Any:
    """Return one row for each unit: first instant, first and last variant by name, mark of a bot, parts it belongs to.

    ``shown`` and ``shown_max`` are positions in `kinds.variants`. There is ``bot`` only if there are any, and ``sdk`` only if
    there are several.
    """
    shown = position_of(exposures.variant, kinds.variants)
    wanted = {"first_ts": exposures.ts.min(), "shown": shown.min(), "shown_max": shown.max()}
    if kinds.bots:
        wanted["bot"] = exposures.is_bot.fill_null(False).cast("int64").max()
    if len(kinds.sdks) > 1:
        wanted["sdk"] = exposures.sdk.min()
    wanted |= {f"b{index}": exposures.attrs.get(name, None).min() for index, name in enumerate(breakdowns)}
    return exposures.group_by("unit_id").aggregate(**wanted)


def steady(first: Any, kinds: Kinds, variants: tuple[str, ...]) -> Any:
    """Return the units that are no bots and have one variant, which is one of the experiment's: ``arm`` is its position there."""
    known = [kinds.variants.index(name) for name in variants]
    kept = first.filter((first.shown == first.shown_max) & first.shown.isin(known))
    if kinds.bots:
        kept = kept.filter(kept.bot == 0)
    return kept.mutate(arm=position_of(kept.shown, known)).drop("shown", "shown_max")


def busy_units(exposures: Any, events: Any, limit: int) -> Any:
    """Return the units with more than `limit` exposures and events on one day."""
    both = exposures.select("unit_id", "ts").union(events.select("unit_id", "ts"))
    daily = both.mutate(day=both.ts // DAY_US).group_by("unit_id", "day").aggregate(n=lambda t: t.count())
    return daily.filter(daily.n > limit).select("unit_id").distinct()


def event_names(experiment: Experiment) -> tuple[str, ...]:
    """Return the names of the events that any metric reads."""
    return tuple(sorted({name for metric in experiment.metrics for name in metric.events}))


def possible_events(engine: Engine, experiment: Experiment, environment: str | None, until: int) -> Any:
    """Return the events of every name that units of this experiment may have caused."""
    table = engine.table("events")
    kept = [table.ts < until]
    if environment is not None:
        kept.append(table.environment.isnull() | (table.environment == environment))
    unit_type = ".".join(experiment.bucket_by)
    kept.append(table.unit_type.isnull() | (table.unit_type == unit_type))
    return table.filter(kept)


def number_columns(experiment: Experiment) -> dict[str, str]:
    """Return where events have numbers that any metric reads, and the columns for them."""
    found = dict.fromkeys(column for metric in experiment.metrics for _, column in _sources(metric) if column)
    return {source: f"x{index}" for index, source in enumerate(found)}


def _sources(metric: Metric) -> list[tuple[str, str | None]]:
    """Return the event of a metric's value and of its denominator, and where the number is; None where events are counted."""
    if metric.kind == "ratio":
        sides = (metric.numerator, metric.denominator)
        return [(side.event, None if side.of == "count" else side.value) for side in sides if side is not None]
    return [(metric.event or "", None if metric.kind in {"conversion", "count"} else metric.value)]


def source_of(metric: Metric, part: str) -> tuple[str, str | None]:
    """Return the event of a part of a metric, and where its number is; None where events are counted."""
    return _sources(metric)[1 if part.startswith("denominator") else 0]


def join_units(events: Any, kept: Any, experiment: Experiment, *, idle: bool = True) -> Any:
    """Return what units did, with numbers only; a unit that did nothing has one row without an event, or none if not `idle`.

    ``event`` is the position in `event_names`, ``since`` how long after the first exposure it was, ``x0`` and so on are numbers.
    """
    numbers = {column: _number_of(events, source) for source, column in number_columns(experiment).items()}
    event = position_of(events.event, event_names(experiment))
    chosen = events.select("unit_id", "ts", event=event, **numbers)
    parts = [name for name in kept.columns if _is_part(name)]
    left = kept.select("unit", "unit_id", "arm", "first_ts", *parts)
    joined = left.join(chosen, "unit_id", how="left" if idle else "inner")
    return joined.select("unit", "arm", "first_ts", *parts, "event", *numbers, since=joined.ts - joined.first_ts)


def _number_of(events: Any, source: str) -> Any:
    """Return where an event's number is: its value, or one of its attributes; nothing where that is no number to compute with."""
    if source == "value":
        return events.value.cast("float64")
    number = events.attrs.get(source, None).try_cast("float64")
    # As in `usable.FINITE`: false for NaN, too.
    return (number.abs() < LARGEST).ifelse(number, None)


def attribute_numbers(experiment: Experiment) -> list[tuple[str, str]]:
    """Return the events whose numbers metrics take from an attribute, each with the attribute."""
    found = [(event, source) for metric in experiment.metrics for event, source in _sources(metric) if source]
    return list(dict.fromkeys(one for one in found if one[1] != "value"))


def is_event(joined: Any, experiment: Experiment, *names: str) -> Any:
    """Return whether a row is one of some events."""
    positions = [event_names(experiment).index(name) for name in names]
    return joined.event == positions[0] if len(positions) == 1 else joined.event.isin(positions)


def within(joined: Any, metric: Metric) -> Any:
    """Return whether an event lies in a metric's window after the unit's first exposure."""
    return (joined.since >= -SKEW_US) & (joined.since < metric.window_ms * 1000)


def before(joined: Any, metric: Metric) -> Any:
    """Return whether an event lies in the period before the first exposure that a covariate is made of."""
    return (joined.since < -SKEW_US) & (joined.since >= -SKEW_US - (metric.cuped_ms or 0) * 1000)


def day_of(joined: Any) -> Any:
    """Return the day of an event; what came a little before the exposure counts on its day."""
    import ibis  # noqa: PLC0415 - slow to import

    return (joined.first_ts + ibis.greatest(joined.since, 0)) // DAY_US


def yes_or_no(condition: Any) -> Any:
    """Return 1.0 or 0.0. Literals would do on Spark; DuckDB takes them for decimals with one digit, and sums keep it."""
    return condition.cast("int64").cast("float64")


class Sums(NamedTuple):
    """What is summed up for each unit, so that metrics can be made of it. What several metrics ask for is there once.

    Attributes:
        wanted: Names to the condition under which an event counts, and the column of its number; None where events are counted.
        columns: Names of the columns of the unit table to the sum, and whether only its being there counts.
    """

    wanted: dict[str, tuple[Any, str | None]]
    columns: dict[str, tuple[str, bool]]


def sums_of(joined: Any, experiment: Experiment) -> Sums:
    """Return what is to be summed up of the rows of `join_units`; a conversion is yes or no."""
    names: dict[tuple[Any, ...], str] = {}
    wanted: dict[str, tuple[Any, str | None]] = {}
    columns: dict[str, tuple[str, bool]] = {}

    def sum_of(metric: Metric, part: str, event: str, source: str | None) -> str:
        covariate = part.endswith("covariate")
        key = (covariate, metric.cuped_ms if covariate else metric.window_ms, event, source)
        if key not in names:
            names[key] = f"s{len(names)}"
            kept = (before if covariate else within)(joined, metric) & is_event(joined, experiment, event)
            wanted[names[key]] = (kept, source and number_columns(experiment)[source])
        return names[key]

    for position, metric in unit_metrics(experiment):
        for part, column in metric_columns(metric, position).items():
            columns[column] = (sum_of(metric, part, *source_of(metric, part)), metric.kind == "conversion")
        columns[f"m{position}_n"] = (sum_of(metric, "value", metric.events[0], None), False)
    return Sums(wanted, columns)


def summed(joined: Any, sums: Sums, more: dict[str, Any]) -> Any:
    """Return one row for each unit, with its sums.

    Args:
        joined: Of `join_units`.
        sums: Which.
        more: Other aggregates that are wanted.
    """
    wanted = {name: _sum(joined, *one) for name, one in sums.wanted.items()}
    return joined.group_by(unit_columns(joined)).aggregate(**wanted, **more)


def unit_columns(table: Any) -> list[str]:
    """Return the columns that are the unit's own."""
    return [name for name in table.columns if name in {"unit", "arm", "first_ts"} or _is_part(name)]


def _is_part(name: str) -> bool:
    return name.startswith("b") and name != "bot"


def unit_table(table: Any, sums: Sums) -> Any:
    """Return one row for each unit, with the columns of `metric_columns` and how often the metric's event happened.

    The sums are computed before, what metrics make of them wherever the table is read.

    Args:
        table: Of `summed`, computed.
        sums: The same.
    """
    chosen = {
        column: yes_or_no(table[name] > 0) if yes else table[name].cast("float64")
        for column, (name, yes) in sums.columns.items()
    }
    return table.select(*(name for name in table.columns if name not in sums.wanted), **chosen)


def _sum(joined: Any, kept: Any, column: str | None) -> Any:
    import ibis  # noqa: PLC0415 - slow to import

    if column is None:
        return ibis.cases((kept, 1), else_=None).count()
    return ibis.cases((kept, joined[column]), else_=None).sum().fill_null(0.0)


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
