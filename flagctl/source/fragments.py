"""What of a broken document can be checked in the same pass: all but the smallest parts around what is wrong.

`flagctl.source.prune` cuts a wrong condition's whole rule, because a rule without one of its conditions would be another
rule. But a typo in one condition says nothing about the version in the next one, or about the share below. A fragment keeps
these. It is nobody's flag: only rules of lint that look at one part at a time may see it.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any, Final

from flagctl.source.builder.flags import build_flag
from flagctl.source.builder.others import build_experiment, build_segment
from flagctl.source.builder.site import PRUNED, Site

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from flagctl.diagnostics import Diagnostic, Route
    from flagctl.model import Experiment, Flag, Segment
    from flagctl.source.document import SourceDocument

_BUILDERS: Final[dict[str, Callable[[Site, dict[str, Any]], Any]]] = {
    "flag": build_flag,
    "segment": build_segment,
    "experiment": build_experiment,
}
"""Kinds of which a part makes sense without the others."""

_VITAL: Final = {
    "flag": frozenset({"kind", "type", "variants", "value"}),
    "segment": frozenset({"kind"}),
    "experiment": frozenset({"kind", "flag", "status", "variants"}),
}
"""Top-level keys without which the rest says nothing."""

_MOST_ROUNDS: Final = 3
"""Conversions can find fault with what the schema let pass; there is nothing left to find after that."""

_TYPES: Final = {str: "string", bool: "boolean", int: "number", float: "number", dict: "json", list: "json"}
"""Types of flags, by what their values are."""

_INNER: Final = frozenset({"lifecycle", "schedule"})
"""Mappings of a flag whose keys stand for themselves."""


def build_fragment(
    kind: str, document: SourceDocument, data: dict[str, Any], routes: Sequence[Route]
) -> tuple[Experiment | Flag | Segment | None, list[Diagnostic]]:
    """Build what is left of a document without the parts at `routes`.

    Args:
        kind: Of the document.
        document: It.
        data: Its data with typos corrected.
        routes: Places in `data` that are wrong.

    Returns:
        The fragment, None if too little is left; and what conversions found wrong in it.
    """
    if kind not in _BUILDERS:
        return None, []
    data = copy.deepcopy(data)
    findings: list[Diagnostic] = []
    if () in routes and _supply(kind, document, data):
        routes = [route for route in routes if route]
    for _ in range(_MOST_ROUNDS):
        _fill_in(document, data)
        if not all(_cut(kind, data, route) for route in routes):
            return None, findings
        site = Site(document)
        built: Experiment | Flag | Segment = _BUILDERS[kind](site, data)
        if not site.findings:
            return built, findings
        findings.extend(site.findings)
        routes = [finding.route for finding in site.findings]
    return None, findings


def _supply(kind: str, document: SourceDocument, data: dict[str, Any]) -> bool:
    """Put in vital keys that are missing where the rest leaves no doubt about them; return whether all are there now."""
    if "key" not in data:
        data["key"] = _stem(document)
    if kind == "flag":
        if "type" not in data and (found := _type_of(_values(data))) is not None:
            data["type"] = found
        return "type" in data and (data["type"] == "boolean" or "variants" in data or "value" in data)
    if kind == "experiment":
        data.setdefault("status", "draft")
        return {"flag", "variants"} <= data.keys()
    return bool({"include", "members", "when"} & data.keys())


def _values(data: dict[str, Any]) -> Iterator[Any]:
    """Yield all values that a flag's file says it serves."""
    variants = data.get("variants")
    yield from variants.values() if isinstance(variants, dict) else ()
    environments = data.get("environments")
    for part in (data, *(environments.values() if isinstance(environments, dict) else ())):
        if not isinstance(part, dict):
            continue
        rules = part.get("rules")
        for item in (part, *(rules if isinstance(rules, list) else ())):
            if isinstance(item, dict) and "value" in item:
                yield item["value"]


def _type_of(values: Iterable[Any]) -> str | None:
    """Return the type that all values have; None if there is no value, or several types."""
    names = {_TYPES.get(type(value)) for value in values}
    return names.pop() if len(names) == 1 else None


def _stem(document: SourceDocument) -> str:
    return document.path.rpartition("/")[2].rpartition(".")[0]


def _fill_in(document: SourceDocument, data: dict[str, Any]) -> None:
    """Give names to what has none: findings about the rest need them."""
    if not isinstance(data.get("key"), str):
        data["key"] = _stem(document)
    for rules in (data.get("rules"), *_overridden(data)):
        for position, rule in enumerate(rules if isinstance(rules, list) else ()):
            if isinstance(rule, dict):
                rule.setdefault("id", f"number {position + 1}")


def _overridden(data: dict[str, Any]) -> list[Any]:
    environments = data.get("environments")
    parts = environments.values() if isinstance(environments, dict) else ()
    return [part.get("rules") for part in parts if isinstance(part, dict)]


def _cut(kind: str, data: dict[str, Any], route: Route) -> bool:
    """Cut the part at `route` out of `data`; return whether the rest still means anything."""
    if not route or route[0] in _VITAL[kind]:
        return False
    if route[0] == "key":
        return len(route) == 1 and isinstance(data["key"], str)
    if kind == "segment" and route[0] == "when":
        _cut_conditions(data, route[1:])
        return True
    if kind == "flag" and route[0] == "environments" and len(route) > 2:
        environments = data.get("environments")
        if isinstance(environments, dict) and isinstance(environments.get(route[1]), dict):
            _cut_part(environments[route[1]], route[2:])
        return True
    _cut_part(data, route)
    return True


def _cut_part(part: dict[str, Any], route: Route) -> None:
    """Cut out of a flag, or of what an environment overrides."""
    name = str(route[0])
    inner: Any = part.get(name)
    if len(route) == 1 or name not in {"environments", "rules", "prerequisites", "targets", *_INNER}:
        part.pop(name, None)
    elif _has(inner, route[1]):
        if name == "rules" and isinstance(inner[route[1]], dict):
            _cut_rule(inner[route[1]], route[2:], route[1])
        else:
            inner[route[1]] = PRUNED
    elif isinstance(inner, dict):
        inner.pop(route[1], None)
    else:
        part.pop(name, None)


def _cut_rule(rule: dict[str, Any], route: Route, position: Any) -> None:
    # What a strategy stands for depends on all of its rule.
    if not route or route[0] != "when":
        rule.pop("strategy", None)
    if not route:
        return
    if route[0] == "when":
        _cut_conditions(rule, route[1:])
    elif route[0] == "id":
        rule["id"] = f"number {position + 1}"
    elif route[0] == "schedule" and len(route) > 1 and isinstance(rule.get("schedule"), dict):
        rule["schedule"].pop(route[1], None)
    else:
        rule.pop(str(route[0]), None)


def _cut_conditions(owner: dict[str, Any], route: Route) -> None:
    """Cut the innermost condition around `route` in the list `when` of a rule or segment; the others keep their places."""
    holder: Any = owner.get("when")
    if not route or not _has(holder, route[0]):
        owner.pop("when", None)
        return
    step: Any = route[0]
    rest = route[1:]
    while rest and isinstance(holder[step], dict):
        condition = holder[step]
        if rest[0] == "not" and isinstance(condition.get("not"), dict) and len(rest) > 1:
            holder, step, rest = condition, "not", rest[1:]
        elif rest[0] in {"any", "all"} and len(rest) > 1 and _has(condition.get(rest[0]), rest[1]):
            holder, step, rest = condition[rest[0]], rest[1], rest[2:]
        else:
            break
    holder[step] = _rest_of(holder[step], rest)


def _has(items: Any, position: Any) -> bool:
    """Return whether a list has an item; a route may come from another list, whose key is there twice."""
    return isinstance(items, list) and isinstance(position, int) and position < len(items)


def _rest_of(condition: Any, route: Route) -> dict[str, Any]:
    """Return what a wrong condition still says: which attribute it reads, or nothing."""
    if isinstance(condition, dict) and set(condition) <= {"attribute", "operator", "value", "ignore_case"}:
        attribute = condition.get("attribute")
        if route[:1] != ("attribute",) and isinstance(attribute, (str, list)):
            return {"attribute": attribute, "operator": "exists"}
    return {"any": []}
