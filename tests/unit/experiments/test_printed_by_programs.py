"""Figures that manuals and tests of other programs print: contrasts, slopes, clusters, losses and one-sided sequences."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from flagctl.experiments import bayes, quantiles, sequential, views
from flagctl.experiments.data import ArmMetric, MetricData, Moments
from flagctl.experiments.estimates import Reduced
from tests.unit.experiments.test_textbook_examples import TRIALS


def cell(values):
    """What the units of one cell come down to."""
    return Reduced(n=len(values), mean=float(np.mean(values)), variance=float(np.var(values, ddof=1)))


def test_an_interaction_is_the_one_that_the_manual_of_statpsych_prints():
    # R package statpsych, ci.2x2.mean.bs: the interaction of two between-subjects factors, Satterthwaite's degrees of freedom.
    y11, y12 = [14, 15, 11, 7, 16, 12, 15, 16, 10, 9], [18, 24, 14, 18, 22, 21, 16, 17, 14, 13]
    y21, y22 = [16, 11, 10, 17, 13, 18, 12, 16, 6, 15], [18, 17, 11, 9, 9, 13, 18, 15, 14, 11]
    cells = {("a", "a"): cell(y11), ("a", "b"): cell(y12), ("b", "a"): cell(y21), ("b", "b"): cell(y22)}
    found = views.contrast(cells["b", "b"], cells["a", "b"], cells["b", "a"], cells["a", "a"])
    assert (found.value, found.error) == pytest.approx((-5.10, 2.224860), abs=5e-7)
    assert found.value / found.error == pytest.approx(-2.29227953, abs=5e-9)
    assert found.freedom == pytest.approx(35.47894, abs=5e-6)
    assert found.p_value == pytest.approx(0.027931810, abs=5e-10)
    reach = stats.t.ppf(0.975, found.freedom) * found.error
    assert (found.value - reach, found.value + reach) == pytest.approx((-9.6145264, -0.5854736), abs=5e-8)
    assert views.interaction(cells, controls=("a", "a")) == [("b", "b", found.p_value)]


# Montgomery, Design and Analysis of Experiments, section 6.2: yield of a chemical process, two levels of the reactant (first)
# and of the catalyst (second), three runs each.
YIELD = {("-", "-"): [28, 25, 27], ("+", "-"): [36, 32, 32], ("-", "+"): [18, 19, 23], ("+", "+"): [31, 30, 29]}


def test_in_cells_of_equal_size_the_square_of_an_interaction_is_the_f_of_the_analysis_of_variance():
    # The book prints an effect of AB of 1.67, half of the difference of differences, and F = 2.13.
    cells = {pair: cell(values) for pair, values in YIELD.items()}
    found = views.contrast(cells["+", "+"], cells["-", "+"], cells["+", "-"], cells["-", "-"])
    assert round(found.value / 2, 2) == 1.67
    assert round((found.value / found.error) ** 2, 2) == 2.13
    # Equal sizes, and means that are exact: F by its definition is the same to the last digit.
    between = 3 * found.value**2 / 4
    within = sum((one - np.mean(values)) ** 2 for values in YIELD.values() for one in values) / 8
    assert (found.value / found.error) ** 2 == pytest.approx(between / within, rel=1e-12)


def at_age(age, effect, error):
    """A day of the units' lives on which the effect has a known error."""
    n = 10**9
    # Half of the variance on each side; so many units that t is normal.
    covariances = {("value", "value"): n * error**2 / 2}
    arms = (
        ArmMetric(variant=name, moments=Moments(n=n, means={"value": mean}, covariances=covariances))
        for name, mean in (("a", 0.0), ("b", effect))
    )
    return age, MetricData(key="m", arms=tuple(arms))


def test_a_slope_is_the_one_that_thirteen_trials_have_over_their_latitude():
    # Berkey et al. (1995), page 408, as the tests of metafor have it (test_analysis_example_berkey1995): logarithms of relative
    # risks by absolute latitude, smoothed variances, fixed effects: -0.0282 with a standard error of 0.0040.
    latitudes = (44, 55, 42, 52, 13, 44, 19, 13, 27, 42, 18, 33, 33)
    treated = sum(b / a for a, b, _, _ in TRIALS) / 13
    control = sum(d / c for _, _, c, d in TRIALS) / 13
    points = []
    for latitude, (a, b, c, d) in zip(latitudes, TRIALS, strict=True):
        variance = treated / (a + b) + control / (c + d)
        points.append(at_age(latitude, math.log(a / (a + b) / (c / (c + d))), math.sqrt(variance)))
    (found,) = views.novelty(points, control="a", alpha=0.05)
    assert round(found.slope, 4) == -0.0282
    z = stats.norm.isf(found.p_value / 2)
    assert round(abs(found.slope) / z, 4) == 0.0040


def test_a_slope_is_the_one_that_cross_sections_have_over_energy():
    # Weisberg, Applied Linear Regression, data of a strong interaction, standard deviations known; lm() of R prints a slope of
    # 530.835, a standard error of 47.550 and a residual standard error of 1.657, by which it multiplies the known ones.
    energy = (0.345, 0.287, 0.251, 0.225, 0.207, 0.186, 0.161, 0.132, 0.084, 0.060)
    section = (367, 311, 295, 268, 253, 239, 220, 213, 193, 192)
    deviation = (17, 9, 9, 7, 7, 6, 6, 6, 5, 5)
    points = [at_age(*one) for one in zip(energy, section, deviation, strict=True)]
    (found,) = views.novelty(points, control="a", alpha=0.05)
    assert found.slope == pytest.approx(530.835, abs=5e-4)
    assert stats.norm.isf(found.p_value / 2) == pytest.approx(530.835 / (47.550 / 1.657), rel=4e-4)


# Academic Performance Index 2000 of the schools in 15 districts of California that were drawn as clusters: R package survey,
# data set apiclus1.
INDEX = """
585 608 612 625 664 669 684 710 714 729 759;
443 467 482 496;
411 494;
493 550 592 598 628 628 652 689 709 709 736 777 832;
555 561;
564 602 631 696;
491 510 529 547;
476 552 595 617 629 630 696 715 720 757 785 806 814 825 847 905;
662 679 687 691 699 714 723 724 807;
490 505 511 511 521 523 538 551 595 602 603 622 638 651 655 657 664 669 698 705 709 710 711 722 733 737 754
762 764 780 780 795 814 828;
502 536 582 585 595 614 629 632 637 639 642 656 661 667 674 696 745 745 746 789 789;
436 461 465 472 478 481 487 492 504 505 508 512 515 516 517 528 529 535 542 546 551 553 554 559 561 566 582
587 592 599 610 625 627 652 670 717 760;
677 685 691 697 699 700 701 711 735 742 748 759 827;
551;
676 703 714 717 719 733 749 781 817 824 836 842
"""
SCHOOLS = tuple(tuple(map(int, district.split())) for district in INDEX.split(";"))


@pytest.mark.parametrize(
    ("q", "middle", "low", "high", "error"),
    [(0.25, 552, 492, 627, 31.47166), (0.5, 652, 561, 714, 35.66788), (0.75, 719, 696, 777, 18.88300)],
)
def test_quantiles_of_values_in_clusters_have_the_intervals_that_the_vignette_of_survey_prints(
    q, middle, low, high, error
):
    # "Analysing survey data in R", svyquantile(~api00, dclus1, ci = TRUE), Woodruff's intervals. They are around the share that
    # is at or below the quantile, with Student's quantile, and 15 of all 757 districts were drawn.
    values = sorted(itertools.chain.from_iterable(SCHOOLS))

    def quantile(level):
        return values[math.ceil(level * len(values)) - 1]

    assert quantile(q) == middle
    share = sum(value <= middle for value in values) / len(values)
    per_unit = [sum(value <= middle for value in one) - share * len(one) for one in SCHOOLS]
    inflation = quantiles.cluster_inflation(share, len(values) / 15, float(np.var(per_unit, ddof=1)))
    z = float(stats.t.ppf(0.975, 14))
    levels = quantiles.levels(share, 15, inflation=inflation * (1 - 15 / 757), z=z)
    found = [quantile(level) for level in levels]
    assert found == [low, high]
    assert (found[1] - found[0]) / 2 / z == pytest.approx(error, abs=5e-6)


@pytest.mark.parametrize(
    ("one", "other", "prior", "losses"),
    [
        ((49, 100), (51, 100), (1.0, 1.0), (0.03872, 0.01912)),
        # Priors Beta(0, 0) and Beta(100, 100), the second as so many units of the variant.
        ((49, 100), (151, 300), (0.0, 0.0), (0.03025, 0.01692)),
    ],
)
def test_expected_losses_of_shares_are_the_risks_of_the_test_vectors_of_growthbook(one, other, prior, losses):
    # growthbook/growthbook, packages/stats/tests/bayesian/test_tests.py: risk of the control, and of the variant.
    found = bayes.beta_binomial(one, other, name="b", prior=prior)
    assert (found.expected_loss_control, found.expected_loss) == pytest.approx(losses, abs=5e-6)


def test_expected_losses_of_means_are_the_risks_of_the_test_vector_of_growthbook():
    # The same file: ten units each, means 10 and 10.5, standard deviations 0.5 and 1.
    one, other = Reduced(n=10, mean=10.0, variance=0.25), Reduced(n=10, mean=10.5, variance=1.0)
    found = bayes.normal(one, other, name="b")
    assert (found.expected_loss_control, found.expected_loss) == pytest.approx((0.51256, 0.01256), abs=5e-6)


@pytest.mark.parametrize(
    ("difference", "error", "low", "high"),
    [
        (0.23437666666666668, 0.12983081254184736, -0.12656844172804982, 0.5953217750613832),
        (0.5033610858562358, 0.3334122146400735, -0.42356454602790883, 1.4302867177403806),
    ],
)
def test_one_sided_sequences_are_those_of_the_test_vectors_of_growthbook(difference, error, low, high):
    # growthbook/growthbook, packages/stats/tests/frequentist/test_tests.py, TestSequentialOneSided...: 3000 and 3461 units,
    # tuned to 5000; absolute and relative difference.
    n, variance = 3000 + 3461, error**2
    sides = [
        Reduced(n=count, mean=mean, variance=variance * count / 2) for count, mean in ((3000, 0), (3461, difference))
    ]
    found = sequential.one_sided_bounds(*sides, alpha=0.05, planned=5000)
    assert found == pytest.approx((low, high), rel=1e-12)
    assert difference - sequential.one_sided_width(n, 0.05, 5000) * error == pytest.approx(low, rel=1e-12)


def test_one_sided_p_values_are_those_of_the_test_vector_of_growthbook():
    # The same class. There a bisection looks for the risk whose bound is zero, and stops near it: at 0.46316.
    z = 0.23437666666666668 / 0.12983081254184736
    assert sequential.one_sided_p_value(z, 6461, 0.05, 5000) == pytest.approx(0.46316, abs=2e-4)


def test_p_values_at_any_time_are_those_of_the_test_vector_of_growthbook():
    # growthbook/growthbook, packages/stats/tests/test_gbstats.py, TestAnalyzeMetricDfSequential: 270 of 100 units with squares of
    # 848.79, 300 of 120 with 869; relative difference by the delta method, tuned to 600.
    control, variant = 2.7, 2.5
    variances = ((848.79 - 100 * control**2) / 99 / 100, (869 - 120 * variant**2) / 119 / 120)
    error = math.sqrt(variances[1] / control**2 + variances[0] * variant**2 / control**4)
    difference = variant / control - 1
    assert difference == pytest.approx(-0.074074074, abs=5e-10)
    assert difference - error * sequential.half_width(220, 0.05, 600) == pytest.approx(-0.233322085, abs=5e-10)
    assert sequential.p_value(difference / error, 220, 0.05, 600) == pytest.approx(0.892332229, abs=5e-10)


def test_expected_losses_follow_the_closed_form_of_stucchio():
    # Stucchio (2015), Bayesian A/B Testing at VWO: the loss is a difference of two chances to win, each weighed by a mean.
    def beta(a, b):
        return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)

    def wins(a1, b1, a2, b2):
        # Chance that Beta(a2, b2) is greater than Beta(a1, b1): Miller (2014), equation 6.
        return sum(
            math.exp(beta(a1 + i, b1 + b2) - math.log(b2 + i) - beta(1 + i, b2) - beta(a1, b1)) for i in range(a2)
        )

    for (k, n), (m, size) in (((5, 40), (9, 41)), ((20, 100), (30, 100)), ((1, 30), (20, 35))):
        a1, b1, a2, b2 = 1 + k, 1 + n - k, 1 + m, 1 + size - m
        loss = a1 / (a1 + b1) * (1 - wins(a1 + 1, b1, a2, b2)) - a2 / (a2 + b2) * (1 - wins(a1, b1, a2 + 1, b2))
        found = bayes.beta_binomial((k, n), (m, size), name="b")
        assert found.expected_loss == pytest.approx(loss, rel=1e-5, abs=1e-12)
        assert found.expected_loss_control - found.expected_loss == pytest.approx(
            a2 / (a2 + b2) - a1 / (a1 + b1), rel=1e-5
        )


def test_units_that_are_all_alike_do_not_interact():
    same = cell([1.0, 1.0])
    assert views.contrast(same, same, same, cell([5.0, 5.0])).p_value == 1.0
