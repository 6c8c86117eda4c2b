"""Sample ratio mismatch: variants that got other shares of the units than they should have.

Fabijan et al. (2019), Diagnosing Sample Ratio Mismatch in Online Controlled Experiments, KDD. A mismatch means that units
are lost or added unevenly; whatever the metrics say is then not to be believed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.experiments.multiplicity import benjamini_hochberg

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

THRESHOLD = 0.001
"""A smaller p-value of the chi-square test is a mismatch."""

LEAST = 8
"""Fewest expected units in each variant for a test."""

_CONCENTRATION = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SrmResult:
    """A test of shares.

    Attributes:
        observed: Variant to units.
        expected: Variant to expected units.
        p_value: Of the chi-square test; None with too few units.
        sequential_p_value: Always-valid; smallest over the days. None without days.
        mismatch: Whether the verdict is blocked.
        drivers: Where the mismatch comes from: (name, value, corrected p-value), smallest first.
    """

    observed: Mapping[str, int]
    expected: Mapping[str, float]
    p_value: float | None
    sequential_p_value: float | None = None
    mismatch: bool = False
    drivers: tuple[tuple[str, str, float], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "observed": dict(self.observed),
            "expected": dict(self.expected),
            "p_value": self.p_value,
            "sequential_p_value": self.sequential_p_value,
            "mismatch": self.mismatch,
            "drivers": [{"name": name, "value": value, "p_value": p} for name, value, p in self.drivers],
        }


def chi_square(observed: Mapping[str, int], shares: Mapping[str, float]) -> float | None:
    """Return the p-value of Pearson's test that units follow `shares`; None with too few units.

    Args:
        observed: Variant to units.
        shares: Variant to its share of all; variants without a share must have no units, else the answer is 0.
    """
    from scipy import stats  # noqa: PLC0415 - slow to import

    total = sum(observed.values())
    if any(count and not shares.get(variant) for variant, count in observed.items()):
        return 0.0
    used = [variant for variant, share in shares.items() if share > 0]
    if len(used) < 2 or any(total * shares[variant] < LEAST for variant in used):
        return None
    statistic = sum((observed.get(v, 0) - total * shares[v]) ** 2 / (total * shares[v]) for v in used)
    return float(stats.chi2.sf(statistic, len(used) - 1))


def sequential(days: Iterable[Mapping[str, int]], shares: Mapping[str, float]) -> float:
    """Return an always-valid p-value: the smallest over the days.

    Lindon & Malek (2022), Anytime-Valid Inference for Multinomial Count Data, NeurIPS, equations 8 and 12: the Bayes factor
    against a Dirichlet prior that is concentrated on the intended shares.

    Args:
        days: Variant to units that were new on each day.
        shares: Variant to its share of all.
    """
    used = {variant: share for variant, share in shares.items() if share > 0}
    prior = {variant: _CONCENTRATION * share for variant, share in used.items()}
    counts = dict.fromkeys(used, 0)
    smallest = 0.0
    for day in days:
        for variant, count in day.items():
            if variant in counts:
                counts[variant] += count
            elif count:
                return 0.0
        smallest = min(smallest, -log_bayes_factor(counts, used, prior))
    return math.exp(smallest)


def log_bayes_factor(counts: Mapping[str, int], shares: Mapping[str, float], prior: Mapping[str, float]) -> float:
    """Return the logarithm of how much better other shares explain the counts than the intended ones do.

    Args:
        counts: Variant to units.
        shares: Variant to its intended share of all, greater than zero.
        prior: Variant to the parameter of the Dirichlet prior of the other shares.
    """
    concentration = sum(prior.values())
    result = math.lgamma(concentration) - math.lgamma(concentration + sum(counts.values()))
    for variant, weight in prior.items():
        result += math.lgamma(weight + counts[variant]) - math.lgamma(weight)
        result -= counts[variant] * math.log(shares[variant])
    return result


def check(
    observed: Mapping[str, int],
    shares: Mapping[str, float],
    *,
    days: Iterable[Mapping[str, int]] = (),
    parts: Mapping[str, Mapping[str, Mapping[str, int]]] | None = None,
) -> SrmResult:
    """Test the shares of all units, and name where a mismatch comes from.

    Args:
        observed: Variant to units.
        shares: Variant to its share of all.
        days: Units that were new on each day, for the sequential test.
        parts: Name to value to variant to units, such as by day, by ``sdk`` or by attribute.
    """
    total = sum(observed.values())
    p = chi_square(observed, shares)
    listed = list(days)
    mismatch = p is not None and p < THRESHOLD
    return SrmResult(
        observed={variant: observed.get(variant, 0) for variant in shares},
        expected={variant: total * share for variant, share in shares.items()},
        p_value=p,
        sequential_p_value=sequential(listed, shares) if listed else None,
        mismatch=mismatch,
        drivers=_drivers(parts or {}, shares),
    )


def _drivers(
    parts: Mapping[str, Mapping[str, Mapping[str, int]]], shares: Mapping[str, float]
) -> tuple[tuple[str, str, float], ...]:
    tested = []
    for name, values in parts.items():
        # What all units have in common says nothing about where they are lost.
        for value, counts in values.items() if len(values) > 1 else ():
            p = chi_square(counts, shares)
            if p is not None:
                tested.append((name, value, p))
    corrected = benjamini_hochberg([p for _, _, p in tested])
    found = [(name, value, q) for (name, value, _), q in zip(tested, corrected, strict=True) if q < 0.01]
    return tuple(sorted(found, key=lambda one: one[2]))
