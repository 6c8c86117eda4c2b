"""Fixed-horizon inference: one look, at the planned end.

The seam to tea-tasting, by whose answers ours are checked, in tests and in `flagctl.experiments.selftest`: its aggregate API
compares means, ratios of means and covariates. Only this module imports it. Its import costs seconds, so it happens on the first
comparison.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from flagctl.experiments.data import COVARIATE, DENOMINATOR, DENOMINATOR_COVARIATE, VALUE
from flagctl.experiments.estimates import Estimate, Reduced, compared, not_enough, relative_bounds, standard_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.experiments.data import ArmMetric, MetricData, Moments

SMALL = 400
"""Up to so many units in both variants together a proportion is tested exactly: in 30 ms, and in a second with 1000."""


def welch(control: Reduced, variant: Reduced, *, name: str, alpha: float) -> Estimate:
    """Compare two means without assuming equal variances.

    Welch (1947), Biometrika 34: t with the degrees of freedom of Welch-Satterthwaite.

    Args:
        control: The control.
        variant: The variant.
        name: Of the variant.
        alpha: One minus the confidence.
    """
    from scipy import stats  # noqa: PLC0415 - costs a second

    error = standard_error(control, variant)
    if control.n < 2 or variant.n < 2 or error == 0 or not math.isfinite(error):
        return not_enough("welch", name, "all values are equal", (control.n, variant.n), alpha)
    part = control.squared_error / (control.squared_error + variant.squared_error)
    freedom = 1 / (part**2 / (control.n - 1) + (1 - part) ** 2 / (variant.n - 1))
    return compared(
        control,
        variant,
        method="welch",
        name=name,
        half=float(stats.t.ppf(1 - alpha / 2, freedom)),
        p_value=float(2 * stats.t.sf(abs(variant.mean - control.mean) / error, freedom)),
        alpha=alpha,
    )


def single_look(
    data: MetricData, reduced: Mapping[str, Reduced], variants: tuple[str, str], *, alpha: float
) -> Estimate:
    """Compare two variants of a metric once: shares of few units as `proportions`, everything else as `welch`.

    Args:
        data: All variants.
        reduced: What each variant comes down to.
        variants: The control and the other one.
        alpha: One minus the confidence.
    """
    control, variant = variants
    found = welch(reduced[control], reduced[variant], name=variant, alpha=alpha)
    arms = data.arm(control), data.arm(variant)
    if found.reason is None and arms[0] is not None and arms[1] is not None:
        few = arms[0].size + arms[1].size <= SMALL
        if few and arms[0].is_share and arms[1].is_share:
            return proportions(arms[0], arms[1], alpha=alpha)
    return found


def proportions(control: ArmMetric, variant: ArmMetric, *, alpha: float) -> Estimate:
    """Compare two proportions: exactly (Barnard) with few units, else by scores.

    Interval: Newcombe (1998), Statistics in Medicine 17, method 10 (square-and-add of Wilson's score intervals), which
    stays within -1 and 1 and works with no conversion at all. Test: Barnard (1945), Nature 156, up to `SMALL` units of both
    variants together; beyond that the pooled score test.

    Args:
        control: With `conversions` and moments.
        variant: The same.
        alpha: One minus the confidence.
    """
    from scipy import stats  # noqa: PLC0415 - costs a second

    counts = (_n(control), _n(variant))
    if min(counts) < 1 or control.conversions is None or variant.conversions is None:
        return not_enough("proportions", variant.variant, "a variant has no units", counts, alpha)
    (n0, n1), (k0, k1) = counts, (control.conversions, variant.conversions)
    z = float(stats.norm.ppf(1 - alpha / 2))
    (l0, u0), (l1, u1) = wilson(k0, n0, z), wilson(k1, n1, z)
    p0, p1 = k0 / n0, k1 / n1
    difference = p1 - p0
    pooled = (k0 + k1) / (n0 + n1)
    error = math.sqrt(pooled * (1 - pooled) * (1 / n0 + 1 / n1))
    if error == 0:
        p = 1.0
    elif n0 + n1 <= SMALL:
        p = float(stats.barnard_exact([[k1, k0], [n1 - k1, n0 - k0]], n=64).pvalue)
    else:
        p = float(2 * stats.norm.sf(abs(difference) / error))
    relative, low, high = relative_bounds(
        Reduced(n=n0, mean=p0, variance=p0 * (1 - p0)), Reduced(n=n1, mean=p1, variance=p1 * (1 - p1)), z
    )
    return Estimate(
        method="proportions",
        variant=variant.variant,
        n_control=n0,
        n_variant=n1,
        control=p0,
        mean=p1,
        difference=difference,
        low=difference - math.hypot(p1 - l1, u0 - p0),
        high=difference + math.hypot(u1 - p1, p0 - l0),
        relative=relative,
        relative_low=low,
        relative_high=high,
        p_value=p,
        alpha=alpha,
    )


def wilson(successes: int, n: int, z: float) -> tuple[float, float]:
    """Return the score interval of a proportion; Wilson (1927), JASA 22."""
    share, square = successes / n, z * z
    middle = (share + square / (2 * n)) / (1 + square / n)
    half = z / (1 + square / n) * math.sqrt(share * (1 - share) / n + square / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def _n(arm: ArmMetric) -> int:
    return 0 if arm.moments is None else arm.moments.n


def library() -> str:
    """Return the name and the version of the library that `compare_means` asks."""
    from importlib.metadata import version  # noqa: PLC0415 - only for those who show it

    return f"tea-tasting {version('tea-tasting')}"


def compare_means(control: Moments, variant: Moments, *, name: str, alpha: float) -> Estimate:
    """Compare two variants of a mean, a ratio, or either with a covariate, by tea-tasting.

    The coefficient of a covariate is estimated over these two variants; `flagctl.experiments.reduce` does so over all.

    Args:
        control: Moments of the control.
        variant: Moments of the variant.
        name: Of the variant.
        alpha: One minus the confidence.
    """
    from tea_tasting.metrics.mean import RatioOfMeans  # noqa: PLC0415 - costs seconds

    counts = (control.n, variant.n)
    if min(counts) < 2:
        return not_enough("tea_tasting", name, "a variant has fewer than two units", counts, alpha)
    columns = [c if c in control.means else None for c in (VALUE, DENOMINATOR, COVARIATE, DENOMINATOR_COVARIATE)]
    # By position: the names of the parameters changed between versions 1 and 2.
    metric = RatioOfMeans(*columns, confidence_level=1 - alpha, equal_var=False, use_t=True)
    result = metric.analyze_aggregates(_aggregates(control), _aggregates(variant))
    low, high = float(result.effect_size_ci_lower), float(result.effect_size_ci_upper)
    if not (math.isfinite(low) and math.isfinite(high)):
        return not_enough("tea_tasting", name, "all values are equal", counts, alpha)
    return Estimate(
        method="tea_tasting",
        variant=name,
        n_control=control.n,
        n_variant=variant.n,
        control=float(result.control),
        mean=float(result.treatment),
        difference=float(result.effect_size),
        low=low,
        high=high,
        relative=_number(result.rel_effect_size),
        relative_low=_number(result.rel_effect_size_ci_lower),
        relative_high=_number(result.rel_effect_size_ci_upper),
        p_value=float(result.pvalue),
        alpha=alpha,
    )


def _number(value: Any) -> float | None:
    return float(value) if math.isfinite(value) else None


def _aggregates(moments: Moments) -> Any:
    from tea_tasting.aggr import Aggregates  # noqa: PLC0415 - costs seconds

    return Aggregates(
        moments.n,
        dict(moments.means),
        {one: value for (one, other), value in moments.covariances.items() if one == other},
        {pair: value for pair, value in moments.covariances.items() if pair[0] != pair[1]},
    )
