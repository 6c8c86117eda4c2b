"""Inference that stays valid at every look: asymptotic confidence sequences and always-valid p-values.

Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas (2024), Time-uniform central limit theory and asymptotic confidence sequences,
Annals of Statistics 52(6): theorem 2.2 (two-sided) and proposition B.1 (one-sided). The p-value inverts the two-sided
boundary; it is that of the mixture sequential probability ratio test with a normal mixture, Johari, Koomen, Pekelis & Walsh
(2022), Always Valid Inference, Operations Research 70(3), section 5.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from flagctl.experiments.estimates import compared, not_enough, standard_error

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagctl.experiments.estimates import Estimate, Reduced

_GREATEST_RISK = 0.9


def mixture_scale(alpha: float, planned: float) -> float:
    """Return rho squared, which makes the sequence tightest near `planned` units.

    Waudby-Smith et al. (2024), equation 11 (approximation of the exact optimum).

    Args:
        alpha: Risk of a false alarm over all looks.
        planned: Number of units, of both variants together.
    """
    # Where it is tightest is free to choose; at a risk of one the formula has no answer, and near it a useless one.
    spent = -2 * math.log(min(alpha, _GREATEST_RISK))
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
    power = math.expm1(min(700.0, z * z * scaled / (2 * (scaled + 1))))
    above = math.sqrt(scaled + 1)
    return 1.0 if above >= 2 * power else above / (2 * power)


def confidence_sequence(control: Reduced, variant: Reduced, *, name: str, alpha: float, planned: float) -> Estimate:
    """Compare a variant with the control; valid at every look.

    Args:
        control: The control.
        variant: The variant.
        name: Of the variant.
        alpha: Risk of a false alarm over all looks together.
        planned: Number of units, of both variants, at which the interval shall be tightest. Fixed before the start.
    """
    error = standard_error(control, variant)
    if error == 0 or not math.isfinite(error):
        return not_enough("confidence_sequence", name, "all values are equal", (control.n, variant.n), alpha)
    n = control.n + variant.n
    return compared(
        control,
        variant,
        method="confidence_sequence",
        name=name,
        half=half_width(n, alpha, planned),
        p_value=p_value((variant.mean - control.mean) / error, n, alpha, planned),
        alpha=alpha,
    )


def one_sided_bounds(control: Reduced, variant: Reduced, *, alpha: float, planned: float) -> tuple[float, float] | None:
    """Return a lower bound and an upper bound of the difference, each valid at every look on its own.

    Returns:
        The bounds, or None if all values are equal.
    """
    error = standard_error(control, variant)
    if error == 0 or not math.isfinite(error):
        return None
    width = one_sided_width(control.n + variant.n, alpha, planned) * error
    difference = variant.mean - control.mean
    return difference - width, difference + width


def running(estimates: Iterable[Estimate]) -> list[Estimate]:
    """Return each estimate with the intersection of all intervals up to it and the smallest p-value so far.

    Both stay valid, because each sequence covers at all looks at once.
    """
    result: list[Estimate] = []
    latest: Estimate | None = None
    for one in estimates:
        narrowed = intersected(one, latest)
        result.append(narrowed)
        if narrowed.low is not None:
            latest = narrowed
    return result


def intersected(one: Estimate, earlier: Estimate | None) -> Estimate:
    """Return an estimate with the part of its interval that an earlier one of the same sequence leaves.

    Both have to be of the same quantity. The p-value becomes the smaller one. If the intervals do not meet, one of them is
    wrong, or the effect has changed: then the interval reaches over both and everything between them, so that a contradiction
    decides nothing.
    """
    if earlier is None or earlier.low is None or earlier.high is None or one.low is None or one.high is None:
        return one
    p = min(1.0 if one.p_value is None else one.p_value, 1.0 if earlier.p_value is None else earlier.p_value)
    low, high = max(one.low, earlier.low), min(one.high, earlier.high)
    if low > high:
        low, high = min(one.low, earlier.low), max(one.high, earlier.high)
        p = 1.0 if low <= 0 <= high else p
    relative = _within((one.relative_low, one.relative_high), (earlier.relative_low, earlier.relative_high))
    return replace(one, low=low, high=high, p_value=p, relative_low=relative[0], relative_high=relative[1])


def _within(
    one: tuple[float | None, float | None], earlier: tuple[float | None, float | None]
) -> tuple[float | None, float | None]:
    if one[0] is None or one[1] is None or earlier[0] is None or earlier[1] is None:
        return one
    low, high = max(one[0], earlier[0]), min(one[1], earlier[1])
    return (low, high) if low <= high else (min(one[0], earlier[0]), max(one[1], earlier[1]))
