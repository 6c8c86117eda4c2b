"""Position automaton to the minimal deterministic automaton that a bundle carries.

Subset construction over classes of code points, with the pattern starting anew at each character ("found anywhere") and
one state for "found already", which ends the construction of everything behind it; then Hopcroft's minimisation; then a
numbering that depends on the language alone. Equal languages give equal automata, however the pattern was written.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flagctl.patterns.error import PatternError
from flagctl.patterns.minimise import equivalence_classes
from flagctl.patterns.positions import AT_END, FIRST_POSITION, MATCHED, PositionAutomaton, find_positions

if TYPE_CHECKING:
    from flagctl.patterns.charset import Charset
    from flagctl.patterns.syntax import Syntax

MAX_STATES: Final = 2_000
"""States of the minimal automaton."""
MAX_CONSTRUCTED_STATES: Final = 20_000
"""States before minimisation; more are given up on, even if the minimal automaton were small."""
MAX_CELLS: Final = 300_000
"""Table cells (states x classes) before minimisation."""
MAX_WORK: Final = 1_000_000
"""Steps of the subset construction, so that no pattern takes more than about a second to be refused."""

_START: Final = 0


@dataclass(frozen=True, slots=True)
class PatternAutomaton:
    """A minimal deterministic automaton over code points; the start state is 0.

    Attributes:
        accept: States in which the text matches if it ends, ascending.
        classes: ``((first_code_point, class), ...)``, ascending from code point 0; a class holds up to the next entry.
        next: Next state by state and class.
    """

    accept: tuple[int, ...]
    classes: tuple[tuple[int, int], ...]
    next: tuple[tuple[int, ...], ...]

    def search(self, text: str) -> bool:
        """Return whether the pattern is found in `text`: one table step for each character.

        For tools and tests; the runtime has a faster walker of the same table.
        """
        starts = [first for first, _ in self.classes]
        state = _START
        for character in text:
            state = self.next[state][self.classes[bisect_right(starts, ord(character)) - 1][1]]
        return state in self.accept

    def to_document(self) -> dict[str, Any]:
        """Return the automaton as a bundle has it."""
        return {
            "accept": list(self.accept),
            "classes": [list(entry) for entry in self.classes],
            "next": [list(row) for row in self.next],
        }


def build_automaton(syntax: Syntax) -> PatternAutomaton:
    """Return the minimal automaton that finds a pattern anywhere in a text.

    Raises:
        PatternError: If it has more than `MAX_STATES` states, or one of the bounds on the way there is reached.
    """
    positions = find_positions(syntax)
    intervals, members = _code_point_classes(positions.chars)
    table, accept = _Subsets(positions, members).construct()
    merged = equivalence_classes(table, accept)
    if max(merged) >= MAX_STATES:
        raise PatternError(f"the pattern is too complex: its automaton has more than {MAX_STATES:,} states")
    return _canonical(table, accept, merged, intervals)


def _code_point_classes(chars: list[Charset]) -> tuple[list[tuple[int, int]], list[int]]:
    """Split the code points into classes that no position tells apart.

    Returns:
        ``(first_code_point, class)`` ascending from 0, and for each class the positions that take its characters.
    """
    by_set: dict[Charset, int] = {}
    for index, ranges in enumerate(chars):
        by_set[ranges] = by_set.get(ranges, 0) | 1 << (index + FIRST_POSITION)
    changes: dict[int, int] = {0: 0}
    for ranges, mask in by_set.items():
        for first, last in ranges:
            changes[first] = changes.get(first, 0) ^ mask
            changes[last + 1] = changes.get(last + 1, 0) ^ mask
    changes.pop(0x110000, None)
    intervals = []
    classes: dict[int, int] = {}
    current = 0
    for first in sorted(changes):
        current ^= changes[first]
        intervals.append((first, classes.setdefault(current, len(classes))))
    return intervals, list(classes)


class _Subsets:
    """The subset construction. A state is a set of positions and `AT_END`; state 0 is the start."""

    def __init__(self, automaton: PositionAutomaton, members: list[int]) -> None:
        self.start = automaton.start
        self.members = members
        self.restart = self.start.inside | (AT_END if self.start.at_end else 0)
        self.work = 0
        # Most positions are followed by the next one, which a shift does for all of them at once. What else follows is
        # kept by group: positions with the same rest.
        self.has_next = 0
        self.groups: dict[int, int] = {}
        for index, follow in enumerate(automaton.follow):
            bit = 1 << (index + FIRST_POSITION)
            rest = follow & ~self.restart
            if rest & (bit << 1):
                self.has_next |= bit
                rest ^= bit << 1
            if rest:
                self.groups[rest] = self.groups.get(rest, 0) | bit
        self.has_rest = 0
        self.rest_of: dict[int, tuple[int, int]] = {}
        for rest, group in self.groups.items():
            self.has_rest |= group
            left = group
            while left:
                low = left & -left
                self.rest_of[low] = (rest, group)
                left ^= low
        self.dominated = {
            1 << (index + FIRST_POSITION): dominated for index, dominated in enumerate(automaton.dominated) if dominated
        }
        self.dominating = sum(self.dominated)
        self.cost = 1 + len(automaton.follow) // 500

    def construct(self) -> tuple[list[list[int]], set[int]]:
        """Return the table of next states and the accepting states."""
        numbers: dict[int, int] = {}
        sets = [self.start.at_start]
        accept = {_START} if self.start.empty else set()
        by_taken: dict[int, int] = {}
        table: list[list[int]] = []
        limit = min(MAX_CONSTRUCTED_STATES, MAX_CELLS // len(self.members))
        while len(table) < len(sets):
            current = sets[len(table)]
            row = []
            for members in self.members:
                taken = current & members
                target = MATCHED if current & MATCHED else taken
                number = by_taken.get(target)
                if number is None:
                    reached = MATCHED if current & MATCHED else self._behind(taken)
                    number = numbers.get(reached)
                    if number is None:
                        number = numbers[reached] = len(sets)
                        sets.append(reached)
                        if reached & (MATCHED | AT_END):
                            accept.add(number)
                    by_taken[target] = number
                row.append(number)
            self.work += len(self.members) * self.cost
            if len(sets) > limit or self.work > MAX_WORK:
                raise PatternError(
                    "the pattern is too complex: its automaton grows beyond all bounds; anchor it with ^, or narrow "
                    "overlapping repetitions"
                )
            table.append(row)
        return table, accept

    def _behind(self, taken: int) -> int:
        """Return what can follow if exactly the positions `taken` take the next character."""
        reached = self.restart | (taken & self.has_next) << 1
        left = taken & self.has_rest
        steps = 1
        while left:
            rest, group = self.rest_of[left & -left]
            reached |= rest
            left &= ~group
            steps += 1
        # Without this, a.{0,20}b would tell apart which of the last 20 characters were an a, 2^20 states on the way to 22.
        left = reached & self.dominating
        while left:
            low = left & -left
            dominated = self.dominated[low]
            reached &= ~dominated
            left &= ~(dominated | low)
            steps += 1
        self.work += steps * self.cost
        return MATCHED if reached & MATCHED else reached


def _canonical(
    table: list[list[int]], accept: set[int], merged: list[int], intervals: list[tuple[int, int]]
) -> PatternAutomaton:
    """Number the merged states and classes by the first text that tells them, and drop what is told twice."""
    representative = {block: state for state, block in reversed(list(enumerate(merged)))}
    columns: dict[tuple[int, ...], int] = {}
    class_of: dict[int, int] = {}
    order = [representative[block] for block in range(len(representative))]
    for _, old in intervals:
        if old not in class_of:
            column = tuple(merged[table[state][old]] for state in order)
            class_of[old] = columns.setdefault(column, len(columns))
    classes: list[tuple[int, int]] = []
    for first, old in intervals:
        if not classes or classes[-1][1] != class_of[old]:
            classes.append((first, class_of[old]))

    by_class = list(columns)
    numbers = {merged[_START]: 0}
    queue = [merged[_START]]
    for block in queue:
        for column in by_class:
            target = column[block]
            if target not in numbers:
                numbers[target] = len(numbers)
                queue.append(target)
    return PatternAutomaton(
        accept=tuple(sorted(numbers[block] for block in queue if representative[block] in accept)),
        classes=tuple(classes),
        next=tuple(tuple(numbers[column[block]] for column in by_class) for block in queue),
    )
