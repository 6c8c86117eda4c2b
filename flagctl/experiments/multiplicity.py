"""Corrections for several comparisons at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the risk of any false alarm; Holm (1979), Scandinavian Journal of Statistics 6."""
    count = len(p_values)
    result = [0.0] * count
    largest = 0.0
    for rank, position in enumerate(sorted(range(count), key=lambda index: p_values[index])):
        largest = max(largest, min(1.0, (count - rank) * p_values[position]))
        result[position] = largest
    return result


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Return p-values corrected for the share of false alarms; Benjamini & Hochberg (1995), JRSS B 57, procedure (1)."""
    count = len(p_values)
    result = [0.0] * count
    smallest = 1.0
    order = sorted(range(count), key=lambda index: p_values[index], reverse=True)
    for rank, position in enumerate(order):
        smallest = min(smallest, p_values[position] * count / (count - rank))
        result[position] = smallest
    return result


def corrected(p_values: Sequence[float], method: str) -> list[float]:
    """Return corrected p-values.

    Args:
        p_values: Uncorrected ones.
        method: ``holm``, ``benjamini_hochberg`` or ``none``.
    """
    if method == "holm":
        return holm(p_values)
    return benjamini_hochberg(p_values) if method == "benjamini_hochberg" else list(p_values)
