"""What conditions read from a context: each function turns an attribute's value into the form an operator compares.

Every reading returns plain data of exact built-in types, or None for a value the operator does not read. Subclasses
of str, int and float count as their base, and never by methods of their own: those may lie or raise. Python's
``True`` is an int; it is never a number here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from flagctl.evaluator.instants import instant_of
from flagctl.evaluator.networks import parse_address
from flagctl.evaluator.versions import VersionKey, parse_version

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

TRUE_KEY: Final = ("true",)
FALSE_KEY: Final = ("false",)
"""How booleans are told from numbers where scalars of several types are looked up in one set."""


NO_TEXT: Final = "\ud800"
"""Stands for absent or unreadable text in generated code: no valid text equals it, begins or ends with it.

Constants of a bundle are valid Unicode, so that a context which really holds this text gets the same answers.
"""

NO_NUMBER: Final = float("nan")
"""The same for numbers: every comparison with it is false."""


def raw(value: object) -> object:
    """Return the value itself, for operators that look at nothing but presence or a boolean."""
    return value


def text(value: object) -> str | None:
    """Return text as exact `str`, or None."""
    if type(value) is str:
        return value
    return str.__str__(value) if issubclass(type(value), str) else None


def folded(value: object) -> str | None:
    """Return text case-folded, or None."""
    exact = text(value)
    return None if exact is None else exact.casefold()


def number(value: object) -> int | float | None:
    """Return a number that is no boolean as exact `int` or `float` (NaN included), or None."""
    kind = type(value)
    if kind is int or kind is float:
        return value  # type: ignore[return-value]
    if kind is bool:
        return None
    if issubclass(kind, int):
        return int.__int__(value)  # type: ignore[arg-type]
    if issubclass(kind, float):
        return float.__float__(value)  # type: ignore[arg-type]
    return None


def text_or_none(value: object) -> str:
    """Return as :func:`text`, `NO_TEXT` for None."""
    exact = text(value)
    return NO_TEXT if exact is None else exact


def number_or_none(value: object) -> int | float:
    """Return as :func:`number`, `NO_NUMBER` for None."""
    exact = number(value)
    return NO_NUMBER if exact is None else exact


def version(value: object) -> VersionKey | None:
    """Return the precedence key of a version in text, or None."""
    exact = value if type(value) is str else text(value)
    return None if exact is None else parse_version(exact)


def address(value: object) -> tuple[int, int] | None:
    """Return (IP version, address) of an IP address in text, or None."""
    exact = text(value)
    return None if exact is None else parse_address(exact)


instant = instant_of


def scalar(value: object) -> str | float | tuple[str] | None:
    """Return a scalar as a hashable key that equals another's key exactly when `equals` holds, or None."""
    if value is True:
        return TRUE_KEY
    if value is False:
        return FALSE_KEY
    exact = text(value)
    return number(value) if exact is None else exact


def scalar_folded(value: object) -> str | float | tuple[str] | None:
    """Return as :func:`scalar`, text case-folded."""
    key = scalar(value)
    return key.casefold() if type(key) is str else key


def has(value: object, wanted: str | float | tuple[str]) -> bool:
    """Return whether text has the substring or a list the member; `wanted` is a :func:`scalar` key."""
    exact = text(value)
    if exact is not None:
        return type(wanted) is str and wanted in exact
    return any(scalar(member) == wanted for member in members(value))


def has_folded(value: object, wanted: str | float | tuple[str]) -> bool:
    """Return as :func:`has` for text case-folded on both sides."""
    exact = folded(value)
    if exact is not None:
        return type(wanted) is str and wanted in exact
    return any(scalar_folded(member) == wanted for member in members(value))


def has_any(value: object, wanted: frozenset[Any]) -> bool:
    """Return whether a list has at least one of these members."""
    return any(scalar(member) in wanted for member in members(value))


def has_any_folded(value: object, wanted: frozenset[Any]) -> bool:
    """Return as :func:`has_any` for text case-folded on both sides."""
    return any(scalar_folded(member) in wanted for member in members(value))


def has_all(value: object, wanted: frozenset[Any]) -> bool:
    """Return whether a list has all of these members."""
    return wanted.issubset([scalar(member) for member in members(value)])


def has_all_folded(value: object, wanted: frozenset[Any]) -> bool:
    """Return as :func:`has_all` for text case-folded on both sides."""
    return wanted.issubset([scalar_folded(member) for member in members(value)])


def members(value: object) -> Iterator[object]:
    """Iterate over a list, tuple, set or frozenset (or a subclass, by its base's iterator); others have no members."""
    kind = type(value)
    for base, iterate in _ITERATORS:
        if issubclass(kind, base):
            return iterate(value)
    return iter(())


_ITERATORS: Final[tuple[tuple[type, Callable[[Any], Iterator[object]]], ...]] = (
    (list, list.__iter__),
    (tuple, tuple.__iter__),
    (set, set.__iter__),
    (frozenset, frozenset.__iter__),
)


def walk(context: Any, path: tuple[str, ...]) -> object:
    """Return what lies at a path of keys into nested mappings, or None."""
    value = context
    for key in path:
        # The context itself is known to be readable, and may be a `LazyContext`.
        if value is not context and type(value) is not dict and not isinstance(value, Mapping):
            return None
        if key not in value:
            return None
        value = value[key]
    return value


class LazyContext:
    """A mapping that is no plain dict, as compiled flags read it: absent keys raise KeyError, whatever the mapping does.

    Compiled flags subscribe to plain dicts without asking first; a `defaultdict` would make up an attribute then.
    """

    __slots__ = ("_mapping",)

    def __init__(self, mapping: Mapping[Any, Any]) -> None:
        self._mapping = mapping

    def __contains__(self, key: object) -> bool:
        return key in self._mapping

    def __getitem__(self, key: str) -> Any:
        if key in self._mapping:
            return self._mapping[key]
        raise KeyError(key)
