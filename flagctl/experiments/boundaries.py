"""The chance that a test with several looks stops: by numerical integration along the looks.

Armitage, McPherson & Rowe (1969), Repeated Significance Tests on Accumulating Data, JRSS A 132; Jennison & Turnbull (2000),
Group Sequential Methods with Applications to Clinical Trials, chapter 19. The difference, seen as a Brownian motion over the
share of information, is followed from look to look; what crosses a boundary leaves.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flagctl.experiments.sequential import half_width

if TYPE_CHECKING:
    from collections.abc import Sequence

_POINTS = 601
_REACH = 8.0
_LEAST = 1e-3
_RISKS = (1e-9, 1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.02, 0.035, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.45, 0.65, 0.9)


class _Motion:
    """Where a Brownian motion is that has not stopped yet: a density over its values at the last look."""

    __slots__ = ("_density", "_drift", "_grid", "_share")

    def __init__(self, drift: float) -> None:
        self._drift = drift
        self._share = 0.0
        self._grid: Any = None
        self._density: Any = None

    def leaving(self, share: float, bound: float) -> float:
        """Return the chance to be beyond `bound` standard errors at the next look."""
        from scipy import stats  # noqa: PLC0415 - slow to import

        step, edge = share - self._share, self._edge(share, bound)
        spread, moved = math.sqrt(step), self._drift * step
        if self._grid is None:
            return float(stats.norm.sf((edge - moved) / spread) + stats.norm.cdf((-edge - moved) / spread))
        import numpy as np  # noqa: PLC0415 - slow to import

        above = stats.norm.sf((edge - self._grid - moved) / spread)
        below = stats.norm.cdf((-edge - self._grid - moved) / spread)
        return float(np.trapezoid(self._density * (above + below), self._grid))

    def go_on(self, share: float, bound: float) -> None:
        """Follow what stays within `bound` standard errors to the look at `share`."""
        import numpy as np  # noqa: PLC0415 - slow to import

        step, edge = share - self._share, self._edge(share, bound)
        spread, moved = math.sqrt(step), self._drift * step
        grid = np.linspace(-edge, edge, _POINTS)
        scale = spread * math.sqrt(2 * math.pi)
        if self._grid is None:
            density = np.exp(-0.5 * ((grid - moved) / spread) ** 2) / scale
        else:
            kernel = np.exp(-0.5 * ((grid[:, None] - self._grid[None, :] - moved) / spread) ** 2) / scale
            # The trapezoidal rule on an even grid, as one product: a plan for an experiment needs thousands of these.
            weighted = self._density * (self._grid[1] - self._grid[0])
            weighted[[0, -1]] /= 2
            density = kernel @ weighted
        self._grid, self._density, self._share = grid, density, share

    def _edge(self, share: float, bound: float) -> float:
        # Cut where nothing is left of a motion that started at 0.
        return min(bound * math.sqrt(share), abs(self._drift) * share + _REACH * math.sqrt(share))


def stopping(bounds: Sequence[float], shares: Sequence[float], drift: float) -> list[float]:
    """Return the chance to stop at each look.

    Args:
        bounds: At each look, how many standard errors from zero stop the test, on either side.
        shares: At each look, the share of the planned information, ascending, the last one is usually 1.
        drift: Expected difference in standard errors at a share of 1.

    Returns:
        One probability for each look: of stopping there and not before.
    """
    motion = _Motion(drift)
    result = []
    for bound, share in zip(bounds, shares, strict=True):
        result.append(motion.leaving(share, bound))
        motion.go_on(share, bound)
    return result


def crossing(bounds: Sequence[float], shares: Sequence[float], drift: float) -> float:
    """Return the chance to stop at any of the looks."""
    return min(1.0, sum(stopping(bounds, shares, drift)))


def sequence_bounds(shares: Sequence[float], alpha: float) -> list[float]:
    """Return the bounds of a confidence sequence that is tuned to the planned end, in standard errors."""
    return [half_width(share, alpha, 1.0) for share in shares]


def spent(share: float, alpha: float) -> float:
    """Return the risk that may be spent up to a share of the information.

    Lan & DeMets (1983), Discrete Sequential Boundaries for Clinical Trials, Biometrika 70: the spending function that
    approximates the boundaries of O'Brien & Fleming.
    """
    from scipy import stats  # noqa: PLC0415 - slow to import

    # Half of the risk for each side, as published tables have it.
    return float(4 * stats.norm.sf(stats.norm.ppf(1 - alpha / 4) / math.sqrt(min(share, 1.0))))


def spending_bounds(shares: Sequence[float], alpha: float, spend_at: Sequence[float] | None = None) -> list[float]:
    """Return the bounds that spend `alpha` over the looks as `spent` says, in standard errors.

    Args:
        shares: Information at which the looks are, ascending, in any unit if `spend_at` is given, else as shares of the
            planned one. Looks that happen at other shares than planned are allowed: each bound depends on the shares up to
            it only. A look without new information has the bound infinity, and the next one spends its risk.
        alpha: Two-sided risk of a false alarm over all looks.
        spend_at: Shares of the planned time up to which risk is spent at each look: Lan & DeMets (1989), Group Sequential
            Procedures: Calendar versus Information Time, Statistics in Medicine 8. Then the last information need not be
            known beforehand. Default `shares`.
    """
    return list(_spending_bounds(tuple(shares), alpha, tuple(shares if spend_at is None else spend_at)))


@lru_cache(maxsize=512)
def _spending_bounds(shares: tuple[float, ...], alpha: float, spend_at: tuple[float, ...]) -> tuple[float, ...]:
    from scipy import optimize  # noqa: PLC0415 - slow to import

    motion = _Motion(0.0)
    bounds: list[float] = []
    total = reached = 0.0
    for share, time in zip(shares, spend_at, strict=True):
        if share <= reached:
            bounds.append(math.inf)
            continue
        due = spent(time, alpha) - total

        def excess(bound: float, share: float = share, due: float = due) -> float:
            return motion.leaving(share, bound) - due

        if excess(_REACH) >= 0:
            bound = _REACH
        else:
            bound = _LEAST if excess(_LEAST) <= 0 else float(optimize.brentq(excess, _LEAST, _REACH, xtol=1e-6))
        bounds.append(bound)
        motion.go_on(share, bound)
        total, reached = total + due, share
    return tuple(bounds)


def repeated_p_value(z: float, shares: Sequence[float], spend_at: Sequence[float], alpha: float) -> float:
    """Return the smallest risk at which a difference of `z` standard errors at the last look would stop the test.

    Jennison & Turnbull (2000), section 9.3; valid at every planned look. Interpolated between computed risks, of which
    `alpha` is one.

    Args:
        z: Difference in standard errors.
        shares: Information at the looks up to now, as for `spending_bounds`.
        spend_at: The same in planned time.
        alpha: Agreed risk: the p-value is not greater exactly if the bound for it is reached.
    """
    import numpy as np  # noqa: PLC0415 - slow to import

    risks, bounds = _ladder(tuple(shares), tuple(spend_at), alpha)
    # Bounds fall while risks grow; beyond the ends the last known risk is the answer on the safe side.
    if abs(z) < bounds[-1]:
        return 1.0
    return float(math.exp(np.interp(-abs(z), [-bound for bound in bounds], [math.log(risk) for risk in risks])))


@lru_cache(maxsize=64)
def _ladder(
    shares: tuple[float, ...], spend_at: tuple[float, ...], alpha: float
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    risks = sorted({alpha, *_RISKS})
    return tuple(risks), tuple(spending_bounds(shares, risk, spend_at)[-1] for risk in risks)


HYBRID_SHARE = 0.2
"""Part of the risk that a hybrid test spends on stopping early; the rest is for the planned end."""


def rule_bounds(method: str, shares: Sequence[float], alpha: float) -> list[float]:
    """Return the bounds of a decision rule at its looks, in standard errors.

    Args:
        method: ``fixed``, ``sequential``, ``hybrid`` or ``group_sequential``.
        shares: Shares of the planned information, the last one 1.
        alpha: Two-sided risk of a false alarm over all looks.
    """
    from scipy import stats  # noqa: PLC0415 - slow to import

    if method == "group_sequential":
        return spending_bounds(shares, alpha)
    if method == "sequential":
        return sequence_bounds(shares, alpha)
    if method == "hybrid":
        early = sequence_bounds(shares, alpha * HYBRID_SHARE)
        last = float(stats.norm.ppf(1 - alpha * (1 - HYBRID_SHARE) / 2))
        return [*early[:-1], min(early[-1], last)]
    last = float(stats.norm.ppf(1 - alpha / 2))
    return [*[math.inf] * (len(shares) - 1), last]
