"""“Did you mean”."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate closest to `word`, or None when none is close.

    Similarity is `difflib.SequenceMatcher`'s ratio with the standard library's cut-off of 0.6; case and the difference
    between ``-`` and ``_`` do not count.
    """
    from difflib import get_close_matches  # noqa: PLC0415  only needed when something is wrong

    by_folded: dict[str, str] = {}
    for candidate in candidates:
        by_folded.setdefault(_fold(candidate), candidate)
    matches = get_close_matches(_fold(word), by_folded, n=1)
    return by_folded[matches[0]] if matches else None


def _fold(word: str) -> str:
    return word.casefold().replace("-", "_")
