"""What does not count, or should not be there.

Exposures of almost this experiment, of other units, from another flag; events that are almost called as a metric's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.experiments.data import DataFinding
from flagctl.warehouse.usable import BAD_SHARE

if TYPE_CHECKING:
    from flagctl.warehouse.run import Run
    from flagctl.warehouse.units import Seen


def strays(run: Run) -> list[DataFinding]:
    """Return what is to be said about exposures that name the experiment, or nearly so, and are not quite what it expects.

    Those that are left out block a verdict if they are more than one in a hundred: their units may all be of one variant.
    """
    experiment, started = run.experiment, run.experiment.started_at_ms
    table = run.engine.table("exposures")
    names = [name for name in ("experiment", "unit_type", "flag") if name in table.columns]
    unit_type = ".".join(experiment.bucket_by)
    expected = {"experiment": experiment.key, "unit_type": unit_type, "flag": experiment.flag}
    # Names only, of all there ever were: that is soon done, and mostly all there is to do.
    known = [
        row for row in run.engine.rows(table.select(*names).distinct()) if _is_alike(row["experiment"], experiment.key)
    ]
    if all(row[name] in {expected[name], None} for row in known for name in names):
        return []
    kept = [table.ts < run.until, table.experiment.isin([row["experiment"] for row in known])]
    if started is not None:
        kept.append(table.ts >= started * 1000)
    if run.options.environment is not None:
        kept.append(table.environment == run.options.environment)
    counted = table.filter(kept).group_by(*names).aggregate(n=lambda t: t.count())
    rows = [
        {"n": int(row["n"])} | {name: row[name] in {expected[name], None} for name in names}
        for row in run.engine.rows(counted)
    ]
    total = sum(row["n"] for row in rows)
    misnamed = sum(row["n"] for row in rows if not row["experiment"])
    others = sum(row["n"] for row in rows if row["experiment"] and not row["unit_type"])
    strange = sum(row["n"] for row in rows if row["experiment"] and row["unit_type"] and not row.get("flag", True))
    found = []
    if misnamed:
        message = f"some of {total:,} exposures name {experiment.key} in capitals or with blanks, and were left out"
        found.append(_finding("misnamed-exposures", message, misnamed, blocks=misnamed > BAD_SHARE * total))
    if others:
        message = f"some of {total:,} exposures are of another type of unit than {unit_type}, and were left out"
        found.append(_finding("other-units", message, others, blocks=others > BAD_SHARE * total))
    if strange:
        message = f"some of {total:,} exposures come from another flag than {experiment.flag}, and count"
        found.append(_finding("other-flags", message, strange, blocks=False))
    return found


def misnamed_events(seen: Seen) -> list[DataFinding]:
    """Return that events differ from those that metrics read in capitals or blanks alone, and so are none of them."""
    if not seen.misnamed:
        return []
    total = seen.misnamed + sum(count for count, _ in seen.event_days.values())
    message = (
        f"some of {total:,} events are called like those of a metric but for capitals or blanks, and were left out"
    )
    return [_finding("misnamed-events", message, seen.misnamed, blocks=seen.misnamed > BAD_SHARE * total)]


def _is_alike(name: str, key: str) -> bool:
    return name.strip().lower() == key.lower()


def _finding(code: str, message: str, count: int, *, blocks: bool) -> DataFinding:
    return DataFinding(code=code, message=message, count=count, blocks=blocks)
