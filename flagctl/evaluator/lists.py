"""Membership lists that are too long for a bundle: sorted hashes in a file, and what asks them during an evaluation.

A segment with ``"list": name`` contains the units of a list. The evaluator asks an injected reader, and does no I/O of its
own; a list that nobody has is one without members. A list's file::

    offset  bytes
    0       8      "FLAGLST1"
    8       8      n, the number of units
    16      8      when it was made, milliseconds since 1970-01-01T00:00:00Z
    24      8      first 8 bytes of the SHA-256 of the list's name
    32      32     SHA-256 of the rest
    64      8 n    hashes of the units, ascending, each once

Numbers are unsigned and little-endian. The hash of a unit is the first 8 bytes of the SHA-256 of ``name``, a zero byte, and
the unit, read as a big-endian number. A unit that is no member has the hash of one by chance with a probability of n / 2⁶⁴: for
five million members about one in four million millions.
"""

from __future__ import annotations

import sys
from bisect import bisect_left
from hashlib import sha256
from math import isqrt
from typing import TYPE_CHECKING, Any, Final, Protocol, final

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MAGIC: Final = b"FLAGLST1"
HEADER_SIZE: Final = 64
HASH_SIZE: Final = 8
MAX_UNITS: Final = 100_000_000

_SPREAD: Final = 2
"""Half the width of the part that is searched first, in square roots of the number of hashes: four standard deviations."""


class ListReader(Protocol):
    """Knows the units of lists. No method may raise, or take long."""

    def contains(self, name: str, unit: str) -> bool | None:
        """Return whether a list contains a unit; None if that is not known."""


@final
class Lists:
    """The reader of a bundle's flags; shared by all snapshots that follow one another.

    Attributes:
        reader: Knows the lists; None: nobody does.
    """

    __slots__ = ("reader",)

    def __init__(self) -> None:
        self.reader: ListReader | None = None


@final
class Members(frozenset[str]):
    """Units that are written in a segment, and behind them those of a list; asked with ``in`` like any set.

    Args:
        units: The units that are written.
        name: The list.
        lists: Who knows it.
    """

    __slots__ = ("lists", "name")

    name: str
    lists: Lists

    def __new__(cls, units: Iterable[str], name: str, lists: Lists) -> Members:
        """Make a set."""
        members = super().__new__(cls, units)
        members.name = name
        members.lists = lists
        return members

    def __contains__(self, unit: object) -> bool:
        if frozenset.__contains__(self, unit):
            return True
        reader = self.lists.reader
        return reader is not None and type(unit) is str and reader.contains(self.name, unit) is True

    def __bool__(self) -> bool:
        return True

    def isdisjoint(self, other: Iterable[Any]) -> bool:
        """Return whether none of `other` is in it."""
        return not any(unit in self for unit in other)

    __eq__ = object.__eq__
    __hash__ = object.__hash__


def unit_hash(name: str, unit: str) -> int:
    """Return the hash of a unit in a list.

    >>> hex(unit_hash("vip-customers", "user-1"))
    '0x66ccc66f41733909'
    """
    return int.from_bytes(sha256(b"%b\0%b" % (name.encode(), unit.encode())).digest()[:HASH_SIZE], "big")


def name_hash(name: str) -> bytes:
    """Return what names a list in its file."""
    return sha256(name.encode()).digest()[:HASH_SIZE]


class ListFormatError(ValueError):
    """Bytes that are no list; what is wrong with them is the message."""


@final
class HashList:
    """A list's file, opened.

    Args:
        data: The file: bytes, or memory mapped from it. It is kept, and must not change.
        name: The list it should be.
        check: Whether to compare the digest of the hashes, and see that they ascend; half a second for five million. Not
            needed for bytes whose own digest was compared with a signed one.

    Attributes:
        count: Units in it.
        generated_ms: When it was made, milliseconds since 1970.

    Raises:
        ListFormatError: It is no such file.
    """

    __slots__ = ("_data", "_hashes", "_prefix", "_width", "count", "generated_ms")

    def __init__(self, data: Any, name: str, *, check: bool = True) -> None:
        view = memoryview(data)
        if len(view) < HEADER_SIZE or bytes(view[:8]) != MAGIC:
            raise ListFormatError("it is no list of units")
        self.count = int.from_bytes(view[8:16], "little")
        self.generated_ms = int.from_bytes(view[16:24], "little")
        if len(view) != HEADER_SIZE + HASH_SIZE * self.count or self.count > MAX_UNITS:
            raise ListFormatError(f"it should hold {self.count} units, and has another size")
        if bytes(view[24:32]) != name_hash(name):
            raise ListFormatError(f"it is not the list '{name}'")
        body = view[HEADER_SIZE:]
        self._hashes: Any = body.cast("Q") if sys.byteorder == "little" else _swapped(body)
        if check:
            self._check(view)
        self._data = data
        self._prefix = name.encode() + b"\0"
        self._width = _SPREAD * isqrt(self.count) + 1

    def __contains__(self, unit: object) -> bool:
        try:
            digest = sha256(self._prefix + unit.encode()).digest()  # type: ignore[attr-defined]
        except (AttributeError, UnicodeEncodeError):
            return False
        return self.has_hash(int.from_bytes(digest[:HASH_SIZE], "big"))

    def hashes(self) -> Iterator[int]:
        """Iterate over all hashes, ascending."""
        return iter(self._hashes)

    def has_hash(self, wanted: int) -> bool:
        """Return whether a hash is in it: looked for where it should be, then everywhere."""
        hashes, count, width = self._hashes, self.count, self._width
        guess = wanted * count >> 64
        low, high = max(guess - width, 0), min(guess + width, count)
        if low and hashes[low - 1] >= wanted:
            low = 0
        if high < count and hashes[high] < wanted:
            high = count
        place = bisect_left(hashes, wanted, low, high)
        return place < count and hashes[place] == wanted

    def _check(self, view: memoryview) -> None:
        if sha256(view[HEADER_SIZE:]).digest() != bytes(view[32:64]):
            raise ListFormatError("its digest is not that of its hashes")
        before = -1
        for value in self._hashes:
            if value <= before:
                raise ListFormatError("its hashes do not ascend")
            before = value


def write_list(name: str, units: Iterable[str], generated_ms: int) -> bytes:
    """Return a list's file.

    Args:
        name: The list.
        units: Its units, in any order; one that occurs twice counts once.
        generated_ms: When it is made, milliseconds since 1970.

    Raises:
        ValueError: There are too many units, or one is no valid Unicode.
    """
    from array import array  # noqa: PLC0415 - only those who make lists pay

    prefix = sha256(name.encode() + b"\0")
    digests = []
    for unit in units:
        digest = prefix.copy()
        digest.update(unit.encode())
        digests.append(digest.digest()[:HASH_SIZE])
    digests.sort()
    if len(digests) > MAX_UNITS:
        raise ValueError(f"a list has at most {MAX_UNITS} units")
    hashes = array("Q", b"".join(dict.fromkeys(digests)))
    if sys.byteorder == "little":
        hashes.byteswap()  # digests are big-endian
    count = len(hashes)
    body = hashes.tobytes() if sys.byteorder == "little" else _little(hashes)
    return b"".join(
        [
            MAGIC,
            count.to_bytes(8, "little"),
            generated_ms.to_bytes(8, "little"),
            name_hash(name),
            sha256(body).digest(),
            body,
        ]
    )


def _little(hashes: Any) -> bytes:
    hashes.byteswap()
    return hashes.tobytes()  # type: ignore[no-any-return]


def _swapped(body: memoryview) -> Any:
    from array import array  # noqa: PLC0415 - rare machines only

    hashes = array("Q", bytes(body))
    hashes.byteswap()
    return hashes
