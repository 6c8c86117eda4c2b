import math

import pytest
from scipy import stats

from flagctl.experiments import bayes, boundaries, multiplicity, power, quantiles, sequential, srm, views
from flagctl.experiments.estimates import Reduced
from flagctl.experiments.fixed import proportions, welch, wilson
from tests.unit.experiments.samples import share


@pytest.mark.parametrize(("looks", "risk"), [(1, 0.05), (2, 0.083), (5, 0.142), (10, 0.193), (20, 0.248)])
def test_repeated_looks_at_five_percent_raise_the_risk_as_armitage_computed(looks, risk):
    shares = [(i + 1) / looks for i in range(looks)]
    assert boundaries.crossing([1.959964] * looks, shares, 0.0) == pytest.approx(risk, abs=0.0006)


def test_spending_bounds_equal_the_table_for_five_looks():
    # gsDesign and ldbounds, O'Brien-Fleming-like spending, two-sided 5 %.
    bounds = boundaries.spending_bounds([0.2, 0.4, 0.6, 0.8, 1.0], 0.05)
    assert bounds == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=2e-4)


def test_wilson_interval_of_newcombes_example():
    # Newcombe (1998), Statistics in Medicine 17:857, table I: 81 of 263.
    low, high = wilson(81, 263, stats.norm.ppf(0.975))
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


def test_difference_of_proportions_of_newcombes_example():
    # Newcombe (1998), Statistics in Medicine 17:873, method 10, example (a): 56/70 and 48/80.
    one = proportions(share("b", 48, 80), share("a", 56, 70), alpha=0.05)
    assert (round(one.low, 4), round(one.high, 4)) == (0.0524, 0.3339)


def test_holm_of_a_worked_example():
    assert multiplicity.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_benjamini_hochberg_equals_scipy():
    p = [0.001, 0.008, 0.039, 0.041, 0.042, 0.06, 0.074, 0.205, 0.212, 0.216]
    assert multiplicity.benjamini_hochberg(p) == pytest.approx(list(stats.false_discovery_control(p)))


def test_sample_ratio_of_the_kohavi_example():
    # Kohavi, Tang & Xu (2020), Trustworthy Online Controlled Experiments, chapter 3: 821,588 against 815,482.
    p = srm.chi_square({"control": 821_588, "treatment": 815_482}, {"control": 0.5, "treatment": 0.5})
    assert p == pytest.approx(1.8e-6, rel=0.05)


def test_false_positive_risk_of_a_team_with_one_success_in_ten():
    # Kohavi, Deng & Vermeer (2022), table 1: 22 %.
    assert views.false_positive_risk(0.05, 0.8, 0.1) == pytest.approx(0.22, abs=0.002)


def test_least_units_for_the_99th_percentile():
    assert quantiles.least_units(0.99) == 381
    quantiles.levels(0.99, 381)
    with pytest.raises(quantiles.NotEnoughDataError, match="381 are the least"):
        quantiles.levels(0.99, 380)


def test_sample_size_of_a_textbook_proportion():
    # 5 % to 6 %, 80 % power, 5 %: about 8,150 per variant by the formula with unpooled equal variances p(1 - p) of the baseline.
    plan = power.sample_size(Reduced(n=1, mean=0.05, variance=0.05 * 0.95), 0.01, power.Design(method="fixed"))
    expected = 2 * (stats.norm.ppf(0.975) + stats.norm.ppf(0.8)) ** 2 * 0.05 * 0.95 / 0.01**2
    assert plan.units_per_variant == pytest.approx(expected, rel=1e-3)


def test_chance_to_win_equals_evan_millers_closed_form():
    # Miller (2014), equation 6, for Beta(21, 81) against Beta(31, 71).
    from math import exp, lgamma

    def log_beta(a, b):
        return lgamma(a) + lgamma(b) - lgamma(a + b)

    a1, b1, a2, b2 = 21, 81, 31, 71
    exact = sum(
        exp(log_beta(a1 + i, b2 + b1) - math.log(b2 + i) - log_beta(1 + i, b2) - log_beta(a1, b1)) for i in range(a2)
    )
    found = bayes.beta_binomial((20, 100), (30, 100), name="b")
    assert found.chance_to_win == pytest.approx(exact, abs=2e-4)


def test_expected_loss_of_equal_variants_is_that_of_a_half_normal():
    one = Reduced(n=100, mean=1.0, variance=4.0)
    found = bayes.normal(one, one, name="b")
    assert found.chance_to_win == 0.5
    assert found.expected_loss == pytest.approx(math.sqrt(2 * 4 / 100) / math.sqrt(2 * math.pi))


def test_welch_equals_scipy():
    one, other = Reduced(n=12, mean=3.1, variance=2.2), Reduced(n=31, mean=4.0, variance=0.7)
    found = welch(one, other, name="b", alpha=0.05)
    expected = stats.ttest_ind_from_stats(4.0, 0.7**0.5, 31, 3.1, 2.2**0.5, 12, equal_var=False)
    assert found.p_value == pytest.approx(expected.pvalue, rel=1e-12)


@pytest.mark.parametrize("z", [0.0, 1.0, 2.5, 4.0, 9.0])
def test_the_always_valid_p_value_inverts_the_interval(z):
    p = sequential.p_value(z, 7000, 0.05, 10_000)
    if p < 1:
        scaled = 7000 * sequential.mixture_scale(0.05, 10_000)
        half = math.sqrt(2 * (scaled + 1) / scaled * math.log(math.sqrt(scaled + 1) / p))
        assert half == pytest.approx(z)
    assert (p <= 0.05) == (z >= sequential.half_width(7000, 0.05, 10_000))


def test_the_hybrid_rule_has_the_risk_and_the_power_that_were_simulated():
    # 14 looks; simulation of 20,000 runs: 4.2 % and 76.0 % with 80 % for a single look.
    shares = [(i + 1) / 14 for i in range(14)]
    bounds = boundaries.rule_bounds("hybrid", shares, 0.05)
    assert boundaries.crossing(bounds, shares, 0.0) == pytest.approx(0.042, abs=0.004)
    assert boundaries.crossing(bounds, shares, 2.8016) == pytest.approx(0.76, abs=0.02)
