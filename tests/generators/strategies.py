"""Hypothesis strategies, where a failing case should shrink."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.generators import vocabulary as v
from tests.generators.contexts import pool_context
from tests.generators.repositories import random_repository

if TYPE_CHECKING:
    from flagctl.model import Repository


def repositories(most: int = 4) -> st.SearchStrategy[Repository]:
    """Small valid repositories; they shrink in the number of flags only."""
    return st.builds(
        lambda seed, flags: random_repository(Random(seed), flags), st.integers(0, 10**9), st.integers(1, most)
    )


def contexts() -> st.SearchStrategy[dict[str, Any]]:
    """Contexts over the vocabulary of the generated repositories; they shrink by losing attributes."""
    every = st.integers(0, 10**9).map(lambda seed: pool_context(Random(seed)))
    return every.flatmap(
        lambda context: st.sets(st.sampled_from(list(context) or [None])).map(
            lambda dropped: {key: value for key, value in context.items() if key not in dropped}
        )
    )


def instants() -> st.SearchStrategy[int]:
    """Milliseconds around the generated schedules."""
    return st.integers(v.BASE_MS - 100 * v.HOUR_MS, v.BASE_MS + 200 * v.HOUR_MS)


def units() -> st.SearchStrategy[str]:
    """Targeting keys: non-empty text of valid Unicode."""
    return st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
