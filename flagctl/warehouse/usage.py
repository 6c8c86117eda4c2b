"""How often flags are asked for, and how long answers and what they lead to take."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.experiments.data import ArmMetric, MetricData, Moments, QuantileSample
from flagctl.experiments.quantiles import Z, cluster_inflation, levels
from flagctl.experiments.reduce import NotEnoughDataError
from flagctl.warehouse.pipeline import DAY_US

if TYPE_CHECKING:
    from flagctl.warehouse.pipeline import Engine

KINDS = ("usage", "evaluations")
KNOWN_MS = 86_400_000
"""How long before something was measured its unit's variant is looked for: a client says once a day which one a unit sees."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How often one flag answered a variant for a reason on one UTC day.

    Attributes:
        flag: Key that was asked for.
        day: Days since 1970-01-01.
        variant: None where the caller's default was served.
        reason: As counted; errors carry their code behind a colon.
        count: How often.
    """

    flag: str
    day: int
    variant: str | None
    reason: str
    count: int


def asked(engine: Engine, *, window: tuple[int, int], environment: str | None) -> tuple[str, list[Asked]]:
    """Return how often flags were asked for.

    Counts are exact; the evaluation log is a sample, so it is used only where there are no counts.

    Args:
        engine: With the tables ``usage`` and ``evaluations``.
        window: First and last instant in microseconds.
        environment: Only of this one; None for all.

    Returns:
        ``usage`` or ``evaluations``, and the counts.
    """
    for name in KINDS:
        table = engine.table(name)
        kept = table.filter(table.ts >= window[0], table.ts < window[1])
        if environment is not None:
            kept = kept.filter(kept.environment == environment)
        kept = kept.mutate(day=kept.ts // DAY_US)
        number = kept["count"].sum() if name == "usage" else kept.count()
        rows = engine.rows(kept.group_by("flag", "day", "variant", "reason").aggregate(n=number))
        if rows:
            found = [
                Asked(
                    flag=row["flag"],
                    day=int(row["day"]),
                    variant=row["variant"],
                    reason=row["reason"],
                    count=int(row["n"] or 0),
                )
                for row in rows
            ]
            return name, sorted(found, key=lambda one: (one.flag, one.day, one.variant or "", one.reason))
    return KINDS[0], []


def durations(engine: Engine, flag: str, *, window: tuple[int, int], environment: str | None) -> list[dict[str, Any]]:
    """Return by variant how long evaluations took: ``variant``, ``n``, ``p50``, ``p95``, ``p99`` in nanoseconds."""
    table = engine.table("evaluations")
    kept = table.filter(table.flag == flag, table.ts >= window[0], table.ts < window[1], table.duration_ns.notnull())
    if environment is not None:
        kept = kept.filter(kept.environment == environment)
    value = kept.duration_ns.cast("float64")
    rows = engine.rows(
        kept.mutate(v=value)
        .group_by("variant")
        .aggregate(
            n=lambda t: t.count(),
            p50=lambda t: t.v.quantile(0.5),
            p95=lambda t: t.v.quantile(0.95),
            p99=lambda t: t.v.quantile(0.99),
        )
    )
    return sorted(rows, key=lambda row: row["variant"] or "")


def known_variants(engine: Engine, flag: str, *, window: tuple[int, int], environment: str | None) -> Any:
    """Return which units asked for a flag, and what they got, in a window or up to `KNOWN_MS` before it.

    Args:
        engine: With the tables ``evaluations`` and ``exposures``.
        flag: Key of the flag.
        window: First and last instant in microseconds.
        environment: Only of this one; None for all.

    Returns:
        ``unit_id`` and ``variant``, which may be null; a unit has as many rows as were recorded.
    """
    parts = []
    for table in (engine.table("evaluations"), engine.table("exposures")):
        kept = table.filter(
            table.flag == flag,
            table.unit_id.notnull(),
            table.ts >= window[0] - KNOWN_MS * 1000,
            table.ts < window[1],
        )
        if environment is not None:
            kept = kept.filter(kept.environment.isnull() | (kept.environment == environment))
        parts.append(kept.select("unit_id", "variant"))
    return parts[0].union(parts[1])


def measured(engine: Engine, flag: str, *, window: tuple[int, int], environment: str | None) -> Any:
    """Return the measurements whose variant of a flag is known: ``name``, ``variant``, ``unit_id``, ``v``.

    The variant is what the application wrote into the measurement's attributes under the flag's key; else the one that the
    evaluation log or an exposure has for the unit in the window or up to `KNOWN_MS` before it, if it is the only one.
    """
    import ibis  # noqa: PLC0415 - slow to import

    table = engine.table("measurements")
    kept = table.filter(table.ts >= window[0], table.ts < window[1])
    if environment is not None:
        kept = kept.filter(kept.environment == environment)
    both = known_variants(engine, flag, window=window, environment=environment)
    both = both.filter(both.variant.notnull())
    known = both.group_by("unit_id").aggregate(low=both.variant.min(), high=both.variant.max())
    known = known.filter(known.low == known.high)
    joined = kept.left_join(known, "unit_id")
    variant = ibis.coalesce(kept.attrs.get(flag, None), known.low)
    result = joined.select(name=kept.name, variant=variant, unit_id=kept.unit_id, v=kept.value.cast("float64"))
    return engine.materialise("measured", result.filter(result.variant.notnull()))


def moments_by_variant(engine: Engine, table: Any) -> dict[str, dict[str, tuple[int, float, float]]]:
    """Return for each measurement and variant: units, mean over units of their means, and the variance of one unit.

    Measurements without a unit say nothing here.

    Args:
        engine: Computes.
        table: Of `measured`.
    """
    own = table.filter(table.unit_id.notnull())
    units = own.group_by("name", "variant", "unit_id").aggregate(mean=own.v.mean())
    rows = engine.rows(
        units.group_by("name", "variant").aggregate(
            n=units.count(), average=units["mean"].mean(), spread=units["mean"].var(how="sample")
        )
    )
    result: dict[str, dict[str, tuple[int, float, float]]] = {}
    for row in rows:
        result.setdefault(row["name"], {})[row["variant"]] = (int(row["n"]), row["average"], row["spread"] or 0.0)
    return result


def quantiles_of(engine: Engine, table: Any, name: str, q: float) -> MetricData:
    """Return a quantile of one measurement by variant, with what its interval needs.

    Values of one unit hang together; measurements without a unit count as one unit each.

    Args:
        engine: Computes.
        table: Of `measured`.
        name: Of the measurement.
        q: Level, between 0 and 1.
    """
    own = table.filter(table.name == name)
    rows = engine.rows(
        own.group_by("variant").aggregate(
            estimate=own.v.quantile(q),
            events=own.count(),
            units=own.unit_id.nunique(),
            lone=own.unit_id.isnull().cast("int64").sum(),
        )
    )
    arms = [_arm(engine, own, q, row) for row in sorted(rows, key=lambda row: row["variant"])]
    return MetricData(key=name, arms=tuple(arms))


def _arm(engine: Engine, own: Any, q: float, row: dict[str, Any]) -> ArmMetric:
    kept = own.filter(own.variant == row["variant"])
    n, events = int(row["units"]) + int(row["lone"] or 0), int(row["events"])
    try:
        below = (kept.v <= row["estimate"]).cast("int64").cast("float64") - q
        lone = kept.filter(kept.unit_id.isnull())
        per_unit = (
            kept.filter(kept.unit_id.notnull()).mutate(x=below).group_by("unit_id").aggregate(x=lambda t: t.x.sum())
        )
        single = lone.select(x=(lone.v <= row["estimate"]).cast("int64").cast("float64") - q)
        sums = per_unit.select("x").union(single)
        variance = engine.rows(sums.aggregate(s=sums.x.var(how="sample")))[0]["s"]
        low, high = levels(q, n, inflation=cluster_inflation(q, events / n, float(variance or 0.0)))
    except NotEnoughDataError:
        return ArmMetric(variant=row["variant"], moments=Moments(n=n, means={}, covariances={}))
    ends = engine.rows(kept.aggregate(low=kept.v.quantile(low), high=kept.v.quantile(high)))[0]
    sample = QuantileSample(
        n=n, events=events, q=q, estimate=float(row["estimate"]), low=float(ends["low"]), high=float(ends["high"]), z=Z
    )
    return ArmMetric(variant=row["variant"], quantile=sample)
