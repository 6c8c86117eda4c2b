"""Whether two conditions on one attribute can hold together; True only where they surely can't."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.evaluator.instants import instant_of
from flagctl.evaluator.operators import positive
from flagctl.evaluator.versions import parse_version
from flagctl.lint.compare import same_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.model import AttributeCondition

_NUMBERS = {
    "greater_than": (1, True),
    "greater_or_equal": (1, False),
    "less_than": (-1, True),
    "less_or_equal": (-1, False),
}
_BOUNDS: dict[str, tuple[str, int, bool]] = {
    **{name: ("number", side, strict) for name, (side, strict) in _NUMBERS.items()},
    **{f"semver_{name}": ("version", side, strict) for name, (side, strict) in _NUMBERS.items()},
    "after": ("instant", 1, True),
    "before": ("instant", -1, True),
}
"""Operator to what it orders, whether it bounds from below (1) or above (-1), and whether the bound itself is outside."""

_READ: dict[str, Callable[[Any], Any]] = {
    "number": lambda value: value if isinstance(value, (int, float)) and not isinstance(value, bool) else None,
    "version": lambda value: parse_version(value) if isinstance(value, str) else None,
    "instant": instant_of,
}


def contradicts(left: AttributeCondition, right: AttributeCondition) -> bool:
    """Return whether no value of their attribute fulfils both conditions.

    Known: `exists` against its negation, two sets of constants without a common member, a constant and its negation, and
    intervals that do not meet. Everything else is False.
    """
    return _one_way(left, right) or _one_way(right, left)


def _one_way(left: AttributeCondition, right: AttributeCondition) -> bool:
    (left_name, left_negated), (right_name, right_negated) = positive(left.operator), positive(right.operator)
    if left_name == "exists" and left_negated:
        return not right_negated
    if left_negated:
        return False
    if left.operator in {"equals", "in"}:
        allowed = _members(left)
        if right_name in {"equals", "in"}:
            return _sets_disagree(allowed, right, right_negated, left.ignore_case or right.ignore_case)
        if right_name in _BOUNDS and not right_negated:
            return not left.ignore_case and not any(_inside(value, right) for value in allowed)
    if left_name in _BOUNDS and right_name in _BOUNDS and not right_negated:
        return _intervals_disagree(left, right)
    return False


def _members(condition: AttributeCondition) -> list[Any]:
    value = condition.value
    return value if isinstance(value, list) else [value]


def _sets_disagree(allowed: list[Any], right: AttributeCondition, negated: bool, fold: bool) -> bool:
    if len(allowed) * len(_members(right)) > 10_000:
        return False
    others = _members(right)
    if negated:
        return not right.ignore_case and not fold and all(_among(value, others, fold=False) for value in allowed)
    return not any(_among(value, others, fold=fold) for value in allowed)


def _among(value: Any, others: list[Any], *, fold: bool) -> bool:
    if fold and isinstance(value, str):
        return any(isinstance(other, str) and other.casefold() == value.casefold() for other in others)
    return any(same_value(value, other) for other in others)


def _inside(value: Any, bound: AttributeCondition) -> bool:
    kind, side, strict = _BOUNDS[positive(bound.operator)[0]]
    read, limit = _READ[kind](value), _READ[kind](bound.value)
    if limit is None:
        return True
    if read is None:
        return False
    if read == limit:
        return not strict
    return bool(read > limit) if side > 0 else bool(read < limit)


def _intervals_disagree(left: AttributeCondition, right: AttributeCondition) -> bool:
    kind, side, strict = _BOUNDS[positive(left.operator)[0]]
    other_kind, other_side, other_strict = _BOUNDS[positive(right.operator)[0]]
    if kind != other_kind or (side, other_side) != (1, -1):
        return False
    lower, upper = _READ[kind](left.value), _READ[kind](right.value)
    if lower is None or upper is None:
        return False
    return bool(lower > upper) or (bool(lower == upper) and (strict or other_strict))
