"""Looks beside the verdict: parts, trends, interactions, and how far to trust a result. None of them decides."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.experiments.estimates import Estimate, Reduced
from flagctl.experiments.fixed import single_look, welch
from flagctl.experiments.multiplicity import corrected
from flagctl.experiments.reduce import NotEnoughDataError, reduce_arms

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flagctl.experiments.data import ArmMetric, MetricData


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The effect within one part of the units.

    Attributes:
        dimension: Attribute, ``weekday`` or another way to divide units.
        value: Which part.
        estimate: The effect there, by a single look.
        corrected_p_value: Corrected over all parts of all dimensions and variants; None without an estimate.
    """

    dimension: str
    value: str
    estimate: Estimate
    corrected_p_value: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "dimension": self.dimension,
            "value": self.value,
            "estimate": self.estimate.to_dict(),
            "corrected_p_value": self.corrected_p_value,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """Whether effects differ between parts.

    Attributes:
        dimension: What divides the units.
        variant: Compared variant.
        p_value: Of equal effects in all parts.
        corrected_p_value: Corrected over dimensions and variants.
    """

    dimension: str
    variant: str
    p_value: float
    corrected_p_value: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


def compare_all(data: MetricData, *, control: str, alpha: float) -> list[Estimate]:
    """Return a single-look estimate of each variant; empty if the data cannot answer."""
    try:
        reduced = dict(zip([arm.variant for arm in data.arms], reduce_arms(data.arms), strict=True))
    except NotEnoughDataError:
        return []
    if control not in reduced:
        return []
    return [single_look(data, reduced, (control, name), alpha=alpha) for name in reduced if name != control]


def parts(
    divided: Mapping[str, Mapping[str, MetricData]], *, control: str, alpha: float, method: str = "benjamini_hochberg"
) -> tuple[list[Part], list[Difference]]:
    """Return the effect in each part, and whether it differs between parts.

    The test of equal effects is Cochran's Q: Cochran (1954), Biometrics 10; weights are inverse variances.

    Args:
        divided: Dimension to value to one metric's data.
        control: Variant the others are compared with.
        alpha: One minus the confidence of each interval.
        method: Correction over all parts.
    """
    found: list[tuple[str, str, Estimate]] = [
        (dimension, value, estimate)
        for dimension, values in divided.items()
        for value, data in values.items()
        for estimate in compare_all(data, control=control, alpha=alpha)
        if estimate.reason is None
    ]
    adjusted = corrected([1.0 if e.p_value is None else e.p_value for _, _, e in found], method)
    listed = [
        Part(dimension=dimension, value=value, estimate=estimate, corrected_p_value=p)
        for (dimension, value, estimate), p in zip(found, adjusted, strict=True)
    ]
    groups: dict[tuple[str, str], list[Estimate]] = {}
    for dimension, _, estimate in found:
        if _error(estimate) > 0:
            groups.setdefault((dimension, estimate.variant), []).append(estimate)
    tested = [(key, _cochran(group)) for key, group in groups.items() if len(group) > 1]
    corrected_q = corrected([p for _, p in tested], method)
    differences = [
        Difference(dimension=dimension, variant=variant, p_value=p, corrected_p_value=q)
        for ((dimension, variant), p), q in zip(tested, corrected_q, strict=True)
    ]
    return listed, differences


def _error(estimate: Estimate) -> float:
    """Return the standard error that an estimate's interval was made of, as if its quantile had been a normal one.

    With few units it is too large by Student's quantile over the normal one. That makes up for variances being estimates,
    which chi-square and the normal slope know nothing of: with five units on each side of seven parts, 4 of 100 tests of
    equal parts see a difference that does not exist; with the bare standard error it would be 14.
    """
    from scipy import stats  # noqa: PLC0415 - slow to import

    half = (float(estimate.high or 0) - float(estimate.low or 0)) / 2
    return half / float(stats.norm.ppf(1 - estimate.alpha / 2))


def _cochran(estimates: Sequence[Estimate]) -> float:
    from scipy import stats  # noqa: PLC0415 - slow to import

    weights = [1 / _error(one) ** 2 for one in estimates]
    effects = [float(one.difference or 0) for one in estimates]
    middle = sum(w * e for w, e in zip(weights, effects, strict=True)) / sum(weights)
    statistic = sum(w * (e - middle) ** 2 for w, e in zip(weights, effects, strict=True))
    return float(stats.chi2.sf(statistic, len(estimates) - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Whether the effect fades or grows with the days since a unit's first exposure (novelty, primacy).

    Attributes:
        variant: Compared variant.
        points: (days since first exposure, difference, lower bound, upper bound).
        slope: Change of the difference per day, by weighted least squares.
        p_value: Of no slope.
    """

    variant: str
    points: tuple[tuple[int, float, float, float], ...]
    slope: float
    p_value: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "variant": self.variant,
            "points": [list(point) for point in self.points],
            "slope": self.slope,
            "p_value": self.p_value,
        }


def novelty(by_age: Sequence[tuple[int, MetricData]], *, control: str, alpha: float) -> list[Trend]:
    """Return the trend of the effect over the age of units, for each variant with at least three ages.

    Weighted least squares with inverse variances as weights, which are taken as known, so that the slope's variance is one
    over the weighted sum of squares of the ages: Berkey, Hoaglin, Mosteller & Colditz (1995), A Random-Effects Regression
    Model for Meta-Analysis, Statistics in Medicine 14, the model with fixed effects. Days share units; where a unit's days
    resemble one another the slope is steadier than its error says.
    """
    from scipy import stats  # noqa: PLC0415 - slow to import

    series: dict[str, list[tuple[int, Estimate]]] = {}
    for age, data in by_age:
        for estimate in compare_all(data, control=control, alpha=alpha):
            if estimate.reason is None and _error(estimate) > 0:
                series.setdefault(estimate.variant, []).append((age, estimate))
    result = []
    for variant, points in series.items():
        if len(points) < 3:
            continue
        weights = [1 / _error(estimate) ** 2 for _, estimate in points]
        ages = [float(age) for age, _ in points]
        effects = [float(estimate.difference or 0) for _, estimate in points]
        total = sum(weights)
        middle = sum(w * x for w, x in zip(weights, ages, strict=True)) / total
        level = sum(w * y for w, y in zip(weights, effects, strict=True)) / total
        spread = sum(w * (x - middle) ** 2 for w, x in zip(weights, ages, strict=True))
        slope = sum(w * (x - middle) * (y - level) for w, x, y in zip(weights, ages, effects, strict=True)) / spread
        p = float(2 * stats.norm.sf(abs(slope) * math.sqrt(spread)))
        shown = tuple((a, float(e.difference or 0), float(e.low or 0), float(e.high or 0)) for a, e in points)
        result.append(Trend(variant=variant, points=shown, slope=slope, p_value=p))
    return result


def post_stratified(strata: Mapping[str, MetricData], *, control: str, alpha: float) -> list[Estimate]:
    """Return estimates that weigh strata by their share of all units.

    Miratrix, Sekhon & Yu (2013), Adjusting Treatment Effect Estimates by Post-Stratification in Randomized Experiments,
    JRSS B 75, equations 4 and 5. Pooling steps of a ramp without it compares mixtures (Simpson's paradox).

    Args:
        strata: Name to data of one metric. Strata where a variant has fewer than two units are left out.
        control: Variant the others are compared with.
        alpha: One minus the confidence.
    """
    usable: list[dict[str, Reduced]] = []
    for data in strata.values():
        try:
            reduced = dict(zip([arm.variant for arm in data.arms], reduce_arms(data.arms), strict=True))
        except NotEnoughDataError:
            continue
        if control in reduced:
            usable.append(reduced)
    if not usable:
        return []
    names = [name for name in usable[0] if name != control and all(name in one for one in usable)]
    result = []
    for name in names:
        sizes = [one[control].n + one[name].n for one in usable]
        total = sum(sizes)
        sides = []
        for side in (control, name):
            mean = sum(size / total * one[side].mean for size, one in zip(sizes, usable, strict=True))
            error = sum((size / total) ** 2 * one[side].squared_error for size, one in zip(sizes, usable, strict=True))
            n = sum(one[side].n for one in usable)
            sides.append(Reduced(n=n, mean=mean, variance=error * n))
        result.append(welch(sides[0], sides[1], name=name, alpha=alpha))
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Contrast:
    """The difference of two differences.

    Attributes:
        value: The effect of the first variant beside the second one, less its effect beside the second control.
        error: Standard error of `value`, each cell with its own variance.
        freedom: Degrees of freedom of Student's t.
        p_value: Of "no difference"; 1 if no unit differs from another one.
    """

    value: float
    error: float
    freedom: float
    p_value: float


def contrast(both: Reduced, second: Reduced, first: Reduced, neither: Reduced) -> Contrast:
    """Compare four means: does an effect depend on another one?

    t with the degrees of freedom of Satterthwaite (1946), An Approximate Distribution of Estimates of Variance Components,
    Biometrics Bulletin 2: those of Welch with four groups in the place of two. With three units in each cell 3 of 100 pairs
    seem to disturb one another where none does, and 9 with the normal quantile. With cells of equal size the square of t is
    the F of the interaction in the two-way analysis of variance.

    Args:
        both: Units of the two variants, at least two.
        second: Of the first control and the second variant.
        first: Of the first variant and the second control.
        neither: Of the two controls.
    """
    from scipy import stats  # noqa: PLC0415 - slow to import

    four = (both, second, first, neither)
    value = both.mean - second.mean - first.mean + neither.mean
    total = sum(cell.squared_error for cell in four)
    if total == 0:
        return Contrast(value=value, error=0.0, freedom=math.inf, p_value=1.0)
    error = math.sqrt(total)
    freedom = 1 / sum((cell.squared_error / total) ** 2 / (cell.n - 1) for cell in four)
    p = float(2 * stats.t.sf(abs(value) / error, freedom))
    return Contrast(value=value, error=error, freedom=freedom, p_value=p)


def reduced_cells(arms: Mapping[tuple[str, str], ArmMetric]) -> dict[tuple[str, str], Reduced]:
    """Return what the units in two experiments come down to, by their variants in both.

    Cells with fewer than two units are left out; they must not take the others with them. Empty if the data cannot answer.
    """
    kept = {pair: arm for pair, arm in arms.items() if arm.size > 1}
    try:
        return dict(zip(kept, reduce_arms(tuple(kept.values())), strict=True))
    except NotEnoughDataError:
        return {}


def interaction(cells: Mapping[tuple[str, str], Reduced], *, controls: tuple[str, str]) -> list[tuple[str, str, float]]:
    """Return whether two experiments disturb one another.

    Args:
        cells: (variant in the first, variant in the second) to the metric of the units that are in both.
        controls: The two controls.

    Returns:
        For each pair of other variants the p-value of "the first effect does not depend on the second variant",
        corrected by Holm.
    """
    first, second = controls
    tested = []
    for one in sorted({a for a, _ in cells} - {first}):
        for other in sorted({b for _, b in cells} - {second}):
            four = [cells.get(pair) for pair in ((one, other), (first, other), (one, second), (first, second))]
            used = [cell for cell in four if cell is not None and cell.n > 1]
            if len(used) == len(four):
                tested.append((one, other, contrast(used[0], used[1], used[2], used[3]).p_value))
    adjusted = corrected([p for _, _, p in tested], "holm")
    return [(one, other, p) for (one, other, _), p in zip(tested, adjusted, strict=True)]


def independence(cells: Mapping[tuple[str, str], int]) -> float | None:
    """Return the p-value of "the variants of one experiment say nothing about those of the other".

    Args:
        cells: (variant in the first, variant in the second) to units.

    Returns:
        Pearson's chi-square test; None if a cell is expected to have fewer than five units. Variants without units say
        nothing and are left out.
    """
    from scipy import stats  # noqa: PLC0415 - slow to import

    filled = [pair for pair, units in cells.items() if units]
    first, second = sorted({one for one, _ in filled}), sorted({other for _, other in filled})
    if len(first) < 2 or len(second) < 2:
        return None
    table = [[cells.get((one, other), 0) for other in second] for one in first]
    found = stats.chi2_contingency(table, correction=False)
    return None if found.expected_freq.min() < 5 else float(found.pvalue)


def false_positive_risk(alpha: float, power: float, success_rate: float) -> float:
    """Return how likely a significant improvement is none.

    Kohavi, Deng & Vermeer (2022), A/B Testing Intuition Busters, KDD, section 5: with a share `success_rate` of ideas that
    work, alpha/2 (1 - pi) / (alpha/2 (1 - pi) + power pi).
    """
    false = alpha / 2 * (1 - success_rate)
    return false / (false + power * success_rate) if false else 0.0
