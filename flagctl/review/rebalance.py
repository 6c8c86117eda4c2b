"""New shares for a rollout that move as few units as any new shares can.

A rollout cuts 100 000 buckets into ranges, one or more for each variant. Weights take consecutive ranges, so that a change of one weight
shifts every range behind it: 10/10/80 → 20/20/60 moves all of the second variant's units to the first. Ranges that are pinned need
not shift.

**Claim.** Let variant *v* hold ``old(v)`` buckets and be given ``new(v)``, both adding up to all buckets. At least
``sum(max(0, old(v) - new(v)))`` buckets must change hands, which is half the sum of absolute differences, and :func:`rebalanced`
changes no more.

**Proof.** *At least:* a variant that holds ``old(v)`` buckets and then ``new(v) < old(v)`` has lost at least ``old(v) - new(v)`` of them,
and a bucket that one variant loses is no other's loss, so the losses add up. As both sides have the same total, what is lost is what is
gained, so the sum of absolute differences counts each twice. *No more:* the function takes buckets only from a variant that holds more
than it is given, only as many as are too many, and gives each to one that holds fewer than it is given, never more than it lacks. Every
bucket therefore changes hands at most once, and no variant loses a bucket beyond its surplus. ∎

Units are spread evenly over buckets, so the share of units that moves is the share of buckets.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from flagctl.model import FULL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Range = tuple[int, int, str]
"""First bucket, the one after the last, variant."""


def rebalanced(ranges: Sequence[Range], shares: Mapping[str, int]) -> tuple[Range, ...]:
    """Return ranges that give each variant its new share and move the fewest buckets.

    Where a variant with too many buckets lies beside one with too few, their border is moved; only what is left then is cut
    out and pinned elsewhere, so that few new ranges arise. The same arguments give the same ranges.

    Args:
        ranges: The present ranges, which cover all buckets, ascending.
        shares: New share of each variant in thousandths of a percent, 100 000 together; one that is not named gets nothing.

    Raises:
        ValueError: If ranges or shares do not cover all buckets exactly.
    """
    if sum(shares.values()) != FULL or min(shares.values()) < 0:
        raise ValueError("shares add up to 100 %")
    if [end for _, end, _ in ranges] != [*(start for start, _, _ in ranges[1:]), FULL] or ranges[0][0] != 0:
        raise ValueError("ranges cover all buckets, each once")
    balance = dict(shares)
    for start, end, variant in ranges:
        balance[variant] = balance.get(variant, 0) - (end - start)
    pieces = [_Piece(*piece) for piece in _merged(ranges)]
    _move_borders(pieces, balance)
    return _merged(_cut_out([(piece.start, piece.end, piece.variant) for piece in pieces], balance))


def moved(before: Sequence[Range], after: Sequence[Range]) -> int:
    """Return how many buckets have another variant after than before; both cover all buckets, ascending."""
    cuts = sorted({0, *(end for _, end, _ in before), *(end for _, end, _ in after)})
    olds, news = iter(before), iter(after)
    old, new = next(olds), next(news)
    total = 0
    for start, end in pairwise(cuts):
        while old[1] <= start:
            old = next(olds)
        while new[1] <= start:
            new = next(news)
        total += end - start if old[2] != new[2] else 0
    return total


def minimum(before: Sequence[Range], shares: Mapping[str, int]) -> int:
    """Return how many buckets have to change hands for new shares, whatever is done."""
    held: dict[str, int] = {}
    for start, end, variant in before:
        held[variant] = held.get(variant, 0) + end - start
    return sum(max(0, count - shares.get(variant, 0)) for variant, count in held.items())


@dataclass(slots=True)
class _Piece:
    start: int
    end: int
    variant: str


def _move_borders(pieces: list[_Piece], balance: dict[str, int]) -> None:
    """Move borders between neighbours of which one has too many and one too few, in place, until there are none.

    `balance` says how many buckets each variant still lacks; below 0: has too many.
    """
    place = 0
    while place < len(pieces) - 1:
        left, right = pieces[place], pieces[place + 1]
        taker, giver = (left, right) if balance[left.variant] > 0 else (right, left)
        count = min(balance[taker.variant], -balance[giver.variant], giver.end - giver.start)
        if count <= 0:
            place += 1
            continue
        left.end += count if taker is left else -count
        right.start = left.end
        balance[taker.variant] -= count
        balance[giver.variant] += count
        if giver.start == giver.end:  # its neighbours now meet
            del pieces[place + 1 if giver is right else place]
            place = max(place - 1, 0)


def _cut_out(pieces: Sequence[Range], balance: dict[str, int]) -> list[Range]:
    """Give away what is too many, from the end of each variant's last ranges, to the variants that lack some."""
    lacking = [variant for variant in sorted(balance) if balance[variant] > 0]
    result: list[Range] = []
    for start, end, variant in reversed(pieces):
        until = end
        while balance[variant] < 0 and until > start:
            taker = lacking[0]
            count = min(-balance[variant], balance[taker], until - start)
            result.append((until - count, until, taker))
            balance[variant] += count
            balance[taker] -= count
            until -= count
            if not balance[taker]:
                lacking.pop(0)
        if until > start:
            result.append((start, until, variant))
    return result[::-1]


def _merged(ranges: Sequence[Range]) -> tuple[Range, ...]:
    result: list[Range] = []
    for start, end, variant in ranges:
        if start == end:
            continue
        if result and result[-1][2] == variant:
            result[-1] = (result[-1][0], end, variant)
        else:
            result.append((start, end, variant))
    return tuple(result)
