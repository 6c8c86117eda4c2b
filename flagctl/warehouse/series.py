"""The primary metric over time: cumulative moments day by day, and by the age of units.

A unit's value changes as its events come. Instead of summing all units up again for every day, each change of a unit adds
to the sums of its variant what it changes: from a to b the sum grows by b - a and the sum of squares by b^2 - a^2. Values
are shifted by the pooled mean, so that great means do not swallow small variances. A covariate is left out.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from flagctl.experiments.data import ArmMetric, MetricData, Moments
from flagctl.warehouse.pipeline import DAY_US, day_of, is_event, number_columns, source_of, within, yes_or_no

if TYPE_CHECKING:
    from flagctl.model import Experiment, Metric
    from flagctl.warehouse.run import Run


MAX_AGE = 28
"""Days since the first exposure that are looked at."""


class Lives(NamedTuple):
    """Units by variant and the day of their first exposure.

    Attributes:
        born: Day to variant to units.
        done: For a conversion that is told in sums: day, variant and age in days to units that converted at this age, and to
            those of them that did not before; else nothing.
    """

    born: dict[int, dict[str, int]]
    done: dict[tuple[int, str, int], tuple[int, int]]


_BITS = 62
"""Days that have a bit each in an integer of every engine, without the one for the sign."""


def is_in_sums(metric: Metric) -> bool:
    """Return whether the table of units can tell the story of a metric: of a conversion, the ages at which it was are all."""
    return metric.kind == "conversion" and _ages(metric) <= _BITS


def _ages(metric: Metric) -> int:
    """Return how many ages in days a unit can have within a metric's window: it may begin late on one day and end on another."""
    return -(-metric.window_ms * 1000 // DAY_US) + 1


def days_and_ages(joined: Any, experiment: Experiment, metric: Metric) -> dict[str, Any]:
    """Return the aggregate that tells of each unit when it converted: the bit 2^a for each age of a days."""
    import ibis  # noqa: PLC0415 - slow to import

    kept = within(joined, metric) & is_event(joined, experiment, *metric.events)
    bit = ibis.literal(1, "int64") << (day_of(joined) - joined.first_ts // DAY_US)
    return {"done_ages": _bit_or()(ibis.cases((kept, bit), else_=None))}


@cache
def _bit_or() -> Any:
    """Return the aggregate that both engines call by this name, and of which Ibis knows only the one of DuckDB."""
    import ibis  # noqa: PLC0415 - slow to import

    # Annotated by hand: Ibis evaluates annotations, which are text here.
    def bit_or(number):  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN202
        """Engines have it."""

    return ibis.udf.agg.builtin(bit_or, signature=(("int64",), "int64"))


def lives(run: Run, units: Any, metric: Metric) -> Lives:
    """Return how many units there are by the day of their first exposure, and at which age they converted."""
    table = units.mutate(day=units.first_ts // DAY_US)
    ages = range(_ages(metric)) if "done_ages" in units.columns else range(0)
    if ages:
        # The lowest bit that is set.
        table = table.mutate(first=table.done_ages & -table.done_ages)
    wanted = {"n": table.count()}
    for age in ages:
        wanted[f"a{age}"] = ((table.done_ages >> age) & 1).sum()
        wanted[f"f{age}"] = ((table["first"] >> age) & 1).sum()
    born: dict[int, dict[str, int]] = {}
    done: dict[tuple[int, str, int], tuple[int, int]] = {}
    for row in run.rows(table.group_by("arm", "day").aggregate(**wanted)):
        day, variant = int(row["day"]), row["variant"]
        born.setdefault(day, {})[variant] = int(row["n"])
        done |= {(day, variant, age): (int(row[f"a{age}"] or 0), int(row[f"f{age}"] or 0)) for age in ages}
    return Lives(born, done)


def first_changes(lived: Lives, shift: tuple[float, float]) -> list[dict[str, Any]]:
    """Return what `changes` does for a conversion, whose units change once."""
    active: dict[tuple[str, int], int] = {}
    for (born, variant, age), (_, first) in lived.done.items():
        if first:
            active[variant, born + age] = active.get((variant, born + age), 0) + first
    new = 1.0 - shift[0]
    return [
        {"variant": variant, "day": day, "active": n, "s": n * new, "q": n * new * new}
        for (variant, day), n in active.items()
    ]


def changes(
    run: Run, joined: Any, caps: tuple[float | None, float | None], shift: tuple[float, float]
) -> list[dict[str, Any]]:
    """Return by variant, day of the first exposure (``born``) and day what the sums over all units change by.

    ``active`` counts the units that did something for the first time; ``s``, ``q``, ``sd``, ``qd`` and ``x`` are the changes
    of the sums of shifted values, of their squares, of the denominators, of their squares, and of the products. ``a`` and
    ``aq`` are the sums of what units did on the day itself, and of its squares; a ratio has none.

    Every event is a change of its own: from one to the next of a unit they add up to the change of the day, whatever their
    order within it, so that nobody has to sum up days first.

    Args:
        run: What is aggregated.
        joined: Of `flagctl.warehouse.pipeline.join_units`.
        caps: Of the primary metric.
        shift: Pooled means.
    """
    import ibis  # noqa: PLC0415 - slow to import

    metric = run.experiment.metrics[0]
    events = _numbers(joined, run.experiment, metric)
    window = ibis.window(group_by="unit", order_by="place", preceding=None, following=0)

    def shown(column: Any) -> Any:
        if metric.kind == "conversion":
            return yes_or_no(column > 0)
        value = column if caps[0] is None else column.clip(lower=caps[0])
        return value if caps[1] is None else value.clip(upper=caps[1])

    # A unit without an event is not in the sums; with its first one it comes in whole. So nothing large cancels.
    sides = {"v": (events.v.sum().over(window), shift[0], shown)}
    if metric.kind == "ratio":
        sides["d"] = (events.d.sum().over(window), shift[1], lambda column: column)
    else:
        same_day = ibis.range_window(group_by="unit", order_by="place", preceding=0, following=0)
        events = events.mutate(whole_day=events.v.sum().over(same_day))
    table = events.mutate(
        was=yes_or_no(ibis.row_number().over(window) > 0), **{f"{name}_after": side[0] for name, side in sides.items()}
    )
    for name, (_, origin, seen) in sides.items():
        after = table[f"{name}_after"]
        start = ibis.literal(float(origin), "float64")
        table = table.mutate(
            **{f"{name}_new": seen(after) - start, f"{name}_old": table.was * (seen(after - table[name]) - start)}
        )
    sums = {
        "active": (1 - table.was).sum(),
        "s": (table.v_new - table.v_old).sum(),
        "q": ((table.v_new - table.v_old) * (table.v_new + table.v_old)).sum(),
    }
    if metric.kind == "ratio":
        sums |= {
            "sd": (table.d_new - table.d_old).sum(),
            "qd": ((table.d_new - table.d_old) * (table.d_new + table.d_old)).sum(),
            "x": (table.v_new * table.d_new - table.v_old * table.d_old).sum(),
        }
    else:
        # What each event adds, times the day's sum: together its square. A day with several conversions is one.
        day = yes_or_no(table.whole_day > 0) if metric.kind == "conversion" else table.whole_day
        part = table.v / table.whole_day if metric.kind == "conversion" else table.v
        sums |= {"a": part.sum(), "aq": (part * day).sum()}
    rows = run.engine.rows(table.group_by("place").aggregate(**sums))
    return [{**row, **_read_place(int(row["place"]), run.variants)} for row in rows]


DAYS = 1 << 20
"""More than there are days in two thousand years."""
ARMS = 1 << 10
"""More than an experiment has variants."""


def place_of(events: Any) -> Any:
    """Return one number for variant, day of the first exposure and day: to sort and group by three takes much longer.

    For one unit it grows from day to day.
    """
    born = (events.first_ts // DAY_US).cast("int64")
    return (born * DAYS + day_of(events)) * ARMS + events.arm


def _read_place(place: int, variants: tuple[str, ...]) -> dict[str, Any]:
    days, arm = divmod(place, ARMS)
    born, day = divmod(days, DAYS)
    return {"variant": variants[arm], "born": born, "day": day}


def _numbers(joined: Any, experiment: Experiment, metric: Metric) -> Any:
    """Return the events of a metric with what each adds to its value, ``v``, and to a ratio's denominator, ``d``."""
    import ibis  # noqa: PLC0415 - slow to import

    events = joined.filter(within(joined, metric) & is_event(joined, experiment, *metric.events))
    parts = {"v": "value", "d": "denominator"} if metric.kind == "ratio" else {"v": "value"}
    chosen = {}
    for column, part in parts.items():
        event, source = source_of(metric, part)
        happened = is_event(events, experiment, event)
        number = ibis.literal(1.0, "float64")
        if source is not None:
            number = events[number_columns(experiment)[source]].fill_null(0.0)
        chosen[column] = ibis.cases((happened, number), else_=ibis.literal(0.0, "float64"))
    return events.select("unit", place=place_of(events), **chosen)


_SUMS = ("active", "s", "q", "sd", "qd", "x")


def cumulative(
    run: Run, changed: list[dict[str, Any]], born: dict[int, dict[str, int]], shift: tuple[float, float]
) -> dict[int, MetricData]:
    """Return the primary metric over all units up to the end of each day.

    Args:
        run: What is aggregated.
        changed: Of `changes`.
        born: Day to variant to units first exposed on it.
        shift: As given to `changes`.
    """
    metric = run.experiment.metrics[0]
    by_day: dict[int, dict[str, dict[str, float]]] = {}
    for row in changed:
        sums = by_day.setdefault(int(row["day"]), {}).setdefault(row["variant"], dict.fromkeys(_SUMS, 0.0))
        for name in _SUMS:
            sums[name] += float(row.get(name) or 0.0)
    state = {variant: dict.fromkeys(("n", *_SUMS), 0.0) for variant in run.variants}
    result: dict[int, MetricData] = {}
    if not born:
        return result
    for day in range(min(born), max([*born, *by_day]) + 1):
        for variant, sums in state.items():
            sums["n"] += born.get(day, {}).get(variant, 0)
            change = by_day.get(day, {}).get(variant, {})
            for name in _SUMS:
                sums[name] += change.get(name, 0.0)
        arms = tuple(_arm(variant, sums, metric, shift) for variant, sums in state.items())
        result[day] = MetricData(key=metric.key, arms=arms)
    return result


def _arm(variant: str, sums: dict[str, float], metric: Metric, shift: tuple[float, float]) -> ArmMetric:
    n = int(sums["n"])
    if n < 2:
        return ArmMetric(variant=variant, moments=Moments(n=n, means={}, covariances={}))
    # Units that did nothing are at zero, which is -shift from the shifted origin.
    idle, (one, other) = n - sums["active"], shift
    total, squares = sums["s"] - idle * one, sums["q"] + idle * one * one
    means = {"value": one + total / n}
    covariances = {("value", "value"): max(0.0, (squares - total * total / n) / (n - 1))}
    if metric.kind == "ratio":
        below, below_squares = sums["sd"] - idle * other, sums["qd"] + idle * other * other
        products = sums["x"] + idle * one * other
        means["denominator"] = other + below / n
        covariances["value", "denominator"] = (products - total * below / n) / (n - 1)
        covariances["denominator", "denominator"] = max(0.0, (below_squares - below * below / n) / (n - 1))
    return ArmMetric(variant=variant, moments=Moments(n=n, means=means, covariances=covariances))


def by_age(run: Run, lived: Lives, changed: list[dict[str, Any]]) -> tuple[tuple[int, MetricData], ...]:
    """Return what units did on the first day of their life, the second, and so on.

    Only units that have lived through a day count for it. Not for ratios.

    Args:
        run: What is aggregated.
        lived: Of `lives`.
        changed: Of `changes`; not read for a conversion that is told in sums.
    """
    metric = run.experiment.metrics[0]
    if metric.kind == "ratio":
        return ()
    # Whole UTC days: age 0 is the day of the first exposure, which is shorter than the others for everybody alike.
    today = run.until // DAY_US
    sums: dict[tuple[str, int], tuple[float, float]] = {}
    if lived.done:
        for (born, variant, age), (count, _) in lived.done.items():
            if born + age < today:
                done = sums.get((variant, age), (0.0, 0.0))[0] + count
                sums[variant, age] = (done, done)
    else:
        for row in changed:
            if row["day"] < today:
                age = int(row["day"]) - int(row["born"])
                total, squares = sums.get((row["variant"], age), (0.0, 0.0))
                sums[row["variant"], age] = (total + float(row["a"]), squares + float(row["aq"]))
    result = []
    for age in range(MAX_AGE):
        arms = []
        for variant in run.variants:
            n = sum(units.get(variant, 0) for born, units in lived.born.items() if born + age < today)
            s, q = sums.get((variant, age), (0.0, 0.0))
            covariances = {("value", "value"): max(0.0, (q - s * s / n) / (n - 1))} if n > 1 else {}
            means = {"value": s / n} if n else {}
            arms.append(ArmMetric(variant=variant, moments=Moments(n=n, means=means, covariances=covariances)))
        if all(arm.moments is not None and arm.moments.n < 2 for arm in arms):
            break
        result.append((age, MetricData(key=metric.key, arms=tuple(arms))))
    return tuple(result)
