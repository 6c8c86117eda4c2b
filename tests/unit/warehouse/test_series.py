"""The primary metric day by day and by age, compared with summing all units up again for every day."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest

from flagctl.model import Decision, Metric, RatioSide
from flagctl.warehouse import folding, memory
from flagctl.warehouse.duck import DuckEngine
from tests.unit.experiments.samples import DAY, START, experiment
from tests.unit.warehouse.reference import MINUTE, units_of
from tests.unit.warehouse.test_aggregation import US, read, story, write_lines

DAY_US = DAY * US
UNTIL = START + 14 * DAY
METRICS = {
    "conversion": Metric(kind="conversion", event="order", window_ms=5 * DAY),
    "conversion, late": Metric(kind="conversion", event="order", window_ms=70 * DAY),
    "count": Metric(kind="count", event="order", window_ms=5 * DAY),
    "revenue": Metric(kind="revenue", event="order", window_ms=6 * DAY),
    "capped": Metric(kind="revenue", event="order", window_ms=6 * DAY, winsorize_lower=20.0, winsorize_upper=80.0),
    "ratio": Metric(
        kind="ratio",
        numerator=RatioSide(event="order", of="value"),
        denominator=RatioSide(event="visit"),
        window_ms=6 * DAY,
    ),
    "ratio of something to itself": Metric(
        kind="ratio",
        numerator=RatioSide(event="order", of="count"),
        denominator=RatioSide(event="order", of="count"),
        window_ms=6 * DAY,
    ),
    "ratio of one event": Metric(
        kind="ratio",
        numerator=RatioSide(event="order", of="value"),
        denominator=RatioSide(event="order"),
        window_ms=6 * DAY,
    ),
}


def lives_of(setup, metric, exposures, conversions):
    """Unit to variant, day of the first exposure, and what it did on each day: lists of (value, denominator)."""
    found = {}
    by_unit = defaultdict(list)
    for one in {event.event_id: event for event in conversions}.values():
        by_unit[one.unit_id].append(one)
    for unit, (first, variant) in units_of(setup, exposures, UNTIL * US).items():
        days = defaultdict(lambda: [0.0, 0.0])
        for one in by_unit[unit]:
            if not first - MINUTE <= one.ts < min(UNTIL * US, first + metric.window_ms * US):
                continue
            amounts = days[max(one.ts, first) // DAY_US]
            if metric.kind != "ratio":
                amounts[0] += (one.event == "order") * (one.value if metric.kind == "revenue" else 1.0)
                continue
            amounts[0] += (one.event == metric.numerator.event) * (one.value if metric.numerator.of == "value" else 1.0)
            amounts[1] += one.event == metric.denominator.event
        found[unit] = (variant, first // DAY_US, days)
    return found


WAYS = {"arrays": memory.BESIDE, "tables": 0.0}
"""Ways to add up, and how much of the memory limit arrays may take: without room beside the engine it does all of it."""


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("seed", [1, 2])
def test_every_day_has_the_moments_of_the_units_as_they_were_on_it(tmp_path, monkeypatch, name, seed, way):
    metric = METRICS[name]
    exposures, conversions = story(seed)
    write_lines(tmp_path, [*exposures, *conversions])
    setup = experiment(primary=metric, decision=Decision(maturity="all"))
    monkeypatch.setattr(memory, "BESIDE", WAYS[way])
    data = read(tmp_path, setup, UNTIL)
    lived = lives_of(setup, metric, exposures, conversions)
    low, high = data.metrics[metric.key].caps
    born = min(day for _, day, _ in lived.values())
    compared = 0
    for offset, one in enumerate(data.days):
        for arm in one.metrics[metric.key].arms if one.metrics else ():
            units = [
                np.sum([days[d] for d in days if d <= born + offset] or [[0.0, 0.0]], axis=0)
                for variant, day, days in lived.values()
                if variant == arm.variant and day <= born + offset
            ]
            assert arm.moments.n == len(units)
            if len(units) < 2:
                continue
            values, denominators = np.array(units).T
            if metric.kind == "conversion":
                values = (values > 0).astype(float)
            values = np.clip(values, low, high) if low is not None else values
            expected = {"value": values, "denominator": denominators}
            for part, mean in arm.moments.means.items():
                assert mean == pytest.approx(expected[part].mean(), rel=1e-9, abs=1e-12)
            for (left, right), covariance in arm.moments.covariances.items():
                wanted = np.cov(expected[left], expected[right])[0, 1]
                assert covariance == pytest.approx(wanted, rel=1e-9, abs=1e-9)
            compared += 1
    assert compared > 20


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["count", "revenue", "capped", "conversion", "conversion, late"])
def test_every_age_has_what_units_did_on_that_day_of_their_life(tmp_path, monkeypatch, name, way):
    metric = METRICS[name]
    exposures, conversions = story(3)
    write_lines(tmp_path, [*exposures, *conversions])
    setup = experiment(primary=metric, decision=Decision(maturity="all"))
    monkeypatch.setattr(memory, "BESIDE", WAYS[way])
    data = read(tmp_path, setup, UNTIL)
    lived = lives_of(setup, metric, exposures, conversions)
    today = UNTIL * US // DAY_US
    (ages,) = data.by_age.values()
    assert len(ages) > 5
    for age, shown in ages:
        for arm in shown.arms:
            did = [
                days[day + age][0] if day + age in days else 0.0
                for variant, day, days in lived.values()
                if variant == arm.variant and day + age < today
            ]
            did = [float(one > 0) for one in did] if metric.kind == "conversion" else did
            assert arm.moments.n == len(did)
            if len(did) > 1:
                assert arm.moments.means["value"] == pytest.approx(np.mean(did), rel=1e-9)
                pair = ("value", "value")
                assert arm.moments.covariances[pair] == pytest.approx(np.var(did, ddof=1), rel=1e-9)


def test_arrays_are_made_only_where_they_have_room():
    engine = DuckEngine(memory_limit="1GB")
    try:
        assert folding.fits(engine.nearby, (500_000, 1_000_000), 8)
        assert not folding.fits(engine.nearby, (4_000_000, 8_000_000), 8)
    finally:
        engine.close()
