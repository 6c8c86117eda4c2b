"""The Bayesian view: how likely a variant is better, and what choosing it would cost if it is not."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.experiments.estimates import standard_error

if TYPE_CHECKING:
    from flagctl.experiments.estimates import Reduced

_FAR = 1e6
"""Standard errors beyond which a chance is 0 or 1 in any case, and squares stay numbers."""

_REACH = 8.0
_STEPS = 2001


@dataclass(frozen=True, slots=True, kw_only=True)
class Posterior:
    """What is believed about a variant's difference from the control.

    Attributes:
        variant: Compared variant.
        chance_to_win: Probability that the variant's mean is greater.
        expected_loss: Expected difference lost by choosing the variant, zero where it is better.
        expected_loss_control: The same for keeping the control.
        low: Lower bound of the credible interval of the difference.
        high: Upper bound.
    """

    variant: str
    chance_to_win: float
    expected_loss: float
    expected_loss_control: float
    low: float
    high: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


def normal(control: Reduced, variant: Reduced, *, name: str, alpha: float = 0.05) -> Posterior | None:
    """Compare two means with a flat prior; both posteriors are normal by the central limit theorem.

    Expected loss: E[max(-d, 0)] of a normal d, as in Stucchio (2015), Bayesian A/B Testing at VWO, section 6.

    Args:
        control: The control.
        variant: The variant.
        name: Of the variant.
        alpha: One minus the credibility.

    Returns:
        The posterior, or None if all values are equal.
    """
    from scipy import stats  # noqa: PLC0415 - slow to import

    difference = variant.mean - control.mean
    error = standard_error(control, variant)
    if error == 0 or not math.isfinite(error):
        return None
    z = min(_FAR, max(-_FAR, difference / error))
    density = error * float(stats.norm.pdf(z))
    half = float(stats.norm.ppf(1 - alpha / 2)) * error
    return Posterior(
        variant=name,
        chance_to_win=float(stats.norm.cdf(z)),
        expected_loss=max(0.0, density - difference * float(stats.norm.cdf(-z))),
        expected_loss_control=max(0.0, density + difference * float(stats.norm.cdf(z))),
        low=difference - half,
        high=difference + half,
    )


def beta_binomial(
    control: tuple[int, int],
    variant: tuple[int, int],
    *,
    name: str,
    prior: tuple[float, float] = (1.0, 1.0),
    alpha: float = 0.05,
) -> Posterior:
    """Compare two proportions with beta priors.

    The chance to win is the integral of Miller (2014), Formulas for Bayesian A/B Testing, equation 6, taken numerically, so
    that it works for millions of units as for ten. The expected loss is that of Stucchio (2015), Bayesian A/B Testing at VWO,
    section 6, as the integral of the chance that one share is below a value and the other one above it.

    Args:
        control: Conversions and units of the control.
        variant: The same of the variant.
        name: Of the variant.
        prior: Parameters of the beta prior of both.
        alpha: One minus the credibility.
    """
    import numpy as np  # noqa: PLC0415 - slow to import
    from scipy import stats  # noqa: PLC0415 - the same

    one = stats.beta(prior[0] + control[0], prior[1] + control[1] - control[0])
    other = stats.beta(prior[0] + variant[0], prior[1] + variant[1] - variant[0])
    grid = _grid(one, other)
    below_one, below_other = one.cdf(grid), other.cdf(grid)
    # P(other > one): Stieltjes sum over the mass of `other` with the middle of the cell of `one`.
    middle = (below_one[1:] + below_one[:-1]) / 2
    win = float(np.sum(np.diff(below_other) * middle) + other.sf(grid[-1]))
    # E[max(one - other, 0)] = integral of P(other <= x) * P(one > x).
    loss = float(np.trapezoid(below_other * one.sf(grid), grid))
    loss_control = float(np.trapezoid(below_one * other.sf(grid), grid))
    low, high = _difference_interval(one, other, alpha)
    return Posterior(
        variant=name,
        chance_to_win=min(1.0, max(0.0, win)),
        expected_loss=max(0.0, loss),
        expected_loss_control=max(0.0, loss_control),
        low=low,
        high=high,
    )


def _grid(one: Any, other: Any) -> Any:
    """Return values between 0 and 1, dense wherever one of two distributions has mass, and in their tails too.

    What a clear winner may still cost comes from the tails alone. So quantiles are taken at levels that are even in standard
    deviations of a normal distribution; levels that are even in probability leave most of each tail to a single step.
    """
    import numpy as np  # noqa: PLC0415 - slow to import
    from scipy import stats  # noqa: PLC0415 - the same

    levels = stats.norm.sf(np.linspace(0.0, _REACH, _STEPS))
    return np.unique(np.concatenate([q for each in (one, other) for q in (each.ppf(levels), each.isf(levels))]))


def _difference_interval(one: Any, other: Any, alpha: float) -> tuple[float, float]:
    """Return the credible interval of other - one by the quantiles of a deterministic product grid."""
    import numpy as np  # noqa: PLC0415 - slow to import

    ranks = (np.arange(1000) + 0.5) / 1000
    differences = np.sort((other.ppf(ranks)[:, None] - one.ppf(ranks)[None, :]).ravel())
    size = differences.size
    return float(differences[int(size * alpha / 2)]), float(differences[min(size - 1, int(size * (1 - alpha / 2)))])
