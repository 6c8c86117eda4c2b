"""How values are distributed: exact quantiles by variant, for a picture."""

from __future__ import annotations

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
        some = column != 0
        rows = {
            row["variant"]: row
            for row in run.rows(
                table.group_by("arm").aggregate(
                    size=table.count(), n=table.count(where=some), levels=column.quantile(list(LEVELS), where=some)
                )
            )
            if row["n"]
        }
        found = tuple(
            Distribution(
                variant=variant,
                n=int(rows[variant]["n"]),
                zeros=1 - int(rows[variant]["n"]) / int(rows[variant]["size"]),
                quantiles=tuple(
                    (level, float(value)) for level, value in zip(LEVELS, rows[variant]["levels"], strict=True)
                ),
            )
            for variant in run.variants
            if variant in rows
        )
        if found:
            result[metric.key] = found
    return result
