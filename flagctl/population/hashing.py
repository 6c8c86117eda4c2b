"""murmur3 over a whole column of units at once, equal to `flagctl.evaluator.buckets.unit_hash` for each of them.

Units are laid side by side in a matrix of 32-bit words, padded with zeros, and each step of the hash is done for all rows before the
next. The work splits into a part that does not depend on the seed (laying out, scrambling words), done once for a batch, and a
few passes for each seed. One seed costs about as much as a loop over mmh3; every further one, and a comparison of two versions
or a run over all flags has many, a tenth of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from flagctl.evaluator.buckets import NO_HASH, unit_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

LONGEST: Final = 64
"""UTF-8 bytes of the longest unit that gets a place in the matrix; a few long ones would make it wide for all."""

_WORD: Final = np.dtype("<u4")


class Units:
    """The units of one column.

    Args:
        units: String forms, as `flagctl.evaluator.buckets.unit_of` returns them: non-empty valid Unicode, or None.
    """

    __slots__ = ("_lengths", "_long", "_rows", "_size", "_whole", "_words")

    def __init__(self, units: Sequence[str | None]) -> None:
        self._size = len(units)
        rows, encoded = _encoded(units)
        lengths = np.fromiter(map(len, encoded), np.int64, len(encoded))
        long = lengths > LONGEST
        self._long: list[tuple[int, str]] = []
        if long.any():
            self._long = [(int(row), str(units[row])) for row in rows[long]]
            encoded = [unit for unit, is_long in zip(encoded, long, strict=True) if not is_long]
            rows, lengths = rows[~long], lengths[~long]
        self._rows: NDArray[np.int64] = rows
        self._lengths = lengths.astype(np.uint32)
        self._whole = int(lengths.min(initial=LONGEST)) // 4
        self._words = _scrambled(_matrix(encoded, int(lengths.max(initial=0))))

    def hashes(self, seed: int) -> NDArray[np.uint64]:
        """Return the hash of each unit under a seed, shape ``(rows,)``; `NO_HASH` where there is no unit."""
        state = np.full(len(self._lengths), seed, np.uint32)
        for index, word in enumerate(self._words):
            mixed = state ^ word
            turned = ((mixed << np.uint32(13)) | (mixed >> np.uint32(19))) * np.uint32(5) + np.uint32(0xE6546B64)
            # behind a unit's last whole word come its last bytes, which are mixed in but not turned, then zeros, which do nothing
            state = turned if index < self._whole else np.where(self._lengths >= 4 * (index + 1), turned, mixed)
        result = np.full(self._size, NO_HASH, np.uint64)
        result[self._rows] = _finished(state ^ self._lengths)
        for row, unit in self._long:
            result[row] = unit_hash(unit, seed)
        return result


def _encoded(units: Sequence[str | None]) -> tuple[NDArray[np.int64], Sequence[bytes | str]]:
    """Return the rows that have a unit, and the units: as text if all are ASCII, which NumPy encodes itself, else as bytes."""
    if None in units:
        rows = np.fromiter((row for row, unit in enumerate(units) if unit is not None), np.int64)
        present = [unit for unit in units if unit is not None]
    else:
        rows = np.arange(len(units))
        present = list(units)  # type: ignore[arg-type]
    if all(map(str.isascii, present)):
        return rows, present
    return rows, [unit.encode() for unit in present]


def _matrix(units: Sequence[bytes | str], longest: int) -> NDArray[np.uint32]:
    """Return the units' words, one column of the result for each unit: shape ``(words, units)``."""
    width = -(-longest // 4)
    if not width:
        return np.empty((0, len(units)), np.uint32)
    texts = np.array(units, dtype=f"S{4 * width}")
    return np.ascontiguousarray(texts.view(_WORD).reshape(len(units), width).T).astype(np.uint32, copy=False)


def _scrambled(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    words = words * np.uint32(0xCC9E2D51)
    words = (words << np.uint32(15)) | (words >> np.uint32(17))
    return words * np.uint32(0x1B873593)


def _finished(state: NDArray[np.uint32]) -> NDArray[np.uint32]:
    state ^= state >> np.uint32(16)
    state *= np.uint32(0x85EBCA6B)
    state ^= state >> np.uint32(13)
    state *= np.uint32(0xC2B2AE35)
    state ^= state >> np.uint32(16)
    return state
