"""Some thousand contexts at a time, by row or by column, whichever the file gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np

from flagctl.evaluator.buckets import unit_of
from flagctl.evaluator.readings import walk
from flagctl.population.columns import Column
from flagctl.population.hashing import Units
from flagctl.population.nesting import put

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from flagctl.evaluator.plan import Path

BATCH_ROWS: Final = 20_000
"""Rows of a batch: enough for NumPy's calls to cost nothing beside their work, few enough for what is looked at to stay in caches.

Measured from 4 000 to 100 000 rows: one flag takes three times as long at 100 000, all flags of a repository twice as long at 4 000.
"""


class Table(Protocol):
    """Contexts by column. Paths are keys into nested objects; no path is the beginning of another."""

    @property
    def size(self) -> int:
        """Number of rows."""

    @property
    def paths(self) -> Sequence[tuple[str, ...]]:
        """Paths of the columns."""

    def values(self, path: tuple[str, ...]) -> Sequence[Any]:
        """Return a column's values, None where nothing is there."""

    def column(self, path: tuple[str, ...]) -> Column:
        """Return the same with its distinct values told apart."""

    def cell(self, path: tuple[str, ...], row: int) -> Any:
        """Return one value of a column."""


class Batch:
    """Contexts, and what was worked out about their attributes so far.

    Attributes:
        size: Number of rows.
        odd: Rows that can't be evaluated in columns: contexts that are no plain dict, and those some read of which raised so far.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.odd: NDArray[np.bool_] = np.zeros(size, np.bool_)
        self._columns: dict[Path, Column] = {}
        self._units_of: dict[Path, list[str | None]] = {}
        self._units: dict[Path, Units] = {}
        self._hashes: dict[tuple[Path, int], NDArray[np.uint64]] = {}

    def context(self, row: int) -> Any:
        """Return a row's evaluation context."""
        raise NotImplementedError

    def _values(self, path: Path) -> Sequence[Any]:
        raise NotImplementedError

    def column(self, path: Path) -> Column:
        """Return an attribute of all rows."""
        column = self._columns.get(path)
        if column is None:
            column = self._columns[path] = self._column(path)
        return column

    def _column(self, path: Path) -> Column:
        return Column(self._values(path))

    def units(self, path: Path) -> list[str | None]:
        """Return the string form of the unit that an attribute names, for each distinct value of its column."""
        found = self._units_of.get(path)
        if found is None:
            found = self._units_of[path] = self._read_units(path)
        return found

    def _read_units(self, path: Path) -> list[str | None]:
        column = self.column(path)
        if column.kind is str:
            texts: list[str] = column.distinct
            if all(map(str.isascii, texts)):
                return [text or None for text in texts]
        answers, raised = column.ask(unit_of, None)
        if raised:
            self.odd |= column.rows_with(raised)
        return answers

    def hashes(self, path: Path, seed: int) -> NDArray[np.uint64]:
        """Return the hash of each row's unit under a seed; `flagctl.evaluator.buckets.NO_HASH` where there is none."""
        found = self._hashes.get((path, seed))
        if found is None:
            units = self._units.get(path)
            if units is None:
                units = self._units[path] = Units([*self.units(path), None])
            found = self._hashes[path, seed] = self.column(path).hand_out(units.hashes(seed))
        return found


class RowBatch(Batch):
    """A batch of contexts as they are.

    Args:
        contexts: Anything; what is no plain dict (None counts as an empty one) is evaluated one by one.
        gathered: Values of attributes that were taken out of them already.

    Attributes:
        asked: Paths of attributes that were asked for.
    """

    def __init__(self, contexts: Sequence[Any], gathered: Mapping[Path, Sequence[Any]] | None = None) -> None:
        super().__init__(len(contexts))
        self.asked: set[Path] = set()
        self._contexts = contexts
        self._gathered = gathered or {}
        self._rows: list[dict[Any, Any]]
        if set(map(type, contexts)) <= {dict}:
            self._rows = contexts  # type: ignore[assignment]
        else:
            self._rows = [context if type(context) is dict else {} for context in contexts]
            self.odd |= np.fromiter(
                (context is not None and type(context) is not dict for context in contexts), np.bool_, self.size
            )

    def context(self, row: int) -> Any:
        """Return a row's evaluation context."""
        return self._contexts[row]

    def _values(self, path: Path) -> Sequence[Any]:
        self.asked.add(path)
        if path in self._gathered:
            return self._gathered[path]
        try:
            return values_at(self._rows, path)
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - foreign mappings may raise anything; now find out which
            return [self._value(row, path) for row in range(self.size)]

    def _value(self, row: int, path: Path) -> Any:
        try:
            return walk(self._rows[row], path if type(path) is tuple else (str(path),))
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001 - as above
            self.odd[row] = True
            return None


def values_at(rows: Sequence[dict[Any, Any]], path: Path) -> list[Any]:
    """Return what lies at a path of each row, None where nothing does."""
    if type(path) is tuple:
        return [walk(row, path) for row in rows]
    return [row.get(path) for row in rows]


class TableBatch(Batch):
    """A batch of contexts by column: plain data, as files have it."""

    def __init__(self, table: Table) -> None:
        super().__init__(table.size)
        self._table = table

    def context(self, row: int) -> dict[str, Any]:
        """Return a row's evaluation context; what is missing is left out."""
        context: dict[str, Any] = {}
        for path in self._table.paths:
            put(context, path, self._table.cell(path, row))
        return context

    def _column(self, path: Path) -> Column:
        steps = path if type(path) is tuple else (str(path),)
        return self._table.column(steps) if steps in self._table.paths else super()._column(path)

    def _values(self, path: Path) -> Sequence[Any]:
        steps = path if type(path) is tuple else (str(path),)
        paths = self._table.paths
        for length in range(len(steps), 0, -1):
            if steps[:length] in paths:
                values = self._table.values(steps[:length])
                rest = steps[length:]
                return values if not rest else [walk({"": value}, ("", *rest)) for value in values]
        inner = [(below[len(steps) :], self._table.values(below)) for below in paths if below[: len(steps)] == steps]
        if not inner:
            return [None] * self.size
        return [_assembled(inner, row) for row in range(self.size)]


def _assembled(inner: Sequence[tuple[tuple[str, ...], Sequence[Any]]], row: int) -> dict[str, Any] | None:
    result: dict[str, Any] = {}
    for path, values in inner:
        put(result, path, values[row])
    return result or None
