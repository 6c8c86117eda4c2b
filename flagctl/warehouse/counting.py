"""Who was exposed: units by variant, day, library and attribute, and who is left out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from flagctl.experiments.data import DataFinding
from flagctl.warehouse import pipeline
from flagctl.warehouse.pipeline import DAY_US
from flagctl.warehouse.run import MISSING
from flagctl.warehouse.strays import misnamed_events, strays

if TYPE_CHECKING:
    from flagctl.warehouse.pipeline import Engine
    from flagctl.warehouse.run import Run
    from flagctl.warehouse.units import Seen


_BUSY_DAY = 20
"""Units and events on an average day from which on a day with none is no chance."""


@dataclass(frozen=True, slots=True)
class Counts:
    """How many units were exposed.

    Attributes:
        units: Variant to units, switchers included.
        units_by: Name to value to variant to units.
        by_day: Day since 1970 to variant to units first exposed on it.
        switchers: Units with more than one variant.
        excluded: Reason to units that were left out.
        started_ms: First exposure.
        freshest_ms: Newest exposure or event.
        findings: Unknown variants, empty ones.
    """

    units: dict[str, int]
    units_by: dict[str, dict[str, dict[str, int]]]
    by_day: dict[int, dict[str, int]]
    switchers: int
    excluded: dict[str, int]
    started_ms: int | None
    freshest_ms: int | None
    findings: list[DataFinding]


def count_units(run: Run, seen: Seen) -> Counts:
    """Count units by variant, day, library and attribute; switchers are in by their first variant, bots are not."""
    engine, variants = run.engine, run.variants
    table, busy = seen.first, seen.busy
    excluded: dict[str, int] = {}
    if seen.kinds.bots:
        excluded["marked as bots"] = int(engine.rows(table.aggregate(n=table.count(where=table.bot > 0)))[0]["n"])
        table = table.filter(table.bot == 0)
    if busy is not None:
        before = int(engine.rows(table.aggregate(n=table.count()))[0]["n"])
        table = table.anti_join(busy, "unit_id")
        after = int(engine.rows(table.aggregate(n=table.count()))[0]["n"])
        if before - after:
            excluded[f"more than {run.experiment.bot_events_per_day} events on a day"] = before - after
    labels = {f"b{index}": name for index, name in enumerate(run.experiment.breakdowns)}
    if len(seen.kinds.sdks) > 1:
        labels = {"sdk": "sdk", **labels}
    grouped = table.mutate(day=table.first_ts // DAY_US, switched=(table.shown != table.shown_max).cast("int64"))
    rows = engine.rows(
        grouped.group_by("shown", "day", *labels).aggregate(
            n=grouped.count(), switched=grouped.switched.sum(), low=grouped.first_ts.min(), high=grouped.first_ts.max()
        )
    )
    if any(int(row["switched"]) for row in rows):
        rows += _moved(engine, grouped.filter(grouped.switched > 0), seen, list(labels))
    # Beyond the last name are all those that were not worth a number each.
    shown = dict(enumerate((*seen.kinds.variants, "others")))
    rows = [{"sdk": _only(seen.kinds.sdks), **row, "variant": shown[int(row["shown"])]} for row in rows]
    labels = {"sdk": "sdk", **labels}
    unknown = sum(int(row["n"]) for row in rows if row["variant"] not in variants)
    findings = [*_before_the_start(run), *strays(run), *misnamed_events(seen)]
    if unknown:
        strange = sorted({str(row["variant"]) for row in rows if row["variant"] not in variants})
        findings.append(
            DataFinding(
                code="unknown-variants",
                message=f"units were exposed to variants that the experiment does not have: {_quoted(strange[:5])}",
                count=unknown,
                blocks=True,
            )
        )
    known = [row for row in rows if row["variant"] in variants]
    units = dict.fromkeys(variants, 0)
    by_day: dict[int, dict[str, int]] = {}
    for row in known:
        units[row["variant"]] += int(row["n"])
        day = by_day.setdefault(int(row["day"]), {})
        day[row["variant"]] = day.get(row["variant"], 0) + int(row["n"])
    empty = [variant for variant, count in units.items() if not count]
    if empty:
        # The number of variants follows.
        which = ", ".join(empty) if len(empty) < len(units) else "any of the variants"
        findings.append(DataFinding(code="empty-variants", message=f"no unit was exposed to {which}", count=len(empty)))
    if len(empty) == len(units):
        findings += _elsewhere(run)
    findings += _gaps(by_day, seen.event_days)
    newest = [*(int(row["high"]) for row in known), *(high for _, high in seen.event_days.values())]
    return Counts(
        units=units,
        units_by={label: _by(known, name) for name, label in labels.items()},
        by_day=by_day,
        switchers=sum(int(row["switched"]) for row in known),
        excluded=excluded,
        started_ms=min((int(row["low"]) for row in known), default=0) // 1000 if known else None,
        freshest_ms=max(newest) // 1000 if newest else None,
        findings=findings,
    )


def _before_the_start(run: Run) -> list[DataFinding]:
    """Return how many units were exposed before the recorded start: who moves it chooses the days that count."""
    started = run.experiment.started_at_ms
    if started is None:
        return []
    window = (None, started * 1000 - pipeline.SKEW_US)
    table = pipeline.exposures_of(run.engine, run.experiment, run.options.environment, window)
    number = int(run.engine.rows(table.aggregate(n=table.unit_id.nunique()))[0]["n"])
    if not number:
        return []
    since = datetime.fromtimestamp(started / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    message = f"units were exposed before started_at, {since}, and count only from then on: was it moved?"
    return [DataFinding(code="exposed-before-start", message=message, count=number)]


def _quoted(names: list[str]) -> str:
    """Return names of variants; blanks, or nothing at all, would not be seen without quotes."""
    return ", ".join(name if name and name == name.strip() else f"'{name}'" for name in names)


def _elsewhere(run: Run) -> list[DataFinding]:
    """Return that an environment has no exposures at all, with those that have: a misspelt name looks like an empty one."""
    wanted, started = run.options.environment, run.experiment.started_at_ms
    if wanted is None:
        return []
    window = (None if started is None else started * 1000, run.until)
    table = pipeline.exposures_of(run.engine, run.experiment, None, window)
    rows = run.engine.rows(table.group_by("environment").aggregate(n=table.count()))
    found = sorted(row["environment"] or MISSING for row in rows)
    if wanted in found:
        return []
    there = f"exposures are of {_some(found)}" if found else "there are no exposures of any other either"
    message = f"nobody was exposed in the environment '{wanted}': is that its name? {there}"
    return [DataFinding(code="empty-environment", message=message, count=0)]


def _only(names: tuple[str | None, ...]) -> str | None:
    return names[0] if names else None


def _moved(engine: Engine, switchers: Any, seen: Seen, names: list[str]) -> list[dict[str, Any]]:
    """Return rows that take switchers from the smallest name they were exposed to, and give them to the first one.

    Otherwise a few of them would look like a mismatch of shares. Exposures are read again only if there are any.
    """
    exposures = seen.exposures.select(
        "unit_id", "ts", first_shown=pipeline.position_of(seen.exposures.variant, seen.kinds.variants)
    )
    joined = exposures.inner_join(switchers.select("unit_id", "first_ts"), "unit_id")
    firsts = (
        joined.filter(joined.ts == joined.first_ts)
        .group_by("unit_id")
        .aggregate(first_shown=lambda t: t.first_shown.min())
    )
    both = switchers.inner_join(firsts, "unit_id")
    both = both.filter(both.first_shown != both.shown)
    counts = both.group_by("shown", "first_shown", "day", *names).aggregate(
        n=both.count(), low=both.first_ts.min(), high=both.first_ts.max()
    )
    rows = []
    for row in engine.rows(counts):
        rows.append({**row, "n": -row["n"], "switched": 0})
        rows.append({**row, "shown": row["first_shown"], "switched": 0})
    return rows


def _by(rows: list[dict[str, Any]], name: str) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for row in rows:
        value = MISSING if row[name] is None else str(row[name])
        part = found.setdefault(value, {})
        part[row["variant"]] = part.get(row["variant"], 0) + int(row["n"])
    return found


def _gaps(by_day: dict[int, dict[str, int]], event_days: dict[int, tuple[int, int]]) -> list[DataFinding]:
    """Return what is to be said about days on which nothing came at all, where much comes on others."""
    if not by_day:
        return []
    counts = {day: sum(one.values()) for day, one in by_day.items()}
    for day, (number, _) in event_days.items():
        if day >= min(by_day):
            counts[day] = counts.get(day, 0) + number
    missing = [day for day in range(min(counts), max(counts)) if day not in counts]
    found = []
    if missing and sum(counts.values()) / len(counts) >= _BUSY_DAY:
        message = f"nothing at all came on {_dates(missing)}: was a sink or an upload down?"
        found.append(DataFinding(code="data-gaps", message=message, count=len(missing)))
    kinds = {
        "exposure-gaps": (
            "no unit was exposed for the first time",
            {day: sum(one.values()) for day, one in by_day.items()},
        ),
        "event-gaps": ("no event of its metrics came", {day: number for day, (number, _) in event_days.items()}),
    }
    for code, (what, daily) in kinds.items():
        silent = [day for day in _silent(daily) if day in counts]
        if silent:
            message = f"{what} on {_dates(silent)}, unlike on the days before and after: were events of one kind lost?"
            found.append(DataFinding(code=code, message=message, count=len(silent)))
    return found


def _silent(daily: dict[int, int]) -> list[int]:
    """Return the days without anything that lie between two days with much."""
    known = sorted(daily)
    return [
        day
        for before, after in pairwise(known)
        if after - before > 1 and min(daily[before], daily[after]) >= _BUSY_DAY
        for day in range(before + 1, after)
    ]


def _dates(days: list[int]) -> str:
    return _some([(date(1970, 1, 1) + timedelta(days=day)).isoformat() for day in days])


def _some(names: list[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
