"""Two edits of one text put together, line by line, with marks where both changed the same lines."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import NamedTuple


class Merged(NamedTuple):
    """A text with both edits.

    Attributes:
        text: Lines; those that both changed stand between marks.
        conflicts: How many places both changed.
    """

    text: str
    conflicts: int


def merge(base: str, mine: str, theirs: str) -> Merged:
    r"""Put two edits of `base` together.

    >>> merge("a\nb\nc\n", "a\nb\nC\n", "A\nb\nc\n")
    Merged(text='A\nb\nC\n', conflicts=0)
    """
    old, one, other = (text.splitlines(keepends=True) for text in (base, mine, theirs))
    result: list[str] = []
    conflicts = 0
    at = at_one = at_other = 0
    for start, end, start_one, start_other in _common(old, one, other):
        parts = old[at:start], one[at_one:start_one], other[at_other:start_other]
        lines, clash = _chosen(*parts)
        result += lines
        conflicts += clash
        result += old[start:end]
        at, at_one, at_other = end, start_one + end - start, start_other + end - start
    return Merged("".join(result), conflicts)


def _chosen(old: list[str], mine: list[str], theirs: list[str]) -> tuple[list[str], int]:
    """Return the lines between two pieces that nobody changed."""
    if mine in (theirs, old):
        return theirs, 0
    if theirs == old:
        return mine, 0
    return ["<<<<<<< yours\n", *_ended(mine), "=======\n", *_ended(theirs), ">>>>>>> theirs\n"], 1


def _ended(lines: list[str]) -> list[str]:
    return [*lines[:-1], lines[-1].rstrip("\n") + "\n"] if lines else []


def _common(old: list[str], one: list[str], other: list[str]) -> list[tuple[int, int, int, int]]:
    """Return pieces that are in all three: start and end in the old lines, start in each of the others; then the end."""
    blocks_one = SequenceMatcher(None, old, one, autojunk=False).get_matching_blocks()
    blocks_other = SequenceMatcher(None, old, other, autojunk=False).get_matching_blocks()
    found: list[tuple[int, int, int, int]] = []
    i = j = 0
    while i < len(blocks_one) and j < len(blocks_other):
        a, b = blocks_one[i], blocks_other[j]
        start, end = max(a.a, b.a), min(a.a + a.size, b.a + b.size)
        if start < end:
            found.append((start, end, a.b + start - a.a, b.b + start - b.a))
        if a.a + a.size < b.a + b.size:
            i += 1
        else:
            j += 1
    found.append((len(old), len(old), len(one), len(other)))
    return found
