"""Winsorised means that manuals print, from events to moments."""

import pytest

from flagctl.model import Metric
from tests.unit.experiments.samples import DAY, START, experiment
from tests.unit.warehouse.test_aggregation import US, conversion, exposure, read, write_lines

# NAG Library Manual, G07DDF, example program: two of sixteen on each side.
NAG = [26, 12, 9, 2, 5, 6, 8, 14, 7, 3, 1, 11, 10, 4, 17, 21]
# Wikipedia, Winsorizing: one of twenty on each side.
ENCYCLOPEDIA = [92, 19, 101, 58, 1053, 91, 26, 78, 10, 13, -40, 101, 86, 85, 15, 89, 89, 28, -5, 41]


def winsorised(root, values, cut):
    """Moments of both variants, each with all of the values, `cut` of them on each side."""
    n = 2 * len(values)
    # Between the two units that share the first value that stays.
    lower = 100 * (2 * cut + 0.5) / (n - 1)
    metric = Metric(kind="mean", event="order", winsorize_lower=lower, winsorize_upper=100 - lower)
    events = []
    for variant in ("off", "on"):
        for number, value in enumerate(values):
            unit, ts = f"{variant}-{number}", START * US + number
            events.append(exposure(unit, variant, ts, len(events)))
            events.append(conversion(unit, ts + 1, len(events), float(value)))
    write_lines(root, events)
    return read(root, experiment(primary=metric), START + 10 * DAY).metrics[metric.key]


@pytest.mark.parametrize(("values", "cut", "mean"), [(NAG, 2, 9.1250), (ENCYCLOPEDIA, 1, 55.65)])
def test_winsorised_means_equal_printed_ones(tmp_path, values, cut, mean):
    found = winsorised(tmp_path, values, cut)
    assert [one.moments.means["value"] for one in found.arms] == pytest.approx([mean, mean], abs=1e-9)
    assert [one.capped for one in found.arms] == [2 * cut, 2 * cut]


def test_the_variance_of_a_winsorised_mean_equals_a_printed_one(tmp_path):
    # 1.5381, with n in place of n - 1 as divisor.
    one = winsorised(tmp_path, NAG, 2).arms[0].moments
    assert one.covariances["value", "value"] * (one.n - 1) / one.n / one.n == pytest.approx(1.5381, abs=5e-5)
