"""Shares of units in a bundle: percentages, steps, ramps and slots, checked and turned into limits of hashes.

Every function here raises `MalformedEntryError` for what is not as the format says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.evaluator.buckets import BUCKETS, seed, threshold
from flagctl.evaluator.document import MalformedEntryError

if TYPE_CHECKING:
    from collections.abc import Callable

ALWAYS: Final = 1 << 33
"""A limit above every hash and above `buckets.NO_HASH`: 100 % needs no unit."""


ALL_HASHES: Final = ((0, threshold(BUCKETS)),)
"""Slots that take every unit in."""


def share_limit(share: int) -> int:
    """Return the hash below which a share of units is served: 0 for none, `ALWAYS` for all, units or not."""
    return ALWAYS if share == BUCKETS else threshold(share)


def read_steps(steps: object) -> Callable[[int], int]:
    """Return the limit of a stepped percentage as a function of the instant in milliseconds."""
    table: list[tuple[int, int]] = []
    for step in read_array(steps):
        if type(step) is not list or len(step) != 2 or type(step[0]) is not int:
            raise MalformedEntryError("a step is [instant, share]")
        if table and table[-1][0] >= step[0]:
            raise MalformedEntryError("steps ascend")
        table.append((step[0], share_limit(read_share(step[1]))))
    latest_first = tuple(reversed(table))

    def limit(now: int) -> int:
        for start, reached in latest_first:
            if start <= now:
                return reached
        return 0

    return limit


def read_ramp(ramp: object) -> Callable[[int], int]:
    """Return the limit of a linear percentage as a function of the instant in milliseconds."""
    if type(ramp) is not list or len(ramp) != 4 or not all(type(number) is int for number in ramp):
        raise MalformedEntryError("`linear` is [from, to, start, end]")
    begin, finish, start, end = ramp
    if begin >= finish:
        raise MalformedEntryError("a linear percentage takes time")
    read_share(start)
    read_share(end)

    def limit(now: int) -> int:
        if now < begin:
            return share_limit(start)
        if now >= finish:
            return share_limit(end)
        return share_limit(start + (end - start) * (now - begin) // (finish - begin))

    return limit


def read_salt(salt: object) -> int:
    """Return the hash seed of a salt."""
    if type(salt) is not str:
        raise MalformedEntryError("a salt is text")
    try:
        return seed(salt)
    except UnicodeEncodeError:
        raise MalformedEntryError("a salt is valid Unicode") from None


def read_share(share: object) -> int:
    """Return a share in thousandths of a percent."""
    if type(share) is not int or not 0 <= share <= BUCKETS:
        raise MalformedEntryError("a share is an integer from 0 to 100 000")
    return share


def read_slots(slots: object) -> tuple[tuple[int, int], ...]:
    """Return slots as ranges of hashes."""
    if type(slots) is not list:
        raise MalformedEntryError("`slots` is an array")
    found: list[tuple[int, int]] = []
    previous = 0
    for slot in slots:
        if type(slot) is not list or len(slot) != 2 or not all(type(edge) is int for edge in slot):
            raise MalformedEntryError("a slot is [start, end]")
        if not previous <= slot[0] < slot[1] <= BUCKETS:
            raise MalformedEntryError("slots ascend and do not overlap")
        if found and slot[0] == previous:
            found[-1] = (found[-1][0], threshold(slot[1]))
        else:
            found.append((threshold(slot[0]), threshold(slot[1])))
        previous = slot[1]
    return tuple(found)


def read_array(value: object) -> list[Any]:
    """Return a non-empty array."""
    if type(value) is not list or not value:
        raise MalformedEntryError("a non-empty array is expected")
    return value
