"""Answers: a difference with its interval, and what one variant comes down to."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

_FURTHEST = math.log(1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reduced:
    """What one variant comes down to: a mean with the variance of one unit around it.

    Means, proportions, ratios (delta method), CUPED-adjusted values and quantiles all have this form, so that each kind of
    interval is written once. The standard error is sqrt(variance / n).
    """

    n: int
    mean: float
    variance: float

    @property
    def squared_error(self) -> float:
        """Variance of the mean."""
        return self.variance / self.n


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A variant compared with the control.

    Attributes:
        method: Name of the method, such as ``welch`` or ``confidence_sequence``.
        variant: Compared variant.
        n_control: Units of the control.
        n_variant: Units of the variant.
        control: Mean of the control.
        mean: Mean of the variant.
        difference: `mean` - `control`; None if there are not enough data.
        low: Lower bound of the difference, -inf for an interval that is open below.
        high: Upper bound of the difference.
        relative: `difference` / `control`, None where the control's mean is not positive.
        relative_low: Lower bound of `relative`.
        relative_high: Upper bound of `relative`.
        p_value: Of no difference; always valid if the method is.
        alpha: One minus the confidence of the interval.
        reason: Why there is no answer, else None.
    """

    method: str
    variant: str
    n_control: int
    n_variant: int
    control: float | None
    mean: float | None
    difference: float | None
    low: float | None
    high: float | None
    relative: float | None = None
    relative_low: float | None = None
    relative_high: float | None = None
    p_value: float | None = None
    alpha: float = 0.05
    reason: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form; infinite bounds become null."""
        return {name: finite(getattr(self, name)) for name in self.__slots__}


def finite(value: Any) -> Any:
    """Return a value as JSON can hold it: NaN and infinities become None."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def not_enough(method: str, variant: str, reason: str, counts: tuple[int, int], alpha: float) -> Estimate:
    """Return the answer that there is none."""
    return Estimate(
        method=method,
        variant=variant,
        n_control=counts[0],
        n_variant=counts[1],
        control=None,
        mean=None,
        difference=None,
        low=None,
        high=None,
        alpha=alpha,
        reason=reason,
    )


def standard_error(control: Reduced, variant: Reduced) -> float:
    """Return the standard error of the difference of two means."""
    return math.sqrt(control.squared_error + variant.squared_error)


def compared(  # noqa: PLR0913 - all by name
    control: Reduced, variant: Reduced, *, method: str, name: str, half: float, p_value: float | None, alpha: float
) -> Estimate:
    """Return the difference of two means with its interval.

    Args:
        control: The control.
        variant: The variant.
        method: Name of the method that says `half` and `p_value`.
        name: Of the variant.
        half: Half width of the interval in standard errors.
        p_value: Of no difference.
        alpha: One minus the confidence of the interval.
    """
    difference, reach = variant.mean - control.mean, half * standard_error(control, variant)
    relative, low, high = relative_bounds(control, variant, half)
    return Estimate(
        method=method,
        variant=name,
        n_control=control.n,
        n_variant=variant.n,
        control=control.mean,
        mean=variant.mean,
        difference=difference,
        low=difference - reach,
        high=difference + reach,
        relative=relative,
        relative_low=low,
        relative_high=high,
        p_value=p_value,
        alpha=alpha,
    )


def relative_bounds(control: Reduced, variant: Reduced, half: float) -> tuple[float | None, float | None, float | None]:
    """Return the relative difference with its bounds, on the scale of logarithms.

    Katz, Baptista, Azen & Pike (1978), Obtaining Confidence Intervals for the Risk Ratio in Cohort Studies, Biometrics 34,
    method C, for means in the place of risks. The interval of log(variant/control) has the half width `half` times its standard error (delta method), so that the
    relative interval excludes zero when the absolute one does, up to the curvature of the logarithm: a delta-method
    interval of the quotient itself contradicts the absolute one more often.

    Args:
        control: The control.
        variant: The variant.
        half: Half width of the interval in standard errors.

    Returns:
        Relative difference, lower and upper bound; None where a mean is not positive. Bounds are None, too, if they are more
        than a thousandfold away: then a mean is not known to differ from zero, and nothing can be said relative to it.
    """
    if control.mean <= 0:
        return None, None, None
    relative = variant.mean / control.mean - 1
    if variant.mean <= 0:
        return relative, None, None
    error = math.hypot(math.sqrt(control.squared_error) / control.mean, math.sqrt(variant.squared_error) / variant.mean)
    if half * error > _FURTHEST:
        return relative, None, None
    middle = math.log(variant.mean / control.mean)
    return relative, math.expm1(middle - half * error), math.expm1(middle + half * error)
