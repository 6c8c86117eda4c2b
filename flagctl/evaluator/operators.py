"""The operators of conditions: one table that the schema, the linter, the compiler and the evaluator share.

Every operator has a twin with the prefix ``not_`` that is exactly its negation, missing attributes included.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final


class ValueKind(Enum):
    """What an operator compares with."""

    NONE = "none"
    SCALAR = "scalar"
    SCALARS = "scalars"
    STRINGS = "strings"
    """One string or a list of strings."""
    PATTERN = "pattern"
    NUMBER = "number"
    SEMVER = "semver"
    INSTANT = "instant"
    """RFC 3339 text with a zone, or epoch seconds."""
    NETWORKS = "networks"
    """One CIDR or a list of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One positive operator.

    Attributes:
        name: As flag files write it.
        value: What it compares with.
        reads: Declared attribute types it fits (`flagctl.model.AttributeType` values).
        ignore_case: Whether ``ignore_case: true`` may go with it.
        summary: What it says, for docs and editor hints.
    """

    name: str
    value: ValueKind
    reads: frozenset[str]
    summary: str
    ignore_case: bool = False


_TEXT = frozenset({"string", "semver", "ip", "datetime"})
_ANY_SCALAR = frozenset({"string", "number", "boolean", "semver", "datetime", "ip"})
_EVERYTHING = _ANY_SCALAR | {"list", "object"}

_TABLE = (
    Operator(
        name="equals", value=ValueKind.SCALAR, reads=_ANY_SCALAR, ignore_case=True, summary="equal, of the same type"
    ),
    Operator(name="in", value=ValueKind.SCALARS, reads=_ANY_SCALAR, ignore_case=True, summary="equal to any of a list"),
    Operator(
        name="contains",
        value=ValueKind.SCALAR,
        reads=_TEXT | {"list"},
        ignore_case=True,
        summary="a string has the substring, a list has the member",
    ),
    Operator(
        name="contains_any",
        value=ValueKind.SCALARS,
        reads=frozenset({"list"}),
        ignore_case=True,
        summary="the list has at least one of these members",
    ),
    Operator(
        name="contains_all",
        value=ValueKind.SCALARS,
        reads=frozenset({"list"}),
        ignore_case=True,
        summary="the list has all of these members",
    ),
    Operator(
        name="starts_with", value=ValueKind.STRINGS, reads=_TEXT, ignore_case=True, summary="starts with any of these"
    ),
    Operator(
        name="ends_with", value=ValueKind.STRINGS, reads=_TEXT, ignore_case=True, summary="ends with any of these"
    ),
    Operator(
        name="matches", value=ValueKind.PATTERN, reads=_TEXT, summary="the pattern is found anywhere (anchor with ^ $)"
    ),
    Operator(name="greater_than", value=ValueKind.NUMBER, reads=frozenset({"number"}), summary="number >"),
    Operator(name="greater_or_equal", value=ValueKind.NUMBER, reads=frozenset({"number"}), summary="number ≥"),
    Operator(name="less_than", value=ValueKind.NUMBER, reads=frozenset({"number"}), summary="number <"),
    Operator(name="less_or_equal", value=ValueKind.NUMBER, reads=frozenset({"number"}), summary="number ≤"),
    Operator(
        name="semver_equal",
        value=ValueKind.SEMVER,
        reads=frozenset({"semver", "string"}),
        summary="version precedence =",
    ),
    Operator(
        name="semver_greater_than",
        value=ValueKind.SEMVER,
        reads=frozenset({"semver", "string"}),
        summary="version precedence >",
    ),
    Operator(
        name="semver_greater_or_equal",
        value=ValueKind.SEMVER,
        reads=frozenset({"semver", "string"}),
        summary="version precedence ≥",
    ),
    Operator(
        name="semver_less_than",
        value=ValueKind.SEMVER,
        reads=frozenset({"semver", "string"}),
        summary="version precedence <",
    ),
    Operator(
        name="semver_less_or_equal",
        value=ValueKind.SEMVER,
        reads=frozenset({"semver", "string"}),
        summary="version precedence ≤",
    ),
    Operator(
        name="before",
        value=ValueKind.INSTANT,
        reads=frozenset({"datetime", "string", "number"}),
        summary="strictly before the instant",
    ),
    Operator(
        name="after",
        value=ValueKind.INSTANT,
        reads=frozenset({"datetime", "string", "number"}),
        summary="strictly after the instant",
    ),
    Operator(
        name="in_network",
        value=ValueKind.NETWORKS,
        reads=frozenset({"ip", "string"}),
        summary="the IP address lies in any of these networks",
    ),
    Operator(name="exists", value=ValueKind.NONE, reads=_EVERYTHING, summary="present and not null"),
)

OPERATORS: Final[dict[str, Operator]] = {operator.name: operator for operator in _TABLE}
"""Positive operators by name, in documentation order."""

NEGATION: Final = "not_"
"""Prefix of an operator's negated twin."""


def positive(name: str) -> tuple[str, bool]:
    """Split an operator as written into its positive name and whether it is negated.

    >>> positive("not_in")
    ('in', True)
    """
    if name.startswith(NEGATION):
        return name[len(NEGATION) :], True
    return name, False
