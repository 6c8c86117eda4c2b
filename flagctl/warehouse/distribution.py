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
        chosen = table.mutate(chosen=column)
        some = chosen.filter(chosen.chosen != 0)
        rows = {
            row["variant"]: row
            for row in run.engine.rows(
                some.group_by("variant").aggregate(
                    n=some.count(), **{f"q{i}": some.chosen.quantile(level) for i, level in enumerate(LEVELS)}
                )
            )
        }
        sizes = {
            row["variant"]: int(row["n"])
            for row in run.engine.rows(chosen.group_by("variant").aggregate(n=chosen.count()))
        }
        found = tuple(
            Distribution(
                variant=variant,
                n=int(rows[variant]["n"]),
                zeros=1 - int(rows[variant]["n"]) / sizes[variant],
                quantiles=tuple((level, float(rows[variant][f"q{i}"])) for i, level in enumerate(LEVELS)),
            )
            for variant in run.variants
            if variant in rows
        )
        if found:
            result[metric.key] = found
    return result
