"""How values are distributed: exact quantiles by variant, for a picture."""

from __future__ import annotations

from math import ceil, floor
from typing import TYPE_CHECKING, Any

from flagctl.experiments.data import Distribution

if TYPE_CHECKING:
    from flagctl.warehouse.run import Run

LEVELS = (0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def distributions(run: Run, units: Any) -> dict[str, tuple[Distribution, ...]]:
    """Return for each metric of amounts how the values of the units that have one are distributed.

    Units at zero are left out and counted as a share: with them most pictures would be a line at zero.

    Args:
        run: What is aggregated.
        units: The unit table; quantiles over events use the table of values that they were read from.
    """
    result = {}
    for position, metric in enumerate(run.experiment.metrics):
        if metric.kind in {"conversion", "count", "ratio"}:
            continue
        by_event = metric.kind == "quantile" and metric.level == "event"
        table = run.engine.table(f"values_{position}") if by_event else units
        column = table.v if by_event else table[f"m{position}_value"]
        found = _of(run, table.select("arm", v=column))
        if found:
            result[metric.key] = found
    return result


def _of(run: Run, values: Any) -> tuple[Distribution, ...]:
    counts = values.group_by("arm").aggregate(size=values.count(), n=values.count(where=values.v != 0))
    sizes = {int(row["arm"]): row for row in run.rows(counts) if row["n"]}
    if not sizes:
        return ()
    wanted = {arm: {level: level * (int(row["n"]) - 1) for level in LEVELS} for arm, row in sizes.items()}
    at = _values_at(run, values.filter(values.v != 0), wanted)
    result = []
    for arm, row in sorted(sizes.items()):
        quantiles = []
        for level, place in wanted[arm].items():
            low, high = at[arm, floor(place)], at[arm, ceil(place)]
            quantiles.append((level, low + (high - low) * (place - floor(place))))
        zeros = 1 - int(row["n"]) / int(row["size"])
        result.append(Distribution(variant=row["variant"], n=int(row["n"]), zeros=zeros, quantiles=tuple(quantiles)))
    return tuple(result)


def _values_at(run: Run, values: Any, wanted: dict[int, dict[float, float]]) -> dict[tuple[int, int], float]:
    """Return the values around some places in the order of each arm's values.

    Engines look for every quantile anew among values that are half in order; to sort them once takes half of the time.
    """
    import ibis  # noqa: PLC0415 - slow to import

    rank = ibis.row_number().over(ibis.window(group_by="arm", order_by="v"))
    ranked = values.mutate(rank=rank)
    places = [
        (ranked.arm == arm)
        & ranked["rank"].isin(sorted({near(place) for place in levels.values() for near in (floor, ceil)}))
        for arm, levels in wanted.items()
    ]
    rows = run.engine.rows(ranked.filter(ibis.or_(*places)))
    return {(int(row["arm"]), int(row["rank"])): float(row["v"]) for row in rows}
