"""Adding answers up over batches: how many rows are in which class, by attribute, with a few examples of each class.

A *class* is whatever rows are told apart by: an outcome of one version, or a pair of what two versions answer.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    from numpy.typing import NDArray

    from flagctl.population.batch import Batch

MOST_GROUPS: Final = 1_000
"""Values of an attribute that are counted one by one; rows with any further one are counted together."""

_WIDEST: Final = 1_000_000
_MISSING: Final = 0
_OTHERS: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows that have the same value of one attribute.

    Attributes:
        kind: ``value``, ``missing`` (the attribute is), or ``others`` (there are too many values to count each).
        value: The value, if there is one.
    """

    kind: str
    value: Any = None

    def to_dict(self) -> dict[str, Any]:
        """Return the group as JSON outputs have it."""
        return {"kind": self.kind, "value": self.value}


class Grouping:
    """Numbers for the values of one attribute, the same in every batch.

    Attributes:
        path: Where the attribute is.
        groups: By number.
    """

    def __init__(self, path: tuple[str, ...]) -> None:
        self.path = path
        self.groups: list[Group] = [Group(kind="missing"), Group(kind="others")]
        self._numbers: dict[str, int] = {}

    def numbers(self, batch: Batch) -> NDArray[np.int64]:
        """Return the number of each row's group, shape ``(rows,)``."""
        column = batch.column(self.path[0] if len(self.path) == 1 else self.path)
        return column.hand_out(np.array([*map(self._number, column.distinct), _MISSING], np.int64))

    def _number(self, value: Any) -> int:
        try:
            text = json.dumps(value, ensure_ascii=False, default=str)
        except (ValueError, TypeError, RecursionError):
            return _OTHERS
        number = self._numbers.get(text)
        if number is None:
            if len(self.groups) >= MOST_GROUPS:
                return _OTHERS
            number = self._numbers[text] = len(self.groups)
            self.groups.append(Group(kind="value", value=json.loads(text)))
        return number


class Tally:
    """Counts of one flag.

    Attributes:
        classes: What rows are told apart by, by number.
        total: Rows counted.
    """

    def __init__(self, groupings: Sequence[Grouping], examples: int = 0) -> None:
        self.classes: list[Any] = []
        self.total = 0
        self._numbers: dict[Hashable, int] = {}
        self._groupings = groupings
        self._counts: Counter[int] = Counter()
        self._grouped: list[Counter[tuple[int, int]]] = [Counter() for _ in groupings]
        self._wanted = examples
        self._examples: dict[int, list[Any]] = {}

    def number(self, item: Hashable) -> int:
        """Return the number of a class, a new one if it was not met before."""
        number = self._numbers.get(item)
        if number is None:
            number = self._numbers[item] = len(self.classes)
            self.classes.append(item)
        return number

    def add(self, batch: Batch, classes: NDArray[np.int64], groups: Sequence[NDArray[np.int64]]) -> None:
        """Count the rows of a batch.

        Args:
            batch: The rows.
            classes: Number of each row's class, shape ``(rows,)``.
            groups: For each grouping, the number of each row's group.
        """
        self.total += batch.size
        counts = np.bincount(classes, minlength=len(self.classes))
        for number in np.flatnonzero(counts).tolist():
            self._counts[number] += int(counts[number])
            found = self._examples.setdefault(number, [])
            if len(found) < self._wanted:
                rows = np.flatnonzero(classes == number)[: self._wanted - len(found)]
                found += [batch.context(int(row)) for row in rows]
        for grouping, numbers, counter in zip(self._groupings, groups, self._grouped, strict=True):
            width = len(grouping.groups)
            for code, count in _count(classes * width + numbers, len(self.classes) * width):
                counter[code // width, code % width] += count

    def count(self, number: int) -> int:
        """Return how many rows are in a class."""
        return self._counts[number]

    def examples(self, number: int) -> list[Any]:
        """Return the first contexts of a class."""
        return self._examples.get(number, [])

    def by_group(self, place: int) -> dict[int, dict[int, int]]:
        """Return, for the grouping at a place, how many rows of which class each group has; the largest group first."""
        result: dict[int, dict[int, int]] = {}
        for (number, group), count in sorted(self._grouped[place].items()):
            result.setdefault(group, {})[number] = count
        return dict(sorted(result.items(), key=lambda item: -sum(item[1].values())))


def _count(codes: NDArray[np.int64], width: int) -> list[tuple[int, int]]:
    """Return each code that occurs with how often it does."""
    if width <= _WIDEST:
        counts = np.bincount(codes, minlength=width)
        return [(code, int(counts[code])) for code in np.flatnonzero(counts).tolist()]
    found, counts = np.unique(codes, return_counts=True)
    return list(zip(found.tolist(), counts.tolist(), strict=True))
