"""From moments to one mean with one variance per variant: delta method, CUPED, quantiles."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flagctl.experiments.data import COVARIATE, DENOMINATOR, DENOMINATOR_COVARIATE, VALUE, Moments
from flagctl.experiments.estimates import Reduced

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.experiments.data import ArmMetric


_HUGE = 1e100


class NotEnoughDataError(ValueError):
    """The data cannot answer; the message says why in a few words."""


def reduce_arms(arms: Sequence[ArmMetric]) -> list[Reduced]:
    """Reduce the variants of one metric.

    Args:
        arms: All variants; the coefficient of a covariate is estimated over all of them, so that it is the same for each.

    Returns:
        One result for each, in order.

    Raises:
        NotEnoughDataError: If a variant has fewer than two units, a ratio's denominator is zero, or a number is not finite.
    """
    if any(arm.quantile is not None for arm in arms):
        return [_sane(_quantile(arm), arm.variant) for arm in arms]
    moments = [_checked(arm) for arm in arms]
    coefficient, center = _cuped(moments)
    return [_sane(_reduce(one, coefficient, center), arm.variant) for one, arm in zip(moments, arms, strict=True)]


def _sane(one: Reduced, variant: str) -> Reduced:
    """Keep numbers away from where floats overflow or vanish when they are squared."""
    if not (math.isfinite(one.mean) and math.isfinite(one.variance)):
        raise NotEnoughDataError(f"{variant} has values that are not finite")
    if abs(one.mean) > _HUGE or one.variance > _HUGE:
        raise NotEnoughDataError(f"{variant} has values too large to compute with")
    mean = one.mean if abs(one.mean) > 1 / _HUGE else 0.0
    return Reduced(n=one.n, mean=mean, variance=one.variance if one.variance > 1 / _HUGE else 0.0)


def _checked(arm: ArmMetric) -> Moments:
    moments = arm.moments
    if moments is None or moments.n < 2:
        number = moments.n if moments else 0
        raise NotEnoughDataError(f"{arm.variant} has {number} {'unit' if number == 1 else 'units'}; two are the least")
    if VALUE not in moments.means:
        raise NotEnoughDataError(f"{arm.variant} has too few values")
    numbers = (*moments.means.values(), *moments.covariances.values())
    if not all(math.isfinite(number) for number in numbers):
        raise NotEnoughDataError(f"{arm.variant} has values that are not finite")
    if DENOMINATOR in moments.means and moments.means[DENOMINATOR] == 0:
        raise NotEnoughDataError(f"the denominator of {arm.variant} is zero")
    return moments


def _quantile(arm: ArmMetric) -> Reduced:
    sample = arm.quantile
    if sample is None or sample.n < 2:
        raise NotEnoughDataError(f"{arm.variant} has too few values")
    # The interval of a quantile is that of its level, read off the order statistics; see `quantiles.levels`.
    error = (sample.high - sample.low) / (2 * sample.z)
    if not math.isfinite(error) or error < 0 or not math.isfinite(sample.estimate):
        raise NotEnoughDataError(f"{arm.variant} has values that are not finite")
    return Reduced(n=sample.n, mean=sample.estimate, variance=error * error * sample.n)


def _linear(moments: Moments, numerator: str, denominator: str) -> tuple[float, dict[str, float]]:
    """Return a ratio and the weights of the columns in its first-order expansion around the means.

    Deng, Knoblich & Lu (2018), Applying the Delta Method in Metric Analytics, KDD, section 2.2:
    var(Y/X) = (var Y - 2 r cov(X, Y) + r^2 var X) / mean(X)^2 with r = mean(Y) / mean(X).
    """
    if denominator not in moments.means:
        return moments.mean(numerator), {numerator: 1.0}
    below = moments.mean(denominator)
    if below == 0:
        return 0.0, {numerator: 0.0}
    ratio = moments.mean(numerator) / below
    return ratio, {numerator: 1.0 / below, denominator: -ratio / below}


def _cov(moments: Moments, one: dict[str, float], other: dict[str, float]) -> float:
    return sum(a * b * moments.covariance(x, y) for x, a in one.items() for y, b in other.items())


def _cuped(arms: Sequence[Moments]) -> tuple[float, float]:
    """Return the pooled coefficient of the covariate and its pooled mean; zeros without a covariate.

    Deng, Xu, Kohavi & Walker (2013), Improving the Sensitivity of Online Controlled Experiments by Utilizing
    Pre-Experiment Data, WSDM, equation 5: theta = cov(Y, X) / var(X).
    """
    if any(COVARIATE not in one.means for one in arms):
        return 0.0, 0.0
    # A ratio before is unknown, not zero, where nothing was counted below it: such a variant would be moved for nothing.
    if any(one.means.get(DENOMINATOR_COVARIATE, 1.0) == 0 for one in arms):
        return 0.0, 0.0
    total = sum(one.n for one in arms)
    above = below = center = 0.0
    for one in arms:
        value, weights = _linear(one, COVARIATE, DENOMINATOR_COVARIATE)
        _, target = _linear(one, VALUE, DENOMINATOR)
        above += (one.n - 1) * _cov(one, target, weights)
        below += (one.n - 1) * _cov(one, weights, weights)
        center += one.n / total * value
    return (above / below, center) if below > 0 else (0.0, 0.0)


def _reduce(moments: Moments, coefficient: float, center: float) -> Reduced:
    mean, weights = _linear(moments, VALUE, DENOMINATOR)
    weights = dict(weights)
    if coefficient:
        before, covariate = _linear(moments, COVARIATE, DENOMINATOR_COVARIATE)
        mean -= coefficient * (before - center)
        for column, weight in covariate.items():
            weights[column] = weights.get(column, 0.0) - coefficient * weight
    # A variance of tiny negative size is rounding of a constant.
    return Reduced(n=moments.n, mean=mean, variance=max(0.0, _cov(moments, weights, weights)))


def pool(parts: Sequence[Moments]) -> Moments:
    """Return the moments of several groups of units together.

    Chan, Golub & LeVeque (1983), Algorithms for Computing the Sample Variance, equation 2.1, for covariances.
    """
    filled = [part for part in parts if part.n > 0]
    if not filled:
        return Moments(n=0, means={}, covariances={})
    total = sum(part.n for part in filled)
    columns = list(filled[0].means)
    means = {c: sum(part.n * part.means[c] for part in filled) / total for c in columns}
    covariances = {}
    if total > 1:
        for i, one in enumerate(columns):
            for other in columns[i:]:
                inside = sum((part.n - 1) * part.covariance(one, other) for part in filled if part.n > 1)
                between = sum(
                    part.n * (part.means[one] - means[one]) * (part.means[other] - means[other]) for part in filled
                )
                covariances[one, other] = (inside + between) / (total - 1)
    return Moments(n=total, means=means, covariances=covariances)
