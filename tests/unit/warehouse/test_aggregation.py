import random

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.events import Conversion, Exposure, folder_of, to_json_line
from flagctl.experiments.analysis import compute
from flagctl.experiments.verdict import Outcome, decide
from flagctl.model import Decision, Metric, RatioSide
from flagctl.ops.experiment_analyze import AnalyzeOptions, read_data
from flagctl.warehouse.aggregate import AggregateOptions, aggregate
from flagctl.warehouse.duck import DuckEngine
from flagctl.warehouse.listing import list_events
from tests.unit.experiments.samples import DAY, START, experiment
from tests.unit.warehouse.reference import columns_of, units_of

US = 1000
KINDS = ("exposures", "conversions", "measurements")


def exposure(unit: str, variant: str, ts: int, number: int, **more) -> Exposure:
    fields = {
        "environment": "production",
        "experiment": "hero-test",
        "unit_type": "targeting_key",
        "flag": "hero",
        "config_hash": "x",
        "reason": "SPLIT",
        "sdk": "test/1",
    }
    return Exposure(ts=ts, event_id=f"e{number}", variant=variant, unit_id=unit, **(fields | more))


def conversion(unit: str, ts: int, number: int, value: float = 1.0, event: str = "order", **more) -> Conversion:
    return Conversion(
        ts=ts,
        event_id=f"c{number}",
        environment="production",
        unit_type="targeting_key",
        unit_id=unit,
        event=event,
        value=value,
        **more,
    )


def story(seed: int, units: int = 300):
    """Exposures and conversions with switchers, bots, repeats, late and early events, strangers and duplicates."""
    rng = random.Random(seed)
    exposures, conversions = [], []
    for index in range(units):
        unit, variant = f"u{index}", rng.choice(["off", "on"])
        first = START * US + rng.randrange(12 * DAY * US)
        for _ in range(rng.choice([1, 1, 2, 5])):
            shown = variant if rng.random() > 0.005 else "on"
            exposures.append(
                exposure(unit, shown, first + rng.randrange(3 * DAY * US), len(exposures), is_bot=index % 50 == 7)
            )
        for _ in range(rng.choice([0, 0, 1, 3])):
            ts = first + rng.randrange(-3 * DAY * US, 10 * DAY * US)
            conversions.append(conversion(unit, ts, len(conversions), round(rng.gammavariate(2, 20), 2)))
        if rng.random() < 0.3:
            conversions.append(conversion(unit, first + 5, len(conversions), event="visit"))
    conversions += [conversion(f"stranger{i}", START * US + i, 10**6 + i) for i in range(20)]
    conversions += rng.sample(conversions, 15)
    exposures += rng.sample(exposures, 15)
    rng.shuffle(exposures)
    rng.shuffle(conversions)
    return exposures, conversions


def write_lines(root, events):
    for number, event in enumerate(events):
        folder = root / folder_of(event)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"part-{number % 3}.jsonl").open("ab") as file:
            file.write(to_json_line(event))


def write_parquet(root, kind, events):
    folder = root / kind / "dt=2025-10-09"
    folder.mkdir(parents=True)
    columns = {name: [getattr(event, name) for event in events] for name in events[0].__dataclass_fields__}
    columns["ts"] = pa.array(columns["ts"], pa.timestamp("us", "UTC"))
    columns["attrs"] = pa.array([list(e.attrs.items()) for e in events], pa.map_(pa.string(), pa.string()))
    pq.write_table(pa.table(columns), folder / "part.parquet")


def read(root, setup, as_of_ms=START + 14 * DAY):
    engine = DuckEngine()
    try:
        engine.load(list_events(str(root), KINDS))
        return aggregate(engine, setup, AggregateOptions(as_of_ms=as_of_ms), engine.findings)
    finally:
        engine.close()


SETUP = {
    "primary": Metric(kind="conversion", event="order", window_ms=2 * DAY),
    "secondary": (
        Metric(kind="count", event="order", window_ms=DAY),
        Metric(kind="revenue", event="order", cuped_ms=2 * DAY, winsorize_upper=90.0),
        Metric(kind="ratio", numerator=RatioSide(event="order", of="value"), denominator=RatioSide(event="visit")),
        Metric(kind="quantile", event="order", quantile=50.0),
    ),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("form", ["lines", "parquet"])
def test_moments_equal_those_of_a_plain_computation(tmp_path, seed, form):
    exposures, conversions = story(seed)
    if form == "lines":
        write_lines(tmp_path, [*exposures, *conversions])
    else:
        write_parquet(tmp_path, "exposures", exposures)
        write_parquet(tmp_path, "conversions", conversions)
    setup = experiment(**SETUP)
    data = read(tmp_path, setup)
    until = (START + 14 * DAY) * US
    expected = units_of(setup, exposures, until)
    assert sum(data.units.values()) - data.switchers == len(expected)
    for metric in (setup.primary, *setup.secondary[:2]):
        rows = columns_of(setup, metric, exposures, conversions, until)
        for arm in data.metrics[metric.key].arms:
            values = np.array(rows[arm.variant])
            assert arm.moments.n == len(values)
            assert arm.moments.means["value"] == pytest.approx(values[:, 0].mean(), rel=1e-12)
            assert arm.moments.covariances["value", "value"] == pytest.approx(values[:, 0].var(ddof=1), rel=1e-9)
            if metric.cuped_ms:
                cov = np.cov(values.T)
                assert arm.moments.covariances["value", "covariate"] == pytest.approx(cov[0, 1], rel=1e-9)
    duplicates = [one for one in data.findings if one.code == "duplicate-events"]
    assert sorted(one.count for one in duplicates) == [15, 15]


def test_the_series_ends_with_all_units_and_their_values(tmp_path):
    exposures, conversions = story(9)
    write_lines(tmp_path, [*exposures, *conversions])
    for kind in ("conversion", "count", "revenue"):
        setup = experiment(
            primary=Metric(kind=kind, event="order", window_ms=2 * DAY),
            decision=Decision(planned_days=14, maturity="all"),
        )
        data = read(tmp_path, setup)
        last, total = data.days[-1].metrics[setup.primary.key], data.metrics[setup.primary.key]
        for one, other in zip(last.arms, total.arms, strict=True):
            assert one.moments.n == other.moments.n
            assert one.moments.means["value"] == pytest.approx(other.moments.means["value"], rel=1e-9)
            pair = ("value", "value")
            assert one.moments.covariances[pair] == pytest.approx(other.moments.covariances[pair], rel=1e-9)


def test_great_means_do_not_swallow_small_variances(tmp_path):
    exposures = [exposure(f"u{i}", "off" if i % 2 else "on", START * US + i, i) for i in range(10)]
    conversions = [conversion(f"u{i}", START * US + 100, i, 1e9 + i % 4) for i in range(10)]
    write_lines(tmp_path, [*exposures, *conversions])
    setup = experiment(primary=Metric(kind="mean", event="order"), decision=Decision(maturity="all"))
    data = read(tmp_path, setup)
    for metric in (data.metrics[setup.primary.key], data.days[-1].metrics[setup.primary.key]):
        for arm in metric.arms:
            assert arm.moments.covariances["value", "value"] == pytest.approx(1.2, rel=1e-5)


def test_bad_rows_are_counted_and_many_of_them_block(tmp_path):
    exposures, conversions = story(3)
    write_lines(tmp_path, [*exposures, *conversions])
    path = next((tmp_path / "conversions").rglob("*.jsonl"))
    with path.open("ab") as file:
        file.write(
            b'not json\n{"ts":"2025-10-12T00:00:00Z","event_id":"x","unit_id":"u1","event":"order","value":"NaN"}\n'
        )
    data = read(tmp_path, experiment(**SETUP))
    found = next(one for one in data.findings if one.code == "unusable-rows")
    assert (found.count, found.blocks) == (2, False)
    with path.open("ab") as file:
        file.write(b"garbage\n" * 100)
    data = read(tmp_path, experiment(**SETUP))
    assert decide(data, compute(data)).outcome is Outcome.INVALID


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no parquet at all", "not a readable Parquet file"),
        (None, "the column unit_id is missing"),
    ],
)
def test_a_file_that_cannot_be_read_blocks_the_verdict(tmp_path, content, reason):
    exposures, conversions = story(3)
    write_lines(tmp_path, [*exposures, *conversions])
    path = next((tmp_path / "exposures").iterdir()) / "more.parquet"
    if content is None:
        pq.write_table(
            pa.table(
                {"ts": pa.array([1], pa.int64()), "event_id": ["a"], "experiment": ["hero-test"], "variant": ["on"]}
            ),
            path,
        )
    else:
        path.write_bytes(content)
    data = read(tmp_path, experiment(**SETUP))
    found = next(one for one in data.findings if one.code == "unreadable-files")
    assert reason in found.message
    assert decide(data, compute(data)).outcome is Outcome.INVALID


def test_one_unit_and_an_empty_variant_give_no_verdict(tmp_path):
    write_lines(tmp_path, [exposure("u1", "on", START * US, 1), conversion("u1", START * US + 1, 1)])
    data = read(tmp_path, experiment(**SETUP))
    assert [one.code for one in data.findings] == ["empty-variants"]
    assert decide(data, compute(data)).outcome in {Outcome.INVALID, Outcome.INCONCLUSIVE, Outcome.KEEP_RUNNING}


def test_a_unit_of_an_unknown_variant_blocks(tmp_path):
    write_lines(tmp_path, [exposure("u1", "purple", START * US, 1)])
    data = read(tmp_path, experiment(**SETUP))
    assert (
        decide(data, compute(data))
        .reasons[0]
        .startswith("units were exposed to variants that the experiment does not have: purple")
    )


def test_units_with_too_many_events_are_bots(tmp_path):
    events = [exposure(f"u{i}", "off" if i % 2 else "on", START * US + i, i) for i in range(40)]
    events += [conversion("u3", START * US + 50 + i, i) for i in range(30)]
    write_lines(tmp_path, events)
    data = read(tmp_path, experiment(**SETUP, bot_events_per_day=20))
    assert data.excluded == {"more than 20 events on a day": 1}
    assert sum(data.units.values()) == 39


def test_a_clock_a_few_seconds_behind_does_not_lose_a_conversion(tmp_path):
    write_lines(
        tmp_path,
        [
            *(exposure(f"u{i}", "on", START * US + 10**9, i) for i in range(3)),
            conversion("u0", START * US + 10**9 - 5_000_000, 0),
            conversion("u1", START * US + 10**9 - 120_000_000, 1),
        ],
    )
    data = read(tmp_path, experiment(**SETUP))
    on = data.metrics["order"].arm("on")
    assert (on.moments.n, on.conversions) == (3, 1)


def test_a_day_without_any_event_is_told_where_others_are_busy(tmp_path):
    exposures = [exposure(f"u{i}", "off" if i % 2 else "on", START * US + i % 6 * DAY * US, i) for i in range(300)]
    kept = [one for one in exposures if (one.ts - START * US) // (DAY * US) not in {2, 3}]
    write_lines(tmp_path / "gap", kept)
    found = [one for one in read(tmp_path / "gap", experiment(**SETUP)).findings if one.code == "data-gaps"]
    assert [(one.count, one.blocks) for one in found] == [(2, False)]
    # A late event of an early unit shows that the pipes were open.
    write_lines(tmp_path / "whole", [*kept, *(conversion("u0", START * US + day * DAY * US, day) for day in (2, 3))])
    assert "data-gaps" not in [one.code for one in read(tmp_path / "whole", experiment(**SETUP)).findings]
    write_lines(tmp_path / "few", kept[:12])
    assert "data-gaps" not in [one.code for one in read(tmp_path / "few", experiment(**SETUP)).findings]


def test_a_day_on_which_one_kind_of_events_was_lost_is_told(tmp_path):
    exposures = [exposure(f"u{i}", "off" if i % 2 else "on", START * US + i % 6 * DAY * US, i) for i in range(300)]
    orders = [conversion(one.unit_id, one.ts + 1, number) for number, one in enumerate(exposures)]

    def gaps(name, events):
        write_lines(tmp_path / name, events)
        findings = read(tmp_path / name, experiment(**SETUP)).findings
        return {one.code: (one.message, one.count, one.blocks) for one in findings if one.code.endswith("-gaps")}

    lost = START * US + 3 * DAY * US
    assert gaps("whole", [*exposures, *orders]) == {}
    found = gaps("exposures", [*(one for one in exposures if one.ts != lost), *orders])
    message = "no unit was exposed for the first time on 2025-10-12, unlike on the days before and after: were events of one kind lost?"
    assert found == {"exposure-gaps": (message, 1, False)}
    (code,) = gaps("orders", [*exposures, *(one for one in orders if one.ts != lost + 1)])
    assert code == "event-gaps"
    # The last units came two days before the last order: that is no gap.
    assert gaps("end", [*exposures, *orders, conversion("u0", START * US + 6 * DAY * US, 999)]) == {}


@pytest.mark.parametrize(
    ("column", "values", "reason"),
    [
        ("value", pa.array(["many"]), "the column value is string, not float64"),
        ("ts", pa.array(["2025-10-09"]), "the column ts is string, not timestamp"),
        ("unit_id", pa.array([7]), "the column unit_id is int64, not string"),
    ],
)
def test_a_column_of_another_type_is_named(tmp_path, column, values, reason):
    write_lines(tmp_path, [exposure("u1", "on", START * US, 1)])
    folder = tmp_path / "conversions" / "dt=2025-10-09"
    folder.mkdir(parents=True)
    columns = {
        "ts": pa.array([START * US], pa.timestamp("us", "UTC")),
        "event_id": ["c1"],
        "unit_id": ["u1"],
        "event": ["order"],
        "value": [1.0],
    }
    pq.write_table(pa.table(columns | {column: values}), folder / "part.parquet")
    found = [one for one in read(tmp_path, experiment(**SETUP)).findings if one.code == "unreadable-files"]
    assert reason in found[0].message


def test_negative_sums_are_counted_and_infinite_values_left_out(tmp_path):
    events = [exposure(f"u{i}", "off" if i % 2 else "on", START * US + i, i) for i in range(200)]
    events += [conversion(f"u{i}", START * US + 1000, i, -5.0 if i < 3 else 2.0) for i in range(200)]
    write_lines(tmp_path, events)
    with next((tmp_path / "conversions").rglob("*.jsonl")).open("ab") as file:
        line = '{"ts":"2025-10-09T01:00:00Z","event_id":"inf","unit_id":"u9","event":"order","value":"Infinity"}\n'
        file.write(line.encode())
    data = read(tmp_path, experiment(primary=Metric(kind="mean", event="order")))
    assert {one.code: one.count for one in data.findings} == {"unusable-rows": 1, "negative-values": 3}


def test_a_file_that_was_copied_counts_once(tmp_path):
    exposures, conversions = story(4)
    write_lines(tmp_path, [*exposures, *conversions])
    once = read(tmp_path, experiment(**SETUP))
    for path in list(tmp_path.rglob("*.jsonl")):
        path.with_name(f"copy-{path.name}").write_bytes(path.read_bytes())
    twice = read(tmp_path, experiment(**SETUP))
    assert once.units == twice.units
    for one, other in zip(once.metrics["order"].arms, twice.metrics["order"].arms, strict=True):
        # the order of summation differs
        assert (one.moments.n, one.conversions) == (other.moments.n, other.conversions)
        assert one.moments.means["value"] == pytest.approx(other.moments.means["value"], rel=1e-9)
    assert sum(one.count for one in twice.findings if one.code == "duplicate-events") > 300


def test_where_nothing_is_the_error_says_so(tmp_path):
    with pytest.raises(NothingMatchedError, match="has no events"):
        list_events(str(tmp_path), KINDS)
    with pytest.raises(NothingMatchedError, match="there is no folder"):
        list_events(str(tmp_path / "nowhere"), KINDS)
    with pytest.raises(UsageError, match="ftp"):
        list_events("ftp://host/events", KINDS)


def test_units_that_changed_variants_count_by_the_first_one(tmp_path):
    events = [exposure(f"u{i}", "off" if i % 2 else "on", START * US + i, i) for i in range(40)]
    # "off" comes first in the alphabet; twelve of those that saw "on" see it later.
    events += [exposure(f"u{i}", "off", START * US + DAY * US + i, 100 + i) for i in range(0, 24, 2)]
    events += [exposure("u1", "on", START * US + DAY * US, 200)]
    write_lines(tmp_path, events)
    data = read(tmp_path, experiment(**SETUP))
    assert dict(data.units) == {"off": 20, "on": 20}
    assert data.switchers == 13
    assert {day.date: dict(day.units) for day in data.days if any(day.units.values())} == {
        data.days[0].date: {"off": 20, "on": 20}
    }
    assert sum(sum(part.values()) for part in data.units_by["sdk"].values()) == 40


@pytest.mark.parametrize("days", [5, 80])
def test_a_conversion_is_followed_over_time_like_a_count_of_what_happens_once(tmp_path, days):
    exposures, conversions = story(21)
    once = {event.unit_id: event for event in conversions if event.event == "order"}
    write_lines(tmp_path, [*exposures, *once.values()])
    found = []
    for kind in ("conversion", "count"):
        primary = Metric(kind=kind, event="order", window_ms=days * DAY)
        setup = experiment(primary=primary, decision=Decision(planned_days=14, maturity="all"))
        data = read(tmp_path, setup)
        (ages,) = data.by_age.values()
        found.append([*(one.metrics[primary.key] for one in data.days), *(metric for _, metric in ages)])
    assert len(found[0]) == len(found[1]) > 20
    for one, other in zip(*found, strict=True):
        for left, right in zip(one.arms, other.arms, strict=True):
            assert left.moments.n == right.moments.n
            assert left.moments.means == pytest.approx(right.moments.means, rel=1e-9)
            assert left.moments.covariances == pytest.approx(right.moments.covariances, rel=1e-9)


def test_more_strange_variants_than_are_told_apart_still_block(tmp_path):
    events = [exposure(f"u{i}", "off" if i % 2 else "on", START * US + i, i) for i in range(40)]
    events += [exposure(f"x{i}", f"garbage-{i:04}", START * US + i, 100 + i) for i in range(300)]
    write_lines(tmp_path, events)
    data = read(tmp_path, experiment(**SETUP))
    found = next(one for one in data.findings if one.code == "unknown-variants")
    assert (found.count, found.blocks) == (300, True)
    assert dict(data.units) == {"off": 20, "on": 20}


def test_a_file_with_a_right_footer_and_broken_pages_is_named(tmp_path):
    exposures, conversions = story(3)
    write_parquet(tmp_path, "exposures", exposures)
    write_parquet(tmp_path, "conversions", conversions)
    path = tmp_path / "conversions" / "dt=2025-10-09" / "part.parquet"
    group = pq.read_metadata(path).row_group(0)
    column = next(one for one in map(group.column, range(group.num_columns)) if one.path_in_schema == "unit_id")
    whole = bytearray(path.read_bytes())
    start = column.dictionary_page_offset or column.data_page_offset
    whole[start : start + column.total_compressed_size] = b"\xff" * column.total_compressed_size
    path.write_bytes(whole)
    setup = experiment(**SETUP)
    data = read_data(setup, AnalyzeOptions(root=tmp_path, key=setup.key, events=str(tmp_path), now_ms=START + 14 * DAY))
    found = next(one for one in data.findings if one.code == "unreadable-files")
    assert str(path) in found.message
    assert found.blocks
