from dataclasses import replace

import numpy as np
import pytest

from flagctl.experiments.analysis import compute
from flagctl.experiments.data import DataFinding, MetricData
from flagctl.experiments.verdict import Outcome, decide
from flagctl.model import Amendment, Decision, Metric
from tests.unit.experiments.samples import arm, experiment, observed, share


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
    assert "guardrail error, on: worse than allowed (5 % worse is allowed)" in found.reasons


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
