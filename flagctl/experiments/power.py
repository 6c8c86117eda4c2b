"""Planning: how many units, for how long, for which effect."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from flagctl.experiments.analysis import control_of, shares_of
from flagctl.experiments.boundaries import crossing, rule_bounds, stopping
from flagctl.experiments.looks import DEFAULT_LOOKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.experiments.estimates import Reduced
    from flagctl.model import Experiment

DEFAULT_EFFECT = 5.0
"""Percent: the effect to see where no smallest one worth having was agreed on."""

_LONGEST_LOOKS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How large an experiment must be.

    Attributes:
        method: Decision rule.
        effect: Absolute difference that shall be seen.
        relative: The same relative to the baseline's mean; None where that is zero.
        units_per_variant: Units in each of the two compared variants (in the smaller one if shares differ).
        units: Units in all variants together.
        fixed_units: What a single look at the end would need, for comparison.
        days: Until so many units have come; None without a rate.
        expected_units: Mean number of units until the test stops if the effect is as planned.
        power: Chance to see it.
        alpha: Risk of a false alarm, before it is split over variants.
    """

    method: str
    effect: float
    relative: float | None
    units_per_variant: int
    units: int
    fixed_units: int
    days: int | None
    expected_units: int
    power: float
    alpha: float

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """What an experiment is planned with.

    Attributes:
        method: ``fixed``, ``sequential``, ``hybrid`` or ``group_sequential``.
        alpha: Risk of a false alarm over all looks and variants, between 0 and 1.
        power: Chance to see the effect, between 0 and 1.
        shares: Share of units of each variant, the control first; their sum is 1.
        looks: Number of evenly spread looks.
        proportion: Whether the metric is a proportion: its variance changes with its mean.
        wait_days: Days until a unit's values are complete; they are added to the duration.
    """

    method: str = "hybrid"
    alpha: float = 0.05
    power: float = 0.8
    shares: tuple[float, ...] = (0.5, 0.5)
    looks: int = 14
    proportion: bool = False
    wait_days: int = 0

    @property
    def each_alpha(self) -> float:
        """Risk of a false alarm for one comparison: split evenly over the variants that are compared (Bonferroni)."""
        return self.alpha / max(1, len(self.shares) - 1)


def design_of(experiment: Experiment) -> Design:
    """Return what the experiment's decision says, as a plan needs it."""
    decision, shares = experiment.decision, shares_of(experiment)
    control = control_of(experiment)
    others = [share for name, share in shares.items() if name != control]
    grouped = decision.effective_method == "group_sequential"
    looks = decision.looks or (DEFAULT_LOOKS if grouped else decision.planned_days or 14)
    return Design(
        method=decision.effective_method,
        alpha=decision.alpha / 100,
        power=decision.power / 100,
        shares=(shares.get(control, 0.5), *others),
        looks=min(_LONGEST_LOOKS, looks),
    )


@lru_cache(maxsize=256)
def drift(method: str, alpha: float, power: float, looks: int) -> float:
    """Return the difference, in standard errors at the planned end, that a rule sees with the given power.

    For one look it is z(1 - alpha/2) + z(power). For several it is found by integrating along the looks.
    """
    from scipy import optimize  # noqa: PLC0415 - slow to import

    shares = _shares(method, looks)
    bounds = rule_bounds(method, shares, alpha)
    return float(optimize.brentq(lambda d: crossing(bounds, shares, d) - power, 0.01, 30.0, xtol=1e-6))


def _shares(method: str, looks: int) -> list[float]:
    count = 1 if method in {"fixed", "bayesian"} else max(1, looks)
    return [(position + 1) / count for position in range(count)]


def sample_size(baseline: Reduced, effect: float, design: Design, *, per_day: float | None = None) -> Plan:
    """Return the size of an experiment that sees a difference.

    With n units in all, shares c of the control and v of the smallest other variant, and variances s^2 and t^2, the standard
    error at the end is sqrt(s^2 / (n c) + t^2 / (n v)). Variances are taken to be equal, but for proportions. Chow, Shao & Wang (2008), Sample Size Calculations in Clinical
    Research, section 3.2; the rule's `drift` takes the place of the sum of two normal quantiles.

    Args:
        baseline: Mean and variance of one unit today, after the adjustments the metric will have.
        effect: Absolute difference to see; its sign does not matter.
        design: The rule.
        per_day: Units that come each day, for the duration.

    Raises:
        ValueError: If the effect is zero, or the baseline does not vary.
    """
    if effect == 0 or baseline.variance <= 0:
        raise ValueError("an effect other than zero and a metric that varies are needed")
    needed = drift(design.method, design.each_alpha, design.power, design.looks)
    units = _units(baseline, effect, needed, design)
    fixed = _units(baseline, effect, drift("fixed", design.each_alpha, design.power, 1), design)
    return Plan(
        method=design.method,
        effect=abs(effect),
        relative=abs(effect) / baseline.mean if baseline.mean > 0 else None,
        units_per_variant=math.ceil(units * min(design.shares)),
        units=units,
        fixed_units=fixed,
        days=None if not per_day else math.ceil(units / per_day) + design.wait_days,
        expected_units=math.ceil(units * expected_share(design, needed)),
        power=design.power,
        alpha=design.alpha,
    )


def _units(baseline: Reduced, effect: float, needed: float, design: Design) -> int:
    return math.ceil(needed * needed * _spread(baseline, effect, design) / (effect * effect))


def _spread(baseline: Reduced, effect: float, design: Design) -> float:
    """Return the variance of the difference, times the units in all variants."""
    control, smallest = design.shares[0], min(design.shares[1:])
    return baseline.variance / control + _variance(baseline, effect, design) / smallest


def _variance(baseline: Reduced, effect: float, design: Design) -> float:
    """Return the variance of a unit of the variant: of a proportion that is greater by the effect if it can be."""
    if not design.proportion:
        return baseline.variance
    greater = baseline.mean + abs(effect)
    share = greater if greater < 1 else baseline.mean - abs(effect)
    share = min(1.0, max(0.0, share))
    return share * (1 - share)


def expected_share(design: Design, actual: float) -> float:
    """Return the mean share of the planned units until the test stops if the difference is `actual` standard errors."""
    shares = _shares(design.method, design.looks)
    stops = stopping(rule_bounds(design.method, shares, design.each_alpha), shares, actual)
    left = max(0.0, 1.0 - sum(stops))
    return sum(share * stop for share, stop in zip(shares, stops, strict=True)) + left


def smallest_effect(baseline: Reduced, units: int, design: Design) -> float:
    """Return the absolute difference that `units` in all show with the design's power (minimum detectable effect).

    Args:
        baseline: Mean and variance of one unit today.
        units: In all variants together.
        design: The rule.
    """
    needed = drift(design.method, design.each_alpha, design.power, design.looks)
    effect = 0.0
    # The variance of a proportion depends on the effect; a few rounds settle it.
    for _ in range(30 if design.proportion else 1):
        effect = needed * math.sqrt(_spread(baseline, effect, design) / units)
    return effect


def power_at(baseline: Reduced, effect: float, units: int, design: Design) -> float:
    """Return the chance to see `effect` with `units` in all."""
    actual = abs(effect) / math.sqrt(_spread(baseline, effect, design) / units)
    shares = _shares(design.method, design.looks)
    return crossing(rule_bounds(design.method, shares, design.each_alpha), shares, actual)


def curve(baseline: Reduced, design: Design, units: Sequence[int]) -> list[tuple[int, float]]:
    """Return the smallest effect for each number of units."""
    return [(count, smallest_effect(baseline, count, design)) for count in units]
