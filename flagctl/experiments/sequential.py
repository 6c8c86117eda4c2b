"""Inference that stays valid at every look: asymptotic confidence sequences and always-valid p-values.

Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Time-uniform central limit theory and asymptotic confidence sequences,
Annals of Statistics 52(6): theorem 2.2 (two-sided) and proposition B.1 (one-sided). The p-value inverts the two-sided
boundary; it is that of the mixture sequential probability ratio test with a normal mixture, Johari, Koomen, Pekelis & Walsh
(2022), Always Valid Inference, Operations Research 70(3), section 5.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from flagctl.experiments.estimates import Estimate, Reduced, not_enough, relative_bounds

if TYPE_CHECKING:
    from collections.abc import Iterable


def mixture_scale(alpha: float, planned: float) -> float:
    """Return rho squared, which makes the sequence tightest near `planned` units.

    Waudby-Smith et al. (2024), equation 11 (approximation of the exact optimum).

    Args:
        alpha: Risk of a false alarm over all looks.
        planned: Number of units, of both variants together.
    """
    spent = -2 * math.log(alpha)
    return (spent + math.log(spent + 1)) / planned


def half_width(n: float, alpha: float, planned: float) -> float:
    """Return half the width of the two-sided sequence after `n` units, in standard errors of the difference."""
    scaled = n * mixture_scale(alpha, planned)
    return math.sqrt(2 * (scaled + 1) / scaled * math.log(math.sqrt(scaled + 1) / alpha))


def one_sided_width(n: float, alpha: float, planned: float) -> float:
    """Return the distance of the one-sided bound after `n` units, in standard errors of the difference."""
    scaled = n * mixture_scale(2 * alpha, planned)
    return math.sqrt(2 * (scaled + 1) / scaled * math.log1p(math.sqrt(scaled + 1) / (2 * alpha)))


def p_value(z: float, n: float, alpha: float, planned: float) -> float:
    """Return the always-valid p-value of a difference of `z` standard errors after `n` units."""
    scaled = n * mixture_scale(alpha, planned)
    exponent = 0.5 * math.log1p(scaled) - z * z * scaled / (2 * (scaled + 1))
    return math.exp(min(0.0, exponent))


def one_sided_p_value(z: float, n: float, alpha: float, planned: float) -> float:
    """Return the always-valid p-value of "not greater than zero" for a difference of `z` standard errors."""
    if z <= 0:
        return 1.0
    scaled = n * mixture_scale(2 * alpha, planned)
    power = z * z * scaled / (2 * (scaled + 1))
    return 0.0 if power > 700 else min(1.0, math.sqrt(scaled + 1) / (2 * math.expm1(power)))


def confidence_sequence(control: Reduced, variant: Reduced, *, name: str, alpha: float, planned: float) -> Estimate:
    """Compare a variant with the control; valid at every look.

    Args:
        control: The control.
        variant: The variant.
        name: Of the variant.
        alpha: Risk of a false alarm over all looks together.
        planned: Number of units, of both variants, at which the interval shall be tightest. Fixed before the start.
    """
    error = math.sqrt(control.squared_error + variant.squared_error)
    if error == 0 or not math.isfinite(error):
        return not_enough("confidence_sequence", name, "all values are equal", (control.n, variant.n), alpha)
    n = control.n + variant.n
    half = half_width(n, alpha, planned)
    difference = variant.mean - control.mean
    relative, low, high = relative_bounds(control, variant, half)
    return Estimate(
        method="confidence_sequence",
        variant=name,
        n_control=control.n,
        n_variant=variant.n,
        control=control.mean,
        mean=variant.mean,
        difference=difference,
        low=difference - half * error,
        high=difference + half * error,
        relative=relative,
        relative_low=low,
        relative_high=high,
        p_value=p_value(difference / error, n, alpha, planned),
        alpha=alpha,
    )


def one_sided_bounds(control: Reduced, variant: Reduced, *, alpha: float, planned: float) -> tuple[float, float] | None:
    """Return a lower bound and an upper bound of the difference, each valid at every look on its own.

    Returns:
        The bounds, or None if all values are equal.
    """
    error = math.sqrt(control.squared_error + variant.squared_error)
    if error == 0 or not math.isfinite(error):
        return None
    width = one_sided_width(control.n + variant.n, alpha, planned) * error
    difference = variant.mean - control.mean
    return difference - width, difference + width


def running(estimates: Iterable[Estimate]) -> list[Estimate]:
    """Return each estimate with the intersection of all intervals up to it and the smallest p-value so far.

    Both stay valid, because each sequence covers at all looks at once. Should the intersection be empty, the last
    non-empty one stays.
    """
    result = []
    low, high, smallest = -math.inf, math.inf, 1.0
    for one in estimates:
        if one.low is None or one.high is None:
            result.append(one)
            continue
        if max(low, one.low) <= min(high, one.high):
            low, high = max(low, one.low), min(high, one.high)
        smallest = min(smallest, 1.0 if one.p_value is None else one.p_value)
        result.append(_narrowed(one, low, high, smallest))
    return result


def _narrowed(one: Estimate, low: float, high: float, p: float) -> Estimate:
    from dataclasses import replace  # noqa: PLC0415 - only here

    return replace(one, low=low, high=high, p_value=p)
