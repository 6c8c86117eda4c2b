"""A guard may be asked as often as one likes, in every step of a rollout: rarely wrong without harm, and harm is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from flagctl.model.strategy import Guard, GuardMetric
from flagctl.ops.guard_data import GuardData, Stratum, judge, proportion
from tests.scale import scaled

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

LOOKS = 96
PER_ARM = 20_000
RATE = 0.02
GUARD = Guard(metrics=(GuardMetric(metric="errors"),))

SHARES = (1, 5, 10, 25, 50)
"""Percent of the units, of which every percent has as many units with a bucket of its own."""

LOOKS_OF_A_STEP = scaled(24, 144)
PER_PERCENT = 400
"""Units of one percent of the buckets that are measured while a step lasts."""


def halted_at(generator: np.random.Generator, worse: float) -> int | None:
    """Return the units per arm at which one step is halted, or None; a look every fifteen minutes for a day."""
    units = [PER_ARM * look // LOOKS for look in range(LOOKS + 1)]
    fresh = np.diff(units)
    control = generator.binomial(fresh, RATE).cumsum().tolist()
    treatment = generator.binomial(fresh, RATE * (1 + worse)).cumsum().tolist()
    for n, one, other in zip(units[1:], control, treatment, strict=True):
        data = GuardData(as_of_ms=0, metrics={"errors": ((proportion(n, one), proportion(n, other)),)})
        if judge(GUARD, data, 0).state == "harmed":
            return n
    return None


@pytest.mark.parametrize(
    ("worse", "least", "most"), [(0.0, 0.0, 0.05), (0.25, 0.4, 1.0), (0.5, 0.95, 1.0), (1.0, 1.0, 1.0)]
)
def test_harm_is_seen_and_no_harm_is_not_seen_over_all_looks(worse: float, least: float, most: float) -> None:
    runs = scaled(100, 2000)
    generator = np.random.default_rng(round(worse * 100))
    halts = [halted_at(generator, worse) for _ in range(runs)]
    share = sum(halt is not None for halt in halts) / runs
    assert least <= share <= most
    caught = sorted(halt for halt in halts if halt is not None)
    if worse == 1.0:
        assert caught[len(caught) // 2] < 5_000


def everybody(worse: float) -> Callable[[int, int], NDArray[np.float64]]:
    """Return how much worse each percent of the buckets is in a step: all who have the feature."""
    return lambda _before, share: np.where(np.arange(100) < share, 1 + worse, 1.0)


def newcomers(worse: float) -> Callable[[int, int], NDArray[np.float64]]:
    """Return the same if only those are harmed who meet the feature for the first time."""
    return lambda before, share: np.where((np.arange(100) >= before) & (np.arange(100) < share), 1 + worse, 1.0)


def rollout_halted_at(
    generator: np.random.Generator, harm: Callable[[int, int], NDArray[np.float64]], lasting: float
) -> int | None:
    """Return the share of a rollout at which its newcomers, against those still in line, are worse; None if it goes through."""
    earlier: list[Stratum] = []
    unlucky = generator.binomial(PER_PERCENT, RATE * lasting, 100)
    rate = RATE * (1 - lasting) / (1 - RATE * lasting)
    before = 0
    for share in SHARES:
        events = np.zeros(100)
        waiting, seen = unlucky.copy(), 0
        for look in range(1, LOOKS_OF_A_STEP + 1):
            units = PER_PERCENT * look // LOOKS_OF_A_STEP
            came = generator.hypergeometric(waiting, PER_PERCENT - seen - waiting, units - seen)
            events += came + generator.binomial(units - seen - came, rate * harm(before, share))
            waiting, seen = waiting - came, units
            sides = ((share, 100), (before, share))
            arms = [proportion(units * (end - first), float(events[first:end].sum())) for first, end in sides]
            data = GuardData(as_of_ms=0, metrics={"errors": (*earlier, (arms[0], arms[1]))}, control="in_line")
            if judge(GUARD, data, 0).state == "harmed":
                return share
        earlier.append((arms[0], arms[1]))
        before = share
    return None


def halts(seed: int, runs: int, harm: Callable[[int, int], NDArray[np.float64]], lasting: float = 0.0) -> list[int]:
    """Return the shares at which rollouts were halted.

    Args:
        seed: Of the numbers.
        runs: How many rollouts.
        harm: Of whom, and how much.
        lasting: Share of the errors that the same people have in every step, whatever they get.
    """
    generator = np.random.default_rng(seed)
    shares = (rollout_halted_at(generator, harm, lasting) for _ in range(runs))
    return [share for share in shares if share is not None]


@pytest.mark.parametrize("lasting", [0.0, 0.5, 1.0])
def test_a_harmless_rollout_is_rarely_halted_in_any_of_its_steps(lasting: float) -> None:
    runs = scaled(60, 400)
    allowed = 0.05 * runs + 2 * (0.05 * 0.95 * runs) ** 0.5
    assert len(halts(3, runs, everybody(0.0), lasting)) <= allowed


@pytest.mark.parametrize("harm", [everybody(0.5), newcomers(0.5)], ids=["everybody", "newcomers"])
def test_harm_is_seen_before_half_of_the_units_have_it_even_if_only_newcomers_are_harmed(
    harm: Callable[[int, int], NDArray[np.float64]],
) -> None:
    runs = scaled(20, 100)
    found = halts(4, runs, harm)
    assert len(found) >= 0.95 * runs
    assert sum(share <= 25 for share in found) >= 0.8 * runs
