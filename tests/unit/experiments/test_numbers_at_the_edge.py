"""Numbers at the edge of what formulas can take: nothing varies, nothing was counted, a risk of one, a look without news."""

import math
from dataclasses import replace

import numpy as np
import pytest

from flagctl.experiments import bayes, power, quantiles, sequential, views
from flagctl.experiments.analysis import compute
from flagctl.experiments.data import ArmMetric, DayData, MetricData, Moments
from flagctl.experiments.estimates import Reduced, relative_bounds
from flagctl.experiments.fixed import proportions, welch
from flagctl.experiments.guardrail import compare
from flagctl.experiments.reduce import reduce_arms
from flagctl.experiments.verdict import Outcome, decide
from flagctl.model import Decision, Metric
from tests.unit.experiments.samples import arm, experiment, moments, observed, share, with_days


def both(data):
    results = compute(data)
    return results, decide(data, results)


def counted(name, conversions, each, n=5000):
    """Units of which some did it, so often each."""
    values = np.zeros(n)
    values[:conversions] = each
    return arm(name, values)


def test_how_often_it_happened_is_not_compared_with_who_did_it_by_the_bayesian_rule():
    # 500 did it twice; 620 did it once, so that theirs could be a share. More did it, but it happened less often.
    setup = experiment(
        primary=Metric(kind="count", event="order"), decision=Decision(method="bayesian", planned_days=14)
    )
    data = observed(
        setup, {"order:count": MetricData(key="order:count", arms=(counted("off", 500, 2), counted("on", 620, 1)))}
    )
    results, verdict = both(data)
    assert results.primary.posteriors[0].chance_to_win < 1e-6
    assert verdict.outcome is Outcome.HALT


def test_sums_that_are_by_accident_as_great_as_the_number_of_buyers_are_no_shares():
    values = np.zeros(4000)
    values[:200], values[200:400] = 0.5, 1.5
    setup = experiment(primary=Metric(kind="revenue", event="order"))
    found = {"order:revenue": MetricData(key="order:revenue", arms=(arm("off", values), arm("on", values)))}
    (posterior,) = compute(observed(setup, found)).primary.posteriors
    one = Reduced(n=4000, mean=float(values.mean()), variance=float(values.var(ddof=1)))
    normal = bayes.normal(one, one, name="on")
    assert (posterior.expected_loss, posterior.high) == pytest.approx((normal.expected_loss, normal.high), rel=1e-9)


def test_a_variant_without_a_ratio_before_moves_no_other():
    rng = np.random.default_rng(3)
    above, below, before = rng.normal(5, 1, 200), rng.uniform(1, 2, 200), rng.normal(5, 1, 200)
    some = np.zeros(200)
    some[:5] = 1.0
    arms = (
        ArmMetric(
            variant="off",
            moments=moments(value=above, denominator=below, covariate=before * some, denominator_covariate=some),
        ),
        ArmMetric(
            variant="on",
            moments=moments(
                value=above, denominator=below, covariate=np.zeros(200), denominator_covariate=np.zeros(200)
            ),
        ),
    )
    off, on = reduce_arms(arms)
    assert off == on


@pytest.mark.parametrize("alpha", [0.45, 0.5, 0.9])
def test_a_risk_of_a_half_has_one_sided_bounds(alpha):
    width = sequential.one_sided_width(1000, alpha, 1000)
    assert math.isfinite(width)
    assert sequential.one_sided_p_value(width, 1000, alpha, 1000) == pytest.approx(alpha)


def test_a_guardrail_of_an_experiment_with_a_risk_of_a_half_has_an_answer():
    guard = Metric(kind="conversion", event="error", direction="decrease", margin=5)
    setup = experiment(guardrails=(guard,), decision=Decision(alpha=50.0, planned_days=14))
    metrics = {
        "order": MetricData(key="order", arms=(share("off", 500, 10_000), share("on", 510, 10_000))),
        "error": MetricData(key="error", arms=(share("off", 200, 10_000), share("on", 400, 10_000))),
    }
    assert both(observed(setup, metrics))[1].outcome is Outcome.HALT


def silent_last_look(mean):
    """An experiment at the end of its planned looks, whose units all came before the look before."""
    values = np.random.default_rng(5).normal(mean, 1, 1000)
    setup = experiment(
        primary=Metric(kind="mean", event="order"),
        decision=Decision(method="group_sequential", planned_days=10, looks=5, maturity="all"),
    )
    found = {"order:mean": MetricData(key="order:mean", arms=(arm("off", values), arm("on", values + 0.01)))}
    data = with_days(observed(setup, found, days=10), [{"off": 200, "on": 200}] * 5 + [{"off": 0, "on": 0}] * 5)
    return replace(data, started_ms=1_793_491_200_000, as_of_ms=1_793_491_200_000 + 10 * 86_400_000, freshest_ms=None)


@pytest.mark.parametrize("mean", [-5.0, 0.0, 5.0])
def test_a_last_look_without_new_units_says_so_and_shows_no_bounds_of_a_single_look(mean):
    results, verdict = both(silent_last_look(mean))
    (found,) = results.primary.estimates
    assert found.reason == "nothing new since the look before"
    bounds = (found.low, found.high, found.relative_low, found.relative_high)
    assert bounds == (None, None, None, None)
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.reasons == ("on: nothing new since the look before",)


def test_units_that_are_too_few_for_a_quantile_of_events_are_told_how_many_it_takes():
    least = quantiles.least_units(0.99, inflation=4.0)
    quantiles.levels(0.99, least, inflation=4.0)
    with pytest.raises(quantiles.NotEnoughDataError, match=f"{least - 1} units are too few .* {least} are the least"):
        quantiles.levels(0.99, least - 1, inflation=4.0)


@pytest.mark.parametrize(("harm", "state"), [(0.0, "open"), (0.04, "open"), (0.06, "harmed"), (-1.0, "open")])
def test_units_that_are_all_alike_show_harm_but_no_margin(harm, state):
    metric = Metric(kind="mean", event="load", direction="decrease", margin=5)
    one, other = Reduced(n=500, mean=1.0, variance=0.0), Reduced(n=500, mean=1.0 + harm, variance=0.0)
    found = compare(metric, one, other, variant="on", alpha=0.05)
    assert (found.state, found.reason) == (state, "no unit differs from another one")


def test_an_error_that_nobody_had_is_within_no_margin_and_without_one_stops_nothing():
    guard = Metric(kind="conversion", event="error", direction="decrease", margin=5)
    metrics = {
        "order": MetricData(key="order", arms=(share("off", 500, 10_000), share("on", 800, 10_000))),
        "error": MetricData(key="error", arms=(share("off", 0, 10_000), share("on", 0, 10_000))),
    }
    found = both(observed(experiment(guardrails=(guard,)), metrics))[1]
    assert found.outcome is Outcome.INCONCLUSIVE
    assert (
        "on is better, but guardrail error: nothing happened on either side, and 5 % of nothing cannot be shown (margin: 0 would do)"
        in found.reasons
    )
    assert both(observed(experiment(guardrails=(replace(guard, margin=0.0),)), metrics))[1].outcome is Outcome.SHIP


@pytest.mark.parametrize(
    ("one", "other"),
    [((0, 10), (0, 10)), ((0, 1000), (30, 1000)), ((500, 10_000), (620, 10_050)), ((49, 100), (51, 100))],
)
def test_what_either_choice_costs_differs_by_the_difference_of_the_means(one, other):
    found = bayes.beta_binomial(one, other, name="b")
    difference = (1 + other[0]) / (2 + other[1]) - (1 + one[0]) / (2 + one[1])
    assert found.expected_loss_control - found.expected_loss == pytest.approx(difference, rel=1e-6, abs=1e-9)


def test_a_metric_of_one_unit_has_no_moments_and_no_posterior():
    alone = MetricData(
        key="order",
        arms=tuple(
            ArmMetric(variant=name, moments=Moments(n=1, means={"value": 1.0}, covariances={}), conversions=1)
            for name in ("off", "on")
        ),
    )
    results, verdict = both(observed(experiment(), {"order": alone}))
    assert results.primary.posteriors == ()
    assert verdict.outcome in {Outcome.INCONCLUSIVE, Outcome.KEEP_RUNNING}


REVENUE = Metric(kind="revenue", event="order")
AT_ANY_TIME = Decision(method="sequential", maturity="all")


def day_by_day(*days):
    """An experiment that may be decided on any day, with what its two variants had come to on each: mean and units."""
    found = [
        MetricData(
            key="order:revenue",
            arms=tuple(
                ArmMetric(
                    variant=name,
                    moments=Moments(n=n, means={"value": mean}, covariances={("value", "value"): variance}),
                )
                for name, mean in (("off", 10.0), ("on", on))
            ),
        )
        for on, n, variance in days
    ]
    series = tuple(
        DayData(date=f"2026-11-{index + 1:02d}", units={"off": 1, "on": 1}, metrics={"order:revenue": one})
        for index, one in enumerate(found)
    )
    setup = experiment(primary=REVENUE, decision=AT_ANY_TIME)
    return replace(observed(setup, {"order:revenue": found[-1]}, days=len(days)), days=series)


def test_a_few_units_that_are_nearly_alike_on_the_first_day_decide_nothing_later():
    first, rest = (10.1, 3, 1e-9), [(10.0, 1000 * day, 4.0) for day in range(1, 9)]
    results, verdict = both(day_by_day(first, *rest))
    assert verdict.outcome is Outcome.KEEP_RUNNING
    (found,) = results.primary.estimates
    assert found.low < 0 < found.high
    assert results.primary.series[0][1][0].reason == "too few units"


def test_an_effect_that_has_turned_round_is_not_shipped_for_what_it_was():
    good, bad = [(11.0, 1000, 1.0)] * 4, [(9.0, 4000, 1.0)] * 4
    assert both(day_by_day(*good, *good))[1].outcome is Outcome.SHIP
    verdict = both(day_by_day(*good, *bad))[1]
    assert (verdict.outcome, verdict.winner) == (Outcome.HALT, None)
    slightly = [(9.97, 1000, 1.0)] * 4
    assert both(day_by_day(*good, *slightly))[1].outcome is Outcome.KEEP_RUNNING


def test_nothing_is_said_relative_to_a_mean_that_may_be_zero():
    vague, sure = Reduced(n=100, mean=0.001, variance=25.0), Reduced(n=100, mean=2.0, variance=1.0)
    relative, low, high = relative_bounds(vague, sure, 1.96)
    assert (round(relative), low, high) == (1999, None, None)
    assert None not in relative_bounds(sure, sure, 1.96)


def test_an_effect_that_is_known_better_than_numbers_can_tell_has_no_weight_among_parts_and_days():
    def exact(name, mean):
        covariances = {("value", "value"): 1e-60}
        return ArmMetric(variant=name, moments=Moments(n=100, means={"value": mean}, covariances=covariances))

    data = MetricData(key="m", arms=(exact("a", 1.0), exact("b", 5.0)))
    listed, differences = views.parts({"p": {"x": data, "y": data}}, control="a", alpha=0.05)
    assert (len(listed), differences) == (2, [])
    assert views.novelty([(age, data) for age in range(5)], control="a", alpha=0.05) == []


def test_a_guardrail_that_has_no_data_of_a_variant_does_not_let_it_ship():
    guard = Metric(kind="conversion", event="error", direction="decrease")
    metrics = {
        "order": MetricData(key="order", arms=(share("off", 500, 10_000), share("on", 800, 10_000))),
        "error": MetricData(key="error", arms=(share("off", 200, 10_000),)),
    }
    found = both(observed(experiment(guardrails=(guard,)), metrics))[1]
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "on is better, but guardrail error: on has no units" in found.reasons


def test_a_pair_of_variants_that_one_unit_has_takes_no_other_pair_with_it():
    rng = np.random.default_rng(9)
    arms = {(x, y): arm(x, rng.normal(0, 1, 40)) for x in "abc" for y in "xy"}
    arms["c", "y"] = ArmMetric(variant="c", moments=Moments(n=1, means={"value": 3.0}, covariances={}))
    cells = views.reduced_cells(arms)
    assert ("c", "y") not in cells
    assert [pair[:2] for pair in views.interaction(cells, controls=("a", "x"))] == [("b", "y")]
    assert views.reduced_cells({("a", "x"): arms["c", "y"]}) == {}


def test_variants_that_no_unit_has_say_nothing_about_those_of_another_experiment():
    even = {(x, y): 100 for x in "ab" for y in "xy"}
    assert views.independence(even | {("c", "x"): 0, ("c", "y"): 0}) == views.independence(even) == 1.0
    assert views.independence({("a", "x"): 0, ("b", "y"): 50}) is None


def test_shares_of_few_units_are_tested_exactly_in_a_single_look_and_in_parts():
    # None of 12 against 6 of 36: p is 0.012 by Student's t, which takes the variance of the first for nothing, and 0.15 by Barnard.
    few = MetricData(key="order", arms=(share("off", 0, 12), share("on", 6, 36)))
    found = observed(
        experiment(breakdowns=("country",)), {"order": few}, breakdowns={"country": {"DE": {"order": few}}}
    )
    results = compute(found)
    by_hand = proportions(*few.arms, alpha=0.05)
    assert results.primary.single_look == (by_hand,)
    assert [part.estimate for part in results.parts] == [by_hand]
    assert welch(*reduce_arms(few.arms), name="on", alpha=0.05).p_value < 0.013
    assert by_hand.p_value > 0.15
    many = MetricData(key="order", arms=(share("off", 100, 1000), share("on", 120, 1000)))
    (one,) = compute(observed(experiment(), {"order": many})).primary.single_look
    assert one == welch(*reduce_arms(many.arms), name="on", alpha=0.05)


def test_few_units_that_may_do_it_more_than_once_are_no_shares():
    few = MetricData(key="order:count", arms=(arm("off", [0, 2, 0, 1, 0]), arm("on", [1, 0, 3, 0, 2])))
    setup = experiment(primary=Metric(kind="count", event="order"))
    (one,) = compute(observed(setup, {"order:count": few})).primary.single_look
    assert one.method == "welch"


def test_a_share_that_is_none_varies_no_less_than_nothing():
    design = power.Design(method="fixed", proportion=True)
    for mean in (-3.0, 0.999, 1.0, 7.0):
        baseline = Reduced(n=1, mean=mean, variance=0.05)
        assert math.isfinite(power.smallest_effect(baseline, 1000, design))
        assert 0 <= power.power_at(baseline, 0.01, 1000, design) <= 1


def test_a_success_that_cannot_be_an_accident_has_no_risk_to_be_one():
    assert views.false_positive_risk(0.0, 0.0, 0.0) == views.false_positive_risk(0.05, 0.0, 1.0) == 0.0
