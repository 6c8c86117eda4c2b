"""The same answers as other programs give, on random inputs; and no answer at all on inputs that have none."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import stats

from flagctl.experiments import bayes, looks, sequential, views
from flagctl.experiments.analysis import compute
from flagctl.experiments.data import ArmMetric, MetricData, Moments, QuantileSample
from flagctl.experiments.estimates import Reduced
from flagctl.experiments.fixed import compare_means, proportions, welch, wilson
from flagctl.experiments.multiplicity import benjamini_hochberg, holm
from flagctl.experiments.reduce import pool, reduce_arms
from flagctl.experiments.verdict import Outcome, decide
from flagctl.model import Decision, Metric
from tests.scale import scaled
from tests.unit.experiments.samples import arm, experiment, moments, observed, share

few = settings(max_examples=scaled(25, 1000), deadline=None)
seeds = st.integers(0, 2**32 - 1)


def columns(rng, n: int, kind: str):
    value = rng.lognormal(1, rng.uniform(0.1, 1), n)
    found = {"value": value}
    if "ratio" in kind:
        found["denominator"] = rng.uniform(1, 5, n) + 0.2 * value
    if "covariate" in kind:
        found["covariate"] = value * rng.uniform(-1, 1) + rng.normal(3, 1, n)
    if kind == "ratio covariate":
        found["denominator_covariate"] = rng.uniform(2, 4, n) + 0.1 * found["covariate"]
    return found


@pytest.mark.parametrize("kind", ["mean", "ratio", "mean covariate", "ratio covariate"])
@few
@given(seed=seeds, sizes=st.tuples(st.integers(30, 600), st.integers(30, 600)))
def test_means_ratios_and_covariates_equal_tea_tasting(kind, seed, sizes):
    rng = np.random.default_rng(seed)
    drawn = columns(rng, sum(sizes), kind)
    one, other = ({k: v[: sizes[0]] for k, v in drawn.items()}, {k: v[sizes[0] :] for k, v in drawn.items()})
    arms = tuple(ArmMetric(variant=v, moments=moments(**c)) for v, c in (("a", one), ("b", other)))
    ours = welch(*reduce_arms(arms), name="b", alpha=0.05)
    theirs = compare_means(arms[0].moments, arms[1].moments, name="b", alpha=0.05)
    # tea-tasting takes the coefficient of the variance of both samples thrown together; ours has no part between variants,
    # which is of the order of one unit's share.
    slack = 1e-9 if "covariate" not in kind else 3 / math.sqrt(min(sizes))
    error = (theirs.high - theirs.low) / 4
    assert ours.difference == pytest.approx(theirs.difference, rel=1e-9, abs=1e-9 if slack < 1e-6 else slack * error)
    assert ours.high - ours.low == pytest.approx(theirs.high - theirs.low, rel=max(1e-9, slack))
    if "covariate" not in kind:
        assert ours.p_value == pytest.approx(theirs.p_value, rel=1e-6, abs=1e-12)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), rel=1e-9, abs=1e-9)


@few
@given(seed=seeds, sizes=st.tuples(st.integers(2, 60), st.integers(2, 60)))
def test_means_equal_scipy(seed, sizes):
    rng = np.random.default_rng(seed)
    one, other = rng.normal(0, 1, sizes[0]), rng.normal(rng.normal(), 2, sizes[1])
    ours = welch(*reduce_arms((arm("a", one), arm("b", other))), name="b", alpha=0.1)
    theirs = stats.ttest_ind(other, one, equal_var=False)
    interval = theirs.confidence_interval(0.9)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-9)
    assert (ours.low, ours.high) == pytest.approx((interval.low, interval.high))


@few
@given(seed=seeds)
def test_a_covariate_gives_what_a_regression_with_robust_errors_gives(seed):
    rng = np.random.default_rng(seed)
    n = 600
    before = rng.normal(0, 1, 2 * n)
    side = np.repeat([0.0, 1.0], n)
    after = 0.8 * before + 0.1 * side + rng.normal(0, 1 + 0.5 * side, 2 * n)
    arms = tuple(arm(v, after[side == s], covariate=before[side == s]) for v, s in (("a", 0), ("b", 1)))
    control, variant = reduce_arms(arms)
    design = np.column_stack([np.ones(2 * n), side, before])
    inverse = np.linalg.inv(design.T @ design)
    coefficients = inverse @ design.T @ after
    residuals = after - design @ coefficients
    robust = inverse @ (design.T * residuals**2) @ design @ inverse
    assert variant.mean - control.mean == pytest.approx(coefficients[1], rel=1e-9, abs=1e-9)
    assert control.squared_error + variant.squared_error == pytest.approx(robust[1, 1], rel=0.03)


@few
@given(n=st.integers(1, 5000), data=st.data())
def test_score_intervals_equal_scipy(n, data):
    k = data.draw(st.integers(0, n))
    theirs = stats.binomtest(k, n).proportion_ci(0.95, method="wilson")
    assert wilson(k, n, stats.norm.ppf(0.975)) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@few
@given(n=st.tuples(st.integers(600, 5000), st.integers(600, 5000)), data=st.data())
def test_many_units_give_the_uncorrected_chi_square_of_scipy(n, data):
    k = [data.draw(st.integers(1, m - 1)) for m in n]
    ours = proportions(share("a", k[0], n[0]), share("b", k[1], n[1]), alpha=0.05)
    theirs = stats.chi2_contingency([[k[0], n[0] - k[0]], [k[1], n[1] - k[1]]], correction=False)
    assert ours.p_value == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-300)


@few
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_corrections_equal_scipy_and_never_lower_a_p_value(p):
    assert benjamini_hochberg(p) == pytest.approx(list(stats.false_discovery_control(p)))
    corrected = holm(p)
    assert all(q >= one for q, one in zip(corrected, p, strict=True))
    assert min(corrected) == pytest.approx(min(1.0, len(p) * min(p)))


@few
@given(seed=seeds, cuts=st.lists(st.integers(0, 50), min_size=1, max_size=4))
def test_pooled_moments_are_those_of_all_units(seed, cuts):
    rng = np.random.default_rng(seed)
    found = columns(rng, 60, "ratio")
    edges = [0, *sorted({c for c in cuts if c}), 60]
    parts = [moments(**{k: v[a:b] for k, v in found.items()}) for a, b in itertools.pairwise(edges)]
    whole, pooled = moments(**found), pool(parts)
    assert pooled.n == whole.n
    assert dict(pooled.means) == pytest.approx(dict(whole.means))
    assert dict(pooled.covariances) == pytest.approx(dict(whole.covariances))


@few
@given(a=st.integers(0, 300), b=st.integers(0, 300))
def test_chance_to_win_equals_counting_draws(a, b):
    found = bayes.beta_binomial((a, 300), (b, 300), name="b")
    rng = np.random.default_rng(a * 1000 + b)
    one, other = rng.beta(1 + a, 301 - a, 200_000), rng.beta(1 + b, 301 - b, 200_000)
    assert found.chance_to_win == pytest.approx(float((other > one).mean()), abs=0.006)
    assert found.expected_loss == pytest.approx(float(np.maximum(one - other, 0).mean()), abs=0.0004)


@few
@given(z=st.floats(-50, 50), n=st.integers(2, 10**9), planned=st.integers(2, 10**8), alpha=st.floats(1e-6, 0.3))
def test_always_valid_p_values_agree_with_their_bounds(z, n, planned, alpha):
    p = sequential.p_value(z, n, alpha, planned)
    one_sided = sequential.one_sided_p_value(z, n, alpha, planned)
    assert 0 <= p <= 1
    assert 0 <= one_sided <= 1
    width, one_width = sequential.half_width(n, alpha, planned), sequential.one_sided_width(n, alpha, planned)
    assume(abs(abs(z) - width) > 1e-6)
    assume(abs(z - one_width) > 1e-6)
    assert (p <= alpha) == (abs(z) >= width)
    assert (one_sided <= alpha) == (z >= one_width)


@few
@given(z=st.floats(0, 7), count=st.integers(1, 6), alpha=st.sampled_from([0.01, 0.05, 0.1]))
def test_repeated_p_values_agree_with_their_bounds(z, count, alpha):
    from flagctl.experiments.boundaries import repeated_p_value, spending_bounds

    shares = [(i + 1) / 6 for i in range(count)]
    bound = spending_bounds(shares, alpha, shares)[-1]
    assume(abs(z - bound) > 1e-4)
    assert (repeated_p_value(z, shares, shares, alpha) <= alpha * (1 + 1e-9)) == (z > bound)


def test_looks_are_on_full_days_and_end_at_the_planned_one():
    assert looks.look_days(14, 5) == (3, 6, 9, 12, 14)
    assert looks.look_days(3, 10) == (1, 2, 3)


numbers = st.one_of(st.floats(allow_nan=True, allow_infinity=True, width=64), st.floats(-10, 10), st.just(0.0))


@st.composite
def strange_arms(draw, variant: str):
    if draw(st.booleans()):
        q = QuantileSample(
            n=draw(st.integers(0, 500)),
            events=1,
            q=0.5,
            estimate=draw(numbers),
            low=draw(numbers),
            high=draw(numbers),
            z=1.96,
        )
        return ArmMetric(variant=variant, quantile=q)
    n = draw(st.sampled_from([0, 1, 2, 50, 5000]))
    means = {"value": draw(numbers)} if draw(st.booleans()) else {}
    variance = draw(numbers)
    covariances = {("value", "value"): abs(variance)} if n > 1 and means else {}
    return ArmMetric(variant=variant, moments=Moments(n=n, means=means, covariances=covariances), conversions=n)


@pytest.mark.parametrize("method", ["hybrid", "sequential", "fixed", "group_sequential", "bayesian"])
@settings(max_examples=scaled(25, 3000), deadline=None)
@given(data=st.data(), days=st.sampled_from([0, 3, 8, 14]))
def test_whatever_the_numbers_are_an_answer_comes_and_not_a_number_never_ships(method, data, days):
    arms = (data.draw(strange_arms("off")), data.draw(strange_arms("on")))
    guard = Metric(kind="mean", event="load", direction="decrease", margin=3)
    setup = experiment(
        primary=Metric(kind="mean", event="order"),
        guardrails=(guard,),
        decision=Decision(method=method, planned_days=14),
    )
    found = {"order:mean": MetricData(key="order:mean", arms=arms), "load:mean": MetricData(key="load:mean", arms=arms)}
    observation = observed(setup, found, days=days, units={"off": 500, "on": 500})
    results = compute(observation)
    verdict = decide(observation, results)
    if verdict.outcome is Outcome.SHIP:
        for one in arms:
            known = one.moments.means["value"] if one.moments else one.quantile.estimate
            assert math.isfinite(known)
    for one in results.metrics:
        for estimate in one.estimates:
            assert all(v is None or not math.isnan(v) for v in (estimate.low, estimate.high, estimate.difference))


@few
@given(seed=seeds)
def test_one_stratum_is_no_stratification_and_equal_cells_do_not_interact(seed):
    rng = np.random.default_rng(seed)
    data = MetricData(key="m", arms=(arm("a", rng.normal(0, 1, 50)), arm("b", rng.normal(1, 1, 70))))
    (one,) = views.post_stratified({"all": data}, control="a", alpha=0.05)
    other = welch(*reduce_arms(data.arms), name="b", alpha=0.05)
    assert (one.difference, one.p_value) == pytest.approx((other.difference, other.p_value))
    cell = Reduced(n=50, mean=1.0, variance=2.0)
    cells = {(x, y): cell for x in "ab" for y in "ab"}
    assert views.interaction(cells, controls=("a", "a")) == [("b", "b", 1.0)]
