"""What the methods beside the main rules promise, counted in made-up experiments."""

import itertools

import numpy as np
import pytest
from scipy import stats

from flagctl.experiments import bayes, multiplicity, power, quantiles, views
from flagctl.experiments.data import ArmMetric, QuantileSample
from flagctl.experiments.estimates import Reduced
from flagctl.experiments.fixed import welch
from flagctl.experiments.reduce import reduce_arms
from tests.scale import scaled
from tests.unit.experiments.samples import arm
from tests.unit.experiments.test_simulations import at_least, at_most

SHARE = 0.1
"""Relative effect that experiments are planned for."""


def quantile_arm(name, values):
    low, high = (float(np.quantile(values, level)) for level in quantiles.levels(0.5, len(values)))
    estimate = float(np.quantile(values, 0.5))
    sample = QuantileSample(
        n=len(values), events=len(values), q=0.5, estimate=estimate, low=low, high=high, z=quantiles.Z
    )
    return ArmMetric(variant=name, quantile=sample)


def drawn(rng, kind, name, n, effect):
    """One variant of a metric of a kind, `effect` better than a control."""
    if kind == "conversion":
        return arm(name, (rng.random(n) < 0.2 * (1 + effect)).astype(float))
    if kind == "count":
        return arm(name, rng.poisson(2 * (1 + effect), n))
    if kind == "revenue":
        return arm(name, np.minimum(rng.exponential(10, n), 40.0) * (1 + effect))
    if kind == "ratio":
        sessions = rng.poisson(4, n) + 1
        return arm(name, rng.binomial(sessions, 0.2 * (1 + effect)), denominator=sessions.astype(float))
    if kind == "covariate":
        before = rng.normal(10, 3, n)
        return arm(name, before * (1 + effect) + rng.normal(0, 3, n), covariate=before)
    return quantile_arm(name, rng.lognormal(0, 1, n) * (1 + effect))


@pytest.mark.parametrize("kind", ["conversion", "count", "revenue", "ratio", "covariate", "quantile"])
def test_an_experiment_of_the_planned_size_has_the_planned_power_for_every_kind_of_metric(kind):
    runs = scaled(200, 4000)
    rng = np.random.default_rng(21)
    (baseline,) = reduce_arms((drawn(rng, kind, "a", 200_000, 0.0),))
    design = power.Design(method="fixed", proportion=kind == "conversion")
    plan = power.sample_size(baseline, SHARE * baseline.mean, design)
    found = wrong = 0
    for _ in range(runs):
        control, better, same = (
            drawn(rng, kind, name, plan.units // 2, e) for name, e in (("a", 0), ("b", SHARE), ("c", 0))
        )
        one, other = reduce_arms((control, better))
        found += welch(one, other, name="b", alpha=0.05).p_value < 0.05
        one, other = reduce_arms((control, same))
        wrong += welch(one, other, name="c", alpha=0.05).p_value < 0.05
    # A better variant varies more where the error grows with the mean.
    at_least(found, runs, 0.76)
    at_most(found, runs, 0.83)
    at_most(wrong, runs, 0.055)


def test_corrected_p_values_keep_what_they_promise():
    runs = scaled(600, 20_000)
    rng = np.random.default_rng(22)
    any_wrong = 0
    shares = []
    for _ in range(runs):
        z = rng.normal(size=10)
        z[:4] += 3
        p = list(2 * stats.norm.sf(abs(z)))
        any_wrong += min(multiplicity.holm(p)[4:]) <= 0.05
        chosen = np.array(multiplicity.benjamini_hochberg(p)) <= 0.05
        shares.append(chosen[4:].sum() / max(1, chosen.sum()))
    at_most(any_wrong, runs, 0.05)
    assert np.mean(shares) <= 0.05 + 4 * np.std(shares) / np.sqrt(runs)


def test_chances_to_win_are_right_as_often_as_they_say():
    # Rates drawn from the prior: of the variants with a chance of 80 to 90 %, so many are better.
    runs = scaled(300, 5000)
    rng = np.random.default_rng(23)
    said, true, inside = [], [], 0
    for _ in range(runs):
        rates = rng.beta(1, 1, 2)
        counts = rng.binomial(60, rates)
        found = bayes.beta_binomial((int(counts[0]), 60), (int(counts[1]), 60), name="b")
        said.append(found.chance_to_win)
        true.append(rates[1] > rates[0])
        inside += found.low <= rates[1] - rates[0] <= found.high
    said, true = np.array(said), np.array(true)
    spread = np.sqrt((said * (1 - said)).sum())
    assert abs(true.sum() - said.sum()) < 4 * spread
    assert np.mean((said - true) ** 2) == pytest.approx(np.mean(said * (1 - said)), abs=4 * 0.5 / np.sqrt(runs))
    at_least(inside, runs, 0.94)


def test_normal_posteriors_cover_and_lose_what_they_say():
    runs = scaled(2000, 20_000)
    rng = np.random.default_rng(24)
    inside, said, lost = 0, [], []
    for _ in range(runs):
        effect = rng.normal(0, 20)
        one = Reduced(n=200, mean=float(rng.normal(0, 1 / np.sqrt(200))), variance=1.0)
        other = Reduced(n=200, mean=float(rng.normal(effect / 100, 1 / np.sqrt(200))), variance=1.0)
        found = bayes.normal(one, other, name="b")
        inside += found.low <= effect / 100 <= found.high
        said.append(found.expected_loss)
        lost.append(max(0.0, -effect / 100))
    at_least(inside, runs, 0.945)
    # The prior is flat and effects are not, which the loss overrates a little.
    assert np.mean(said) == pytest.approx(np.mean(lost), rel=0.35)


def test_values_cut_at_percentiles_of_both_variants_keep_the_risk_and_gain_power():
    runs = scaled(300, 5000)
    rng = np.random.default_rng(25)
    wrong = plain = cut = 0
    for _ in range(runs):
        pair = [rng.lognormal(0, 2, 800), rng.lognormal(0, 2, 800)]
        for effect in (0.0, 0.35):
            values = [pair[0], pair[1] * (1 + effect)]
            cap = np.quantile(np.concatenate(values), 0.95)
            capped = reduce_arms([arm(v, np.minimum(x, cap)) for v, x in zip("ab", values, strict=True)])
            p = welch(*capped, name="b", alpha=0.05).p_value
            if not effect:
                wrong += p < 0.05
                continue
            cut += p < 0.05
            whole = reduce_arms([arm(v, x) for v, x in zip("ab", values, strict=True)])
            plain += welch(*whole, name="b", alpha=0.05).p_value < 0.05
    at_most(wrong, runs, 0.055)
    assert cut > plain


@pytest.mark.parametrize("size", [3, 10])
def test_crossed_experiments_with_few_units_rarely_seem_to_disturb_one_another(size):
    # Three variants beside a control: six pairs, corrected by Holm. With the normal quantile 9 % of single pairs would do so.
    runs = scaled(1000, 8000)
    rng = np.random.default_rng(26)
    single = several = 0
    for _ in range(runs):
        cells = {}
        for pair in itertools.product("abcd", "xyz"):
            values = rng.normal(ord(pair[0]) + ord(pair[1]), 1, size)
            cells[pair] = Reduced(n=size, mean=float(values.mean()), variance=float(values.var(ddof=1)))
        one = views.contrast(cells["b", "y"], cells["a", "y"], cells["b", "x"], cells["a", "x"])
        single += one.p_value < 0.05
        several += any(p < 0.05 for _, _, p in views.interaction(cells, controls=("a", "x")))
    at_most(single, runs, 0.05)
    at_most(several, runs, 0.05)
