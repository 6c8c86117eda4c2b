import numpy as np
import pytest

from flagctl.experiments.holdout import SLOTS, compare_slots
from flagctl.experiments.reduce import NotEnoughDataError
from flagctl.experiments.selftest import self_test
from flagctl.experiments.views import independence
from tests.scale import scaled


def test_values_that_are_not_too_skewed_pass_with_a_covariate_and_as_a_ratio():
    rng = np.random.default_rng(1)
    before = rng.exponential(1, 3000)
    columns = {"value": before + rng.exponential(1, 3000), "covariate": before, "denominator": rng.uniform(1, 2, 3000)}
    columns["denominator_covariate"] = rng.uniform(1, 2, 3000)
    found = self_test(columns, shares=(0.7, 0.3), runs=scaled(200, 5000), alpha=0.05)
    assert found.passed
    assert sum(found.histogram) == found.runs == scaled(200, 5000)
    assert found.library.startswith("tea-tasting ")
    assert (found.library_runs, found.library_agrees) == (20, True)
    assert 0 < found.library_difference < 1e-9


def test_one_unit_that_outweighs_all_others_fails():
    values = np.ones(400)
    values[0] = 1e6
    values[1:40] = 2
    found = self_test({"value": values}, shares=(0.5, 0.5), runs=200, alpha=0.05)
    assert not found.passed


def test_units_that_are_all_alike_have_no_answer():
    with pytest.raises(NotEnoughDataError, match="all alike"):
        self_test({"value": np.ones(50)}, shares=(0.5, 0.5), runs=20, alpha=0.05)


def test_slots_without_a_difference_rarely_show_one():
    rng = np.random.default_rng(2)
    runs = scaled(200, 2000)
    wrong = 0
    for _ in range(runs):
        totals = rng.poisson(0.3, SLOTS) * 2.0
        found = compare_slots(totals, ((95_000, 100_000),), alpha=0.05)
        wrong += found.p_value < 0.05
    assert wrong < runs * 0.11
    assert compare_slots(np.zeros(SLOTS), ((0, 10),), alpha=0.05) is None


def test_a_shared_salt_shows_in_the_crossing():
    assert independence({("a", "x"): 500, ("b", "y"): 500}) < 1e-9
    assert independence({("a", "x"): 250, ("a", "y"): 250, ("b", "x"): 251, ("b", "y"): 249}) > 0.5
    assert independence({("a", "x"): 3, ("a", "y"): 2, ("b", "x"): 1, ("b", "y"): 4}) is None
