"""IP addresses of a whole column at once, read exactly as `flagctl.evaluator.networks.parse_address` reads each of them.

Texts are joined to one line of bytes, and NumPy looks at all bytes together: where separators are, how long what lies between
them is, which digits it has. IPv4 and IPv6 in their usual forms, and IPv4 mapped into IPv6, are read that way; the few texts
left that may still be addresses (IPv6 with an IPv4 at its end) go through the evaluator's parser.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from flagctl.evaluator.networks import parse_address

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from flagctl.evaluator.conditions import Networks

    Bytes = NDArray[np.uint8]
    Places = NDArray[np.int64]
    Words = NDArray[np.uint64]

_LINE, _DOT, _COLON, _ZERO = b"\n.:0"
_NEVER: Final = 255
_HEX: Final = np.full(256, _NEVER, np.uint8)
_HEX[list(b"0123456789abcdef")] = range(16)
_HEX[list(b"ABCDEF")] = range(10, 16)
_MAPPED: Final = "::ffff:"


class Addresses:
    """The addresses in some texts.

    Args:
        texts: Any text; what is no address lies in no network.

    Attributes:
        version: 4, 6, or 0 for no address; shape ``(texts,)``.
        high: The first 64 bits of IPv6 addresses, else 0; likewise.
        low: The last 64 bits of IPv6 addresses, or an IPv4 address; likewise.
    """

    __slots__ = ("high", "low", "version")

    def __init__(self, texts: Sequence[str]) -> None:
        size = len(texts)
        self.version: Bytes = np.zeros(size, np.uint8)
        self.high: Words = np.zeros(size, np.uint64)
        self.low: Words = np.zeros(size, np.uint64)
        if not size:
            return
        line, ends = _joined(texts)
        self.low, valid = _ipv4(line, ends)
        self.version[valid] = 4
        if np.count_nonzero(valid) < size and (line == _COLON).any():
            self._read_ipv6(texts, np.flatnonzero(_has(line, ends, _COLON)))

    def _read_ipv6(self, texts: Sequence[str], rows: Places) -> None:
        """Read the addresses of rows that have a colon, and so are no IPv4."""
        some = [texts[row] for row in rows]
        line, ends = _joined(some)
        dotted = _has(line, ends, _DOT)
        high, low, valid = _ipv6(line, ends)
        mapped = (high == 0) & (low >> np.uint64(32) == 0xFFFF) & valid
        low[mapped] &= np.uint64(0xFFFF_FFFF)
        self.high[rows], self.low[rows] = high, low
        self.version[rows] = np.where(valid, np.where(mapped, 4, 6), 0)
        if dotted.any():
            self._read_dotted(texts, rows[dotted])

    def _read_dotted(self, texts: Sequence[str], rows: Places) -> None:
        """Read the addresses of rows that have colons and dots."""
        tails = [
            text[len(_MAPPED) :] if text[: len(_MAPPED)].lower() == _MAPPED else ""
            for text in map(texts.__getitem__, rows)
        ]
        low, valid = _ipv4(*_joined(tails))
        self.low[rows[valid]] = low[valid]
        self.version[rows[valid]] = 4
        for row in rows[~valid]:
            address = parse_address(texts[row])
            if address is not None:
                version, number = address
                self.version[row], self.high[row], self.low[row] = version, number >> 64, number & (1 << 64) - 1

    def inside(self, networks: NetworkTables) -> NDArray[np.bool_]:
        """Return which texts are addresses in any of some networks, shape ``(texts,)``."""
        found = np.zeros(len(self.version), np.bool_)
        four, six = self.version == 4, self.version == 6
        for shift, starts in networks.four:
            found |= four & _among(self.low >> np.uint64(shift), starts)
        if six.any():
            for shift, starts in networks.six_short:
                found |= six & _among(self.high >> np.uint64(shift), starts)
            for shift, firsts, whole in networks.six_long:
                for row in np.flatnonzero(six & _among(self.high, firsts)):  # few: networks of less than 2^64 addresses
                    found[row] |= (int(self.high[row]) << 64 | int(self.low[row])) >> shift in whole
            found |= six & networks.six_any
        return found


class NetworkTables:
    """The networks of one condition, ready to be looked up in."""

    def __init__(self, networks: Networks) -> None:
        self.four: list[tuple[int, Words]] = []
        self.six_short: list[tuple[int, Words]] = []
        self.six_long: list[tuple[int, Words, frozenset[int]]] = []
        self.six_any = False
        for version, shift, starts in networks.tables:
            if version == 4:
                self.four.append((shift, _sorted(starts)))
            elif shift == 128:
                self.six_any = True
            elif shift >= 64:
                self.six_short.append((shift - 64, _sorted(starts)))
            else:
                self.six_long.append((shift, _sorted({start >> 64 - shift for start in starts}), starts))


def _sorted(numbers: Iterable[int]) -> Words:
    return np.array(sorted(numbers), np.uint64)


def _among(numbers: Words, table: Words) -> NDArray[np.bool_]:
    """Return which numbers are in an ascending table."""
    if len(table) == 1:
        return numbers == table[0]  # type: ignore[no-any-return]
    places = np.searchsorted(table, numbers)
    places[places == len(table)] = 0
    return table[places] == numbers  # type: ignore[no-any-return]


def _joined(texts: Sequence[str]) -> tuple[Bytes, Places]:
    """Return the UTF-8 of all texts, each closed by a line feed, and where those are."""
    line = _bytes(texts)
    ends = np.flatnonzero(line == _LINE)
    if len(ends) != len(texts):
        line = _bytes(["" if "\n" in text else text for text in texts])  # neither is an address
        ends = np.flatnonzero(line == _LINE)
    return line, ends


def _bytes(texts: Sequence[str]) -> Bytes:
    return np.frombuffer("\n".join([*texts, ""]).encode("utf-8", "surrogatepass"), np.uint8)


def _has(line: Bytes, ends: Places, byte: int) -> NDArray[np.bool_]:
    """Return which texts have a byte."""
    found = np.zeros(len(ends), np.bool_)
    found[np.searchsorted(ends, np.flatnonzero(line == byte))] = True
    return found


def _ipv4(line: Bytes, ends: Places) -> tuple[Words, NDArray[np.bool_]]:
    """Return each text as an IPv4 address, and which are one: four numbers up to 255 without leading zeros, dots between."""
    stops = np.flatnonzero((line == _DOT) | (line == _LINE))
    last = np.searchsorted(stops, ends)
    four = np.diff(last, prepend=-1) == 4
    numbers = np.zeros(len(ends), np.uint64)
    valid = np.zeros(len(ends), np.bool_)
    rows = np.flatnonzero(four)
    if not len(rows):
        return numbers, valid
    places = last[rows, np.newaxis] + np.arange(-3, 1)
    stop = stops[places]
    lengths = stop - np.where(places > 0, stops[places - 1], -1) - 1
    digits = line - np.uint8(_ZERO)  # wraps around to more than 9 for other bytes
    # Before the first text there is nothing to look at, and nothing that is looked at counts: `lengths` says so.
    ones, tens, hundreds = (digits[np.maximum(stop - back, 0)].astype(np.int64) for back in (1, 2, 3))
    ones_only, two, three = lengths == 1, lengths == 2, lengths == 3
    octets = ones + np.where(ones_only, 0, 10 * tens) + np.where(three, 100 * hundreds, 0)
    right = (ones <= 9) & (
        ones_only | (two & (tens <= 9) & (tens > 0)) | (three & (tens <= 9) & (hundreds <= 9) & (hundreds > 0))
    )
    right &= octets <= 255
    valid[rows] = right.all(axis=1)
    octets = np.where(right, octets, 0).astype(np.uint64)
    numbers[rows] = (octets << np.array([24, 16, 8, 0], np.uint64)).sum(axis=1, dtype=np.uint64)
    numbers[~valid] = 0
    return numbers, valid


def _ipv6(line: Bytes, ends: Places) -> tuple[Words, Words, NDArray[np.bool_]]:
    """Return both halves of each text as an IPv6 address, and which are one: groups of hexadecimal digits, colons between.

    Between colons, and before and after them, lie parts. Parts are empty at `::` alone: one of them in the middle of a text, two
    at its beginning or end, three if there is nothing else.
    """
    size = len(ends)
    stops = np.flatnonzero((line == _COLON) | (line == _LINE))
    lengths = np.diff(stops, prepend=-1) - 1
    row = np.searchsorted(ends, stops)
    firsts = np.searchsorted(row, np.arange(size))
    parts = np.bincount(row, minlength=size)
    place = np.arange(len(stops)) - firsts[row]
    empty = lengths == 0
    groups = np.zeros(len(stops), np.uint64)
    wrong = lengths > 4
    for back in range(1, 5):
        there = lengths >= back
        digit = _HEX[line[np.maximum(stops - back, 0)]]
        wrong |= there & (digit == _NEVER)
        groups |= np.where(there, digit, 0).astype(np.uint64) << np.uint64(4 * (back - 1))
    empties = np.bincount(row, empty, size).astype(np.int64)
    at_start = np.bincount(row, empty & (place <= 1), size) == 2
    at_end = np.bincount(row, empty & (place >= parts[row] - 2), size) == 2
    at_edge = np.bincount(row, empty & ((place == 0) | (place == parts[row] - 1)), size) > 0
    present = parts - empties
    valid = np.bincount(row, wrong, size) == 0
    valid &= (
        ((empties == 0) & (parts == 8))
        | ((empties == 1) & ~at_edge & (present <= 7))
        | ((empties == 2) & (parts > 2) & (at_start | at_end) & (present <= 7))
        | ((empties == 3) & (parts == 3))
    )
    # Groups after the gap are counted from the end.
    gap_before = np.cumsum(empty) - np.where(firsts > 0, np.cumsum(empty)[firsts - 1], 0)[row]
    target = place - gap_before
    target += np.where(gap_before > 0, 8 - present[row], 0)
    taken = valid[row] & ~empty
    matrix = np.zeros((size, 8), np.uint64)
    matrix[row[taken], target[taken]] = groups[taken]
    shifts = np.array([48, 32, 16, 0], np.uint64)
    return (
        (matrix[:, :4] << shifts).sum(axis=1, dtype=np.uint64),
        (matrix[:, 4:] << shifts).sum(axis=1, dtype=np.uint64),
        valid,
    )
