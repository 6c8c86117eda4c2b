"""The primary metric within parts of the units."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.experiments.data import MetricData
from flagctl.warehouse.moments import arm_of, wanted_moments
from flagctl.warehouse.pipeline import DAY_US
from flagctl.warehouse.run import MISSING

if TYPE_CHECKING:
    from flagctl.warehouse.moments import Caps
    from flagctl.warehouse.run import Run

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MAX_PARTS = 20
"""Values of a breakdown that are shown one by one; the rest is put together."""
OTHER = "(other)"


def parts_of(run: Run, units: Any, caps: Caps) -> dict[str, dict[str, dict[str, MetricData]]]:
    """Return the primary metric within parts: declared attributes, and the weekday of the first exposure."""
    primary = run.experiment.primary
    if primary is None:
        return {}
    # 1970-01-01 was a Thursday.
    table = units.mutate(weekday=(units.first_ts // DAY_US + 3) % 7)
    labels = {f"b{index}": name for index, name in enumerate(run.experiment.breakdowns)} | {"weekday": "weekday"}
    result: dict[str, dict[str, dict[str, MetricData]]] = {}
    for column, label in labels.items():
        if column == "weekday":
            chosen = table.mutate(part=table.weekday)
        else:
            chosen = _with_largest(run, table.mutate(part=table[column].fill_null(MISSING)))
        rows = run.rows(chosen.group_by("arm", "part").aggregate(**wanted_moments(chosen, primary, 0, caps, None)))
        parts: dict[str, dict[str, dict[str, Any]]] = {}
        for row in rows:
            parts.setdefault(str(row["part"]), {})[row["variant"]] = row
        result[label] = {
            (_WEEKDAYS[int(value)] if column == "weekday" else value): {
                primary.key: MetricData(
                    key=primary.key, arms=tuple(arm_of(v, found.get(v), primary, 0) for v in run.variants)
                )
            }
            for value, found in sorted(parts.items())
        }
    return result


def _with_largest(run: Run, table: Any) -> Any:
    import ibis  # noqa: PLC0415 - slow to import

    sizes = table.group_by("part").aggregate(n=table.count())
    largest = [row["part"] for row in run.engine.rows(sizes.order_by([ibis.desc("n"), "part"]).limit(MAX_PARTS))]
    return table.mutate(part=ibis.cases((table.part.isin(largest), table.part), else_=OTHER))
