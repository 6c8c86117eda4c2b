"""Conditions of rules and segments as a bundle has them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.compiler.constants import normalise_constant
from flagctl.compiler.scope import path_document
from flagctl.evaluator.operators import OPERATORS, ValueKind, positive
from flagctl.model import UNSET, AllOf, AnyOf, AttributeCondition, Not
from flagctl.patterns import PatternError, compile_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagctl.compiler.scope import Place, Scope
    from flagctl.diagnostics import Route
    from flagctl.model import Condition, JsonValue, Unset


def condition_documents(conditions: Iterable[Condition], place: Place, scope: Scope) -> list[dict[str, Any]]:
    """Return conditions as a bundle has them, and note the segments, patterns and operators they use.

    Raises:
        FindingsError: If a condition cannot be compiled.
    """
    return [_condition(condition, place, scope) for condition in conditions]


def _condition(condition: Condition, place: Place, scope: Scope) -> dict[str, Any]:
    if isinstance(condition, AttributeCondition):
        return _attribute(condition, place, scope)
    if isinstance(condition, Not):
        return {"not": _condition(condition.condition, place, scope)}
    if isinstance(condition, (AllOf, AnyOf)):
        if not condition.conditions:
            place.refuse(condition.route, "the list of conditions is empty")
        name = "all" if isinstance(condition, AllOf) else "any"
        return {name: condition_documents(condition.conditions, place, scope)}
    if condition.segment not in scope.repository.segments:
        place.refuse(condition.route, f"there is no segment '{condition.segment}'")
    scope.segments[condition.segment] = None
    scope.capabilities.add("segments")
    return {"segment": condition.segment}


def _attribute(condition: AttributeCondition, place: Place, scope: Scope) -> dict[str, Any]:
    name, _ = positive(condition.operator)
    operator = OPERATORS.get(name)
    if operator is None:
        place.refuse(condition.route, f"there is no operator '{condition.operator}'")
    if not condition.attribute:
        place.refuse(condition.route, "the attribute's path is empty")
    scope.capabilities.add(f"operator:{name}")
    document: dict[str, Any] = {"attribute": path_document(condition.attribute), "operator": condition.operator}
    if condition.ignore_case:
        if not operator.ignore_case:
            place.refuse(condition.route, f"ignore_case does not go with '{condition.operator}'")
        document["ignore_case"] = True
    route = (*condition.route, "value")
    if operator.value is ValueKind.NONE:
        if condition.value is not UNSET:
            place.refuse(route, f"'{condition.operator}' takes no value")
        return document
    if operator.value is ValueKind.PATTERN:
        document["value"] = _pattern(condition.value, route, place, scope)
        return document
    try:
        document["value"] = normalise_constant(operator, condition.value, ignore_case=condition.ignore_case)
    except ValueError as error:
        place.refuse(route, str(error))
    return document


def _pattern(value: JsonValue | Unset, route: Route, place: Place, scope: Scope) -> str:
    if not isinstance(value, str):
        place.refuse(route, "a pattern is text")
    if value not in scope.patterns:
        try:
            scope.patterns[value] = compile_pattern(value).to_document()
        except PatternError as error:
            place.refuse(route, f"in the pattern, at character {error.position + 1}: {error.message}")
    scope.capabilities.add("patterns")
    return value
