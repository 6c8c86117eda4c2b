"""Worked examples that textbooks, papers and manuals print, with the figures as they are printed."""

import math

import pytest
from scipy import stats

from flagctl.experiments import bayes, boundaries, multiplicity, power, quantiles, sequential, srm, views
from flagctl.experiments.data import ArmMetric, MetricData, Moments
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


def ratio(above, below):
    """A ratio with its standard error."""
    one, _ = reduce_arms((arm("a", above, denominator=below), arm("b", above, denominator=below)))
    return one.mean, math.sqrt(one.squared_error)


def test_a_ratio_of_two_sums_of_the_stata_manual():
    # Stata Base Reference Manual, ratio, example 1 (fuel.dta): miles per gallon without and with an additive, linearised error.
    without = [20, 23, 21, 25, 18, 17, 18, 24, 20, 24, 23, 19]
    treated = [24, 25, 21, 22, 23, 18, 17, 28, 24, 27, 21, 23]
    found, error = ratio(without, treated)
    assert (found, error) == pytest.approx((0.9230769, 0.032493), abs=5e-7)
    reach = stats.t.ppf(0.975, 11) * error
    assert (found - reach, found + reach) == pytest.approx((0.8515603, 0.9945936), abs=1e-7)


def test_a_ratio_of_volume_to_basal_area_of_trees():
    # Scheaffer, Mendenhall & Ott, Elementary Survey Sampling, exercise 6.1: ratio 21.194; of 250 trees with 75 square feet
    # together, 1589.55 cubic feet with a bound of 186.3, which is two errors without the 12 trees that were measured.
    area = [0.3, 0.5, 0.4, 0.9, 0.7, 0.2, 0.6, 0.5, 0.8, 0.4, 0.8, 0.6]
    volume = [6, 9, 7, 19, 15, 5, 12, 9, 20, 9, 18, 13]
    found, error = ratio(volume, area)
    # The book divides by the mean of all trees, 75 / 250, in place of that of the sample; both cancel in the total.
    bound = 2 * 250 * error * (sum(area) / 12) * math.sqrt(1 - 12 / 250)
    assert (found, 75 * found) == pytest.approx((21.1940, 1589.55), abs=0.005)
    assert bound == pytest.approx(186.317, abs=0.001)


def test_the_normal_mixture_of_confseq():
    # gostevehoward/confseq, test/uniform_boundaries_unittest.cpp, figures of a reference in R: variance 100, optimised for it.
    assert 1 / sequential.mixture_scale(0.05, 100) == pytest.approx(12.60056, abs=1e-5)
    assert 10 * sequential.half_width(100, 0.05, 100) == pytest.approx(30.35209, abs=1e-5)
    # The mixture likelihood ratio is 20 there, so the p-value is one in 20.
    assert sequential.p_value(30.35209 / 10, 100, 0.05, 100) == pytest.approx(0.05, abs=1e-6)
    # One-sided it says 27.66071. Ours is the closed form of Waudby-Smith et al., B.1, which is a little wider.
    one_sided = 10 * sequential.one_sided_width(100, 0.05, 100)
    assert 27.66071 < one_sided < 1.005 * 27.66071


@pytest.mark.parametrize(
    ("planned", "low", "high", "middle", "error"),
    [(5000, 0.40098, 0.60675, 0.50386, 0.03386), (1000, -0.55844, 1.56516, 0.50336, 0.33341)],
)
def test_confidence_sequences_of_the_test_vectors_of_growthbook(planned, low, high, middle, error):
    # growthbook/growthbook, packages/stats/tests/frequentist/test_tests.py, TestSequentialTTest: 3000 and 3461 units.
    half = sequential.half_width(3000 + 3461, 0.05, planned)
    assert (middle - half * error, middle + half * error) == pytest.approx((low, high), abs=3e-5)


def test_the_mixture_test_finds_a_large_difference_at_the_fifth_pair():
    # Python package msprt (formulas of the R package mixtureSPRT), its test of a large effect: crossed at pair 5 of 10.
    one = [3.1, 2.8, 3.3, 2.9, 3.0, 3.2, 2.7, 3.4, 3.1, 2.8]
    other = [0.9, 1.0, 0.8, 1.1, 0.7, 1.0, 0.9, 0.8, 1.1, 0.7]
    # calcTau of mixtureSPRT for alpha 5 %, sigma 1, truncation at 10: its variance of the mixture.
    b = 2 * math.log(20) / math.sqrt(10)
    tau = stats.norm.cdf(-b) / (stats.norm.pdf(b) / b - stats.norm.cdf(-b))
    # There a pair weighs tau^2 / 2 against the variance of its difference; here, half of it for each unit.
    planned = (5.991465 + math.log(6.991465)) / (tau * tau / 4)
    p = []
    for n in range(1, 11):
        z = (sum(one[:n]) - sum(other[:n])) / n / math.sqrt(2 / n)
        p.append(sequential.p_value(z, 2 * n, 0.05, planned))
    assert [value < 0.05 for value in p] == [False] * 4 + [True] * 6


def test_sequential_bayes_factors_of_the_test_vectors_of_ssrm():
    # optimizely/ssrm, ssrm_test/test_ssrm_test.py: logarithms of both likelihoods after each of four days, flat prior.
    days = [(20, 17, 9), (18, 21, 8), (4, 6, 4), (18, 19, 11)]
    flat = [-7.028201432058012, -11.947847738358888, -15.471401950257842, -19.96484521090386]
    intended = [-4.0776406466061985, -8.265946861099877, -11.610743519545139, -15.781031228536165]
    counts = dict.fromkeys("abc", 0)
    for day, one, other in zip(days, flat, intended, strict=True):
        counts = {variant: counts[variant] + n for variant, n in zip("abc", day, strict=True)}
        found = srm.log_bayes_factor(counts, {"a": 0.4, "b": 0.4, "c": 0.2}, dict.fromkeys("abc", 1.0))
        assert found == pytest.approx(one - other, abs=1e-9)


# Thirteen trials of a vaccine, Colditz et al. (1994), JAMA 271: cases and others who were vaccinated, then of the controls.
TRIALS = (
    (4, 119, 11, 128),
    (6, 300, 29, 274),
    (3, 228, 11, 209),
    (62, 13536, 248, 12619),
    (33, 5036, 47, 5761),
    (180, 1361, 372, 1079),
    (8, 2537, 10, 619),
    (505, 87886, 499, 87892),
    (29, 7470, 45, 7232),
    (17, 1699, 65, 1600),
    (186, 50448, 141, 27197),
    (5, 2493, 3, 2338),
    (27, 16886, 29, 17825),
)


def test_relative_effects_of_thirteen_trials():
    # Viechtbauer (2010), Journal of Statistical Software 36(3), section 3.1: logarithms of relative risks and their variances.
    logarithms = (-0.8893, -1.5854, -1.3481, -1.4416, -0.2175, -0.7861, -1.6209, 0.0120, -0.4694, -1.3713, -0.3394)
    variances = (0.3256, 0.1946, 0.4154, 0.0200, 0.0512, 0.0069, 0.2230, 0.0040, 0.0564, 0.0730, 0.0124)
    z = stats.norm.ppf(0.975)
    for (a, b, c, d), middle, variance in zip(
        TRIALS, (*logarithms, 0.4459, -0.0173), (*variances, 0.5325, 0.0714), strict=True
    ):
        found = proportions(share("control", c, c + d), share("vaccine", a, a + b), alpha=0.05)
        low, high = math.log1p(found.relative_low), math.log1p(found.relative_high)
        assert (low + high) / 2 == pytest.approx(middle, abs=5e-5)
        assert ((high - low) / 2 / z) ** 2 == pytest.approx(variance, abs=5e-5)


def test_effects_differ_between_thirteen_trials():
    # The same paper: Q = 152.2330 with 12 degrees of freedom.
    parts = {}
    for number, (a, b, c, d) in enumerate(TRIALS):
        variance = 1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)
        # Half of the variance on each side; so many units that t is normal.
        n = 10**9
        covariances = {("value", "value"): n * variance / 2}
        sides = {"control": 0.0, "vaccine": math.log(a / (a + b) / (c / (c + d)))}
        parts[str(number)] = MetricData(
            key="m",
            arms=tuple(
                ArmMetric(variant=side, moments=Moments(n=n, means={"value": mean}, covariances=covariances))
                for side, mean in sides.items()
            ),
        )
    _, (found,) = views.parts({"trial": parts}, control="control", alpha=0.05)
    assert stats.chi2.isf(found.p_value, 12) == pytest.approx(152.2330, abs=5e-4)
