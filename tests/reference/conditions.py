"""Whether a condition holds: the truth table, written once more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import re2

from tests.reference import readers


class InvalidContextError(Exception):
    """A read from the context raised."""


MISSING = object()

# RE2 folds case by Unicode and reads UTF-8; our patterns fold ASCII only and read code points, lone surrogates
# included. Stand-ins of a private area take the place of the characters on which that makes a difference.
STAND_INS = {0x212A: 0xF0001, 0x017F: 0xF0002} | {code: 0xF1000 + code for code in range(0xD800, 0xE000)}


def read(context: Mapping[Any, Any], path: str | list[str]) -> Any:
    """Return the value at a path, MISSING if it is absent or null."""
    value: Any = context
    for key in [path] if isinstance(path, str) else path:
        if not isinstance(value, Mapping) or key not in value:
            return MISSING
        value = value[key]
    return MISSING if value is None else value


def kind(value: object) -> str | None:
    """Return the type of a value as conditions see it."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, (int, float)):
        return "number"
    if isinstance(value, str):
        return "string"
    if isinstance(value, (list, tuple, set, frozenset)):
        return "list"
    return None


def equal(value: Any, constant: Any, fold: bool) -> bool:
    """Compare a context value with a constant: never across types, NaN with nothing."""
    if kind(value) != kind(constant):
        return False
    left, right = readers.plain(value), readers.plain(constant)
    if fold and isinstance(left, str):
        return left.casefold() == right.casefold()
    return left == right


def member(values: Any, constant: Any, fold: bool) -> bool:
    return any(equal(value, constant, fold) for value in values)


def text_test(value: Any, fold: bool, test: Callable[[str, str], bool], constants: list[str]) -> bool:
    text = readers.plain(value)
    if fold:
        text, constants = text.casefold(), [constant.casefold() for constant in constants]
    return any(test(text, constant) for constant in constants)


def compare(operator: str, left: Any, right: Any) -> bool:
    if operator.endswith("greater_than"):
        return bool(left > right)
    if operator.endswith("greater_or_equal"):
        return bool(left >= right)
    if operator.endswith("less_than"):
        return bool(left < right)
    if operator.endswith("less_or_equal"):
        return bool(left <= right)
    return bool(left == right)


PATTERNS: dict[str, Any] = {}


def found(pattern: str, text: str) -> bool:
    if pattern not in PATTERNS:
        PATTERNS[pattern] = re2.compile(pattern)
    return PATTERNS[pattern].search(text.translate(STAND_INS)) is not None


def positive(operator: str, value: Any, constant: Any, fold: bool) -> bool:
    """Whether an operator without `not_` holds for a value that is present."""
    is_text = kind(value) == "string"
    match operator:
        case "exists":
            return True
        case "equals":
            return equal(value, constant, fold)
        case "in":
            return any(equal(value, item, fold) for item in constant)
        case "contains" if is_text:
            return kind(constant) == "string" and text_test(value, fold, lambda a, b: b in a, [constant])
        case "contains":
            return kind(value) == "list" and member(value, constant, fold)
        case "contains_any":
            return kind(value) == "list" and any(member(value, item, fold) for item in constant)
        case "contains_all":
            return kind(value) == "list" and all(member(value, item, fold) for item in constant)
        case "starts_with":
            return is_text and text_test(value, fold, str.startswith, constant)
        case "ends_with":
            return is_text and text_test(value, fold, str.endswith, constant)
        case "matches":
            return is_text and found(constant, readers.plain(value))
        case "greater_than" | "greater_or_equal" | "less_than" | "less_or_equal":
            number = readers.plain(value)
            # Only NaN differs from itself.
            return kind(value) == "number" and number == number and compare(operator, number, constant)  # noqa: PLR0124
        case "before" | "after":
            instant = readers.instant(value)
            return instant is not None and (instant < constant if operator == "before" else instant > constant)
        case "in_network":
            address = readers.address(readers.plain(value)) if is_text else None
            return address is not None and any(
                network.version == address.version and address in network for network in map(readers.network, constant)
            )
        case _ if operator.startswith("semver_"):
            version = readers.version(readers.plain(value)) if is_text else None
            return version is not None and compare(operator, version, readers.version(constant))
        case _:
            raise AssertionError(operator)


def attribute_holds(condition: Mapping[str, Any], context: Mapping[Any, Any]) -> bool:
    operator = condition["operator"]
    negated = operator.startswith("not_")
    value = read(context, condition["attribute"])
    fold = condition.get("ignore_case", False)
    holds = value is not MISSING and positive(operator.removeprefix("not_"), value, condition.get("value"), fold)
    return holds is not negated
