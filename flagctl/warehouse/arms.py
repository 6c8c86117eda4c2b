"""Measurements of units that are told apart by their buckets, as steps of a rollout do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from flagctl.evaluator.buckets import bucket

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.warehouse.duck import DuckEngine

Moments = tuple[int, float, float]
"""Units, mean over units of their means, and the variance of one unit."""

NOBODY: Moments = (0, 0.0, 0.0)


class Draw(NamedTuple):
    """How units fall into buckets: the salt, and what events call their unit."""

    salt: str
    unit_type: str


class Compared(NamedTuple):
    """Two ranges of buckets, each to the one behind its last, from one instant to another one in microseconds."""

    since_us: int
    until_us: int
    control: tuple[int, int]
    treatment: tuple[int, int]


def moments_by_bucket(
    engine: DuckEngine, flag: str, draw: Draw, steps: Sequence[Compared], *, environment: str | None
) -> dict[str, list[tuple[Moments, Moments]]]:
    """Return control and treatment of each step for each measurement; empty if nothing was measured of such units.

    What a unit got does not count, only its bucket: whoever got it late, or is not meant, is on both sides alike. Units that asked for
    the flag at some time are counted if any are known, so that others do not hide what it does.

    Args:
        engine: With the tables ``measurements``, ``evaluations`` and ``exposures``.
        flag: Key of the flag.
        draw: Of the buckets.
        steps: What to compare.
        environment: Only of this one; None for all.
    """
    table = engine.table("measurements")
    kept = table.filter(
        table.unit_type == draw.unit_type,
        table.unit_id.notnull(),
        table.ts >= min(step.since_us for step in steps),
        table.ts < max(step.until_us for step in steps),
    )
    if environment is not None:
        kept = kept.filter(kept.environment == environment)
    asked = _asked(engine, flag, kept)
    if engine.rows(asked.limit(1)):
        kept = kept.semi_join(asked, "unit_id")
    if not _put_buckets(engine, draw.salt, kept):
        return {}
    joined = kept.join(engine.table("unit_buckets"), "unit_id")
    found = engine.materialise(
        "by_bucket", joined.select("ts", "name", "unit_id", "bucket", v=joined.value.cast("float64"))
    )
    result: dict[str, list[tuple[Moments, Moments]]] = {}
    for position, step in enumerate(steps):
        window = found.filter(found.ts >= step.since_us, found.ts < step.until_us)
        for side, buckets in enumerate((step.control, step.treatment)):
            for name, moments in _moments(engine, window, buckets).items():
                strata = result.setdefault(name, [(NOBODY, NOBODY)] * len(steps))
                pair = strata[position]
                strata[position] = (moments, pair[1]) if side == 0 else (pair[0], moments)
    return result


def _asked(engine: DuckEngine, flag: str, measured: Any) -> Any:
    """Return the units that are known to have asked for the flag."""
    evaluations, exposures = engine.table("evaluations"), engine.table("exposures")
    logged = evaluations.filter(evaluations.flag == flag, evaluations.unit_id.notnull()).select("unit_id")
    shown = exposures.filter(exposures.flag == flag).select("unit_id")
    told = measured.filter(measured.attrs.get(flag, None).notnull()).select("unit_id")
    return logged.union(shown).union(told).distinct()


def _put_buckets(engine: DuckEngine, salt: str, measured: Any) -> bool:
    """Make the table ``unit_buckets``; return whether it has a row."""
    import pyarrow as pa  # noqa: PLC0415 - only the warehouse needs it

    units = measured.select("unit_id").distinct().to_pyarrow()["unit_id"].to_pylist()
    buckets = pa.array([bucket(salt, unit) for unit in units], pa.int64())
    engine.connection.register("unit_buckets", pa.table({"unit_id": pa.array(units, pa.string()), "bucket": buckets}))
    return bool(units)


def _moments(engine: DuckEngine, measured: Any, buckets: tuple[int, int]) -> dict[str, Moments]:
    own = measured.filter(measured.bucket >= buckets[0], measured.bucket < buckets[1])
    units = own.group_by("name", "unit_id").aggregate(mean=own.v.mean())
    rows = engine.rows(
        units.group_by("name").aggregate(
            n=units.count(), average=units["mean"].mean(), spread=units["mean"].var(how="sample")
        )
    )
    return {row["name"]: (int(row["n"]), row["average"], row["spread"] or 0.0) for row in rows}
