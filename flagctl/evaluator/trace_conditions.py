"""Conditions of a trace: whether each holds, with the value that was read.

The same truth table as compiled flags follow, walked step by step: everything is recorded, nothing is skipped, and a
read that raises counts only where the evaluation would have come to it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from flagctl.evaluator.automaton import Automaton
from flagctl.evaluator.buckets import unit_of
from flagctl.evaluator.instants import instant_of
from flagctl.evaluator.networks import parse_address, parse_network
from flagctl.evaluator.operators import positive
from flagctl.evaluator.trace_steps import ConditionStep, Route, Seen, SegmentStep
from flagctl.evaluator.versions import parse_version

if TYPE_CHECKING:
    from flagctl.evaluator.document import Document
    from flagctl.evaluator.lists import ListReader

TARGETING_KEY: Final = "targeting_key"
_LISTS: Final = (list, tuple, set, frozenset)
_RELATIONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "greater_than": lambda left, right: left > right,
    "greater_or_equal": lambda left, right: left >= right,
    "less_than": lambda left, right: left < right,
    "less_or_equal": lambda left, right: left <= right,
    "equal": lambda left, right: left == right,
}


def keys_of(path: str | Sequence[str]) -> tuple[str, ...]:
    """Return a compiled path as keys; a string is one key."""
    return (path,) if isinstance(path, str) else tuple(path)


def read(context: Mapping[Any, Any], path: str | Sequence[str]) -> Seen | None:
    """Return what the context has at a path, null included, or None if nothing.

    Raises:
        Exception: Whatever the context's own code raises.
    """
    value: Any = context
    for key in keys_of(path):
        if not isinstance(value, Mapping) or key not in value:
            return None
        value = value[key]
    return Seen(value)


class ConditionTracer:
    """Evaluates conditions of one document against one context.

    Args:
        document: The bundle.
        context: Any mapping.
        lists: Knows the units of lists; None: nobody does.
    """

    def __init__(self, document: Document, context: Any, lists: ListReader | None = None) -> None:
        self._document = document
        self._lists = lists
        self._context = context

    def all_of(self, conditions: Sequence[Any], route: Route) -> tuple[bool | None, tuple[ConditionStep, ...]]:
        """Return whether all conditions hold, and their steps; the first that does not hold decides."""
        steps = tuple(self.condition(condition, (*route, index)) for index, condition in enumerate(conditions))
        return next((step.held for step in steps if step.held is not True), True), steps

    def condition(self, condition: Mapping[str, Any], route: Route) -> ConditionStep:
        """Return the step of one condition."""
        if "all" in condition:
            held, parts = self.all_of(condition["all"], (*route, "all"))
            return ConditionStep(route=route, kind="all", held=held, parts=parts)
        if "any" in condition:
            parts = tuple(self.condition(part, (*route, "any", i)) for i, part in enumerate(condition["any"]))
            held = next((part.held for part in parts if part.held is not False), False)
            return ConditionStep(route=route, kind="any", held=held, parts=parts)
        if "not" in condition:
            part = self.condition(condition["not"], (*route, "not"))
            held = None if part.held is None else not part.held
            return ConditionStep(route=route, kind="not", held=held, parts=(part,))
        if "segment" in condition:
            segment = self._segment(condition["segment"])
            return ConditionStep(route=route, kind="segment", held=segment.held, segment=segment)
        return self._attribute(condition, route)

    def _segment(self, key: str) -> SegmentStep:
        entry = self._document.segment(key)
        unit = None
        if not entry.keys().isdisjoint(("include", "exclude", "list")):
            try:
                seen = read(self._context, TARGETING_KEY)
                unit = None if seen is None else unit_of(seen.value)
            except Exception:  # noqa: BLE001 - the context is foreign code
                return SegmentStep(key=key, held=None, by="no_match")
            if unit is not None:
                for by in ("exclude", "include"):
                    if unit in entry.get(by, ()):
                        return SegmentStep(key=key, held=by == "include", by=by, unit=unit)
                if "list" in entry and self._lists is not None and self._lists.contains(entry["list"], unit):
                    return SegmentStep(key=key, held=True, by="list", unit=unit)
        if "when" not in entry:
            by = "list_unknown" if "list" in entry and self._lists is None else "no_match"
            return SegmentStep(key=key, held=False, by=by, unit=unit)
        held, steps = self.all_of(entry["when"], ("when",))
        return SegmentStep(key=key, held=held, by="when", unit=unit, conditions=steps)

    def _attribute(self, condition: Mapping[str, Any], route: Route) -> ConditionStep:
        name, negated = positive(condition["operator"])
        seen, held, note = None, None, None
        try:
            seen = read(self._context, condition["attribute"])
            note = _unreadable(name, seen)
            held = (note is None and seen is not None and self._holds(name, seen.value, condition)) is not negated
        except Exception as error:  # noqa: BLE001 - the context and its values are foreign code
            note = f"reading it raised {type(error).__name__}"
        return ConditionStep(
            route=route,
            kind="attribute",
            held=held,
            attribute=keys_of(condition["attribute"]),
            operator=condition["operator"],
            constant=condition.get("value"),
            ignore_case=condition.get("ignore_case"),
            value=seen,
            note=note,
        )

    def _holds(self, name: str, value: Any, condition: Mapping[str, Any]) -> bool:
        """Return whether a positive operator holds for a value that it reads."""
        constant = condition.get("value")
        fold = condition.get("ignore_case") is True
        match name:
            case "exists":
                return True
            case "equals":
                return _equal(value, constant, fold)
            case "in":
                return any(_equal(value, item, fold) for item in constant or ())
            case "contains" if isinstance(value, str):
                return isinstance(constant, str) and constant in _text(value, fold)
            case "contains":
                return _has(value, constant, fold)
            case "contains_any":
                return any(_has(value, item, fold) for item in constant or ())
            case "contains_all":
                return all(_has(value, item, fold) for item in constant or ())
            case "starts_with":
                return _text(value, fold).startswith(tuple(constant or ()))
            case "ends_with":
                return _text(value, fold).endswith(tuple(constant or ()))
            case "matches":
                return Automaton.from_document(self._document.pattern(str(constant))).search(_text(value, fold=False))
        return _ordered(name, value, constant)


def _ordered(name: str, value: Any, constant: Any) -> bool:
    """Return whether an operator over numbers, versions, instants or addresses holds."""
    if name == "in_network":
        return any(_inside(parse_address(str.__str__(value)), parse_network(text)) for text in constant)
    if name in {"before", "after"}:
        instant = instant_of(value)
        return instant is not None and (instant < constant if name == "before" else instant > constant)
    if name.startswith("semver_"):
        relation = _RELATIONS[name.removeprefix("semver_")]
        return relation(parse_version(str.__str__(value)), parse_version(constant))
    return bool(_RELATIONS[name](_exact(value), constant))


def _inside(address: tuple[int, int] | None, network: tuple[int, int, int] | None) -> bool:
    if address is None or network is None or address[0] != network[0]:
        return False
    width = 32 if address[0] == 4 else 128
    return address[1] >> (width - network[2]) == network[1] >> (width - network[2])


def _unreadable(name: str, seen: Seen | None) -> str | None:
    """Say why an operator cannot read a value, or return None if it can."""
    if seen is None:
        return "the context has no such attribute"
    value = seen.value
    if value is None:
        return "the attribute is null"
    if name in {"starts_with", "ends_with", "matches", "in_network"} or name.startswith("semver_"):
        return _unreadable_text(name, value)
    if name in {"contains_any", "contains_all"}:
        return None if isinstance(value, _LISTS) else "not a list"
    if name == "contains":
        return None if isinstance(value, (str, *_LISTS)) else "neither text nor a list"
    if name in {"before", "after"}:
        return "not an instant with a zone" if instant_of(value) is None else None
    if name in {"greater_than", "greater_or_equal", "less_than", "less_or_equal"} and (
        isinstance(value, bool) or not isinstance(value, (int, float)) or _exact(value) != _exact(value)
    ):
        return "not a number"
    return None


def _unreadable_text(name: str, value: Any) -> str | None:
    if not isinstance(value, str):
        return "not text"
    if name == "in_network":
        return "not an IP address" if parse_address(str.__str__(value)) is None else None
    if name.startswith("semver_"):
        return "not a version" if parse_version(str.__str__(value)) is None else None
    return None


def _equal(value: Any, constant: Any, fold: bool) -> bool:
    """Compare within one type; text, numbers and booleans never equal one another."""
    if isinstance(constant, str):
        return isinstance(value, str) and _text(value, fold) == constant
    if isinstance(constant, bool):
        return isinstance(value, bool) and value is constant
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(_exact(value) == constant)


def _has(values: Any, constant: Any, fold: bool) -> bool:
    return any(_equal(value, constant, fold) for value in values)


def _text(value: str, fold: bool) -> str:
    text = str.__str__(value)
    return text.casefold() if fold else text


def _exact(value: Any) -> int | float:
    """Strip a number's subclass, whose comparisons may be anything."""
    return float.__float__(value) if isinstance(value, float) else int.__int__(value)
