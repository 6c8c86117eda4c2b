"""Worked examples that textbooks, papers and manuals print, with the figures as they are printed."""

import math

import pytest

from flagctl.experiments import bayes, boundaries, multiplicity, power, quantiles, views
from flagctl.experiments.data import MetricData
from flagctl.experiments.estimates import Reduced
from flagctl.experiments.fixed import proportions, welch
from flagctl.experiments.reduce import reduce_arms
from tests.unit.experiments.samples import arm, share


def test_welch_on_students_sleep_data():
    # Student (1908), Biometrika 6; R prints t = -1.8608, df = 17.776, p = 0.07939, -3.3654832 to 0.2054832.
    one = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0]
    other = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4]
    found = welch(*reduce_arms((arm("b", other), arm("a", one))), name="a", alpha=0.05)
    assert found.p_value == pytest.approx(0.07939, abs=5e-6)
    assert (found.low, found.high) == pytest.approx((-3.3654832, 0.2054832), abs=1e-7)


def test_welch_on_the_test_vector_of_growthbook():
    # growthbook/growthbook, packages/stats/tests/frequentist/test_tests.py, absolute effect.
    one, other = Reduced(n=3407, mean=0.41, variance=3.9**2), Reduced(n=3461, mean=0.7, variance=6.2**2)
    found = welch(one, other, name="b", alpha=0.05)
    assert (found.low, found.high, found.p_value) == pytest.approx((0.04538, 0.53462, 0.02016), abs=5e-6)


def test_barnards_test_on_the_vaccine_trial():
    # Mehta & Senchaudhuri (2003): 7 of 15 against 12 of 15, one-sided 0.0341; arms are equal, so two-sided is twice that.
    found = proportions(share("vaccine", 7, 15), share("placebo", 12, 15), alpha=0.05)
    assert found.p_value == pytest.approx(2 * 0.0341, abs=2e-4)


def test_a_covariate_on_the_leprosy_data():
    # Snedecor & Cochran (1967), as in SAS/STAT User's Guide, GLM, example of an analysis of covariance: adjusted means of the three drugs.
    before = {
        "a": [11, 8, 5, 14, 19, 6, 10, 6, 11, 3],
        "d": [6, 6, 7, 8, 18, 8, 19, 8, 5, 15],
        "f": [16, 13, 11, 9, 21, 16, 12, 12, 7, 12],
    }
    after = {
        "a": [6, 0, 2, 8, 11, 4, 13, 1, 8, 0],
        "d": [0, 2, 3, 1, 18, 4, 14, 9, 1, 9],
        "f": [13, 10, 18, 5, 23, 12, 5, 16, 1, 20],
    }
    found = reduce_arms(tuple(arm(drug, after[drug], covariate=before[drug]) for drug in before))
    assert [one.mean for one in found] == pytest.approx([6.7149635, 6.8239348, 10.1611017], abs=5e-7)


def test_strata_of_the_kidney_stones():
    # Charig et al. (1986), BMJ 292; Peters, Janzing & Schölkopf (2017), Elements of Causal Inference, print 0.832 and, from rates
    # with two digits, 0.782.
    small = MetricData(key="m", arms=(share("b", 234, 270), share("a", 81, 87)))
    large = MetricData(key="m", arms=(share("b", 55, 80), share("a", 192, 263)))
    (found,) = views.post_stratified({"small": small, "large": large}, control="b", alpha=0.05)
    assert (found.mean, found.control) == pytest.approx((0.832, 0.782), abs=0.004)


def test_benjamini_and_hochbergs_own_example():
    # Benjamini & Hochberg (1995), section 4.1: four of fifteen are rejected; Bonferroni and Holm reject three.
    p = [
        0.0001,
        0.0004,
        0.0019,
        0.0095,
        0.0201,
        0.0278,
        0.0298,
        0.0344,
        0.0459,
        0.324,
        0.4262,
        0.5719,
        0.6528,
        0.759,
        1,
    ]
    assert sum(q <= 0.05 for q in multiplicity.benjamini_hochberg(p)) == 4
    assert sum(q <= 0.05 for q in multiplicity.holm(p)) == 3


def test_levels_of_an_upper_quartile():
    # Conover (1999), section 3.2: n = 16, upper quartile, 90 %: ranks 9.15 and 14.85 by the normal approximation.
    low, high = quantiles.levels(0.75, 16, z=1.6449)
    assert (16 * low, 16 * high) == pytest.approx((9.15, 14.85), abs=0.005)


def test_chance_to_win_of_two_sellers():
    # Cook (2011), A Bayesian view of Amazon resellers: 90 of 100 is better than 2 of 2 with 0.713.
    assert bayes.beta_binomial((2, 2), (90, 100), name="b").chance_to_win == pytest.approx(0.713, abs=5e-4)


def test_normal_posterior_of_the_test_vector_of_growthbook():
    # A flat prior: the chance to win is one minus half of the two-sided p-value, 0.02016.
    one, other = Reduced(n=3407, mean=0.41, variance=3.9**2), Reduced(n=3461, mean=0.7, variance=6.2**2)
    assert bayes.normal(one, other, name="b").chance_to_win == pytest.approx(1 - 0.02016 / 2, abs=2e-5)


def test_size_of_a_medium_effect():
    # Cohen (1988), table 2.4.1: 64 for each group with t; the normal formula gives 63.
    plan = power.sample_size(Reduced(n=1, mean=1.0, variance=1.0), 0.5, power.Design(method="fixed"))
    assert plan.units_per_variant == 63


@pytest.mark.parametrize(("looks", "constant"), [(2, 2.178), (5, 2.413), (10, 2.555)])
def test_pococks_constants(looks, constant):
    # Jennison & Turnbull (2000), table 2.1, two-sided 5 %.
    shares = [(i + 1) / looks for i in range(looks)]
    assert boundaries.crossing([constant] * looks, shares, 0.0) == pytest.approx(0.05, abs=2e-4)


@pytest.mark.parametrize(("looks", "constant"), [(2, 1.977), (5, 2.040), (10, 2.087)])
def test_constants_of_obrien_and_fleming(looks, constant):
    # Jennison & Turnbull (2000), table 2.3, two-sided 5 %.
    shares = [(i + 1) / looks for i in range(looks)]
    bounds = [constant * math.sqrt(1 / one) for one in shares]
    assert boundaries.crossing(bounds, shares, 0.0) == pytest.approx(0.05, abs=2e-4)
