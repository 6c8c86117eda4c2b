"""A guard may be asked as often as one likes: rarely wrong without harm, and harm is seen."""

from __future__ import annotations

import numpy as np
import pytest

from flagctl.model.strategy import Guard, GuardMetric
from flagctl.ops.guard_data import GuardData, judge, proportion
from tests.scale import scaled

LOOKS = 96
PER_ARM = 20_000
RATE = 0.02


def halted_at(generator: np.random.Generator, worse: float, guard: Guard) -> int | None:
    """Return the units per arm at which a rollout is halted, or None; a look every fifteen minutes for a day."""
    units = [PER_ARM * look // LOOKS for look in range(LOOKS + 1)]
    fresh = np.diff(units)
    control = generator.binomial(fresh, RATE).cumsum().tolist()
    treatment = generator.binomial(fresh, RATE * (1 + worse)).cumsum().tolist()
    for n, one, other in zip(units[1:], control, treatment, strict=True):
        data = GuardData(as_of_ms=0, metrics={"errors": ((proportion(n, one), proportion(n, other)),)})
        if judge(guard, data, 0).state == "harmed":
            return n
    return None


@pytest.mark.parametrize(
    ("worse", "least", "most"), [(0.0, 0.0, 0.05), (0.25, 0.4, 1.0), (0.5, 0.95, 1.0), (1.0, 1.0, 1.0)]
)
def test_harm_is_seen_and_no_harm_is_not_seen_over_all_looks(worse: float, least: float, most: float) -> None:
    guard, runs = Guard(metrics=(GuardMetric(metric="errors"),)), scaled(100, 2000)
    generator = np.random.default_rng(round(worse * 100))
    halts = [halted_at(generator, worse, guard) for _ in range(runs)]
    share = sum(halt is not None for halt in halts) / runs
    assert least <= share <= most
    caught = sorted(halt for halt in halts if halt is not None)
    if worse == 1.0:
        assert caught[len(caught) // 2] < 5_000
