from __future__ import annotations

from flagctl.ops.bench_levels import Places, measure_levels


def test_every_level_there_is_is_measured(tmp_path, valkey):
    levels = measure_levels(Places(redis=valkey.url, remote=f"file://{tmp_path}/store"), flags=500, rounds=3)
    assert [level.level for level in levels] == ["memory", "first", "redis", "store"]
    assert [level.times for level in levels] == [5000, 500, 3, 3]
    assert all(0 < level.median_ms <= level.p99_ms for level in levels)
    assert [level.url for level in levels][2:] == [valkey.url, f"file://{tmp_path}/store"]


def test_levels_without_a_location_are_left_out():
    assert [level.level for level in measure_levels(Places(), flags=50, rounds=3)] == ["memory", "first"]
