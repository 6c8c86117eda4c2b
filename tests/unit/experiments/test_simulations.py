"""What the methods promise, counted in made-up experiments.

The documentation's table of error rates is what the thorough profile counts; --log-cli-level=INFO shows the counts.
"""

import logging
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from flagctl.experiments import boundaries, guardrail, looks, power, quantiles, sequential, srm, views
from flagctl.experiments.analysis import compute
from flagctl.experiments.data import ArmMetric, MetricData, QuantileSample
from flagctl.experiments.estimates import Reduced
from flagctl.experiments.fixed import proportions, welch
from flagctl.experiments.reduce import reduce_arms
from flagctl.experiments.verdict import Outcome, decide
from flagctl.model import Decision, Metric
from tests.scale import scaled
from tests.unit.experiments.samples import arm, experiment, moments, observed, share

LOOKS = 14
ERRORS = Metric(kind="conversion", event="error", direction="decrease")


LOG = logging.getLogger("simulations")


def at_most(count: int, runs: int, rate: float) -> None:
    """Fail if so many of the runs would come by chance less than once in a thousand at that rate."""
    LOG.info("%s of %s: %.2f %%, at most %.1f %%", count, runs, 100 * count / runs, 100 * rate)
    assert stats.binom.sf(count - 1, runs, rate) > 0.001, f"{count} of {runs}: {count / runs:.1%}"


def at_least(count: int, runs: int, rate: float) -> None:
    LOG.info("%s of %s: %.2f %%, at least %.1f %%", count, runs, 100 * count / runs, 100 * rate)
    assert stats.binom.cdf(count, runs, rate) > 0.001, f"{count} of {runs}: {count / runs:.1%}"


def paths(rng, runs, rates, per_look, count=LOOKS):
    """Conversions of two variants after each look: runs x looks x 2."""
    return np.cumsum(rng.binomial(per_look, rates, size=(runs, count, 2)), axis=1)


def z_of(conversions, per_look):
    """Difference in standard errors at each look."""
    n = per_look * (np.arange(conversions.shape[1]) + 1)[None, :, None]
    p = conversions / n
    error = np.sqrt((p * (1 - p) / (n - 1)).sum(axis=2))
    return (p[:, :, 1] - p[:, :, 0]) / error


def stopped(method, z, alpha=0.05):
    shares = [(i + 1) / z.shape[1] for i in range(z.shape[1])]
    return int((np.abs(z) >= np.array(boundaries.rule_bounds(method, shares, alpha))[None, :]).any(axis=1).sum())


def test_looking_every_day_at_plain_p_values_is_wrong_one_time_in_five():
    runs = scaled(4000, 20_000)
    z = z_of(paths(np.random.default_rng(1), runs, [0.05, 0.05], 500), 500)
    naive = int((np.abs(z) >= 1.96).any(axis=1).sum())
    at_least(naive, runs, 0.2)
    at_most(naive, runs, 0.25)


@pytest.mark.parametrize(
    ("method", "most"), [("fixed", 0.05), ("sequential", 0.02), ("hybrid", 0.05), ("group_sequential", 0.05)]
)
def test_without_an_effect_daily_looks_rarely_find_one(method, most):
    runs = scaled(4000, 20_000)
    z = z_of(paths(np.random.default_rng(2), runs, [0.05, 0.05], 500), 500)
    at_most(stopped(method, z), runs, most + 0.002)


def test_a_hybrid_that_is_extended_after_its_end_still_keeps_the_risk():
    runs, longer = scaled(2000, 20_000), 3 * LOOKS
    z = z_of(paths(np.random.default_rng(3), runs, [0.05, 0.05], 500, longer), 500)
    planned = boundaries.rule_bounds("hybrid", [(i + 1) / LOOKS for i in range(LOOKS)], 0.05)
    after = boundaries.sequence_bounds([(i + 1) / LOOKS for i in range(LOOKS, longer)], 0.05)
    wrong = int((np.abs(z) >= np.array([*planned, *after])[None, :]).any(axis=1).sum())
    at_most(wrong, runs, 0.055)


@pytest.mark.parametrize("method", ["sequential", "hybrid", "group_sequential"])
def test_whoever_asks_for_the_verdict_every_day_is_rarely_told_of_an_effect_that_is_none(method):
    """The same through everything that lies between data and verdict."""
    runs, per_day = scaled(30, 2000), 700
    rng = np.random.default_rng(20)
    agreed = Decision(method=method, planned_days=LOOKS, planned_units=2 * per_day * LOOKS, minimum_days=1)
    setup = experiment(decision=agreed)
    wrong = 0
    for counts in paths(rng, runs, [0.05, 0.05], per_day):
        for day in range(1, LOOKS + 1):
            if method == "group_sequential" and day not in looks.look_days(LOOKS, looks.DEFAULT_LOOKS):
                continue
            # Without conversions the Bayesian view beside the verdict is the quick one.
            arms = tuple(
                replace(share(v, int(k), per_day * day), conversions=None)
                for v, k in zip(("off", "on"), counts[day - 1], strict=True)
            )
            data = observed(setup, {"order": MetricData(key="order", arms=arms)}, days=day)
            if decide(data, compute(data)).outcome in {Outcome.SHIP, Outcome.HALT}:
                wrong += 1
                break
    at_most(wrong, runs, 0.05)


@pytest.mark.parametrize("method", ["fixed", "sequential", "hybrid", "group_sequential"])
def test_a_planned_size_has_the_power_it_was_planned_for(method):
    runs = scaled(3000, 20_000)
    baseline = Reduced(n=1, mean=0.05, variance=0.05 * 0.95)
    design = power.Design(method=method, looks=LOOKS, proportion=True)
    plan = power.sample_size(baseline, 0.01, design)
    per_look = plan.units // 2 // LOOKS
    z = z_of(paths(np.random.default_rng(4), runs, [0.05, 0.06], per_look), per_look)
    found = stopped(method, z)
    at_least(found, runs, 0.79)
    at_most(found, runs, 0.82)
    assert power.smallest_effect(baseline, plan.units, design) == pytest.approx(0.01, rel=1e-3)


def test_power_with_unequal_shares_and_three_variants():
    runs = scaled(3000, 20_000)
    design = power.Design(method="fixed", shares=(0.5, 0.2, 0.3))
    plan = power.sample_size(Reduced(n=1, mean=10.0, variance=4.0), 0.2, design)
    rng = np.random.default_rng(5)
    n = [int(plan.units * 0.5), int(plan.units * 0.2)]
    means = [rng.normal(10 + 0.2 * k, 2 / math.sqrt(n[k]), runs) for k in range(2)]
    z = (means[1] - means[0]) / (2 * math.sqrt(1 / n[0] + 1 / n[1]))
    found = int((np.abs(z) >= stats.norm.ppf(1 - 0.05 / 4)).sum())
    at_least(found, runs, 0.785)
    at_most(found, runs, 0.815)


@pytest.mark.parametrize("kind", ["exponential", "lognormal", "rare"])
def test_a_confidence_sequence_covers_the_truth_at_all_looks(kind):
    runs = scaled(250, 2000)
    rng = np.random.default_rng(6)
    missed = 0
    for _ in range(runs):
        if kind == "exponential":
            sample = [rng.exponential(1.0, 4000), rng.exponential(1.3, 4000)]
            truth = 0.3
        elif kind == "lognormal":
            sample = [rng.lognormal(0, 1, 4000), rng.lognormal(0, 1, 4000) + 0.2]
            truth = 0.2
        else:
            sample = [(rng.random(4000) < 0.01).astype(float), (rng.random(4000) < 0.02).astype(float)]
            truth = 0.01
        one = [(np.cumsum(x), np.cumsum(x * x)) for x in sample]
        for n in range(200, 4001, 200):
            control, variant = (
                Reduced(n=n, mean=s[n - 1] / n, variance=(q[n - 1] - s[n - 1] ** 2 / n) / (n - 1)) for s, q in one
            )
            found = sequential.confidence_sequence(control, variant, name="b", alpha=0.05, planned=8000)
            if found.low is not None and not found.low <= truth <= found.high:
                missed += 1
                break
    at_most(missed, runs, 0.05)


def ramp(rng, rates, count=96, most=20_000):
    """One rollout looked at 96 times: the look and units at which it was halted, or None."""
    per = most // count
    counts = np.cumsum(rng.binomial(per, rates, size=(count, 2)), axis=0)
    for look in range(count):
        n = per * (look + 1)
        control, variant = (Reduced(n=n, mean=k / n, variance=k / n * (1 - k / n) * n / (n - 1)) for k in counts[look])
        found = guardrail.compare(ERRORS, control, variant, variant="on", alpha=0.05, planned=10_000)
        if found.state == "harmed":
            return n
    return None


@pytest.mark.parametrize(
    ("rate", "least", "most"), [(0.02, 0.0, 0.05), (0.022, 0.05, 0.3), (0.025, 0.7, 0.95), (0.03, 0.99, 1.0)]
)
def test_harm_is_caught_and_health_is_not(rate, least, most):
    runs = scaled(120, 2000)
    rng = np.random.default_rng(7)
    halted = [ramp(rng, [0.02, rate]) for _ in range(runs)]
    caught = [n for n in halted if n is not None]
    at_most(len(caught), runs, most)
    at_least(len(caught), runs, least)
    if rate == 0.03:
        assert np.median(caught) < 7000


def test_a_guardrail_at_its_margin_is_rarely_called_harmed():
    # Few looks at a plan of the same size: the sequence has little room, so an error of the margin that is left out shows.
    runs = scaled(300, 4000)
    metric = Metric(kind="conversion", event="error", direction="decrease", margin=100)
    rng = np.random.default_rng(8)
    halted = 0
    for _ in range(runs):
        for n in (2000, 4000, 8000):
            k0, k1 = rng.binomial(n, [0.1, 0.2])
            control, variant = (Reduced(n=n, mean=k / n, variance=k / n * (1 - k / n)) for k in (k0, k1))
            if guardrail.compare(metric, control, variant, variant="on", alpha=0.05).state == "harmed":
                halted += 1
                break
    at_most(halted, runs, 0.05)


def test_right_shares_are_rarely_called_wrong():
    runs, days = scaled(150, 2000), 28
    rng = np.random.default_rng(9)
    chi = anytime = 0
    shares = {"a": 0.5, "b": 0.3, "c": 0.2}
    for _ in range(runs):
        new = rng.multinomial(500, list(shares.values()), size=days)
        total = np.cumsum(new, axis=0)
        p = [srm.chi_square(dict(zip(shares, map(int, row), strict=True)), shares) for row in total]
        chi += min(p) < srm.THRESHOLD
        rows = [dict(zip(shares, map(int, row), strict=True)) for row in new]
        anytime += srm.sequential(rows, shares) < 0.01
    at_most(chi, runs, 0.013)
    at_most(anytime, runs, 0.01)


def test_a_lost_share_of_units_is_noticed():
    rng = np.random.default_rng(10)
    day = {"a": 60_000, "b": 60_000 - int(rng.integers(1400, 1600))}
    found = srm.check(day, {"a": 0.5, "b": 0.5}, parts={"sdk": {"web": day, "ios": {"a": 5000, "b": 5010}}})
    assert found.mismatch
    assert found.drivers[0][:2] == ("sdk", "web")


def quantile_of(values, q, units=None):
    """A sample quantile with its neighbours as the warehouse reads them."""
    n = len(values) if units is None else int(units.max()) + 1
    estimate = float(np.quantile(values, q))
    inflation = 1.0
    if units is not None:
        per_unit = np.bincount(units, weights=(values <= estimate) - q, minlength=n)
        inflation = quantiles.cluster_inflation(q, len(values) / n, float(per_unit.var(ddof=1)))
    low, high = (float(np.quantile(values, level)) for level in quantiles.levels(q, n, inflation=inflation))
    return QuantileSample(n=n, events=len(values), q=q, estimate=estimate, low=low, high=high, z=quantiles.Z)


@pytest.mark.parametrize("q", [0.5, 0.95])
def test_intervals_of_quantiles_cover_them(q):
    runs = scaled(400, 4000)
    rng = np.random.default_rng(11)
    truth = math.exp(stats.norm.ppf(q))
    inside = differing = 0
    for _ in range(runs):
        one, other = (quantile_of(rng.lognormal(0, 1, 1500), q) for _ in range(2))
        inside += one.low <= truth <= one.high
        arms = (ArmMetric(variant="a", quantile=one), ArmMetric(variant="b", quantile=other))
        differing += abs(other.estimate - one.estimate) > 1.96 * math.sqrt(
            sum(r.squared_error for r in reduce_arms(arms))
        )
    at_least(inside, runs, 0.95)
    at_most(differing, runs, 0.055)


def test_intervals_of_quantiles_of_clustered_events_cover_them():
    runs, n = scaled(300, 3000), 800
    rng = np.random.default_rng(12)
    inside = naive = 0
    # Log latency: half of the variance is the unit's; units have one to nine events, independent of their speed.
    truth = math.exp(stats.norm.ppf(0.9))
    for _ in range(runs):
        counts = rng.integers(1, 10, n)
        units = np.repeat(np.arange(n), counts)
        values = np.exp(np.repeat(rng.normal(0, math.sqrt(0.5), n), counts) + rng.normal(0, math.sqrt(0.5), len(units)))
        one, blind = quantile_of(values, 0.9, units), quantile_of(values, 0.9)
        inside += one.low <= truth <= one.high
        naive += blind.low <= truth <= blind.high
    at_least(inside, runs, 0.945)
    assert naive < 0.9 * runs


def test_a_covariate_takes_away_the_share_of_the_variance_that_it_explains():
    runs, n, rho = scaled(400, 4000), 400, 0.7
    rng = np.random.default_rng(13)
    plain, adjusted, claimed = [], [], []
    for _ in range(runs):
        arms = []
        for name in ("a", "b"):
            before = rng.normal(5, 1, n)
            after = rho * before + rng.normal(0, math.sqrt(1 - rho**2), n)
            arms.append(arm(name, after, covariate=before))
        one, other = reduce_arms(arms)
        adjusted.append(other.mean - one.mean)
        claimed.append(one.squared_error + other.squared_error)
        plain.append(arms[1].moments.mean("value") - arms[0].moments.mean("value"))
    LOG.info("variance left: %.3f", np.var(adjusted) / np.var(plain))
    assert np.var(adjusted) / np.var(plain) == pytest.approx(1 - rho**2, abs=4 / math.sqrt(runs) * 0.8)
    assert np.mean(claimed) == pytest.approx(np.var(adjusted), rel=5 * math.sqrt(2 / runs))


def test_a_ratio_over_units_with_many_events_each_covers_the_truth():
    runs, n = scaled(500, 5000), 600
    rng = np.random.default_rng(14)
    inside = naive = 0
    for _ in range(runs):
        sessions = rng.poisson(4, n) + 1
        rates = rng.beta(2, 8, n)
        orders = rng.binomial(sessions, rates)
        (one,) = reduce_arms((arm("a", orders, denominator=sessions.astype(float)),))
        inside += abs(one.mean - 0.2) <= 1.96 * math.sqrt(one.squared_error)
        p, total = orders.sum() / sessions.sum(), sessions.sum()
        naive += abs(p - 0.2) <= 1.96 * math.sqrt(p * (1 - p) / total)
    at_least(inside, runs, 0.94)
    assert naive < 0.93 * runs


@pytest.mark.parametrize(("n", "p"), [(30, 0.05), (60, 0.5), (200, 0.01)])
def test_intervals_of_proportions_cover_with_few_units(n, p):
    # Exact: the sum over all outcomes of their probability where the interval covers 0.
    counts = np.arange(n + 1)
    weights = stats.binom.pmf(counts, n, p)
    likely = counts[weights > 1e-5]
    covered = 0.0
    for k0 in likely:
        for k1 in likely:
            z = stats.norm.ppf(0.975)
            from flagctl.experiments.fixed import wilson

            (l0, u0), (l1, u1) = wilson(int(k0), n, z), wilson(int(k1), n, z)
            d = (k1 - k0) / n
            if d - math.hypot(k1 / n - l1, u0 - k0 / n) <= 0 <= d + math.hypot(u1 - k1 / n, k0 / n - l0):
                covered += weights[k0] * weights[k1]
    assert covered >= 0.945


def test_the_exact_test_of_few_units_never_exceeds_its_risk():
    n = 12
    counts = np.arange(n + 1)
    p_values = np.array(
        [
            [proportions(share("a", int(i), n), share("b", int(j), n), alpha=0.05).p_value for j in counts]
            for i in counts
        ]
    )
    for rate in (0.1, 0.3, 0.5):
        weights = stats.binom.pmf(counts, n, rate)
        assert float((np.outer(weights, weights) * (p_values <= 0.05)).sum()) <= 0.05 + 1e-9


def test_equal_effects_rarely_look_unequal_and_crossed_experiments_rarely_disturb():
    runs = scaled(400, 4000)
    rng = np.random.default_rng(15)
    unequal, disturbed = [], []
    for _ in range(runs):
        values = {
            f"part{i}": MetricData(key="m", arms=(arm("a", rng.normal(i, 1, 80)), arm("b", rng.normal(i + 0.5, 1, 80))))
            for i in range(3)
        }
        _, differences = views.parts({"part": values}, control="a", alpha=0.05)
        unequal.append(differences[0].p_value)
        cells = {(x, y): Reduced(n=100, mean=rng.normal(0, 0.1), variance=1.0) for x in "ab" for y in "ab"}
        disturbed.append(views.interaction(cells, controls=("a", "a"))[0][2])
    assert stats.kstest(unequal, "uniform").pvalue > 0.001
    assert stats.kstest(disturbed, "uniform").pvalue > 0.001


def test_strata_take_the_mixture_out_of_a_ramp():
    # Two steps with different shares and different users; no effect in either.
    runs = scaled(200, 2000)
    rng = np.random.default_rng(16)
    wrong = mixed = 0
    for _ in range(runs):
        steps = {}
        for name, rate, sizes in (("early", 0.02, (1800, 200)), ("late", 0.1, (1000, 1000))):
            steps[name] = MetricData(
                key="m", arms=tuple(arm(v, rng.random(s) < rate) for v, s in zip("ab", sizes, strict=True))
            )
        wrong += views.post_stratified(steps, control="a", alpha=0.05)[0].p_value < 0.05
        pooled = [
            np.concatenate([[s.arms[i].moments.mean("value")] * s.arms[i].moments.n for s in steps.values()])
            for i in range(2)
        ]
        mixed += abs(pooled[1].mean() - pooled[0].mean()) > 0.01
    at_most(wrong, runs, 0.06)
    assert mixed > 0.9 * runs


def test_the_single_look_covers_skewed_values():
    runs = scaled(600, 5000)
    rng = np.random.default_rng(17)
    inside = 0
    for _ in range(runs):
        one, other = reduce_arms((arm("a", rng.exponential(2, 300)), arm("b", rng.exponential(2.2, 400))))
        found = welch(one, other, name="b", alpha=0.05)
        inside += found.low <= 0.2 <= found.high
    at_least(inside, runs, 0.945)


def test_samples_have_the_moments_of_numpy():
    values = np.arange(5.0)
    assert moments(value=values).covariance("value", "value") == pytest.approx(values.var(ddof=1))
