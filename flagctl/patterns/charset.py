"""Sets of code points as sorted, disjoint, non-adjacent closed ranges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

Charset = tuple[tuple[int, int], ...]
"""``((first, last), ...)``, ascending."""

LAST_CODE_POINT: Final = 0x10FFFF


def charset(ranges: Iterable[tuple[int, int]]) -> Charset:
    """Return the set of all code points in `ranges`, which may overlap and come in any order."""
    result: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return tuple(result)


def negate(chars: Charset) -> Charset:
    """Return all other code points."""
    result = []
    start = 0
    for first, last in chars:
        if start < first:
            result.append((start, first - 1))
        start = last + 1
    if start <= LAST_CODE_POINT:
        result.append((start, LAST_CODE_POINT))
    return tuple(result)


def fold_ascii(chars: Charset) -> Charset:
    """Return the set with both cases of every ASCII letter that is in it."""
    extra = []
    for low, high, distance in ((0x41, 0x5A, 32), (0x61, 0x7A, -32)):
        for first, last in chars:
            a, b = max(first, low), min(last, high)
            if a <= b:
                extra.append((a + distance, b + distance))
    return charset([*chars, *extra]) if extra else chars


DIGIT: Final[Charset] = ((0x30, 0x39),)
WORD: Final[Charset] = ((0x30, 0x39), (0x41, 0x5A), (0x5F, 0x5F), (0x61, 0x7A))
SPACE: Final[Charset] = ((0x09, 0x0A), (0x0C, 0x0D), (0x20, 0x20))
"""Without the vertical tab, like RE2's."""
NOT_NEWLINE: Final[Charset] = negate(((0x0A, 0x0A),))

NAMED: Final[dict[str, Charset]] = {
    "d": DIGIT,
    "w": WORD,
    "s": SPACE,
    "D": negate(DIGIT),
    "W": negate(WORD),
    "S": negate(SPACE),
}
"""What a backslash and a letter stand for."""
