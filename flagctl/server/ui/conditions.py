"""Conditions of rules and segments as the form shows them: a tree whose leaves are fields.

What a field cannot show exactly as it is written is shown in words, and stays for the text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.evaluator.operators import NEGATION, OPERATORS, ValueKind, positive
from flagctl.server.ui.condition_values import kind_of, value_text
from flagctl.server.ui.fields import Field
from flagctl.source.editing.render import Style, inline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from flagctl.diagnostics import Route

OPERATOR_NAMES: Final = tuple(name for plain in OPERATORS for name in (plain, NEGATION + plain))
"""All operators, each before its negation."""
_KEYS: Final = frozenset({"attribute", "operator", "value", "ignore_case"})
MOST: Final = 100
"""So many conditions of one file are fields; those behind them are left to the text."""


class ConditionView(NamedTuple):
    """One condition.

    Attributes:
        kind: ``attribute``, ``segment``, ``any``, ``all``, ``not``, or ``odd`` for what has no fields.
        place: Where it stands below `when`, such as ``2.any.0``.
        field: Of a leaf.
        parts: Conditions inside of it.
        shown: What is written, if it is odd.
        why: Why it is odd.
    """

    kind: str
    place: str
    field: Field | None = None
    parts: tuple[ConditionView, ...] = ()
    shown: str = ""
    why: str = ""

    def fields(self) -> Iterator[Field]:
        """Yield the fields of it and of all inside."""
        if self.field is not None:
            yield self.field
        for part in self.parts:
            yield from part.fields()


class Holder(NamedTuple):
    """Whose conditions they are.

    Attributes:
        name: Id of the rule; empty for a segment.
        route: Of its `when`.
        spare: How many conditions may still become fields.
    """

    name: str
    route: Route
    spare: int = MOST


def views(when: Any, holder: Holder) -> tuple[ConditionView, ...]:
    """Return conditions as the form shows them."""
    if not isinstance(when, list):
        return ()
    spare = iter(range(max(holder.spare, 0)))
    return tuple(_view(item, (at,), holder, spare) for at, item in enumerate(when))


def place_of(route: Route) -> str:
    """Return a place below `when` as names of fields have it."""
    return ".".join(map(str, route))


def route_of(place: str) -> Route:
    """Return the route of a place below `when`."""
    return tuple(int(step) if step.isdecimal() else step for step in place.split(".") if step)


def _view(item: Any, route: Route, holder: Holder, spare: Iterator[int]) -> ConditionView:
    place = place_of(route)
    if not isinstance(item, dict):
        return _odd(item, place, "it is no condition")
    for name in ("any", "all"):
        if list(item) == [name] and isinstance(item[name], list):
            inside = tuple(_view(one, (*route, name, at), holder, spare) for at, one in enumerate(item[name]))
            return ConditionView(name, place, parts=inside)
    member = _membership(item)
    if member is None and list(item) == ["not"]:
        return ConditionView("not", place, parts=(_view(item["not"], (*route, "not"), holder, spare),))
    parts, why = _comparison(item) if member is None else (member, "")
    if not why and next(spare, None) is None:
        why = "there are too many conditions for fields"
    if why:
        return _odd(item, place, why)
    kind = "attribute" if member is None else "segment"
    return ConditionView(kind, place, _field(holder, route, parts, kind))


def _odd(item: Any, place: str, why: str) -> ConditionView:
    return ConditionView("odd", place, shown=inline(item, Style()), why=why)


def _field(holder: Holder, route: Route, parts: Mapping[str, str], kind: str) -> Field:
    value = "\n".join(f"{name}={text}" for name, text in parts.items())
    options = tuple((name, name.replace("_", " ")) for name in _operators(parts.get("operator", "")))
    number = f"Condition {'.'.join(str(one + 1) for one in route if isinstance(one, int))}"
    return Field(
        f"when:{place_of(route)}:{holder.name}",
        number,
        value,
        ((*holder.route, *route),),
        "condition" if kind == "attribute" else "membership",
        options if kind == "attribute" else (),
        about=holder.name,
    )


def _operators(name: str) -> Sequence[str]:
    return OPERATOR_NAMES if not name or name in OPERATOR_NAMES else (*OPERATOR_NAMES, name)


def _membership(item: Mapping[str, Any]) -> dict[str, str] | None:
    """Return the parts of a condition about a segment; None if it is another one."""
    inner = item.get("not") if list(item) == ["not"] else item
    if not isinstance(inner, dict) or list(inner) != ["segment"] or not isinstance(inner["segment"], str):
        return None
    return {"member": "in" if inner is item else "not in", "segment": inner["segment"]}


def _comparison(item: Mapping[str, Any]) -> tuple[dict[str, str], str]:
    """Return the parts of a condition about an attribute, and why it has none."""
    attribute, operator = item.get("attribute"), item.get("operator")
    if not isinstance(attribute, str) or not isinstance(operator, str) or not _KEYS.issuperset(item):
        return {}, "the form has no fields for it"
    if not isinstance(item.get("ignore_case", False), bool):
        return {}, "the form has no fields for it"
    if ("value" in item) is not has_value(operator):
        return {}, "its operator and its value don't go together"
    text = value_text(operator, item["value"]) if "value" in item else ""
    if text is None or "\n" in attribute:
        return {}, "its value does not fit into a field"
    return {
        "attribute": attribute,
        "operator": operator,
        "value": text,
        "case": "yes" if item.get("ignore_case") else "",
    }, ""


def has_value(operator: str) -> bool:
    """Return whether an operator compares with something."""
    return kind_of(operator) is not ValueKind.NONE


def may_ignore_case(operator: str) -> bool:
    """Return whether an operator may look past upper and lower case."""
    known = OPERATORS.get(positive(operator)[0])
    return known is not None and known.ignore_case
