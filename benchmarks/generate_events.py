"""Make up events of an experiment by the million: exposures and conversions in Parquet, the same ones for the same seed.

    python benchmarks/generate_events.py FOLDER EVENTS [SEED]

Independent of flagctl. Two fifths are exposures of half as many units, three fifths are conversions; a unit of the variant
"on" orders a tenth more often. Files lie in one folder for each day, as sinks write them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

DAY = 86_400_000_000
START = 1_760_000_000_000_000 // DAY * DAY
DAYS = 14
CHUNK = 2_000_000


def generate(root: Path, events: int, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    exposures = events * 2 // 5
    units = exposures // 2
    variant = rng.integers(0, 2, units)
    first = rng.integers(0, DAYS * DAY, units)
    for kind, total in (("exposures", exposures), ("conversions", events - exposures)):
        for begin in range(0, total, CHUNK):
            size = min(CHUNK, total - begin)
            if kind == "exposures":
                # Every unit is seen once, and then some again.
                unit = np.arange(begin, begin + size)
                unit = np.where(unit < units, unit, rng.integers(0, units, size))
                ts = (
                    START
                    + first[unit]
                    + np.where(np.arange(begin, begin + size) < units, 0, rng.integers(0, 3 * DAY, size))
                )
            else:
                unit = rng.integers(0, units, size)
                ts = START + first[unit] + rng.integers(-2 * DAY, 8 * DAY, size)
            _write(root / kind, f"part-{begin // CHUNK}.parquet", _columns(kind, begin, (unit, ts, variant[unit]), rng))


def _columns(
    kind: str, begin: int, drawn: tuple[np.ndarray, np.ndarray, np.ndarray], rng: np.random.Generator
) -> pa.Table:
    unit, ts, variant = drawn
    size = len(unit)
    numbers = np.arange(begin, begin + size)
    columns = {
        "ts": pa.array(ts, pa.timestamp("us", "UTC")),
        # As long as real ones.
        "event_id": pa.array(np.char.add(f"0f1e2d3c-{kind[0]}-", numbers.astype(str))),
        "environment": _constant("production", size),
        "unit_type": _constant("targeting_key", size),
        "unit_id": pa.array(np.char.add("user-", unit.astype(str))),
    }
    if kind == "exposures":
        columns |= {
            "experiment": _constant("speed-test", size),
            "variant": pa.array(np.where(variant == 0, "off", "on")),
            "flag": _constant("speed", size),
            "sdk": _constant("generator/1", size),
            "is_bot": pa.array(np.zeros(size, dtype=bool)),
        }
    else:
        ordered = rng.random(size) < np.where(variant == 0, 0.50, 0.55)
        columns |= {
            "event": pa.array(np.where(ordered, "order", "view")),
            "value": pa.array(np.round(rng.gamma(2.0, 20.0, size), 2)),
        }
    return pa.table(columns)


def _constant(text: str, size: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(size, dtype=np.int32)), pa.array([text]))


def _write(folder: Path, name: str, table: pa.Table) -> None:
    days = np.asarray(table["ts"].cast(pa.int64())) // DAY
    for day in np.unique(days):
        path = folder / f"dt={np.datetime64(int(day), 'D')}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(table.filter(pa.array(days == day)), path, compression="zstd")


if __name__ == "__main__":
    generate(Path(sys.argv[1]), int(float(sys.argv[2])), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
