"""Intervals of quantiles from order statistics, without resampling.

An interval of the level q, read off the sorted values, is an interval of the quantile: Conover (1999), Practical
Nonparametric Statistics, section 3.2. For values that come in clusters (several events of one unit) the level's standard
error is that of a ratio: Deng, Knoblich & Lu (2018), Applying the Delta Method in Metric Analytics, KDD, section 4.
"""

from __future__ import annotations

import math
from statistics import NormalDist

from flagctl.experiments.reduce import NotEnoughDataError

Z = 1.959963984540054
"""Standard errors of the level between the estimate and its neighbours."""


def least_units(q: float, z: float = Z, inflation: float = 1.0) -> int:
    """Return the least number of units for a quantile: with fewer the interval of the level reaches 0 or 1.

    Args:
        q: Level, between 0 and 1. For 0.99 the answer is 381.
        z: Standard errors.
        inflation: As for `levels`.
    """
    tail = min(q, 1 - q)
    return math.floor(inflation * z * z * (1 - tail) / tail) + 1


def levels(q: float, n: int, *, inflation: float = 1.0, z: float = Z) -> tuple[float, float]:
    """Return the levels whose quantiles enclose the quantile `q`.

    Args:
        q: Level, between 0 and 1.
        n: Number of units.
        inflation: How much greater the variance of the level is than with independent values, see `cluster_inflation`,
            relative to `n` independent values.
        z: Standard errors on each side.

    Returns:
        Lower and upper level.

    Raises:
        NotEnoughDataError: If they would leave the range from 0 to 1.
    """
    if n < 1:
        raise NotEnoughDataError("there are no values")
    half = z * math.sqrt(inflation * q * (1 - q) / n)
    if q - half <= 0 or q + half >= 1:
        least = least_units(q, z, inflation)
        raise NotEnoughDataError(f"{n} units are too few for the quantile {q:g}; {least} are the least")
    return q - half, q + half


def normal_spread(q: float) -> float:
    """Return the variance of the quantile `q` of normal values, relative to that of their mean.

    Asymptotically it is q(1 - q) / f^2 with the density f at the quantile: Mosteller (1946), On Some Useful "Inefficient"
    Statistics, Annals of Mathematical Statistics 17.

    Args:
        q: Level, between 0 and 1. For the median the answer is pi / 2.
    """
    normal = NormalDist()
    return float(q * (1 - q) / normal.pdf(normal.inv_cdf(q)) ** 2)


def cluster_inflation(q: float, mean_events: float, variance: float) -> float:
    """Return the variance of the level relative to one independent value per unit.

    Args:
        q: Level, between 0 and 1.
        mean_events: Mean number of events per unit.
        variance: Over units, of (events at or below the sample quantile) - q * (events).
    """
    if mean_events <= 0:
        raise NotEnoughDataError("there are no values")
    return variance / (mean_events * mean_events) / (q * (1 - q))
