"""Constants of conditions in the one form a bundle has them in, so that a reader needs no second look."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Any, Final

from flagctl.bundle.canonical import canonical_number
from flagctl.evaluator.instants import instant_of
from flagctl.evaluator.networks import parse_network
from flagctl.evaluator.operators import Operator, ValueKind
from flagctl.evaluator.versions import parse_version
from flagctl.model import UNSET

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.model import JsonValue, Unset

MAX_LIST: Final = 100_000
"""Values in a condition's list."""


def normalise_constant(operator: Operator, value: JsonValue | Unset, *, ignore_case: bool) -> Any:
    """Return the constant of a condition as a bundle has it; patterns and operators without a constant excepted.

    Raises:
        ValueError: If the constant does not fit the operator; the message says why.
    """
    if value is UNSET:
        raise ValueError(f"'{operator.name}' needs a value")
    if operator.value is ValueKind.SCALAR:
        return _scalar(value, ignore_case=ignore_case)
    if operator.value is ValueKind.SCALARS:
        if not isinstance(value, list):
            raise ValueError(f"'{operator.name}' needs a list of values")
        return _each(value, lambda item: _scalar(item, ignore_case=ignore_case))
    if operator.value is ValueKind.STRINGS:
        return _each(_listed(value), lambda item: _text(item, ignore_case=ignore_case))
    if operator.value is ValueKind.NUMBER:
        return _number(value)
    if operator.value is ValueKind.SEMVER:
        return canonical_version(value)
    if operator.value is ValueKind.INSTANT:
        return _instant(value)
    return _each(_listed(value), canonical_network)


def canonical_version(value: JsonValue) -> str:
    """Return a version as ``MAJOR.MINOR.PATCH[-PRERELEASE]``.

    >>> canonical_version("v1.2-rc.1+build.5")
    '1.2.0-rc.1'

    Raises:
        ValueError: If the value is no version.
    """
    if not isinstance(value, str) or parse_version(value) is None:
        raise ValueError(f"{value!r} is not a version such as 1.2.3 or 1.2.3-rc.1")
    numbers, dash, prerelease = value.removeprefix("v").partition("+")[0].partition("-")
    missing = 2 - numbers.count(".")
    return numbers + ".0" * missing + dash + prerelease


def canonical_network(value: JsonValue) -> str:
    """Return a network as ``address/length``, an IPv4-mapped one as IPv4.

    >>> canonical_network("::ffff:10.0.0.0/104")
    '10.0.0.0/8'

    Raises:
        ValueError: If the value is no network, or has host bits set.
    """
    parsed = parse_network(value) if isinstance(value, str) else None
    if parsed is None:
        raise ValueError(f"{value!r} is not a network such as 10.0.0.0/8 with all host bits clear")
    version, first, length = parsed
    return f"{IPv4Address(first) if version == 4 else IPv6Address(first)}/{length}"


def _each(values: list[Any], normalise: Callable[[Any], Any]) -> list[Any]:
    if not 1 <= len(values) <= MAX_LIST:
        raise ValueError(f"a list needs 1 to {MAX_LIST:,} values, not {len(values):,}")
    return [normalise(value) for value in values]


def _listed(value: JsonValue) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _scalar(value: JsonValue, *, ignore_case: bool) -> Any:
    if isinstance(value, str):
        return value.casefold() if ignore_case else value
    return value if isinstance(value, bool) else _number(value)


def _text(value: JsonValue, *, ignore_case: bool) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text")  # noqa: TRY004  the model's error, not the caller's
    return value.casefold() if ignore_case else value


def _number(value: JsonValue) -> int | float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is not a number")  # noqa: TRY004  the model's error, not the caller's
    return canonical_number(value)


def _instant(value: JsonValue) -> int:
    microseconds = instant_of(value)
    if microseconds is None:
        raise ValueError(f"{value!r} is not an instant such as 2026-12-01T09:00:00Z")
    return microseconds
