"""Hypothesis strategies, where a failing case should shrink."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

from tests.generators import vocabulary as v
from tests.generators.contexts import pool_context
from tests.generators.repositories import random_repository

if TYPE_CHECKING:
    from flagctl.model import Repository


def repositories(flags: int = 4) -> st.SearchStrategy[Repository]:
    """Small valid repositories."""
    return st.randoms(use_true_random=False).map(lambda rng: random_repository(rng, flags))


def contexts() -> st.SearchStrategy[dict[str, Any]]:
    """Contexts over the vocabulary of the generated repositories."""
    return st.randoms(use_true_random=False).map(pool_context)


def instants() -> st.SearchStrategy[int]:
    """Milliseconds around the generated schedules."""
    return st.integers(v.BASE_MS - 100 * v.HOUR_MS, v.BASE_MS + 200 * v.HOUR_MS)


def units() -> st.SearchStrategy[str]:
    """Targeting keys: non-empty text of valid Unicode."""
    return st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=20)
