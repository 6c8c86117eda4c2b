"""One attribute of all rows: its distinct values, and which row has which.

What a condition asks of an attribute depends on its value alone, so it is asked once for each distinct value, of the evaluator's own
functions, and the answers are handed out to the rows. That absent and null attributes are the same to every operator is the
evaluator's law; here both are None.
"""

from __future__ import annotations

import marshal
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from flagctl.population.addresses import Addresses

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

_SCALARS: Final = (str, bool, int, float)
_MOST_DISTINCT: Final = 0.5
"""Share of distinct values from which telling them apart costs more than asking for each row."""


class Column:
    """The values of one attribute.

    Attributes:
        distinct: Values that occur, None left out. Equal ones of one built-in type are one entry; each foreign
            object is an entry of its own.
        codes: Position in `distinct` of each row's value, -1 for None; None if row and position are the same.
        kind: The exact type of all values, or None if there are several.
    """

    __slots__ = ("_addresses", "_folded", "codes", "distinct", "kind")

    def __init__(self, values: Sequence[Any]) -> None:
        self._addresses: Addresses | None = None
        self._folded: list[str] | None = None
        kinds = set(map(type, values))
        has_none = type(None) in kinds
        kinds.discard(type(None))
        self.kind: type | None = next(iter(kinds)) if len(kinds) == 1 else None
        self.distinct: list[Any]
        self.codes: NDArray[np.int64] | None
        if not kinds:
            self.distinct, self.codes = [], np.full(len(values), -1, np.int64)
        elif self.kind in _SCALARS:
            self._tell_apart_plain(values, has_none)
        elif self.kind is not list or not self._tell_apart_lists(values):
            self._tell_apart(values)

    def _tell_apart_plain(self, values: Sequence[Any], has_none: bool) -> None:
        """Tell values of one type apart that compare as they look."""
        places: dict[Any, int] = dict.fromkeys(values, 0)
        if not has_none and len(places) > _MOST_DISTINCT * len(values):
            self.distinct, self.codes = list(values), None
            return
        places.pop(None, None)
        self.distinct = list(places)
        places = dict(zip(self.distinct, range(len(self.distinct)), strict=True))
        if has_none:
            places[None] = -1
        self.codes = np.fromiter(map(places.__getitem__, values), np.int64, len(values))

    def _tell_apart_lists(self, values: Sequence[Any]) -> bool:
        """Tell lists of plain data apart; return whether all are."""
        try:
            keys = [None if value is None else marshal.dumps(value, 2) for value in values]
        except ValueError:
            return False
        kept = {key: value for key, value in zip(keys, values, strict=True) if key is not None}
        places: dict[bytes | None, int] = dict(zip(kept, range(len(kept)), strict=True))
        places[None] = -1
        self.distinct = list(kept.values())
        self.codes = np.fromiter(map(places.__getitem__, keys), np.int64, len(values))
        return True

    def _tell_apart(self, values: Sequence[Any]) -> None:
        """Tell values of any types apart."""
        places: dict[Any, int] = {}
        distinct: list[Any] = []
        codes: list[int] = []
        for value in values:
            identity = _identity(value)
            place = -1
            if value is not None:
                place = len(distinct) if identity is None else places.setdefault(identity, len(distinct))
                if place == len(distinct):
                    distinct.append(value)
            codes.append(place)
        self.distinct, self.codes = distinct, np.array(codes, np.int64)

    @classmethod
    def encoded(cls, distinct: list[Any], codes: NDArray[np.int64]) -> Column:
        """Return a column whose distinct values were told apart already; see the attributes."""
        column = cls(())
        column.distinct, column.codes = distinct, codes
        kinds = set(map(type, distinct))
        column.kind = kinds.pop() if len(kinds) == 1 else None
        return column

    @property
    def folded(self) -> list[str]:
        """The distinct values of a column of text, case-folded."""
        if self._folded is None:
            self._folded = list(map(str.casefold, self.distinct))
        return self._folded

    @property
    def addresses(self) -> Addresses:
        """The IP addresses in the distinct values of a column of text."""
        if self._addresses is None:
            self._addresses = Addresses(self.distinct)
        return self._addresses

    def hand_out(self, answers: NDArray[Any]) -> NDArray[Any]:
        """Return each row's answer.

        Args:
            answers: Shape ``(len(distinct) + 1,)``: one for each distinct value, then the one for None.
        """
        if self.codes is None:
            return answers[:-1]
        return answers[self.codes]

    def rows_with(self, places: Sequence[int]) -> NDArray[np.bool_]:
        """Return which rows have one of some distinct values, given by their positions."""
        marked = np.zeros(len(self.distinct) + 1, np.bool_)
        marked[list(places)] = True
        return self.hand_out(marked)

    def ask(self, question: Callable[[Any], Any], default: Any) -> tuple[list[Any], list[int]]:
        """Ask something of every distinct value.

        Args:
            question: A function of a value; it may raise.
            default: The answer for values on which it raises.

        Returns:
            The answers, and the positions of values on which it raised.
        """
        try:
            return list(map(question, self.distinct)), []
        except MemoryError:
            raise
        except Exception:  # noqa: BLE001, S110 - foreign values may raise anything; now find out which
            pass
        answers: list[Any] = []
        raised: list[int] = []
        for place, value in enumerate(self.distinct):
            try:
                answers.append(question(value))
            except MemoryError:
                raise
            except Exception:  # noqa: BLE001 - as above
                answers.append(default)
                raised.append(place)
        return answers, raised


def _identity(value: Any) -> Any:
    """Return a key that two values share only if no operator can tell them apart, or None for a value of its own.

    The bytes of `marshal` tell all built-in types apart, are made in a fraction of a microsecond even for nested data, and
    are refused for everything else. Where they differ for equal data, something is asked twice.
    """
    kind = type(value)
    if kind in _SCALARS:
        return (kind, value)
    try:
        return marshal.dumps(value, 2)
    except ValueError:
        return None
