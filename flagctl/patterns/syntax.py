"""The syntax tree of a pattern."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flagctl.patterns.charset import Charset


@dataclass(frozen=True, slots=True)
class Chars:
    """One character out of a set; an empty set never matches."""

    chars: Charset


@dataclass(frozen=True, slots=True)
class Begin:
    """The start of the text."""


@dataclass(frozen=True, slots=True)
class End:
    """The end of the text."""


@dataclass(frozen=True, slots=True)
class Concat:
    """All items after one another; none at all is the empty text."""

    items: tuple[Syntax, ...]


@dataclass(frozen=True, slots=True)
class Alternate:
    """Any one of at least two items."""

    items: tuple[Syntax, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """An item `low` to `high` times; `high` None is without limit."""

    item: Syntax
    low: int
    high: int | None


Syntax = Chars | Begin | End | Concat | Alternate | Repeat
