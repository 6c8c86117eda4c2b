"""Which of several events with one id counts: the same one on Spark as on DuckDB."""

from __future__ import annotations

import pytest

from flagctl.warehouse import usable
from flagctl.warehouse.spark import SparkEngine
from tests.scale import scaled
from tests.spark.test_engines_agree import QUIET
from tests.unit.warehouse.test_repeats import draw, expected, kept, write

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
