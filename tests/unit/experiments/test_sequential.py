"""Confidence sequences hold to the formulas of the paper, at every number of units."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from flagctl.experiments.estimates import Estimate, Reduced
from flagctl.experiments.sequential import (
    confidence_sequence,
    intersected,
    one_sided_bounds,
    one_sided_p_value,
    one_sided_width,
    p_value,
    running,
)

CONTROL = Reduced(n=300, mean=10.0, variance=4.0)
VARIANT = Reduced(n=900, mean=10.5, variance=9.0)
ALPHA, PLANNED = 0.05, 2000.0
ERROR = math.sqrt(4 / 300 + 9 / 900)


def rho_squared(alpha: float) -> float:
    """Equation 11."""
    return (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / PLANNED


def test_a_sequence_is_as_wide_as_theorem_2_2_says_for_the_units_of_both_variants() -> None:
    found = confidence_sequence(CONTROL, VARIANT, name="b", alpha=ALPHA, planned=PLANNED)
    n, rho2 = 1200, rho_squared(ALPHA)
    bound = math.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * math.log(math.sqrt(n * rho2 + 1) / ALPHA))
    assert found.low == pytest.approx(0.5 - bound * math.sqrt(n) * ERROR, rel=1e-12)
    assert found.high == pytest.approx(0.5 + bound * math.sqrt(n) * ERROR, rel=1e-12)
    assert found.p_value == p_value(0.5 / ERROR, n, ALPHA, PLANNED)


def test_one_sided_bounds_are_as_far_away_as_proposition_b_1_says() -> None:
    n, rho2 = 1200, rho_squared(2 * ALPHA)
    bound = math.sqrt(2 * (n * rho2 + 1) / (n**2 * rho2) * math.log(1 + math.sqrt(n * rho2 + 1) / (2 * ALPHA)))
    distance = bound * math.sqrt(n) * ERROR
    found = one_sided_bounds(CONTROL, VARIANT, alpha=ALPHA, planned=PLANNED)
    assert found == pytest.approx((0.5 - distance, 0.5 + distance), rel=1e-12)


@pytest.mark.parametrize("n", [50, 1200, 40_000])
def test_at_the_one_sided_bound_the_p_value_is_the_risk(n: int) -> None:
    for alpha in (0.001, 0.05, 0.2):
        width = one_sided_width(n, alpha, PLANNED)
        assert one_sided_p_value(width, n, alpha, PLANNED) == pytest.approx(alpha, rel=1e-9)


def test_a_one_sided_p_value_falls_without_a_jump_from_one() -> None:
    values = [one_sided_p_value(step / 1000, 1200, ALPHA, PLANNED) for step in range(4000)]
    assert values[0] == 1.0
    assert values == sorted(values, reverse=True)
    assert max(one - following for one, following in pairwise(values)) < 0.01


def test_equal_values_have_no_sequence_and_no_bounds() -> None:
    same = Reduced(n=10, mean=1.0, variance=0.0)
    assert confidence_sequence(same, same, name="b", alpha=ALPHA, planned=PLANNED).reason == "all values are equal"
    assert one_sided_bounds(same, same, alpha=ALPHA, planned=PLANNED) is None


def estimate(low: float | None, high: float | None, *, relative: tuple[float, float] | None = None) -> Estimate:
    return Estimate(
        method="confidence_sequence",
        variant="b",
        n_control=1,
        n_variant=1,
        control=1.0,
        mean=1.0,
        difference=None if low is None else 0.0,
        low=low,
        high=high,
        relative_low=relative and relative[0],
        relative_high=relative and relative[1],
        p_value=None if low is None else 0.5,
    )


def test_looks_without_an_answer_forget_nothing() -> None:
    found = running([estimate(-1, 1), estimate(None, None), estimate(0.5, 2)])
    assert [(one.low, one.high) for one in found] == [(-1, 1), (None, None), (0.5, 1)]


def test_intervals_that_do_not_meet_reach_over_both() -> None:
    early = estimate(-1, 1, relative=(-0.1, 0.1))
    apart = intersected(estimate(2, 3, relative=(0.2, 0.3)), early)
    assert (apart.low, apart.high, apart.relative_low, apart.relative_high) == (-1, 3, -0.1, 0.3)
    assert apart.p_value == 1.0
    assert intersected(estimate(2, 3), estimate(0.5, 1)).p_value == 0.5
    touching = intersected(estimate(1, 3, relative=(0.1, 0.3)), early)
    assert (touching.low, touching.high, touching.relative_low, touching.relative_high) == (1, 1, 0.1, 0.1)


def test_a_contradiction_decides_nothing_and_what_comes_after_it_does() -> None:
    found = running([estimate(1, 2), estimate(-2, -1), estimate(-2, -0.5)])
    assert [(one.low, one.high) for one in found] == [(1, 2), (-2, 2), (-2, -0.5)]
