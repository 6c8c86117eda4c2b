"""The primary metric over time: cumulative moments day by day, and by the age of units.

A unit's value changes as its events come. Instead of summing all units up again for every day, each change of a unit adds
to the sums of its variant what it changes: from a to b the sum grows by b - a and the sum of squares by b^2 - a^2. Values
are shifted by the pooled mean, so that great means do not swallow small variances. A covariate is left out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flagctl.experiments.data import ArmMetric, MetricData, Moments
from flagctl.warehouse.pipeline import DAY_US, number_of, within, yes_or_no

if TYPE_CHECKING:
    from flagctl.model import Metric
    from flagctl.warehouse.pipeline import Engine


class Followed(NamedTuple):
    """What is followed over time.

    Attributes:
        engine: Computes.
        metric: The primary metric.
        variants: In their order.
        until: Instant in microseconds up to which events count.
    """

    engine: Engine
    metric: Metric
    variants: tuple[str, ...]
    until: int


MAX_AGE = 28
"""Days since the first exposure that are looked at."""


def unit_days(joined: Any, metric: Metric) -> Any:
    """Return what each unit did on each day: ``v`` (and ``d`` for a ratio's denominator)."""
    import ibis  # noqa: PLC0415 - slow to import

    day = ibis.greatest(joined.ts, joined.first_ts) // DAY_US
    events = joined.filter(within(joined, metric) & joined.event.isin(list(metric.events))).mutate(day=day)
    sums = {"v": _part(events, metric, "value"), "first_ts": events.first_ts.min()}
    if metric.kind == "ratio":
        sums["d"] = _part(events, metric, "denominator")
    return events.group_by("unit_id", "variant", "day").aggregate(**sums)


def _part(events: Any, metric: Metric, part: str) -> Any:
    import ibis  # noqa: PLC0415 - slow to import

    side = (metric.denominator if part == "denominator" else metric.numerator) if metric.kind == "ratio" else None
    event = side.event if side else metric.event
    counts = side.of == "count" if side else metric.kind in {"conversion", "count"}
    if counts:
        return yes_or_no(events.event == event).sum()
    number = number_of(events, side.value if side else metric.value)
    return ibis.cases((events.event == event, number), else_=None).sum().fill_null(0.0)


def changes(days: Any, metric: Metric, caps: tuple[float | None, float | None], shift: tuple[float, float]) -> Any:
    """Return by variant and day what the sums over all units change by.

    ``active`` counts the units that did something for the first time; ``s``, ``q``, ``sd``, ``qd`` and ``x`` are the changes
    of the sums of shifted values, of their squares, of the denominators, of their squares, and of the products.
    """
    import ibis  # noqa: PLC0415 - slow to import

    window = ibis.window(group_by="unit_id", order_by="day", preceding=None, following=0)

    def shown(column: Any) -> Any:
        if metric.kind == "conversion":
            return yes_or_no(column > 0)
        value = column if caps[0] is None else column.clip(lower=caps[0])
        return value if caps[1] is None else value.clip(upper=caps[1])

    table = days.mutate(after=days.v.sum().over(window), rank=ibis.row_number().over(window))
    table = table.mutate(old=shown(table.after - table.v) - shift[0], new=shown(table.after) - shift[0])
    # A unit without a row is not in the sums; with its first row it comes in whole. So nothing large cancels.
    table = table.mutate(was=yes_or_no(table.rank > 0))
    sums = {
        "active": (1 - table.was).sum(),
        "s": (table.new - table.was * table.old).sum(),
        "q": (table.new * table.new - table.was * table.old * table.old).sum(),
    }
    if metric.kind == "ratio":
        table = table.mutate(after_d=table.d.sum().over(window))
        table = table.mutate(old_d=table.after_d - table.d - shift[1], new_d=table.after_d - shift[1])
        sums = {
            "active": (1 - table.was).sum(),
            "s": (table.new - table.was * table.old).sum(),
            "q": (table.new * table.new - table.was * table.old * table.old).sum(),
            "sd": (table.new_d - table.was * table.old_d).sum(),
            "qd": (table.new_d * table.new_d - table.was * table.old_d * table.old_d).sum(),
            "x": (table.new * table.new_d - table.was * table.old * table.old_d).sum(),
        }
    return table.group_by("variant", "day").aggregate(**sums)


_SUMS = ("active", "s", "q", "sd", "qd", "x")


def cumulative(
    followed: Followed, changes_: Any, new_units: dict[int, dict[str, int]], shift: tuple[float, float]
) -> dict[int, MetricData]:
    """Return the metric over all units up to the end of each day.

    Args:
        followed: What is followed.
        changes_: Of `changes`.
        new_units: Day to variant to units first exposed on it.
        shift: As given to `changes`.
    """
    by_day: dict[int, dict[str, dict[str, Any]]] = {}
    for row in followed.engine.rows(changes_):
        by_day.setdefault(int(row["day"]), {})[row["variant"]] = row
    state = {variant: dict.fromkeys(("n", *_SUMS), 0.0) for variant in followed.variants}
    result: dict[int, MetricData] = {}
    if not new_units:
        return result
    for day in range(min(new_units), max([*new_units, *by_day]) + 1):
        for variant, sums in state.items():
            sums["n"] += new_units.get(day, {}).get(variant, 0)
            changed = by_day.get(day, {}).get(variant, {})
            for name in _SUMS:
                sums[name] += float(changed.get(name) or 0.0)
        arms = tuple(_arm(variant, sums, followed.metric, shift) for variant, sums in state.items())
        result[day] = MetricData(key=followed.metric.key, arms=arms)
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


def by_age(followed: Followed, days: Any, units: Any) -> tuple[tuple[int, MetricData], ...]:
    """Return what units did on the first day of their life, the second, and so on.

    Only units that have lived through a day count for it. Not for ratios.
    """
    import ibis  # noqa: PLC0415 - slow to import

    engine, metric, variants, until = followed
    if metric.kind == "ratio":
        return ()
    age = ibis.greatest(days.day - days.first_ts // DAY_US, 0)
    lived = days.mutate(age=age)
    # Whole UTC days: age 0 is the day of the first exposure, which is shorter than the others for everybody alike.
    lived = lived.filter((lived.first_ts // DAY_US + lived.age + 1) * DAY_US <= until)
    value = yes_or_no(lived.v > 0) if metric.kind == "conversion" else lived.v
    lived = lived.mutate(w=value)
    sums = lived.group_by("variant", "age").aggregate(s=lived.w.sum(), q=(lived.w * lived.w).sum())
    counts = units.mutate(last=until // DAY_US - units.first_ts // DAY_US - 1)
    reached = counts.group_by("variant", "last").aggregate(n=lambda t: t.count())
    sizes: dict[str, dict[int, int]] = {variant: {} for variant in variants}
    for row in engine.rows(reached):
        if row["variant"] in sizes:
            sizes[row["variant"]][int(row["last"])] = int(row["n"])
    table = {(row["variant"], int(row["age"])): row for row in engine.rows(sums)}
    result = []
    for number in range(MAX_AGE):
        arms = []
        for variant in variants:
            n = sum(count for last, count in sizes[variant].items() if last >= number)
            row = table.get((variant, number), {})
            s, q = float(row.get("s") or 0.0), float(row.get("q") or 0.0)
            covariances = {("value", "value"): max(0.0, (q - s * s / n) / (n - 1))} if n > 1 else {}
            means = {"value": s / n} if n else {}
            arms.append(ArmMetric(variant=variant, moments=Moments(n=n, means=means, covariances=covariances)))
        if all(arm.moments is not None and arm.moments.n < 2 for arm in arms):
            break
        result.append((number, MetricData(key=metric.key, arms=tuple(arms))))
    return tuple(result)
