"""Conditions of rules and segments.

Every condition looks at one attribute and constants, never at two attributes: the review's proofs rest on that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flagctl.model.json_value import UNSET, JsonValue, Unset

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from flagctl.diagnostics import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeCondition:
    """Compare one attribute with constants.

    Attributes:
        attribute: Path of keys into the context; ``("device", "os")`` walks into nested objects.
        operator: Name in `flagctl.evaluator.operators.OPERATORS`, possibly with the prefix ``not_``.
        value: Constant as written, or UNSET for operators without one.
        ignore_case: Compare by Unicode casefold.
        route: Where it stands in its file.
    """

    attribute: tuple[str, ...]
    operator: str
    value: JsonValue | Unset = UNSET
    ignore_case: bool = False
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentCondition:
    """Holds for members of a segment."""

    segment: str
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AllOf:
    """Holds when every part does."""

    conditions: tuple[Condition, ...]
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnyOf:
    """Holds when at least one part does."""

    conditions: tuple[Condition, ...]
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """Holds when its part does not."""

    condition: Condition
    route: Route = ()


Condition = AttributeCondition | SegmentCondition | AllOf | AnyOf | Not


def walk_conditions(conditions: Iterable[Condition]) -> Iterator[Condition]:
    """Yield every condition and every condition inside it, outer ones first, in the order written."""
    for condition in conditions:
        yield condition
        if isinstance(condition, (AllOf, AnyOf)):
            yield from walk_conditions(condition.conditions)
        elif isinstance(condition, Not):
            yield from walk_conditions((condition.condition,))
