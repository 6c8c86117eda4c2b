"""Sums by unit in arrays of this process, where they fit: a unit's sum lies where the unit's number says.

An engine finds each event's unit in a table of groups, and sorts events by units to follow them; both cost more than all else of
an analysis together. What an event adds, and when it counts, is still what `flagctl.warehouse.pipeline` says in expressions: only
the adding is done here. Where arrays do not fit, or the engine is elsewhere, `pipeline.summed` and `flagctl.warehouse.series` do the same.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from flagctl.warehouse.pipeline import DAY_US, day_of, is_event, number_columns, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.model import Experiment, Metric
    from flagctl.warehouse.pipeline import Nearby, Sums
    from flagctl.warehouse.run import Run

_NUMBER = 8
"""Bytes."""
_NOBODY = -1


class Story(NamedTuple):
    """All events, those of the metric that is followed among them, a number for each, and their units, a number for each of those.

    Attributes:
        unit: Whose it is.
        age: Day of the event, counted from that of the first exposure; -1 for those that do not count.
        value: What it adds to the metric's value.
        denominator: What it adds to a ratio's denominator, else None.
        arm: Of each unit; -1 for those that are left out.
        born: Day of each unit's first exposure.
    """

    unit: Any
    age: Any
    value: Any
    denominator: Any
    arm: Any
    born: Any


class Wanted(NamedTuple):
    """What is kept of single events.

    Attributes:
        experiment: Whose metrics these are.
        followed: Whether the first metric is followed.
        quantiles: Positions of the metrics whose values are kept, one by one.
    """

    experiment: Experiment
    followed: bool
    quantiles: tuple[int, ...]


def fits(nearby: Nearby, size: tuple[int, int], sums: int) -> bool:
    """Return whether arrays may be made.

    Args:
        nearby: Where.
        size: Number of units and of events.
        sums: How many there are for each unit.
    """
    units, events = size
    # Of each event what it adds, its unit twice, and one more number while it is taken over; of each unit its sums, twice while
    # units are left out, and what is known of it while it is followed.
    by_event, by_unit = (sums + 4) * _NUMBER, (2 * sums + 4) * _NUMBER
    return units * by_unit + events * by_event <= nearby.room()


def summed(
    nearby: Nearby, tables: tuple[Any, Any], sums: Sums, units: int, wanted: Wanted
) -> tuple[Any, Story | None, dict[int, Any]]:
    """Return the same as `flagctl.warehouse.pipeline.summed` but for the parts that units belong to, and what is kept of events.

    Args:
        nearby: Computes what each event adds.
        tables: Units that count, and what they did (of `flagctl.warehouse.pipeline.join_units`).
        sums: Which.
        units: Number of all units; each is less.
        wanted: What is kept.

    Returns:
        Table of sums, the events of the first metric, and a table of ``unit``, ``arm`` and value ``v`` for each quantile.
    """
    import numpy as np  # noqa: PLC0415 - slow to import

    kept, joined = tables
    rows = nearby.arrays(_additions(joined, sums, wanted))
    # NumPy adds numbers of these types, and makes them of others very slowly.
    unit = rows["unit"].astype(np.intp)
    totals = {name: np.bincount(unit, rows[name].astype(float, copy=False), units) for name in sums.wanted}
    own = nearby.arrays(kept.select("unit", "first_ts", "arm"))
    arm, first = np.full(units, _NOBODY, np.int16), np.zeros(units, np.int64)
    arm[own["unit"]], first[own["unit"]] = own["arm"], own["first_ts"]
    values = {}
    for position in wanted.quantiles:
        there = np.flatnonzero(~np.isnan(rows[f"q{position}"]))
        of = unit[there]
        named = {"unit": of.astype(np.uint32), "arm": arm[of], "v": rows[f"q{position}"][there]}
        values[position] = nearby.given(f"values_{position}", named)
    story = None
    if wanted.followed:
        sides = [rows[name] for name in _sides(sums)]
        story = Story(unit, rows["age"], sides[0], sides[1] if len(sides) > 1 else None, arm, first // DAY_US)
    columns: dict[str, Any] = {"unit": np.arange(units, dtype=np.uint32), "arm": arm, "first_ts": first, **totals}
    if len(own["unit"]) < units:
        columns = {name: column[arm != _NOBODY] for name, column in columns.items()}
    return nearby.given("unit_totals", columns), story, values


def _sides(sums: Sums) -> list[str]:
    """Return the sum that is the first metric's value, and the one that is its denominator if it has one; they may be one sum."""
    return [sums.columns[name][0] for name in ("m0_value", "m0_denominator") if name in sums.columns]


def _additions(joined: Any, sums: Sums, wanted: Wanted) -> Any:
    """Return a row of numbers for each event.

    Its unit; what it adds to each sum; ``age`` if it is followed, else -1; ``q0`` and so on, its value for a quantile, else NaN.
    """
    import ibis  # noqa: PLC0415 - slow to import

    experiment = wanted.experiment
    nothing, none = ibis.literal(0.0, "float64"), ibis.literal(math.nan, "float64")
    chosen = {}
    for name, (kept, column) in sums.wanted.items():
        if column is None:
            chosen[name] = kept.fill_null(False).cast("int8")
        else:
            chosen[name] = ibis.cases((kept, joined[column].fill_null(nothing)), else_=nothing)
    for position in wanted.quantiles:
        metric = experiment.metrics[position]
        kept = within(joined, metric) & is_event(joined, experiment, *metric.events)
        value = joined[number_columns(experiment)[metric.value]]
        chosen[f"q{position}"] = ibis.cases((kept & value.notnull(), value), else_=none)
    if wanted.followed:
        metric = experiment.metrics[0]
        kept = within(joined, metric) & is_event(joined, experiment, *metric.events)
        age = day_of(joined) - joined.first_ts // DAY_US
        chosen["age"] = ibis.cases((kept, age), else_=ibis.literal(-1, "int64")).cast("int16")
    return joined.select("unit", **chosen)


def changes(
    run: Run, story: Story, caps: tuple[float | None, float | None], shift: tuple[float, float]
) -> list[dict[str, Any]]:
    """Return the same as `flagctl.warehouse.series.changes`: each unit's value is followed from age to age.

    Args:
        run: What is aggregated.
        story: Of the primary metric.
        caps: Of the primary metric.
        shift: Pooled means.
    """
    import numpy as np  # noqa: PLC0415 - slow to import

    metric, units, arms = run.experiment.metrics[0], len(story.arm), len(run.variants)
    was = np.zeros(units, bool)
    sides = [(story.value, np.zeros(units), shift[0], _shown(metric, caps))]
    if story.denominator is not None:
        sides.append((story.denominator, np.zeros(units), shift[1], lambda total: total))
    found: list[dict[str, Any]] = []
    first = int(story.born[story.arm != _NOBODY].min(initial=2**31))
    for age, chosen in _by_age(story.age):
        touched, index = _touched(story.unit[chosen], units)
        before, after, did = [], [], []
        for numbers, total, start, shown in sides:
            day = np.bincount(index, numbers[chosen].astype(float, copy=False), len(touched))
            old = total[touched]
            total[touched] = old + day
            # A unit without an event is not in the sums; with its first one it comes in whole. So nothing large cancels.
            before.append(np.where(was[touched], shown(old) - start, 0.0))
            after.append(shown(old + day) - start)
            did.append(day)
        sums = {"active": ~was[touched]}
        was[touched] = True
        for name, old, new in zip(("", "d"), before, after, strict=False):
            sums |= {f"s{name}": new - old, f"q{name}": (new - old) * (new + old)}
        if metric.kind == "ratio":
            sums["x"] = after[0] * after[1] - before[0] * before[1]
        else:
            day = (did[0] > 0).astype(float) if metric.kind == "conversion" else did[0]
            sums |= {"a": day, "aq": day * day}
        place = (story.born[touched] - first) * arms + story.arm[touched]
        there = np.flatnonzero(np.bincount(place))
        by_place = {name: np.bincount(place, one)[there].tolist() for name, one in sums.items()}
        for position, one in enumerate(there.tolist()):
            born, arm = divmod(one, arms)
            row = {name: column[position] for name, column in by_place.items()}
            found.append({"variant": run.variants[arm], "born": first + born, "day": first + born + age, **row})
    return found


def _shown(metric: Metric, caps: tuple[float | None, float | None]) -> Any:
    """Return what makes values of sums: yes or no, or with their extremes cut."""
    import numpy as np  # noqa: PLC0415 - slow to import

    if metric.kind == "conversion":
        return lambda total: (total > 0).astype(float)
    return (lambda total: total) if caps == (None, None) else (lambda total: np.clip(total, *caps))


def _by_age(age: Any) -> Iterator[tuple[int, Any]]:
    """Yield each age, and the rows that have it."""
    import numpy as np  # noqa: PLC0415 - slow to import

    # Numbers of 16 bits are sorted by counting them.
    order = np.argsort(age, kind="stable")
    begin, *counts = np.bincount(age + np.int16(1), minlength=1).tolist()
    for day, count in enumerate(counts):
        if count:
            yield day, order[begin : begin + count]
        begin += count


_MANY = 16
"""If one unit of so many is there, marking them in an array of all is faster than sorting them."""


def _touched(unit: Any, units: int) -> tuple[Any, Any]:
    """Return the units that are there, each once, and where among them each one of `unit` is."""
    import numpy as np  # noqa: PLC0415 - slow to import

    if len(unit) * _MANY < units:
        return np.unique(unit, return_inverse=True)
    marks = np.zeros(units, bool)
    marks[unit] = True
    touched = np.flatnonzero(marks)
    index = np.empty(units, np.int64)
    index[touched] = np.arange(len(touched))
    return touched, index[unit]
