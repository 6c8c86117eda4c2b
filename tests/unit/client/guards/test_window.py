"""The sliding window, held to a list of all calls."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagctl.client.guard_window import SLOTS, Window, exceeds, worse

SECONDS = 60.0

calls = st.lists(
    st.tuples(
        st.floats(0, 30, allow_nan=False),
        st.booleans(),
        st.floats(0, 4000, allow_nan=False),
    ),
    max_size=80,
)


@given(calls)
def test_a_call_counts_for_at_least_59_sixtieths_of_the_window_and_never_longer_than_it(
    steps: list[tuple[float, bool, float]],
) -> None:
    window = Window(SECONDS, 800.0)
    now, seen = 100.0, []
    for step, failed, seconds in steps:
        now += step
        window.add(now, failed, seconds)
        seen.append((now, failed, seconds > 800.0))
        recent = [call for call in seen if now - call[0] <= SECONDS * (SLOTS - 1) / SLOTS]
        possible = [call for call in seen if now - call[0] < SECONDS]
        assert len(recent) <= window.calls <= len(possible)
        assert sum(c[1] for c in recent) <= window.errors <= sum(c[1] for c in possible)
        assert sum(c[2] for c in recent) <= window.slow_calls <= sum(c[2] for c in possible)


@given(st.lists(st.floats(1e-5, 3600, allow_nan=False), min_size=1, max_size=200))
def test_the_95th_percentile_is_never_off_by_more_than_5_percent(seconds: list[float]) -> None:
    window = Window(SECONDS, None)
    for each in seconds:
        window.add(0.0, False, each)
    exact = sorted(seconds)[-(-len(seconds) * 19 // 20) - 1]
    found = window.p95()
    assert found is not None
    assert abs(found / exact - 1) <= 0.05


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=300), st.integers(1, 1000))
def test_more_than_a_twentieth_is_slow_exactly_when_the_95th_percentile_is_above_the_limit(
    seconds: list[int], limit: int
) -> None:
    window = Window(SECONDS, float(limit))
    for each in seconds:
        window.add(0.0, False, float(each))
    exact = sorted(seconds)[-(-len(seconds) * 19 // 20) - 1]
    assert (window.slow_calls * 20 > window.calls) is (exact > limit)


def test_memory_does_not_grow_with_calls() -> None:
    window = Window(SECONDS, None)
    draw = random.Random(1)
    for number in range(100_000):
        window.add(number / 100, False, draw.lognormvariate(-3, 2))
    assert len(window._slots) == SLOTS
    assert max(len(slot.histogram) for slot in window._slots if slot) < 210
    assert window.calls <= 6000


def test_a_clock_that_goes_back_loses_nothing() -> None:
    window = Window(SECONDS, None)
    window.add(100.0, True, 0.1)
    window.add(40.0, True, 0.1)
    assert (window.calls, window.errors) == (2, 2)


def test_an_empty_window_has_no_percentile() -> None:
    assert Window(SECONDS, None).p95() is None


@pytest.mark.parametrize(
    ("errors", "calls", "is_beyond"), [(10, 200, False), (19, 200, False), (20, 200, True), (1, 1, True)]
)
def test_a_limit_of_5_percent_is_exceeded_beyond_three_deviations(errors: int, calls: int, is_beyond: bool) -> None:
    assert exceeds(errors, calls, 0.05) is is_beyond


def test_a_limit_of_nothing_is_exceeded_by_one() -> None:
    assert exceeds(1, 1000, 0.0)
    assert not exceeds(0, 1000, 0.0)


def test_a_share_is_worse_only_beyond_chance() -> None:
    assert worse(40, 200, 2, 200)
    assert not worse(40, 200, 35, 200)
    assert not worse(0, 200, 0, 200)
    assert not worse(10, 200, 100, 200)
