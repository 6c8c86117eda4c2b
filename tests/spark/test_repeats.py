"""Which events count: the same ones on Spark as on DuckDB."""

from __future__ import annotations

import gzip

import pytest

from flagctl.warehouse import usable
from flagctl.warehouse.duck import DuckEngine
from flagctl.warehouse.spark import SparkEngine
from tests.scale import scaled
from tests.spark.test_engines_agree import QUIET
from tests.unit.warehouse.test_aggregation import conversion, write_lines
from tests.unit.warehouse.test_repeats import START, draw, expected, kept, write

pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("running"), *QUIET]


@pytest.mark.parametrize("kind", ["exposures", "conversions", "measurements"])
def test_the_row_that_counts_is_the_same_on_spark(tmp_path, kind):
    for seed in range(scaled(2, 20)):
        rows = draw(kind, seed)
        root = tmp_path / str(seed)
        write(root, kind, rows, seed)
        engine = SparkEngine()
        try:
            assert kept(engine, root, kind) == expected(kind, rows, usable.KEPT[kind])
        finally:
            engine.close()


@pytest.mark.parametrize("cut", [12, 60, -8, -4])
def test_a_packed_file_that_breaks_off_is_named_on_spark(tmp_path, cut):
    write_lines(tmp_path, [conversion(f"u{i}", START * 1000, i) for i in range(300)])
    lines = tmp_path / "conversions" / "dt=2025-10-09" / "part-0.jsonl"
    lines.with_name("z.jsonl.gz").write_bytes(gzip.compress(lines.read_bytes())[:cut])
    engine = SparkEngine()
    try:
        assert len(kept(engine, tmp_path, "conversions")) == 300
        (found,) = engine.findings
        assert (found.code, found.blocks) == ("unreadable-files", True)
        assert "z.jsonl.gz" in found.message
    finally:
        engine.close()


def test_marks_of_byte_order_and_units_without_a_name_are_taken_alike(tmp_path):
    rows = [conversion(f"u{i}" if i % 3 else "", START * 1000, i) for i in range(30)]
    write_lines(tmp_path, rows)
    for file in tmp_path.rglob("*.jsonl"):
        file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    found = []
    for engine in (DuckEngine(), SparkEngine()):
        try:
            found.append((kept(engine, tmp_path, "conversions"), engine.findings))
            assert [one.count for one in engine.findings] == [10]
        finally:
            engine.close()
    assert found[0] == found[1]
