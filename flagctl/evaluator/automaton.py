"""The runtime half of `matches`: walking a deterministic automaton that the compiler made from a pattern.

One table look-up for each character, whatever the pattern: there is nothing to back-track into. The state *is* its
row of following states, so that a step is a single subscription; the row of a state that only leads to itself is
empty, and running off it ends the walk early without a test in the loop.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import Any, Final

_CODE_POINTS: Final = 0x110000
_MOST_STATES: Final = 65_536
"""Far above what a compiler makes; a bundle that claims more is refused before memory is spent on it."""

_Row = list[Any]


class Automaton:
    """A deterministic automaton over code points that answers "is the pattern found anywhere in this text".

    Build one with :meth:`from_document`.
    """

    __slots__ = ("_accepting", "_ascii", "_rows", "_starts", "_symbols")

    def __init__(self, starts: list[int], symbols: list[int], rows: list[_Row], accepting: frozenset[int]) -> None:
        self._starts = starts
        self._symbols = symbols
        self._rows = rows
        self._accepting = accepting
        # Bytes can be translated into symbols at C speed, but only if a symbol fits into a byte.
        self._ascii = bytes(map(self._symbol, range(128))) + bytes(128) if max(symbols) < 256 else None

    @classmethod
    def from_document(cls, document: object) -> Automaton:
        """Build an automaton from a bundle's pattern entry (``accept``, ``classes``, ``next``).

        Raises:
            ValueError: The entry is malformed; the message says how.
        """
        accept, classes, following = _parts(document)
        count = len(following)
        width = len(following[0])
        rows: list[_Row] = [[] for _ in following]
        for state, targets in enumerate(following):
            if len(targets) != width or not all(type(t) is int and 0 <= t < count for t in targets):
                raise ValueError("every row of `next` names one existing state for each class")
            if any(target != state for target in targets):
                rows[state].extend(rows[target] for target in targets)
        if not all(type(state) is int and 0 <= state < count for state in accept):
            raise ValueError("`accept` names states")
        if not all(0 <= symbol < width for _, symbol in classes):
            raise ValueError("`classes` names columns of `next`")
        accepting = frozenset(id(rows[state]) for state in accept)
        return cls([start for start, _ in classes], [symbol for _, symbol in classes], rows, accepting)

    def search(self, text: str) -> bool:
        """Return whether the pattern is found anywhere in `text`."""
        row = self._rows[0]
        try:
            if self._ascii is not None and text.isascii():
                for symbol in text.encode().translate(self._ascii):
                    row = row[symbol]
            else:
                symbols = {character: self._symbol(ord(character)) for character in set(text)}
                for character in text:
                    row = row[symbols[character]]
        except IndexError:
            pass  # the row is empty: nothing that follows can change the answer
        return id(row) in self._accepting

    def _symbol(self, code_point: int) -> int:
        return self._symbols[bisect_right(self._starts, code_point) - 1]


def _parts(document: object) -> tuple[list[Any], list[tuple[int, int]], list[list[Any]]]:
    """Return `accept`, `classes` and `next` after checking their outer shape."""
    if not isinstance(document, dict):
        raise ValueError("a pattern is an object")  # noqa: TRY004 - malformed data, not a wrong argument
    accept, classes, following = document.get("accept"), document.get("classes"), document.get("next")
    if not isinstance(accept, list):
        raise ValueError("`accept` is an array")  # noqa: TRY004
    if not isinstance(following, list) or not 0 < len(following) <= _MOST_STATES:
        raise ValueError("`next` has a row for each state, and at least one")
    if not all(isinstance(row, list) for row in following) or not following[0]:
        raise ValueError("a row of `next` has a state for each class, and at least one")
    if not isinstance(classes, list) or not classes:
        raise ValueError("`classes` is an array, and not empty")
    previous = -1
    for entry in classes:
        if not isinstance(entry, list) or len(entry) != 2 or not all(type(number) is int for number in entry):
            raise ValueError("an entry of `classes` is [first code point, class]")
        if not previous < entry[0] < _CODE_POINTS:
            raise ValueError("`classes` ascends within Unicode")
        previous = entry[0]
    if classes[0][0] != 0:
        raise ValueError("`classes` begins with code point 0")
    return accept, [(entry[0], entry[1]) for entry in classes], following
