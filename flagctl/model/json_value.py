"""Types of plain data."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

Scalar = str | int | float | bool
"""A value a condition can compare with."""

JsonValue = Any
"""None, bool, int, float, str, or lists and str-keyed dicts of these, as the YAML loader makes them."""


class Unset(Enum):
    """Type of :data:`UNSET`, so that ``value: null`` and no `value` differ."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET
