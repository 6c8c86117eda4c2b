from dataclasses import replace

import numpy as np
import pytest

from flagctl.experiments.analysis import compute
from flagctl.experiments.data import DataFinding, DayData, MetricData
from flagctl.experiments.looks import deciding_instant, information
from flagctl.experiments.verdict import Outcome, decide
from flagctl.model import Amendment, Decision, ExperimentStatus, Metric
from tests.unit.experiments.samples import DAY, START, arm, experiment, observed, share, with_days


def verdict(data):
    return decide(data, compute(data))


def conversions(off: tuple[int, int], on: tuple[int, int]) -> dict[str, MetricData]:
    return {"order": MetricData(key="order", arms=(share("off", *off), share("on", *on)))}


def test_a_clear_improvement_ships_at_the_end():
    found = verdict(observed(experiment(), conversions((500, 10_000), (620, 10_050))))
    assert (found.outcome, found.winner) == (Outcome.SHIP, "on")
    assert "+23" in found.reasons[0]


def test_an_overwhelming_one_ships_early():
    found = verdict(observed(experiment(), conversions((500, 10_000), (800, 10_050)), days=8))
    assert found.outcome is Outcome.SHIP


def test_a_just_significant_one_does_not_ship_early():
    data = observed(experiment(), conversions((500, 10_000), (575, 10_050)), days=8)
    assert compute(data).metrics[0].single_look[0].p_value < 0.05
    assert verdict(data).outcome is Outcome.KEEP_RUNNING


def test_nothing_is_decided_before_the_least_days():
    found = verdict(observed(experiment(), conversions((500, 10_000), (800, 10_050)), days=3))
    assert found.outcome is Outcome.KEEP_RUNNING
    assert "3 of at least 7 full days are over" in found.reasons
    assert found.days_left == 11


def test_wrong_shares_beat_everything():
    found = verdict(observed(experiment(), conversions((500, 10_000), (800, 11_000))))
    assert found.outcome is Outcome.INVALID
    assert "shares of units" in found.reasons[0]


def test_switchers_make_it_invalid():
    data = replace(observed(experiment(), conversions((500, 10_000), (700, 10_000))), switchers=300)
    assert verdict(data).outcome is Outcome.INVALID


def test_a_blocking_finding_makes_it_invalid():
    found = (DataFinding(code="unreadable-files", message="files could not be read", count=2, blocks=True),)
    data = replace(observed(experiment(), conversions((500, 10_000), (700, 10_000))), findings=found)
    assert verdict(data).reasons == ("files could not be read (2)",)


def test_a_broken_guardrail_halts_even_a_success():
    setup = experiment(guardrails=(Metric(kind="conversion", event="error", direction="decrease", margin=5),))
    metrics = conversions((500, 10_000), (800, 10_000))
    metrics["error"] = MetricData(key="error", arms=(share("off", 200, 10_000), share("on", 400, 10_000)))
    found = verdict(observed(setup, metrics))
    assert found.outcome is Outcome.HALT
    assert "guardrail error, on: worse than allowed (5 % worse is allowed): it is at least 66 % worse" in found.reasons


def test_a_worse_primary_metric_halts():
    assert verdict(observed(experiment(), conversions((800, 10_000), (500, 10_000)))).outcome is Outcome.HALT


def test_less_is_better_turns_the_sign():
    setup = experiment(primary=Metric(kind="conversion", event="order", direction="decrease"))
    assert verdict(observed(setup, conversions((800, 10_000), (500, 10_000)))).outcome is Outcome.SHIP


def test_an_effect_too_small_to_care_is_no_effect():
    setup = experiment(primary=Metric(kind="conversion", event="order", minimum_effect=10))
    data = observed(setup, conversions((50_000, 100_000), (50_100, 100_000)))
    assert verdict(data).outcome is Outcome.NO_EFFECT


def test_an_unclear_end_is_inconclusive():
    assert verdict(observed(experiment(), conversions((500, 10_000), (510, 10_000)))).outcome is Outcome.INCONCLUSIVE


def test_an_amended_plan_is_read_by_the_sequential_rule():
    setup = experiment(amendments=(Amendment(at_ms=0, reason="a week more", registration="sha256:x"),))
    data = observed(setup, conversions((500, 10_000), (590, 10_000)))
    results = compute(data)
    assert results.stage.method == "sequential"
    found = decide(data, results)
    assert found.outcome is Outcome.INCONCLUSIVE
    assert any("a week more" in line for line in found.warnings)


def test_the_fixed_rule_hides_its_verdict_until_the_end():
    setup = experiment(decision=Decision(method="fixed", planned_days=14))
    metrics = conversions((500, 10_000), (900, 10_000))
    assert verdict(observed(setup, metrics, days=10)).outcome is Outcome.KEEP_RUNNING
    assert verdict(observed(setup, metrics, days=14)).outcome is Outcome.SHIP


@pytest.mark.parametrize("method", ["hybrid", "sequential", "fixed", "group_sequential", "bayesian"])
def test_one_unit_nothing_at_all_and_constants_give_no_verdict_to_ship(method):
    setup = experiment(decision=Decision(method=method, planned_days=14))
    for values in ([1.0], [], [3.0] * 500):
        metrics = {"order": MetricData(key="order", arms=tuple(_any_arm(v, values) for v in ("off", "on")))}
        data = observed(setup, metrics, units={"off": len(values), "on": len(values)})
        assert verdict(data).outcome in {Outcome.KEEP_RUNNING, Outcome.INCONCLUSIVE}
    assert verdict(_empty(setup)).outcome in {Outcome.KEEP_RUNNING, Outcome.INCONCLUSIVE}


def _any_arm(variant, values):
    from flagctl.experiments.data import ArmMetric, Moments

    if len(values) > 1:
        return arm(variant, values)
    means = {"value": values[0]} if values else {}
    return ArmMetric(variant=variant, moments=Moments(n=len(values), means=means, covariances={}))


def _empty(setup):
    from flagctl.experiments.data import ExperimentData

    return ExperimentData(experiment=setup, started_ms=None, as_of_ms=0, freshest_ms=None, units={})


def test_three_variants_share_the_risk():
    rng = np.random.default_rng(7)
    setup = experiment(primary=Metric(kind="mean", event="order"), arms=("a", "b", "c"))
    arms = tuple(arm(v, rng.normal(m, 1, 5000)) for v, m in (("a", 10), ("b", 10), ("c", 10.2)))
    data = observed(setup, {"order:mean": MetricData(key="order:mean", arms=arms)})
    found = verdict(data)
    assert (found.outcome, found.winner) == (Outcome.SHIP, "c")
    assert compute(data).stage.each_alpha == pytest.approx(0.025)


def test_a_guardrail_with_a_margin_must_be_shown_to_be_within_it_before_a_variant_ships():
    guard = Metric(kind="conversion", event="error", direction="decrease", margin=5)
    metrics = conversions((500, 10_000), (800, 10_000))
    metrics["error"] = MetricData(key="error", arms=(share("off", 200, 10_000), share("on", 200, 10_000)))
    found = verdict(observed(experiment(guardrails=(guard,)), metrics))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert found.reasons[0] == (
        "on is better, but guardrail error: nothing is shown yet (5 % worse is allowed): from 28.2 % better to 28.2 % worse"
    )
    assert verdict(observed(experiment(guardrails=(replace(guard, margin=0),)), metrics)).outcome is Outcome.SHIP
    assert verdict(observed(experiment(guardrails=(replace(guard, margin=90),)), metrics)).outcome is Outcome.SHIP


def test_a_guardrail_without_data_lets_nothing_ship():
    guard = Metric(kind="conversion", event="error", direction="decrease")
    data = observed(experiment(guardrails=(guard,)), conversions((500, 10_000), (800, 10_000)))
    assert verdict(data).outcome is Outcome.INCONCLUSIVE


def test_stale_data_of_a_running_experiment_are_invalid():
    data = observed(experiment(), conversions((500, 10_000), (800, 10_000)))
    assert verdict(replace(data, freshest_ms=data.as_of_ms - 3 * 86_400_000)).outcome is Outcome.INVALID
    ended = replace(data.experiment, status=ExperimentStatus.COMPLETED)
    stale = replace(data, experiment=ended, freshest_ms=data.as_of_ms - 3 * 86_400_000)
    assert verdict(stale).outcome is Outcome.SHIP


@pytest.mark.parametrize("method", ["fixed", "hybrid", "group_sequential"])
def test_a_rule_that_needs_an_end_and_has_none_is_read_as_sequential(method):
    data = observed(experiment(decision=Decision(method=method)), conversions((500, 10_000), (590, 10_000)))
    results = compute(data)
    assert results.stage.method == "sequential"
    found = decide(data, results)
    assert found.outcome is Outcome.KEEP_RUNNING
    assert any("no end is planned" in line for line in found.warnings)


def test_a_fixed_rule_with_planned_units_waits_for_them():
    setup = experiment(decision=Decision(method="fixed", planned_units=40_000))
    assert verdict(observed(setup, conversions((500, 10_000), (900, 10_000)))).outcome is Outcome.KEEP_RUNNING
    assert verdict(observed(setup, conversions((1000, 20_000), (1800, 20_000)))).outcome is Outcome.SHIP


def test_units_whose_window_is_open_do_not_make_up_the_least_number():
    data = observed(experiment(), conversions((30, 90), (60, 95)), units={"off": 5000, "on": 5010})
    found = verdict(data)
    assert "off has 90 of at least 100 units that count towards the primary metric" in found.reasons


def test_a_variant_is_compared_with_what_is_allowed_and_its_error():
    from flagctl.experiments.estimates import Reduced
    from flagctl.experiments.guardrail import compare

    metric = Metric(kind="mean", event="load", direction="decrease", margin=100)
    control, variant = Reduced(n=500, mean=1.0, variance=1.0), Reduced(n=500, mean=2.3, variance=1.0)
    found = compare(metric, control, variant, variant="on", alpha=0.05)
    # The margin doubles the control's error: sqrt(4 + 1) instead of sqrt(1 + 1).
    assert found.state == "open"
    assert found.harm_high - found.harm_low == pytest.approx(
        (compare(replace(metric, margin=0), control, variant, variant="on", alpha=0.05).harm_high - 1.3) * 2 * 2.5**0.5
    )


def test_planned_looks_are_instants():
    day = 86_400_000
    series = tuple(DayData(date=f"2026-11-{i + 1:02d}", units={"off": 100, "on": 100}) for i in range(10))
    start = 1_793_491_200_000  # 2026-11-01

    def until(days, **decision):
        setup = replace(experiment(decision=Decision(**decision)), started_at_ms=start)
        return (deciding_instant(setup, start + days * day, days=series) - start) / day

    assert until(20, planned_days=14) == 14
    assert until(3.5, planned_days=14) == 3.5
    assert until(20, method="sequential", planned_days=14) == 20
    assert until(8, method="group_sequential", planned_days=14) == 6
    assert until(2, method="group_sequential", planned_days=14) == 2
    assert until(20, method="fixed", planned_units=900, minimum_days=1) == 5
    # Nothing is decided before the least number of days, so the look is at its end.
    assert until(20, method="fixed", planned_units=900) == 7
    assert until(20, method="fixed", planned_units=9000) == 20


def test_information_counts_units_whose_window_was_over():
    setup = experiment(decision=Decision(method="group_sequential", planned_days=10))
    series = [{"off": 50, "on": 50}] * 10
    data = with_days(observed(setup, conversions((50, 1000), (60, 1000)), days=10), series)
    data = replace(data, started_ms=1_793_491_200_000)
    assert information(data, (2, 4, 8, 10)) == [0, 0, 100, 300]
    every = replace(data, experiment=replace(setup, decision=replace(setup.decision, maturity="all")))
    assert information(every, (2, 4, 8, 10)) == [200, 400, 800, 1000]


def test_a_group_sequential_verdict_is_that_of_the_bounds():
    setup = experiment(decision=Decision(method="group_sequential", planned_days=10, looks=5, minimum_days=1))
    early = observed(setup, conversions((500, 10_000), (575, 10_050)), days=4)
    assert verdict(early).outcome is Outcome.KEEP_RUNNING
    assert verdict(observed(setup, conversions((500, 10_000), (580, 10_050)), days=10)).outcome is Outcome.SHIP
    first = compute(observed(setup, conversions((500, 10_000), (900, 10_050)), days=1)).metrics[0].estimates[0]
    assert "before the first planned look" in first.reason


def stopped(day: int, **decision):
    """An experiment that was stopped after some of its fourteen days."""
    setup = experiment(decision=Decision(planned_days=14, **decision))
    return replace(
        setup, status=ExperimentStatus.COMPLETED, started_at_ms=START, ended_at_ms=int(START + day * DAY), winner="on"
    )


@pytest.mark.parametrize("method", ["hybrid", "fixed"])
def test_whoever_stops_before_the_planned_end_does_not_get_its_look(method):
    metrics = conversions((500, 10_000), (600, 10_050))
    assert verdict(observed(stopped(14, method=method), metrics)).outcome is Outcome.SHIP
    # Windows go on for a week after the stop, so that the data reach up to the planned end all the same.
    found = verdict(observed(stopped(10, method=method), metrics))
    assert (found.outcome, found.days_left) == (Outcome.INCONCLUSIVE, None)
    assert found.headline == "It was stopped before its rule decided."


def test_what_may_be_said_at_any_time_may_be_said_after_a_stop():
    found = verdict(observed(stopped(10), conversions((500, 10_000), (800, 10_050))))
    assert (found.outcome, found.winner) == (Outcome.SHIP, "on")


def test_nobody_is_told_to_keep_running_what_was_stopped():
    found = verdict(observed(stopped(5), conversions((500, 10_000), (510, 10_050)), days=5))
    assert found.outcome is Outcome.INCONCLUSIVE
    assert "5 of at least 7 full days are over" in found.reasons
    open_ended = replace(stopped(10), decision=Decision(method="sequential"))
    found = verdict(observed(open_ended, conversions((500, 10_000), (510, 10_050)), days=10))
    assert found.headline == "It was stopped before its rule decided."


def test_looks_after_a_stop_are_none_of_those_that_were_planned():
    setup = stopped(10, method="group_sequential", looks=4)
    assert deciding_instant(setup, START + 60 * DAY) == START + 7 * DAY
    assert deciding_instant(replace(setup, ended_at_ms=START + 11 * DAY), START + 60 * DAY) == START + 11 * DAY
    assert deciding_instant(replace(setup, ended_at_ms=START + 2 * DAY), START + 60 * DAY) == START + 2 * DAY


@pytest.mark.parametrize("method", ["hybrid", "fixed", "bayesian"])
def test_an_end_with_too_little_to_decide_on_is_an_end(method):
    setup = experiment(decision=Decision(method=method, planned_days=14))
    found = verdict(observed(setup, conversions((5, 60), (9, 61))))
    assert (found.outcome, found.headline) == (
        Outcome.INCONCLUSIVE,
        "The planned end is reached with too little to decide on; off stays.",
    )
    assert found.reasons == ("off has 60 of at least 100 units", "a variant has 5 of at least 25 conversions")


def test_planned_units_that_come_at_once_wait_for_the_least_days():
    setup = replace(experiment(decision=Decision(method="hybrid", planned_units=20_000)), started_at_ms=START)
    early = observed(setup, conversions((500, 10_000), (800, 10_050)), days=3)
    found = verdict(early)
    assert (found.outcome, found.reasons) == (Outcome.KEEP_RUNNING, ("3 of at least 7 full days are over",))
    came = [DayData(date=f"2026-11-{16 + day}", units={"off": 5000, "on": 5000}) for day in range(3)]
    start = 1_794_787_200_000
    assert deciding_instant(setup, start + 3 * DAY, started_ms=start, days=came) == start + 3 * DAY
    assert deciding_instant(setup, start + 30 * DAY, started_ms=start, days=came) == start + 7 * DAY
    assert verdict(observed(setup, conversions((500, 10_000), (800, 10_050)), days=7)).outcome is Outcome.SHIP


def test_a_better_variant_that_guardrails_hold_back_is_said_at_the_end():
    guard = Metric(kind="conversion", event="error", direction="decrease", margin=1.0)
    errors = {"error": MetricData(key="error", arms=(share("off", 400, 10_000), share("on", 401, 10_050)))}
    data = observed(experiment(guardrails=(guard,)), conversions((500, 10_000), (620, 10_050)) | errors)
    found = verdict(data)
    assert (
        found.headline == "The planned end is reached with a better variant that its guardrails hold back; off stays."
    )
    assert found.reasons[0].startswith("on is better, but guardrail error: nothing is shown yet (1 % worse is allowed)")
    assert found.reasons[-1].endswith("6.169 % instead of 5 %")
