from __future__ import annotations

import json

from flagctl.evaluator.document import check_structure, open_bundle
from flagctl.ops.bench import CASES, BenchOptions, bench
from flagctl.ops.bench_flags import case_bundle, large_bundle


def test_every_case_is_measured_by_every_method_against_a_reference_of_the_same_run():
    result = bench(BenchOptions(repeats=2, rounds=200, flags=200))
    assert len(result.cases) == 3 * len(CASES)
    assert all(timing.nanoseconds > 0 and timing.ratio > 0 for timing in result.cases)
    assert result.large is not None
    assert result.large.flags == 200
    assert json.loads(json.dumps(result.to_dict()))["format_version"] == 1


def test_the_large_bundle_can_be_left_out():
    assert bench(BenchOptions(repeats=1, rounds=50, flags=0)).large is None


def test_the_measured_bundles_are_well_formed_and_the_same_for_the_same_seed():
    check_structure(open_bundle(case_bundle()))
    check_structure(open_bundle(large_bundle(300, 7)))
    assert large_bundle(300, 7) == large_bundle(300, 7) != large_bundle(300, 8)
