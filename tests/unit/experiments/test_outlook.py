"""How long an experiment still has to run, in its verdict."""

from dataclasses import replace

import pytest

from flagctl.experiments.analysis import compute
from flagctl.experiments.data import ArmMetric, MetricData
from flagctl.experiments.estimates import Reduced
from flagctl.experiments.outlook import outlook
from flagctl.experiments.power import Design, sample_size
from flagctl.experiments.verdict import decide
from flagctl.model import Decision, Metric
from tests.unit.experiments.samples import DAY, experiment, observed, share

ORDER = Metric(kind="conversion", event="order", minimum_effect=5.0)


def conversions(metric, control, variant, n):
    return {metric.key: MetricData(key=metric.key, arms=(share("off", control, n), share("on", variant, n)))}


def verdict_of(metrics, *, decision):
    data = observed(experiment(primary=ORDER, decision=decision), metrics)
    return decide(data, compute(data))


def test_without_a_planned_end_the_rate_of_units_says_how_long():
    open_ended = Decision(method="sequential")
    verdict = verdict_of(conversions(ORDER, 100, 101, 2000), decision=open_ended)
    # Two proportions of 5 % and 5.25 % by the sequential rule, 4,000 units in 14 days, none of them waiting.
    wanted = sample_size(
        Reduced(n=1, mean=0.05, variance=0.05 * 0.95), 0.0025, Design(method="sequential", proportion=True, looks=5)
    )
    days = verdict.days_left
    assert days == pytest.approx((wanted.units - 4000) / (4000 / 14), rel=2e-3)
    assert verdict.headline == f"Keep running for about {days:,} more days."
    assert verdict.reasons[-1] == "then an effect of 5 % is seen with a chance of 80 %, at 286 units a day"


def test_enough_units_for_the_smallest_effect_say_that_there_is_probably_none():
    verdict = verdict_of(conversions(ORDER, 100_000, 100_100, 1_000_000), decision=Decision(method="sequential"))
    assert verdict.headline == "Keep running."
    assert verdict.reasons[-1].endswith("in so many units: if there is one, it is probably smaller")
    assert verdict.days_left is None


def test_planned_units_that_are_missing_are_counted():
    decision = Decision(method="sequential", planned_units=10_000)
    verdict = verdict_of(conversions(ORDER, 100, 101, 2000), decision=decision)
    assert verdict.headline == "Keep running for about 21 more days."
    assert verdict.reasons[-1] == "6,000 of the planned units are missing"


def test_a_day_that_is_not_over_counts_as_far_as_it_is():
    decision = Decision(method="sequential", planned_units=10_000, minimum_days=1)
    data = observed(experiment(primary=ORDER, decision=decision), conversions(ORDER, 100, 101, 2000), days=1)
    later = replace(data, as_of_ms=data.as_of_ms + DAY * 3 // 4)
    # 4,000 units in a day and three quarters, so the other 6,000 take 2.6 days and not one and a half.
    assert decide(data, compute(data)).days_left == 2
    assert decide(later, compute(later)).days_left == 3


def test_days_that_are_left_are_counted_from_the_question_and_not_from_the_last_planned_look():
    setup = experiment(primary=ORDER, decision=Decision(method="group_sequential", planned_days=14, looks=5))
    data = observed(setup, conversions(ORDER, 100, 101, 2000), days=9)
    assert decide(data, compute(data)).days_left == 5
    assert decide(data, compute(data), later=2).headline == "Keep running for 3 more days."


def test_a_baseline_that_says_nothing_says_nothing_about_how_long():
    verdict = verdict_of(conversions(ORDER, 0, 0, 2000), decision=Decision(method="sequential", minimum_conversions=0))
    assert verdict.headline == "Keep running."
    assert verdict.days_left is None


def test_a_bayesian_rule_that_waits_speaks_of_chances_and_not_of_intervals():
    data = observed(
        experiment(primary=ORDER, decision=Decision(method="bayesian")), conversions(ORDER, 500, 510, 10_000)
    )
    assert decide(data, compute(data)).reasons[0] == "no variant is better with a chance of 97.5 %"


def test_a_variant_that_is_worse_is_named_while_another_one_is_open():
    arms = (share("off", 1000, 20_000), share("bad", 700, 20_000), share("open", 1010, 20_000))
    setup = experiment(primary=ORDER, arms=("off", "bad", "open"), decision=Decision(method="sequential"))
    data = observed(setup, {ORDER.key: MetricData(key=ORDER.key, arms=arms)})
    reasons = decide(data, compute(data)).reasons
    assert reasons[0] == "bad is worse; of the others the interval of the primary metric still includes no difference"


@pytest.mark.parametrize(
    ("metrics", "days"),
    [
        (conversions(ORDER, 100, 101, 2000), 0),
        ({}, 14),
        ({ORDER.key: MetricData(key=ORDER.key, arms=(share("off", 5, 500), ArmMetric(variant="on")))}, 14),
    ],
)
def test_nothing_is_foretold_before_the_first_day_or_without_the_primary_metric(metrics, days):
    setup = experiment(primary=ORDER, decision=Decision(method="sequential"))
    data = observed(setup, conversions(ORDER, 100, 101, 2000), days=days)
    assert outlook(replace(data, metrics=metrics), compute(data)) is None
