"""When two pieces of the model mean the same."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from flagctl.bundle.canonical import canonical_json
from flagctl.model import UNSET, AttributeCondition

_NO_MEANING = frozenset({"route", "path", "description", "strategy"})
_SETS = frozenset(
    {"in", "contains_any", "contains_all", "starts_with", "ends_with", "in_network"}
)  # a list of constants whose order and repetitions don't matter


def json_meaning(data: Any) -> Any:
    """Return something that is equal for JSON values that mean the same: ``1`` and ``1.0`` do, ``1`` and ``true`` don't."""
    return UNSET if data is UNSET else canonical_json(data)


def meaning(item: Any) -> Any:
    """Return a hashable image of a piece of the model that leaves out where it stands and what it is called.

    Two pieces with equal images give equal answers.
    """
    if isinstance(item, AttributeCondition):
        return _attribute_condition(item)
    if isinstance(item, Enum):
        return item
    if is_dataclass(item) and not isinstance(item, type):
        parts = ((f.name, getattr(item, f.name)) for f in fields(item) if f.name not in _NO_MEANING)
        return (
            type(item).__name__,
            *(json_meaning(part) if name in {"value", "value_schema"} else meaning(part) for name, part in parts),
        )
    if isinstance(item, tuple):
        return tuple(meaning(part) for part in item)
    return item


def _attribute_condition(item: AttributeCondition) -> Any:
    name = item.operator.removeprefix("not_")
    value: Any = json_meaning(item.value)
    if name in _SETS:
        listed = item.value if isinstance(item.value, list) else [item.value]
        value = frozenset(json_meaning(part) for part in listed)
    return (item.attribute, item.operator, value, item.ignore_case)
