"""How much longer an analysis takes than the one query without which there is none, and how its cost grows.

    python benchmarks/bench_warehouse.py FOLDER [MILLIONS ...] [--memory-limit SIZE] [--repeat N] [--primary KIND]

For each number of events (default 1 2 5 10 million; made by generate_events.py where they are not there) three times in the
same run, each in a process of its own, the smallest of N repeats:

* bare: DuckDB's time for one handwritten query: first exposures, what units did, moments of three metrics by variant;
* analysis: reading, checks of rows and duplicates, counts, the same metrics, winsorised, by day, by age and by part;
* command: the whole of `flagctl experiment analyze`, with the start of Python and the statistics.

With `--primary` an amount that changes day by day is followed instead of a conversion. At the end the cost of the
whole command is drawn over the number of events.

CPU seconds are shown beside wall time: on a busy machine they are what can be compared.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from generate_events import DAYS, START, generate

AS_OF = START // 1000 + (DAYS + 10) * 86_400_000
EXPERIMENT = """kind: experiment
key: speed-test
flag: speed
hypothesis: It is fast.
owner: bench
variants: {off: 50, on: 50}
control: off
status: draft
metrics:
  primary: PRIMARY
  secondary:
SECONDARY
"""
METRICS = {
    "conversion": "{kind: conversion, event: order, window: 7d}",
    "revenue": "{kind: revenue, event: order, window: 7d, winsorize: {upper: 99}, cuped: 2d}",
    "ratio": "{kind: ratio, numerator: {event: order, of: value}, denominator: {event: view}, window: 7d}",
}
OTHERS = {
    "count": "{kind: count, event: order, window: 7d}",
    "quantile": "{kind: quantile, quantile: 90, event: order, window: 7d}",
}
FLAG = """kind: flag
key: speed
type: boolean
owner: bench
description: Measured.
default: off
rules: [{id: test, experiment: speed-test}]
"""
BARE = """
WITH first AS (
  SELECT unit_id, min(epoch_us(ts)) AS first_ts, min(variant) AS variant, max(variant) AS other
  FROM read_parquet('{root}/exposures/*/*.parquet') WHERE experiment = 'speed-test' GROUP BY unit_id),
kept AS (SELECT * FROM first WHERE variant = other),
joined AS (
  SELECT e.unit_id, e.event, e.value, epoch_us(e.ts) AS ts, k.first_ts
  FROM read_parquet('{root}/conversions/*/*.parquet') e JOIN kept k USING (unit_id)),
sums AS (
  SELECT unit_id,
    max(CASE WHEN event = 'order' AND ts >= first_ts AND ts < first_ts + {week} THEN 1.0 ELSE 0.0 END) AS ordered,
    sum(CASE WHEN event = 'order' AND ts >= first_ts AND ts < first_ts + {week} THEN value ELSE 0.0 END) AS revenue,
    sum(CASE WHEN event = 'order' AND ts < first_ts AND ts >= first_ts - {pre} THEN value ELSE 0.0 END) AS before,
    sum(CASE WHEN event = 'view' AND ts >= first_ts AND ts < first_ts + {week} THEN 1.0 ELSE 0.0 END) AS views
  FROM joined GROUP BY unit_id),
units AS (
  SELECT k.variant, coalesce(ordered, 0) AS ordered, coalesce(revenue, 0) AS revenue, coalesce(before, 0) AS before,
    coalesce(views, 0) AS views FROM kept k LEFT JOIN sums s USING (unit_id))
SELECT variant, count(*), avg(ordered), var_samp(ordered), avg(revenue), var_samp(revenue), avg(before), var_samp(before),
  covar_samp(revenue, before), avg(views), var_samp(views), covar_samp(revenue, views)
FROM units GROUP BY variant ORDER BY variant
"""


def bare(root: Path, memory_limit: str | None) -> None:
    import duckdb

    connection = duckdb.connect(config={"memory_limit": memory_limit} if memory_limit else {})
    text = BARE.format(root=root, week=7 * 86_400_000_000, pre=2 * 86_400_000_000)
    _timed(lambda: connection.execute(text).fetchall())


def analysis(root: Path, memory_limit: str | None) -> None:
    from flagctl.ops.experiment_analyze import AnalyzeOptions, find_experiment, read_data
    from flagctl.ops.loading import load, readable

    flags = _flags(root)
    experiment = find_experiment(readable(load(flags)), "speed-test")
    options = AnalyzeOptions(root=flags, key="speed-test", events=str(root), now_ms=AS_OF, memory_limit=memory_limit)
    import ibis
    import numpy as np
    import pyarrow.parquet as pq

    assert np, pq
    ibis.duckdb.connect().list_tables()  # importing is measured with the command
    _timed(lambda: read_data(experiment, options))


def command(root: Path, memory_limit: str | None) -> None:
    words = ["experiment", "analyze", "speed-test", "--root", str(_flags(root)), "--events", str(root)]
    words += ["--as-of", _rfc(AS_OF), "--output-format", "json"]
    if memory_limit:
        words += ["--memory-limit", memory_limit]

    def run() -> None:
        done = subprocess.run([sys.executable, "-m", "flagctl", *words], capture_output=True, text=True, check=False)
        assert done.returncode in {0, 1}, done.stderr
        json.loads(done.stdout)

    _timed(run, children=True)


def _rfc(milliseconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(milliseconds / 1000))


def _flags(root: Path) -> Path:
    folder = root / "flags"
    folder.mkdir(exist_ok=True)
    (folder / "flagctl.yaml").write_text("kind: config\nversion: 1\nproject: bench\nenvironments: {production: {}}\n")
    (folder / "speed.yaml").write_text(FLAG)
    primary = os.environ.get("BENCH_PRIMARY", "conversion")
    others = "\n".join(f"    - {text}" for kind, text in METRICS.items() if kind != primary)
    text = EXPERIMENT.replace("PRIMARY", (METRICS | OTHERS)[primary]).replace("SECONDARY", others)
    (folder / "speed-test.yaml").write_text(text)
    return folder


def _timed(work: object, *, children: bool = False) -> None:
    who = resource.RUSAGE_CHILDREN if children else resource.RUSAGE_SELF
    before, wall = resource.getrusage(who), time.perf_counter()
    work()
    wall, after = time.perf_counter() - wall, resource.getrusage(who)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(json.dumps({"wall": wall, "cpu": cpu, "memory": after.ru_maxrss / 1024}))


def measure(name: str, root: Path, arguments: argparse.Namespace) -> dict[str, float]:
    found = []
    for _ in range(arguments.repeat):
        words = [sys.executable, __file__, "--one", name, str(root)]
        if arguments.memory_limit:
            words += ["--memory-limit", arguments.memory_limit]
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[1])}
        environment["BENCH_PRIMARY"] = arguments.primary
        done = subprocess.run(words, capture_output=True, text=True, check=False, env=environment)
        assert done.returncode == 0, done.stderr
        found.append(json.loads(done.stdout))
    return {key: min(one[key] for one in found) for key in ("wall", "cpu", "memory")}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--one", choices=["bare", "analysis", "command"])
    parser.add_argument("--memory-limit")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--primary", choices=[*METRICS, *OTHERS], default="conversion")
    parser.add_argument("folder", type=Path)
    parser.add_argument("millions", type=float, nargs="*", default=[1, 2, 5, 10])
    arguments = parser.parse_args()
    if arguments.one:
        {"bare": bare, "analysis": analysis, "command": command}[arguments.one](
            arguments.folder, arguments.memory_limit
        )
        return
    print(f"{'events':>8} {'':9} {'wall s':>8} {'CPU s':>8} {'MB':>7}   ratio to bare (wall, CPU)")
    costs: dict[float, float] = {}
    for millions in arguments.millions:
        root = arguments.folder / f"{millions:g}m"
        if not (root / "conversions").is_dir():
            generate(root, int(millions * 1e6))
        base = None
        for name in ("bare", "analysis", "command"):
            one = measure(name, root, arguments)
            base = base or one
            costs[millions] = one["cpu"]
            ratio = f"{one['wall'] / base['wall']:.2f} {one['cpu'] / base['cpu']:.2f}"
            print(
                f"{millions:>7g}M {name:9} {one['wall']:8.2f} {one['cpu']:8.2f} {one['memory']:7.0f}   {ratio}",
                flush=True,
            )
    print("\nCPU s of the whole command")
    for millions, cost in costs.items():
        print(f"{millions:>7g}M {cost:6.2f} {'█' * round(60 * cost / max(costs.values()))}")


if __name__ == "__main__":
    main()
