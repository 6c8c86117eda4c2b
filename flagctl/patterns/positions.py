"""Syntax tree to position automaton: which places of a pattern can follow which.

Each occurrence of a character set in the pattern, with counted repetitions written out, is a *position* (Glushkov's
construction). A set of positions is an integer with one bit for each, beside two bits that are no positions:

- `MATCHED`: the pattern has been found, whatever follows;
- `AT_END`: it is found if the text ends here.

What can come next is described by an `Entry`: four answers, because ``^`` and ``$`` let a path through only at the
start and at the end of the text, and at the end no character can follow, so that only yes or no is left there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.patterns.error import PatternError
from flagctl.patterns.syntax import Alternate, Begin, Chars, Concat, End, Repeat, Syntax

if TYPE_CHECKING:
    from flagctl.patterns.charset import Charset

MATCHED: Final = 1
AT_END: Final = 2
FIRST_POSITION: Final = 2
"""Number of the first bit that is a position."""
MAX_NODES: Final = 10_000
"""How large a pattern may be with its repetitions written out."""


class Entry(NamedTuple):
    """What a path through a part of the pattern reaches first.

    Attributes:
        inside: Positions and `MATCHED`, somewhere within the text.
        at_start: The same at its start.
        at_end: Whether the pattern is found at the end of a text that is not empty.
        empty: The same for the empty text.
    """

    inside: int
    at_start: int
    at_end: bool
    empty: bool

    def __or__(self, other: Entry) -> Entry:
        return Entry(
            self.inside | other.inside,
            self.at_start | other.at_start,
            self.at_end or other.at_end,
            self.empty or other.empty,
        )

    def kept_where(self, nullable: Entry) -> Entry:
        """Return the parts of this entry that a path reaches behind something with this `nullable`."""
        return Entry(
            self.inside if nullable.inside else 0,
            self.at_start if nullable.at_start else 0,
            self.at_end and nullable.at_end,
            self.empty and nullable.empty,
        )


_NOWHERE: Final = Entry(0, 0, at_end=False, empty=False)
_ALWAYS: Final = Entry(1, 1, at_end=True, empty=True)
_ONLY_AT_START: Final = Entry(0, 1, at_end=False, empty=True)
_ONLY_AT_END: Final = Entry(0, 0, at_end=True, empty=True)
_FOUND: Final = Entry(MATCHED, MATCHED, at_end=True, empty=True)


class _Kind(Enum):
    POSITION = "position"
    ASSERTION = "assertion"
    CONCAT = "concat"
    ALTERNATE = "alternate"
    NESTED = "nested"
    """``(a(a(a)?)?)?``: what ``a{0,3}`` means, without the depth."""
    LOOP = "loop"
    """Once or more often."""


@dataclass(slots=True)
class _Node:
    """A part of the pattern.

    Attributes:
        kind: How the parts are put together.
        first: Positions a path can reach first in here, at each kind of place.
        nullable: Where a path can go through without a character, in the shape of an entry.
        position: Bit number of a position.
        parts: Parts in the order written.
    """

    kind: _Kind
    first: Entry
    nullable: Entry
    position: int = 0
    parts: list[_Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PositionAutomaton:
    """The pattern as positions.

    Attributes:
        start: What can come first.
        chars: Set of characters of each position; the first position is bit `FIRST_POSITION`.
        follow: What can come behind each position: positions, `MATCHED`, `AT_END`.
        dominated: For each position, others behind and including which nothing matches that would not match from this
            one too, so that a set which holds this one needs none of them.
    """

    start: Entry
    chars: list[Charset]
    follow: list[int]
    dominated: list[int]


def find_positions(syntax: Syntax) -> PositionAutomaton:
    """Return the position automaton of a pattern.

    Raises:
        PatternError: If the pattern with its repetitions written out has more than `MAX_NODES` parts.
    """
    builder = _Builder()
    root = builder.expand(syntax)
    follow = [0] * len(builder.chars)
    start = _connect(root, _FOUND, follow)
    return PositionAutomaton(start, builder.chars, follow, builder.dominated)


class _Builder:
    """Writes repetitions out, numbers the positions, and finds each part's `first` and `nullable` on the way."""

    def __init__(self) -> None:
        self.chars: list[Charset] = []
        self.dominated: list[int] = []
        self.nodes = 0

    def expand(self, syntax: Syntax) -> _Node:
        """Return the tree of a part."""
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise PatternError(
                f"the pattern is too complex: with its repetitions written out it has more than {MAX_NODES:,} parts"
            )
        if isinstance(syntax, Chars):
            self.chars.append(syntax.chars)
            self.dominated.append(0)
            position = FIRST_POSITION + len(self.chars) - 1
            bit = 1 << position
            return _Node(_Kind.POSITION, Entry(bit, bit, at_end=False, empty=False), _NOWHERE, position)
        if isinstance(syntax, Begin):
            return _Node(_Kind.ASSERTION, _NOWHERE, _ONLY_AT_START)
        if isinstance(syntax, End):
            return _Node(_Kind.ASSERTION, _NOWHERE, _ONLY_AT_END)
        if isinstance(syntax, Concat):
            return _concat([self.expand(item) for item in syntax.items])
        if isinstance(syntax, Alternate):
            return _alternate([self.expand(item) for item in syntax.items])
        return self._repeat(syntax)

    def _repeat(self, syntax: Repeat) -> _Node:
        item, low, high = syntax.item, syntax.low, syntax.high
        if high is None:
            parts, starts = self._copies(item, max(low, 1))
            # What is still to come gets less from copy to copy: the further, the better.
            self._dominate(starts)
            last = parts[-1]
            loop = _Node(_Kind.LOOP, last.first, last.nullable, parts=[last])
            if low == 0:
                return _nested([loop])
            return _concat([*parts[:-1], loop])
        required, _ = self._copies(item, low)
        optional, starts = self._copies(item, high - low)
        # What may still come gets less from copy to copy: the earlier, the better.
        self._dominate(starts[::-1])
        return _concat([*required, _nested(optional)]) if optional else _concat(required)

    def _copies(self, item: Syntax, count: int) -> tuple[list[_Node], list[int]]:
        """Return copies of a part and the index of each one's first position."""
        parts, starts = [], []
        for _ in range(count):
            starts.append(len(self.chars))
            parts.append(self.expand(item))
        return parts, starts

    def _dominate(self, starts: list[int]) -> None:
        """Record that each copy's positions dominate the same positions of the copies before it in `starts`."""
        if len(starts) < 2:
            return
        width = abs(starts[1] - starts[0])
        below = [0] * width
        for start in starts:
            for offset in range(width):
                index = start + offset
                bit = 1 << (FIRST_POSITION + index)
                below[offset] |= bit | self.dominated[index]
                self.dominated[index] = below[offset] & ~bit


def _concat(parts: list[_Node]) -> _Node:
    if len(parts) == 1:
        return parts[0]
    first, nullable = _NOWHERE, _ALWAYS
    for part in parts:
        first |= part.first.kept_where(nullable)
        nullable = part.nullable.kept_where(nullable)
        if nullable == _NOWHERE:
            break
    return _Node(_Kind.CONCAT, first, nullable, parts=parts)


def _alternate(parts: list[_Node]) -> _Node:
    first, nullable = _NOWHERE, _NOWHERE
    for part in parts:
        first |= part.first
        nullable |= part.nullable
    return _Node(_Kind.ALTERNATE, first, nullable, parts=parts)


def _nested(parts: list[_Node]) -> _Node:
    return _Node(_Kind.NESTED, _concat(parts).first, _ALWAYS, parts=parts)


def _connect(node: _Node, behind: Entry, follow: list[int]) -> Entry:
    """Record what follows each position of `node` if `behind` comes after it, and return the entry into both."""
    kind = node.kind
    if kind is _Kind.POSITION:
        follow[node.position - FIRST_POSITION] |= behind.inside | (AT_END if behind.at_end else 0)
        return node.first
    if kind is _Kind.ASSERTION:
        return behind.kept_where(node.nullable)
    if kind is _Kind.CONCAT:
        for part in reversed(node.parts):
            behind = _connect(part, behind, follow)
        return behind
    if kind is _Kind.ALTERNATE:
        entry = _NOWHERE
        for part in node.parts:
            entry |= _connect(part, behind, follow)
        return entry
    if kind is _Kind.NESTED:
        entry = behind
        for part in reversed(node.parts):
            entry = behind | _connect(part, entry, follow)
        return entry
    # The way back into a loop is what a path reaches first in it; through the loop without a character comes nothing new.
    entry = node.first | behind.kept_where(node.nullable)
    _connect(node.parts[0], behind | entry, follow)
    return entry
