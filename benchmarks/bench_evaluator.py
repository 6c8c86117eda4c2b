"""Measure the evaluator against its limits; exits 1 if one is exceeded.

    python benchmarks/bench_evaluator.py [--repeats N] [--flags N]

Ratios to references of the same run are what counts; see `flagctl/ops/bench.py`.
"""

from __future__ import annotations

import argparse
import sys

from flagctl.ops.bench import BenchOptions, bench

LARGE_LIMITS = {
    "open_ms": 30.0,
    "cold_ms": 400.0,
    "warm_ms": 10.0,
    "open_megabytes": 25.0,
    "used_megabytes": 80.0,
}
P99_LIMIT_NS = 10_000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=60)
    parser.add_argument("--flags", type=int, default=10_000)
    options = parser.parse_args()
    result = bench(BenchOptions(repeats=options.repeats, flags=options.flags))
    print(f"references: call + look-up {result.call_nanoseconds:.1f} ns, hash {result.hash_nanoseconds:.1f} ns")
    exceeded = False
    for timing in result.cases:
        over = timing.ratio > timing.limit or timing.p99_nanoseconds > P99_LIMIT_NS
        exceeded |= over
        print(
            f"{timing.case:36} {timing.method:11} {timing.nanoseconds:7.1f} ns  {timing.ratio:5.2f} x {timing.reference}"
            f" (limit {timing.limit})  p99 {timing.p99_nanoseconds / 1e3:.1f} µs{'  EXCEEDED' if over else ''}"
        )
    if result.large is not None:
        print(f"{result.large.flags} flags, {result.large.bytes / 1e6:.1f} MB, check {result.large.check_ms:.0f} ms")
        for name, limit in LARGE_LIMITS.items():
            value = getattr(result.large, name)
            over = value is not None and value > limit
            exceeded |= over
            print(
                f"{name:16} {value if value is None else round(value, 1)} (limit {limit}){'  EXCEEDED' if over else ''}"
            )
    return int(exceeded)


if __name__ == "__main__":
    sys.exit(main())
