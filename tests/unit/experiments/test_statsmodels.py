"""The same answers as statsmodels and SciPy give, on random inputs."""

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import integrate, stats
from statsmodels.stats.meta_analysis import combine_effects
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import NormalIndPower
from statsmodels.stats.proportion import confint_proportions_2indep

from flagctl.experiments import bayes, boundaries, multiplicity, power, quantiles, sequential, srm, views
from flagctl.experiments.data import MetricData
from flagctl.experiments.estimates import Reduced
from flagctl.experiments.fixed import compare_means, proportions, welch
from flagctl.experiments.reduce import reduce_arms
from tests.scale import scaled
from tests.unit.experiments.samples import arm, moments, share

few = settings(max_examples=scaled(15, 500), deadline=None)
seeds = st.integers(0, 2**32 - 1)


@few
@given(n=st.tuples(st.integers(5, 3000), st.integers(5, 3000)), data=st.data())
def test_intervals_of_two_proportions(n, data):
    k = [data.draw(st.integers(0, m)) for m in n]
    ours = proportions(share("a", k[0], n[0]), share("b", k[1], n[1]), alpha=0.05)
    theirs = confint_proportions_2indep(k[1], n[1], k[0], n[0], method="newcomb", compare="diff")
    assert (ours.low, ours.high) == pytest.approx(theirs, abs=1e-9)


@few
@given(seed=seeds, n=st.integers(20, 300))
def test_a_ratio_has_the_error_of_events_in_clusters(seed, n):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 9, n)
    units = np.repeat(np.arange(n), counts)
    values = rng.normal(3, 1, len(units)) + np.repeat(rng.normal(0, 1, n), counts)
    (ours,) = reduce_arms((arm("a", np.bincount(units, weights=values), denominator=counts.astype(float)),))
    kwds = {"groups": units, "use_correction": False}
    theirs = sm.OLS(values, np.ones(len(units))).fit(cov_type="cluster", cov_kwds=kwds)
    assert ours.mean == pytest.approx(theirs.params[0])
    assert ours.squared_error * (n - 1) / n == pytest.approx(theirs.cov_params()[0, 0])


@few
@given(seed=seeds, q=st.sampled_from([0.5, 0.9]))
def test_the_level_of_a_quantile_has_the_error_of_events_in_clusters(seed, q):
    rng = np.random.default_rng(seed)
    n = 200
    counts = rng.integers(1, 9, n)
    units = np.repeat(np.arange(n), counts)
    values = rng.normal(0, 1, len(units)) + np.repeat(rng.normal(0, 1, n), counts)
    below = (values <= np.quantile(values, q)).astype(float)
    per_unit = np.bincount(units, weights=below - q)
    ours = quantiles.cluster_inflation(q, len(values) / n, float(per_unit.var(ddof=1))) * q * (1 - q) / n
    kwds = {"groups": units, "use_correction": False}
    theirs = sm.OLS(below, np.ones(len(units))).fit(cov_type="cluster", cov_kwds=kwds).cov_params()[0, 0]
    assert ours == pytest.approx(theirs, rel=0.02)


@few
@given(seed=seeds, q=st.sampled_from([0.25, 0.5, 0.9]), n=st.integers(200, 3000))
def test_levels_of_quantiles_are_near_the_exact_ones(seed, q, n):
    values = np.sort(np.random.default_rng(seed).normal(size=n))
    exact = stats.quantile_test(values, q=float(values[int(n * q)]), p=q).confidence_interval(0.95)
    low, high = quantiles.levels(q, n)
    ranks = np.searchsorted(values, [exact.low, exact.high])
    assert [low * n, high * n] == pytest.approx([float(rank) for rank in ranks], abs=3)


@few
@given(p=st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_corrections(p):
    assert multiplicity.holm(p) == pytest.approx(list(multipletests(p, method="holm")[1]))
    assert multiplicity.benjamini_hochberg(p) == pytest.approx(list(multipletests(p, method="fdr_bh")[1]))


@few
@given(seed=seeds, strata=st.integers(1, 5))
def test_strata_are_a_contrast_of_a_saturated_regression(seed, strata):
    rng = np.random.default_rng(seed)
    data, values, cells, weights = {}, [], [], []
    for stratum in range(strata):
        sizes = rng.integers(40, 120, 2)
        drawn = [rng.normal(stratum, 1 + side, sizes[side]) for side in range(2)]
        data[str(stratum)] = MetricData(key="m", arms=(arm("a", drawn[0]), arm("b", drawn[1])))
        values += drawn
        cells += [np.full(sizes[side], 2 * stratum + side) for side in range(2)]
        weights += [-sizes.sum(), sizes.sum()]
    (ours,) = views.post_stratified(data, control="a", alpha=0.05)
    design = np.eye(2 * strata)[np.concatenate(cells)]
    fit = sm.OLS(np.concatenate(values), design).fit(cov_type="HC2")
    contrast = np.array(weights) / (np.array(weights)[1::2].sum())
    assert ours.difference == pytest.approx(contrast @ fit.params)
    # Ours has Student's quantile in the place of the normal one.
    half = stats.norm.ppf(0.975) * np.sqrt(contrast @ fit.cov_params() @ contrast)
    assert half <= (ours.high - ours.low) / 2 <= 1.05 * half


@few
@given(counts=st.lists(st.integers(0, 3000), min_size=2, max_size=4).filter(lambda c: sum(c) > 200))
def test_shares_of_units(counts):
    names = [f"v{i}" for i in range(len(counts))]
    shares = dict.fromkeys(names, 1 / len(names))
    observed = dict(zip(names, counts, strict=True))
    assert srm.chi_square(observed, shares) == pytest.approx(stats.chisquare(counts).pvalue, rel=1e-9, abs=1e-300)
    prior = 10_000 / len(names)
    total = sum(counts)
    factor = stats.dirichlet_multinomial.logpmf(counts, [prior] * len(names), total)
    factor -= stats.multinomial.logpmf(counts, total, [1 / len(names)] * len(names))
    assert srm.sequential([observed], shares) == pytest.approx(min(1.0, np.exp(-factor)), rel=1e-6, abs=1e-300)


@few
@given(seed=seeds, looks=st.integers(2, 4))
def test_crossing_equals_the_multivariate_normal(seed, looks):
    rng = np.random.default_rng(seed)
    shares = np.cumsum(rng.dirichlet(np.full(looks, 5.0)))
    shares[-1] = 1.0
    bounds = rng.uniform(1.5, 3.5, looks)
    drift = float(rng.uniform(0, 3))
    covariance = np.array([[np.sqrt(min(s, t) / max(s, t)) for t in shares] for s in shares])
    inside = stats.multivariate_normal(drift * np.sqrt(shares), covariance).cdf(bounds, lower_limit=-bounds)
    assert boundaries.crossing(list(bounds), list(shares), drift) == pytest.approx(1 - inside, abs=2e-4)


@few
@given(z=st.floats(0, 6), n=st.integers(10, 10**6))
def test_the_always_valid_p_value_is_a_mixture_of_likelihoods(z, n):
    # By numerical integration over the normal prior of the mean: the definition, not the closed form.
    variance = sequential.mixture_scale(0.05, 10_000) * n
    width = np.sqrt(variance)
    mean, spread = variance / (1 + variance) * z, np.sqrt(variance / (1 + variance))
    factor = integrate.quad(
        lambda m: np.exp(m * z - m * m / 2) * stats.norm.pdf(m, 0, width), mean - 12 * spread, mean + 12 * spread
    )[0]
    assert sequential.p_value(z, n, 0.05, 10_000) == pytest.approx(min(1.0, 1 / factor), rel=1e-6)


@few
@given(seed=seeds)
def test_normal_posteriors_by_integration(seed):
    rng = np.random.default_rng(seed)
    one = Reduced(n=100, mean=float(rng.normal()), variance=float(rng.uniform(0.5, 3)))
    other = Reduced(n=150, mean=float(rng.normal()), variance=float(rng.uniform(0.5, 3)))
    found = bayes.normal(one, other, name="b")
    d = stats.norm(other.mean - one.mean, np.sqrt(one.squared_error + other.squared_error))
    assert found.chance_to_win == pytest.approx(d.sf(0))
    loss = integrate.quad(lambda x: -x * d.pdf(x), d.mean() - 12 * d.std(), 0)[0] if d.mean() < 12 * d.std() else 0
    assert found.expected_loss == pytest.approx(loss, abs=1e-7)
    assert (found.low, found.high) == pytest.approx(d.interval(0.95))


@few
@given(
    effect=st.floats(0.05, 1), alpha=st.sampled_from([0.01, 0.05]), wanted=st.floats(0.6, 0.95), ratio=st.floats(0.3, 3)
)
def test_sizes_of_experiments(effect, alpha, wanted, ratio):
    shares = (1 / (1 + ratio), ratio / (1 + ratio))
    design = power.Design(method="fixed", alpha=alpha, power=wanted, shares=shares)
    baseline = Reduced(n=1, mean=10.0, variance=1.0)
    plan = power.sample_size(baseline, effect, design)
    theirs = NormalIndPower().solve_power(effect_size=effect, alpha=alpha, power=wanted, ratio=ratio)
    assert plan.units == pytest.approx(theirs * (1 + ratio), abs=3, rel=0.01)
    reached = NormalIndPower().power(effect, plan.units * shares[0], alpha, ratio=ratio)
    assert power.power_at(baseline, effect, plan.units, design) == pytest.approx(reached, abs=1e-4)


@few
@given(seed=seeds)
def test_relative_intervals_equal_tea_tasting(seed):
    rng = np.random.default_rng(seed)
    one, other = rng.lognormal(1, 0.5, 300), rng.lognormal(1.1, 0.5, 400)
    ours = welch(*reduce_arms((arm("a", one), arm("b", other))), name="b", alpha=0.05)
    theirs = compare_means(moments(value=one), moments(value=other), name="b", alpha=0.05)
    assert ours.relative == pytest.approx(theirs.relative)
    bounds = (theirs.relative_low, theirs.relative_high)
    assert (ours.relative_low, ours.relative_high) == pytest.approx(bounds, rel=0.02, abs=2e-3)


@few
@given(seed=seeds)
def test_differences_between_parts_and_trends_over_ages(seed):
    rng = np.random.default_rng(seed)
    parts = {
        str(i): MetricData(key="m", arms=(arm("a", rng.normal(0, 1, 4000)), arm("b", rng.normal(0.02, 1, 4000))))
        for i in range(4)
    }
    listed, (difference,) = views.parts({"p": parts}, control="a", alpha=0.05)
    effects = np.array([one.estimate.difference for one in listed])
    errors = np.array([(one.estimate.high - one.estimate.low) / 2 / stats.norm.ppf(0.975) for one in listed])
    theirs = combine_effects(effects, errors**2)
    assert difference.p_value == pytest.approx(stats.chi2.sf(theirs.q, 3), rel=1e-6)
    (trend,) = views.novelty([(i, one) for i, one in enumerate(parts.values())], control="a", alpha=0.05)
    fit = sm.WLS(effects, sm.add_constant(np.arange(4.0)), weights=1 / errors**2).fit(cov_type="fixed scale")
    assert (trend.slope, trend.p_value) == pytest.approx((fit.params[1], fit.pvalues[1]), rel=1e-6)


@few
@given(seed=seeds)
def test_an_interaction_is_that_of_a_regression_with_both_variants(seed):
    rng = np.random.default_rng(seed)
    sizes = {pair: int(rng.integers(20, 300)) for pair in (("a", "a"), ("a", "b"), ("b", "a"), ("b", "b"))}
    values = {pair: rng.normal(rng.normal(), rng.uniform(1, 3), n) for pair, n in sizes.items()}
    cells = {
        pair: Reduced(n=len(one), mean=float(one.mean()), variance=float(one.var(ddof=1)))
        for pair, one in values.items()
    }
    found = views.contrast(cells["b", "b"], cells["a", "b"], cells["b", "a"], cells["a", "a"])
    first = np.repeat([pair[0] == "b" for pair in sizes], list(sizes.values())).astype(float)
    second = np.repeat([pair[1] == "b" for pair in sizes], list(sizes.values())).astype(float)
    design = sm.add_constant(np.column_stack([first, second, first * second]))
    fit = sm.OLS(np.concatenate(list(values.values())), design).fit(cov_type="HC2")
    assert (found.value, found.error) == pytest.approx((fit.params[3], fit.bse[3]), rel=1e-6)
    # Each of both effects has Welch's degrees of freedom, by SciPy; Satterthwaite's rule puts them together.
    welch_tests = [stats.ttest_ind(values["b", x], values["a", x], equal_var=False) for x in "ab"]
    effects = [values["b", x].mean() - values["a", x].mean() for x in "ab"]
    squares = [(effect / one.statistic) ** 2 for effect, one in zip(effects, welch_tests, strict=True)]
    freedom = sum(squares) ** 2 / sum(square**2 / one.df for square, one in zip(squares, welch_tests, strict=True))
    assert found.freedom == pytest.approx(freedom, rel=1e-6)
    assert found.p_value == pytest.approx(2 * stats.t.sf(abs(fit.tvalues[3]), freedom), rel=1e-5, abs=1e-300)
    ((_, _, p),) = views.interaction(cells, controls=("a", "a"))
    assert p == found.p_value
