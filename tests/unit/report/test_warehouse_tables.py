"""What is said about warehouses in a narrow terminal."""

from flagctl.ops.warehouse import CompactResult
from flagctl.report.style import Style
from flagctl.report.warehouse import render_compact
from flagctl.warehouse.compacting import Compacted


def test_a_narrow_table_of_packed_days_leaves_the_number_of_files_out_and_cuts_no_kind_of_event():
    day = Compacted(
        kind="conversions",
        day="2026-11-23",
        path="events/conversions/dt=2026-11-23/packed.parquet",
        rows=156_000,
        duplicates=0,
        files=1,
        bytes_before=3_360_000,
        bytes_after=92_900,
        left=(),
    )
    result = CompactResult(source="events", days=(day,))
    assert "Files" in render_compact(result, Style(width=100))
    narrow = render_compact(result, Style(width=60)).splitlines()
    assert "Files" not in narrow[0]
    assert narrow[1].split()[:3] == ["2026-11-23", "conversions", "156,000"]
    assert all(len(line) <= 60 for line in narrow)
