"""Structural comparison of conditions, routes aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.model import AllOf, AnyOf, AttributeCondition, Not, SegmentCondition

if TYPE_CHECKING:
    from flagctl.model import Condition, Rule


def same_value(left: Any, right: Any) -> bool:
    """Return whether two constants are the same to every operator: 1 is 1.0, but true is not 1."""
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same_value, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same_value(value, right[key]) for key, value in left.items())
    return bool(left == right) and isinstance(left, bool) is isinstance(right, bool)


def same_condition(left: Condition, right: Condition) -> bool:
    """Return whether two conditions say the same, word for word."""
    if isinstance(left, AttributeCondition):
        return (
            isinstance(right, AttributeCondition)
            and left.attribute == right.attribute
            and left.operator == right.operator
            and left.ignore_case == right.ignore_case
            and same_value(left.value, right.value)
        )
    if isinstance(left, SegmentCondition):
        return isinstance(right, SegmentCondition) and left.segment == right.segment
    if isinstance(left, Not):
        return isinstance(right, Not) and same_condition(left.condition, right.condition)
    if isinstance(left, AllOf):
        return isinstance(right, AllOf) and _same_conditions(left.conditions, right.conditions)
    return isinstance(right, AnyOf) and _same_conditions(left.conditions, right.conditions)


def _same_conditions(left: tuple[Condition, ...], right: tuple[Condition, ...]) -> bool:
    return len(left) == len(right) and all(map(same_condition, left, right))


def implies(later: Rule, earlier: Rule) -> bool:
    """Return whether every unit that fulfils `later`'s conditions surely fulfils `earlier`'s, at any instant.

    Exact where the earlier rule has no conditions, the same ones, or some of the later one's; anything subtler is False.
    """
    if earlier.schedule is not None:
        window, other = earlier.schedule, later.schedule
        if other is None or (window.from_ms, window.until_ms) != (other.from_ms, other.until_ms):
            return False
    if not earlier.when:
        return True
    return len(earlier.when) <= len(later.when) and all(
        any(same_condition(wanted, given) for given in later.when) for wanted in earlier.when
    )


def precedes(earlier: Rule, later: Rule | None) -> bool:
    """Return whether every unit that gets to `later` surely fulfilled the conditions of `earlier`, a rule in front of it.

    Args:
        earlier: The rule in front.
        later: Another rule, or None for the default.
    """
    if later is None:
        return not earlier.when and earlier.schedule is None
    return implies(later, earlier)
