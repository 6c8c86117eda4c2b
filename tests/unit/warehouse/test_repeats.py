"""Which of several events with one id counts: always the same one, wherever and in whatever order they lie."""

from __future__ import annotations

import gzip
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flagctl.events import COLUMNS, ColumnType
from flagctl.warehouse import usable
from flagctl.warehouse.duck import DuckEngine
from flagctl.warehouse.listing import list_events
from tests.scale import scaled
from tests.unit.experiments.samples import START

TYPES = {
    ColumnType.TIMESTAMP: pa.timestamp("us", "UTC"),
    ColumnType.STRING: pa.string(),
    ColumnType.INT64: pa.int64(),
    ColumnType.FLOAT64: pa.float64(),
    ColumnType.BOOLEAN: pa.bool_(),
    ColumnType.STRINGS: pa.map_(pa.string(), pa.string()),
}
POOLS = {
    ColumnType.TIMESTAMP: (START * 1000, START * 1000 + 1),
    ColumnType.STRING: ("a", "B", "b c", "é", "😀"),
    ColumnType.INT64: (0, 7, -3),
    ColumnType.FLOAT64: (1.0, 2.5, -1.0),
    ColumnType.BOOLEAN: (False, True),
    ColumnType.STRINGS: (
        {},
        {"a": "1"},
        {"a": "1", "b": "2"},
        {"b": "2", "a": "1", "c": "é"},
        {"a": "1,1:b1:2"},
        {"a": "1:b"},
        {"a:1": "b"},
    ),
}
KINDS = ("exposures", "conversions", "measurements", "evaluations")


def draw(kind: str, seed: int, count: int = 60) -> list[dict]:
    """Rows with few ids, or none, that differ in any of their columns or in nothing."""
    rng = random.Random(seed)
    rows = []
    for _ in range(count):
        row = {"event_id": rng.choice([None, *(f"e{i}" for i in range(8))])}
        # Most columns are alike, so that every one of them has to decide at times.
        for column in COLUMNS[kind]:
            if column.name == "event_id":
                continue
            pool = POOLS[column.type]
            if column.name not in usable.REQUIRED[kind] and rng.random() < 0.1:
                row[column.name] = None
            else:
                row[column.name] = rng.choice(pool) if rng.random() < 0.15 else pool[0]
        rows.append(row)
    return rows


def write(root, kind, rows, seed):
    """Write rows in any order to lines, packed lines and Parquet."""
    rng = random.Random(seed)
    rows = rng.sample(rows, len(rows))
    folder = root / kind / "dt=2025-10-09"
    folder.mkdir(parents=True)
    first, second = sorted(rng.randrange(len(rows)) for _ in range(2))
    lines = [json.dumps({name: one for name, one in row.items() if one is not None}) for row in rows]
    (folder / "a.jsonl").write_text("\n".join(lines[:first]))
    (folder / "b.jsonl.gz").write_bytes(gzip.compress("\n".join(lines[first:second]).encode()))
    fields = [pa.field(one.name, TYPES[one.type]) for one in COLUMNS[kind]]
    for number, part in enumerate((rows[second:][::2], rows[second:][1::2])):
        # As files have them: maps in the order in which they were filled.
        columns = [
            pa.array(
                [list(row[f.name].items()) if isinstance(row[f.name], dict) else row[f.name] for row in part], f.type
            )
            for f in fields
        ]
        pq.write_table(pa.table(columns, pa.schema(fields)), folder / f"{number}.parquet")


def kept(engine, root, kind):
    """The rows that an engine keeps, without those that have no id."""
    engine.load(list_events(str(root), (kind,)), (kind,))
    table = engine.table(kind)
    rows = engine.rows(table.filter(table.event_id.notnull()))
    return sorted((frozen(row) for row in rows), key=repr)


def frozen(row):
    return tuple(
        (name, tuple(sorted(one.items())) if isinstance(one, dict) else one) for name, one in sorted(row.items())
    )


def expected(kind, rows, columns):
    """The first row of each id, as the order is documented: column by column, nothing first."""

    def place(row):
        first = usable._FIRST[kind]
        names = dict.fromkeys([*first, *usable.KEPT[kind], *columns])
        return [_place(row[name]) for name in names if name in columns and name != "event_id"]

    def _place(value):
        if isinstance(value, dict):
            value = ",".join(sorted(f"{len(k)}:{k}{len(v)}:{v}" for k, v in value.items()))
        return (value is not None, "" if value is None else value)

    best = {}
    for row in rows:
        if row["event_id"] is not None and (row["event_id"] not in best or place(row) < place(best[row["event_id"]])):
            best[row["event_id"]] = row
    return sorted((frozen({name: row[name] for name in columns}) for row in best.values()), key=repr)


def of_others(kind, rows, wanted):
    """How many rows have the id of an event that says something else."""
    said = {dict(row)["event_id"]: [dict(row)[name] for name in usable._SAID[kind]] for row in wanted}
    return sum(
        row["event_id"] is not None and [row[name] for name in usable._SAID[kind]] != said[row["event_id"]]
        for row in rows
    )


@pytest.mark.parametrize("kind", KINDS)
def test_the_row_that_counts_does_not_depend_on_files_or_their_order(tmp_path, kind):
    for seed in range(scaled(3, 60)):
        rows = draw(kind, seed)
        for reader, columns in (("analysis", usable.KEPT), ("warehouse", usable.WHOLE)):
            wanted = expected(kind, rows, columns[kind])
            for order in range(2):
                root = tmp_path / f"{seed}-{order}-{reader}"
                write(root, kind, rows, order)
                engine = DuckEngine(columns=columns)
                try:
                    assert kept(engine, root, kind) == wanted
                    found = {one.code: (one.count, one.blocks) for one in engine.findings}
                    ids = [row["event_id"] for row in rows if row["event_id"]]
                    others = of_others(kind, rows, wanted)
                    assert found["reused-ids"] == (others, True)
                    assert found["duplicate-events"] == (len(ids) - len(set(ids)) - others, False)
                    assert ("missing-ids" in found) == (kind != "exposures")
                    total = engine.rows(engine.table(kind).aggregate(n=engine.table(kind).count()))[0]["n"]
                    assert total == len(wanted) + sum(row["event_id"] is None for row in rows)
                finally:
                    engine.close()


@pytest.mark.parametrize("most", [10, 10**6])
def test_many_ids_are_compared_by_duckdb_itself_with_the_same_result(tmp_path, monkeypatch, most):
    monkeypatch.setattr("flagctl.warehouse.duck._SORTED_AT_ONCE", most)
    rows = draw("conversions", 1)
    write(tmp_path, "conversions", rows, 1)
    engine = DuckEngine()
    try:
        assert kept(engine, tmp_path, "conversions") == expected("conversions", rows, usable.KEPT["conversions"])
    finally:
        engine.close()


def test_repeats_beside_a_file_that_breaks_off_are_still_counted(tmp_path):
    rows = draw("conversions", 3)
    write(tmp_path, "conversions", rows, 1)
    broken = tmp_path / "conversions" / "dt=2025-10-09" / "c.jsonl.gz"
    broken.write_bytes(gzip.compress(bytes(range(256)) * 50)[:-20])
    engine = DuckEngine()
    try:
        assert kept(engine, tmp_path, "conversions") == expected("conversions", rows, usable.KEPT["conversions"])
        assert sorted(one.code for one in engine.findings) == [
            "duplicate-events",
            "missing-ids",
            "reused-ids",
            "unreadable-files",
        ]
    finally:
        engine.close()


def test_files_that_are_all_there_twice_fit_into_little_memory(tmp_path):
    folder = tmp_path / "conversions"
    folder.mkdir()
    count = 300_000
    table = pa.table(
        {
            "ts": pa.array([START * 1000] * count, pa.timestamp("us", "UTC")),
            "event_id": [f"0f1e2d3c-4b5a-6978-8796-{i:012}" for i in range(count)],
            "unit_id": [f"user-{i}" for i in range(count)],
            "event": ["order"] * count,
            "value": pa.array([1.0] * count),
        }
    )
    for name in ("one.parquet", "two.parquet"):
        pq.write_table(table, folder / name)
    engine = DuckEngine(memory_limit="80MB", threads=2)
    try:
        engine.load(list_events(str(tmp_path), ("conversions",)), ("conversions",))
        assert [(one.code, one.count) for one in engine.findings] == [("duplicate-events", count)]
    finally:
        engine.close()
