"""Made-up events are such that every metric of the experiment says something."""

from dataclasses import replace

import numpy as np
import pytest

from flagctl.model import Metric, RatioSide
from flagctl.warehouse.invention import Invention, invent
from tests.unit.experiments.samples import START, experiment

SECONDARY = (
    Metric(kind="revenue", event="order"),
    Metric(kind="mean", event="order", value="items"),
    Metric(kind="ratio", numerator=RatioSide(event="order"), denominator=RatioSide(event="visit")),
    Metric(kind="ratio", numerator=RatioSide(event="item"), denominator=RatioSide(event="order")),
    Metric(kind="quantile", event="wait", quantile=50.0, level="unit"),
)


def made(primary, *, effect=0.0, units=40_000, **more):
    setup = experiment(primary=primary, **more)
    wanted = Invention(units=units, days=14, effect=effect, seed=3, started_ms=START)
    exposures, conversions = invent(setup, wanted)
    shown = dict(zip(exposures["unit_id"], exposures["variant"], strict=True))
    return exposures, conversions, shown


def rows(conversions, event):
    chosen = np.array(conversions["event"]) == event
    units = np.array(conversions["unit_id"])[chosen]
    return units, np.asarray(conversions["value"])[chosen], [conversions["attrs"][i] for i in np.flatnonzero(chosen)]


@pytest.mark.parametrize("effect", [0.5, -0.5])
def test_the_share_of_units_that_convert_is_greater_by_the_effect(effect):
    _, conversions, shown = made(Metric(kind="conversion", event="order"), effect=effect, secondary=SECONDARY)
    units, _, _ = rows(conversions, "order")
    sizes = {name: list(shown.values()).count(name) for name in ("off", "on")}
    shares = {name: len({u for u in units if shown[u] == name}) / sizes[name] for name in sizes}
    # The control converts 1 - exp(-0.1) of its units, also where a ratio divides by the event.
    assert shares["off"] == pytest.approx(0.0952, abs=0.006)
    assert shares["on"] / shares["off"] - 1 == pytest.approx(effect, abs=0.08)


def test_a_quantile_is_greater_by_the_effect():
    primary = Metric(kind="quantile", event="wait", quantile=50.0)
    _, conversions, shown = made(primary, effect=0.5)
    units, values, _ = rows(conversions, "wait")
    on = np.array([shown[u] == "on" for u in units])
    assert np.median(values[on]) / np.median(values[~on]) == pytest.approx(1.5, abs=0.1)
    assert on.mean() == pytest.approx(0.5, abs=0.02)


def test_events_have_what_all_of_their_metrics_read():
    _, conversions, shown = made(Metric(kind="conversion", event="order"), secondary=SECONDARY, units=2000)
    _, values, attrs = rows(conversions, "order")
    assert len(set(values)) > 50
    assert all([name for name, _ in one] == ["items"] and float(one[0][1]) >= 1 for one in attrs)
    assert not any(attrs for attrs in rows(conversions, "visit")[2])
    assert set(rows(conversions, "visit")[1]) == {1.0}
    assert len(set(rows(conversions, "wait")[0])) > 0.9 * len(shown)


def test_units_have_a_value_of_each_attribute_that_the_effect_is_shown_by():
    exposures, _, _ = made(Metric(kind="conversion", event="order"), units=200, breakdowns=("platform", "plan"))
    assert {tuple(name for name, _ in one) for one in exposures["attrs"]} == {("platform", "plan")}
    assert {value for one in exposures["attrs"] for _, value in one} == {"a", "b"}


def test_events_of_two_experiments_can_be_put_together():
    order = Metric(kind="conversion", event="order")
    setup = experiment(primary=order)
    wanted = Invention(units=50, days=14, effect=0.0, seed=3, started_ms=START)
    other = replace(wanted, seed=4)
    made_up = [*invent(setup, wanted), *invent(replace(setup, key="other"), wanted), *invent(setup, other)]
    ids = [one for columns in made_up for one in columns["event_id"]]
    assert len(ids) == len(set(ids))
