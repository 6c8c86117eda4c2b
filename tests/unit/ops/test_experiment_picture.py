"""Pictures of what an experiment measured."""

import re
from dataclasses import replace

import pytest

from flagctl.experiments.analysis import compute
from flagctl.experiments.data import DayData, MetricData
from flagctl.model import Decision, Metric
from flagctl.ops.experiment_picture import over_time_svg
from tests.unit.experiments.samples import experiment, observed, share

ORDER = Metric(kind="conversion", event="order")
MIDNIGHT = 1_793_577_600_000  # 2026-11-02
HOUR = 3_600_000


def picture(started_ms, days, planned=4):
    """The places of days and of the planned end, and the texts, of a picture."""
    metrics = {ORDER.key: MetricData(key=ORDER.key, arms=(share("off", 100, 2000), share("on", 120, 2000)))}
    data = observed(experiment(primary=ORDER, decision=Decision(planned_days=planned)), metrics)
    lived = [DayData(date=f"2026-11-{day:02d}", units={"off": 200, "on": 200}, metrics=metrics) for day in days]
    svg = over_time_svg(compute(replace(data, days=tuple(lived))), started_ms, lambda _kind, value: f"{value:.3g}")
    line = re.search(r'<polyline[^>]*points="([^"]*)"', svg)[1]
    mark = re.search(r'<line class="zero" x1="([0-9.]+)" x2="\1"', svg)[1]
    return [float(point.split(",")[0]) for point in line.split()], float(mark), re.findall(r">([^<>]+)</text>", svg)


@pytest.mark.parametrize("hours", [0, 6, 12, 23])
def test_the_planned_end_is_marked_at_its_hour(hours):
    places, mark, _ = picture(MIDNIGHT + hours * HOUR, range(2, 12))
    # Full days since midnight of the 2nd end with the 5th, whose point is the fourth.
    assert mark == pytest.approx(places[3] + hours / 24 * (places[4] - places[3]), abs=0.1)


def test_days_without_an_estimate_leave_a_gap_and_do_not_move_the_others():
    places, mark, texts = picture(MIDNIGHT, [2, 3, 6, 7, 8], planned=6)
    assert places[2] - places[1] == pytest.approx(3 * (places[1] - places[0]), abs=0.1)
    assert mark == pytest.approx(places[3], abs=0.1)
    assert "planned end" in texts


def test_days_to_come_are_named_by_their_dates():
    _, _, texts = picture(MIDNIGHT, range(2, 6), planned=14)
    assert [one for one in texts if one.startswith("11-")][-1] > "11-10"
    assert not [one for one in texts if one.startswith("day ")]
