"""Measurements of units that are told apart by their buckets, as steps of a rollout do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.evaluator.buckets import bucket
from flagctl.warehouse.usage import known_variants

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.warehouse.duck import DuckEngine

Moments = tuple[int, float, float]
"""Units, mean over units of their means, and the variance of one unit."""

NOBODY: Final[Moments] = (0, 0.0, 0.0)

_SURE: Final = 3.0
"""Standard errors between the shares of both sides that have the feature."""


class Draw(NamedTuple):
    """How units fall into buckets: the salt, and what events call their unit."""

    salt: str
    unit_type: str


class Served(NamedTuple):
    """A flag, and the variant of those who have the feature."""

    key: str
    variant: str


class Compared(NamedTuple):
    """Two ranges of buckets, each to the one behind its last, from one instant to another one in microseconds."""

    since_us: int
    until_us: int
    control: tuple[int, int]
    treatment: tuple[int, int]


class Sides(NamedTuple):
    """What was measured.

    Attributes:
        moments: Control and treatment of each step by measurement.
        served: For control and treatment: units whose variant is known, and how many of them have the feature.
    """

    moments: dict[str, list[tuple[Moments, Moments]]]
    served: tuple[tuple[int, int], tuple[int, int]]

    def differ(self) -> bool:
        """Return whether units of the steps surely have the feature more often than those still in line.

        They do not if buckets of these units are others than the flag's: if ids were hashed, or what was drawn is not served yet.
        """
        (n, got), (m, more) = self.served
        if not n or not m or got / n >= more / m:
            return False
        share = (got + more) / (n + m)
        error = math.sqrt(share * (1 - share) * (1 / n + 1 / m))
        return (more / m - got / n) > _SURE * error


def sides_by_bucket(
    engine: DuckEngine, flag: Served, draw: Draw, steps: Sequence[Compared], *, environment: str | None
) -> Sides:
    """Return what was measured of both sides of each step.

    What a unit got does not count, only its bucket: whoever got it late, or is not meant, is on both sides alike. Units that asked for
    the flag since the first step, or the day before, are counted if any are known, so that others do not hide what it does.

    Args:
        engine: With the tables ``measurements``, ``evaluations`` and ``exposures``.
        flag: The flag, and its variant that is the feature.
        draw: Of the buckets.
        steps: What to compare.
        environment: Only of this one; None for all.
    """
    table = engine.table("measurements")
    window = min(step.since_us for step in steps), max(step.until_us for step in steps)
    kept = table.filter(
        table.unit_type == draw.unit_type, table.unit_id.notnull(), table.ts >= window[0], table.ts < window[1]
    )
    if environment is not None:
        kept = kept.filter(kept.environment == environment)
    told = kept.filter(kept.attrs.get(flag.key, None).notnull()).select("unit_id")
    known = known_variants(engine, flag.key, window=window, environment=environment).select("unit_id")
    asked = known.union(told).distinct()
    if engine.rows(asked.limit(1)):
        kept = kept.semi_join(asked, "unit_id")
    _put_buckets(engine, draw.salt, kept)
    joined = kept.join(engine.table("unit_buckets"), "unit_id")
    told = joined.attrs.get(flag.key, None)
    value = joined.value.cast("float64")
    found = engine.materialise("by_bucket", joined.select("ts", "name", "unit_id", "bucket", v=value, variant=told))
    log = engine.table("evaluations")
    if environment is not None:
        log = log.filter(log.environment == environment)
    log = log.filter(log.flag == flag.key).join(engine.table("unit_buckets"), "unit_id")
    seen = found.select("ts", "unit_id", "bucket", "variant").union(log.select("ts", "unit_id", "bucket", "variant"))
    moments: dict[str, list[tuple[Moments, Moments]]] = {}
    counts = [[0, 0], [0, 0]]
    for position, step in enumerate(steps):
        for side, buckets in enumerate((step.control, step.treatment)):
            for name, one in _moments(engine, _inside(found, step, buckets)).items():
                strata = moments.setdefault(name, [(NOBODY, NOBODY)] * len(steps))
                strata[position] = (one, strata[position][1]) if side == 0 else (strata[position][0], one)
            for place, number in enumerate(_served(engine, _inside(seen, step, buckets), flag.variant)):
                counts[side][place] += number
    return Sides(moments, ((counts[0][0], counts[0][1]), (counts[1][0], counts[1][1])))


def _inside(table: Any, step: Compared, buckets: tuple[int, int]) -> Any:
    return table.filter(
        table.ts >= step.since_us, table.ts < step.until_us, table.bucket >= buckets[0], table.bucket < buckets[1]
    )


def _served(engine: DuckEngine, seen: Any, variant: str) -> tuple[int, int]:
    """Return of how many units the variant is known, and how many had this one at some time."""
    known = seen.filter(seen.variant.notnull())
    units = known.group_by("unit_id").aggregate(got=(known.variant == variant).cast("int64").max())
    (row,) = engine.rows(units.aggregate(n=units.count(), got=units.got.sum()))
    return int(row["n"]), int(row["got"] or 0)


def _put_buckets(engine: DuckEngine, salt: str, measured: Any) -> None:
    """Make the table ``unit_buckets``."""
    import pyarrow as pa  # noqa: PLC0415 - only the warehouse needs it

    units = measured.select("unit_id").distinct().to_pyarrow()["unit_id"].to_pylist()
    buckets = pa.array([bucket(salt, unit) for unit in units], pa.int64())
    engine.connection.register("unit_buckets", pa.table({"unit_id": pa.array(units, pa.string()), "bucket": buckets}))


def _moments(engine: DuckEngine, own: Any) -> dict[str, Moments]:
    units = own.group_by("name", "unit_id").aggregate(mean=own.v.mean())
    rows = engine.rows(
        units.group_by("name").aggregate(
            n=units.count(), average=units["mean"].mean(), spread=units["mean"].var(how="sample")
        )
    )
    return {row["name"]: (int(row["n"]), row["average"], row["spread"] or 0.0) for row in rows}
