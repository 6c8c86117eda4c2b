"""The same events on DuckDB and on a real local Spark: the same numbers, the same findings."""

from __future__ import annotations

import gzip
import json
import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flagctl.experiments.analysis import compute
from flagctl.experiments.verdict import decide
from flagctl.model import Decision, Metric, RatioSide
from flagctl.warehouse.aggregate import AggregateOptions, aggregate
from flagctl.warehouse.duck import DuckEngine
from flagctl.warehouse.listing import list_events
from flagctl.warehouse.spark import SparkEngine
from tests.unit.experiments.samples import DAY, START, experiment
from tests.unit.warehouse.test_aggregation import (
    KINDS,
    SETUP,
    US,
    conversion,
    exposure,
    story,
    write_lines,
    write_parquet,
)
from tests.unit.warehouse.test_series import METRICS

QUIET = [
    # What py4j leaves behind: it closes none of its sockets.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
pytestmark = [pytest.mark.spark, pytest.mark.usefixtures("running"), *QUIET]


def both(root, setup, *, details=False):
    """What the two engines make of the same files."""
    found = []
    for engine in (DuckEngine(), SparkEngine()):
        try:
            engine.load(list_events(str(root), KINDS))
            found.append(
                aggregate(engine, setup, AggregateOptions(as_of_ms=START + 14 * DAY, details=details), engine.findings)
            )
        finally:
            engine.close()
    return found


def agree(one, other, path="", rel=1e-9):
    """Fail where two structures differ by more than one part in a billion."""
    if isinstance(one, float) or isinstance(other, float):
        assert one == pytest.approx(other, rel=rel, abs=1e-12), path
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one:
            agree(one[key], other[key], f"{path}.{key}", rel)
    elif isinstance(one, (tuple, list)):
        assert len(one) == len(other), path
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            agree(left, right, f"{path}[{index}]", rel)
    elif hasattr(one, "__dataclass_fields__"):
        for name in one.__dataclass_fields__:
            agree(getattr(one, name), getattr(other, name), f"{path}.{name}", rel)
    else:
        assert one == other, path


def test_a_whole_story_has_the_same_numbers_on_both(tmp_path):
    exposures, conversions = story(5)
    exposures = [
        type(one)(**{name: getattr(one, name) for name in one.__slots__} | {"attrs": {"plan": ["free", "pro"][i % 2]}})
        for i, one in enumerate(exposures)
    ]
    write_lines(tmp_path, conversions)
    write_parquet(tmp_path, "exposures", exposures)
    setup = experiment(**SETUP, breakdowns=("plan",), bot_events_per_day=12)
    duck, spark = both(tmp_path, setup, details=True)
    assert duck.metrics["order"].arms[0].moments.n > 50
    assert {one.code for one in duck.findings} >= {"duplicate-events"}
    agree(duck, spark)
    agree(decide(duck, compute(duck)), decide(spark, compute(spark)))


def test_a_unit_with_two_variants_at_one_instant_is_a_switcher_on_both(tmp_path):
    write_lines(tmp_path, [exposure("u1", v, START * US, i) for i, v in enumerate(["on", "off", "on"])])
    duck, spark = both(tmp_path, experiment(primary=Metric(kind="conversion", event="order")))
    assert duck.switchers == spark.switchers == 1
    agree(duck, spark)


def test_great_values_and_great_means_neither_overflow_nor_lose_their_variance(tmp_path):
    events = [exposure(f"u{i}", "off" if i % 2 else "on", START * US + i, i) for i in range(12)]
    write_lines(tmp_path, events)
    folder = tmp_path / "conversions" / "dt=2025-10-09"
    folder.mkdir(parents=True)
    # Integers, whose squares do not fit into 64 bits.
    pq.write_table(
        pa.table(
            {
                "ts": pa.array([START * US + 100] * 12, pa.timestamp("us", "UTC")),
                "event_id": [f"c{i}" for i in range(12)],
                "unit_id": [f"u{i}" for i in range(12)],
                "event": ["order"] * 12,
                "value": pa.array([4_000_000_000 + i % 4 for i in range(12)], pa.int64()),
            }
        ),
        folder / "part.parquet",
    )
    setup = experiment(primary=Metric(kind="mean", event="order"), decision=Decision(maturity="all"))
    duck, spark = both(tmp_path, setup)
    for data in (duck, spark):
        arm = next(iter(data.metrics.values())).arms[0]
        assert arm.moments.covariances["value", "value"] == pytest.approx(1.2, rel=1e-5)
    # Four billion has ten digits; of a variance of one, six are left.
    agree(duck, spark, rel=1e-6)


@pytest.mark.parametrize("unit", ["ms", "ns", "int96", "count", "naive"])
def test_instants_of_every_precision_mean_the_same(tmp_path, unit, monkeypatch):
    monkeypatch.setenv("TZ", "America/New_York")
    write_lines(tmp_path, [exposure(f"u{i}", "off" if i % 2 else "on", START * US, i) for i in range(4)])
    seconds = [START // 1000 + 3600 * i for i in range(4)]
    scale = {"ms": 10**3, "ns": 10**9, "int96": 10**9, "count": 10**6, "naive": 10**6}[unit]
    old = unit == "int96"
    kind = {"count": pa.int64(), "naive": pa.timestamp("us")}.get(unit) or pa.timestamp("ns" if old else unit, "UTC")
    folder = tmp_path / "conversions" / "dt=2025-10-09"
    folder.mkdir(parents=True)
    pq.write_table(
        pa.table(
            {
                "ts": pa.array([one * scale for one in seconds], kind),
                "event_id": pa.array([f"c{i}" for i in range(4)]).dictionary_encode(),
                "unit_id": [f"u{i}" for i in range(4)],
                "event": ["order"] * 4,
                "value": pa.array([1, 2, 3, 4], pa.float32()),
                "environment": pa.nulls(4),
            }
        ),
        folder / "part.parquet",
        use_deprecated_int96_timestamps=old,
    )
    setup = experiment(
        primary=Metric(kind="mean", event="order", window_ms=7_200_000), decision=Decision(maturity="all")
    )
    duck, spark = both(tmp_path, setup)
    assert [arm.moments.means["value"] for arm in next(iter(duck.metrics.values())).arms] == [1.0, 0.5]
    agree(duck, spark)


def test_files_of_several_shapes_lie_side_by_side(tmp_path):
    write_lines(tmp_path, [exposure(f"u{i}", "off" if i % 2 else "on", START * US, i) for i in range(6)])
    folder = tmp_path / "conversions" / "dt=2025-10-09"
    folder.mkdir(parents=True)
    for number, kind in enumerate((pa.float64(), pa.int32(), pa.decimal128(18, 2))):
        columns = {
            "ts": pa.array([START * US + 5], pa.timestamp("us", "UTC")),
            "event_id": [f"c{number}"],
            "unit_id": [f"u{number}"],
            "event": ["order"],
            "value": pa.array([7], kind),
        }
        pq.write_table(pa.table(columns), folder / f"part [{number}].parquet")
    setup = experiment(primary=Metric(kind="mean", event="order"), decision=Decision(maturity="all"))
    duck, spark = both(tmp_path, setup)
    assert sum(arm.conversions for arm in next(iter(duck.metrics.values())).arms) == 3
    agree(duck, spark)


def test_lines_with_odd_types_are_read_alike_and_bad_ones_counted_alike(tmp_path):
    write_lines(tmp_path, [exposure(f"u{i}", "off" if i % 2 else "on", START * US, i) for i in range(8)])
    folder = tmp_path / "conversions" / "dt=2025-10-09"
    folder.mkdir(parents=True)
    good = {"event": "order", "value": 2.5, "ts": "2025-10-09T10:00:00Z"}
    rows = [
        good,
        good | {"value": "3.5", "ts": "2025-10-09T12:30:00.250000+02:00"},
        good | {"value": 10**19},
        good | {"ts": START * US + 7, "value": -4},
        good | {"ts": "yesterday"},
        good | {"value": "many"},
        good | {"value": None},
        good | {"extra": {"nested": [1, 2]}, "attrs": {"a": "b"}},
    ]
    lines = [json.dumps(row | {"event_id": f"c{i}", "unit_id": f"u{i}"}) for i, row in enumerate(rows)]
    lines += ["[1, 2]", "garbage {", '{"event": "order"', json.dumps(good | {"unit_id": "u0", "value": math.nan})]
    lines += [json.dumps(good | {"unit_id": "u0", "value": text}) for text in ("NaN", "Infinity", "-inf")]
    (folder / "part.jsonl.gz").write_bytes(gzip.compress("\n".join(lines).encode()))
    setup = experiment(primary=Metric(kind="mean", event="order"), decision=Decision(maturity="all"))
    duck, spark = both(tmp_path, setup)
    assert [(one.code, one.count, one.blocks) for one in duck.findings if one.code == "unusable-rows"] == [
        ("unusable-rows", 10, True)
    ]
    agree(duck, spark)


def test_of_events_with_one_id_and_different_contents_both_keep_the_same(tmp_path):
    write_lines(
        tmp_path,
        [
            *(exposure(f"u{i}", "off" if i % 2 else "on", START * US, i) for i in range(4)),
            *(conversion(f"u{i % 4}", START * US + 50, 7, float(value)) for i, value in enumerate((9, 3, 5, 3))),
        ],
    )
    setup = experiment(primary=Metric(kind="mean", event="order"), decision=Decision(maturity="all"))
    duck, spark = both(tmp_path, setup)
    # Of other units, and so other events.
    assert [(one.code, one.count) for one in duck.findings if one.blocks] == [("reused-ids", 3)]
    agree(duck, spark)


def test_ratios_quantiles_of_events_and_caps_agree_on_random_inputs(tmp_path):
    exposures, conversions = story(11, units=600)
    write_lines(tmp_path, exposures)
    write_parquet(tmp_path, "conversions", conversions)
    setup = experiment(
        primary=Metric(
            kind="ratio", numerator=RatioSide(event="order", of="value"), denominator=RatioSide(event="visit")
        ),
        secondary=(
            Metric(kind="mean", event="order", winsorize_lower=5.0, winsorize_upper=95.0, cuped_ms=3 * DAY),
            Metric(kind="quantile", event="order", quantile=75.0, level="unit", name="units"),
            Metric(kind="quantile", event="order", quantile=25.0, level="event", name="events"),
        ),
    )
    duck, spark = both(tmp_path, setup)
    agree(duck, spark)


@pytest.mark.parametrize("name", ["count", "capped", "ratio"])
def test_days_and_ages_of_amounts_agree(tmp_path, name):
    exposures, conversions = story(6)
    write_parquet(tmp_path, "exposures", exposures)
    write_lines(tmp_path, conversions)
    duck, spark = both(tmp_path, experiment(primary=METRICS[name], decision=Decision(maturity="all")), details=True)
    assert len(duck.days) > 10
    agree(duck, spark)
