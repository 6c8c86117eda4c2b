"""Schema errors in people's words.

A document that the fast validator refuses comes here. Misspelt keys and choices are first corrected in a copy, and the copy
is checked again: one typo gives one finding, and what stands below a misspelt key is checked in the same pass.
"""

from __future__ import annotations

import copy
from collections import deque
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft7Validator, ValidationError
from jsonschema.validators import extend

from flagctl.diagnostics import Applicability
from flagctl.source.document import Detail
from flagctl.source.messages import KeyNameError, conflicting_key, message_of
from flagctl.source.schemas import schema
from flagctl.source.words import ALIASES, OPERATOR_ALIASES, close_matches, quoted, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.diagnostics import Diagnostic, Route
    from flagctl.source.document import SourceDocument

_UNKNOWN_KEY: Final = "additionalProperties"
_FORBIDDEN: Final = "forbidden"
_MOST_FINDINGS: Final = 100
"""Of one file; a file of another product's format has hundreds, and nobody reads them."""

_RESERVED: Final = {
    "bucketing": "other products' bucketing recipes are not supported yet; every flag uses flagctl's own"
}


@dataclass(slots=True)
class Explanation:
    """What is wrong with a document's shape.

    Attributes:
        diagnostics: In the order found.
        data: Copy of the document's data in which typos are corrected.
        routes: Places in `data` that remain wrong.
    """

    diagnostics: list[Diagnostic] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)


@dataclass(slots=True)
class _Repairs:
    """Corrections made in the copy: new key's route to the key as written."""

    renamed: dict[Route, str] = field(default_factory=dict)
    count: int = 0

    def written(self, route: Route) -> Route:
        """Translate a route of the copy into one of the document."""
        result: Route = ()
        for position, step in enumerate(route):
            result = (*result, self.renamed.get(route[: position + 1], step))
        return result


def explain(document: SourceDocument, name: str, ignore: tuple[Route, ...] = ()) -> Explanation:
    """Return what breaks the schema `name`.

    Args:
        document: With data.
        name: Of the schema.
        ignore: Routes whose value is known to be wrong already.
    """
    data = copy.deepcopy(document.data) or {}
    result = Explanation(data=data)
    repairs = _Repairs()
    errors = list(_validator(name).iter_errors(document.data))
    for error in errors:
        route = tuple(error.absolute_path)
        if not _is_below(route, ignore) and _repair(error, data, repairs):
            result.diagnostics.append(_tell(document, error, route))
            repairs.count += 1
    if repairs.count:
        errors = list(_validator(name).iter_errors(data))
    for error in _without_echoes(errors):
        route = tuple(error.absolute_path)
        written = repairs.written(route)
        if _is_below(written, ignore):
            continue
        result.routes.append(route)
        if len(result.diagnostics) < _MOST_FINDINGS:
            result.diagnostics.append(_tell(document, error, written))
    for route, key in repairs.renamed.items():
        document.alias(repairs.written(route[:-1]), key, str(route[-1]))
    return result


def _is_below(route: Route, bad: tuple[Route, ...]) -> bool:
    """Return whether `route` lies in, or around, a value that is known to be wrong."""
    return any(route[: len(other)] == other or other[: len(route)] == route for other in bad)


def _tell(document: SourceDocument, error: ValidationError, route: Route) -> Diagnostic:
    if error.validator == _UNKNOWN_KEY:
        return _unknown_key(document, error, route)
    if error.validator == "enum":
        return _wrong_choice(document, error, route)
    code, message, detail = message_of(document, error, route)
    return document.finding(code, message, route, detail)


def _without_echoes(errors: list[ValidationError]) -> Iterator[ValidationError]:
    """Drop findings that only repeat another one about the same place, such as a wrong type that is no choice either."""
    wrong_type = {tuple(error.absolute_path) for error in errors if error.validator == "type"}
    in_conflict = {tuple(error.absolute_path)[:-1] for error in errors if error.validator == _FORBIDDEN}
    seen: set[tuple[Route, str]] = set()
    for error in errors:
        route = tuple(error.absolute_path)
        if error.validator in {"enum", "const", "pattern"} and route in wrong_type:
            continue
        if error.validator == "required" and route in in_conflict:
            continue
        if error.validator == _FORBIDDEN and not _is_second(error):
            continue
        subject = (route, f"{error.validator}{error.validator_value if error.validator == 'required' else ''}")
        if subject not in seen:
            seen.add(subject)
            yield error


def _is_second(error: ValidationError) -> bool:
    """Of two keys that exclude each other only the second one written is reported."""
    keys = list(error.instance)
    other = conflicting_key(error)
    return other not in keys or keys.index(other) < keys.index(error.path[-1])


def _repair(error: ValidationError, data: Any, repairs: _Repairs) -> bool:
    """Correct a misspelt key or choice in `data`; return whether that was possible."""
    route: Route = tuple(error.absolute_path)
    if error.validator not in {_UNKNOWN_KEY, "enum"} or not route:
        return False
    parent = data
    for step in route[:-1]:
        try:
            parent = parent[step]
        except (KeyError, IndexError, TypeError):  # below a key that was renamed a moment ago
            return False
    matches = _candidates(error, str(route[-1]))
    if not matches:
        return False
    if error.validator == "enum":
        parent[route[-1]] = matches[0]
        return True
    if not isinstance(parent, dict) or route[-1] not in parent:
        return False
    items = [(matches[0] if key == route[-1] else key, value) for key, value in parent.items()]
    parent.clear()
    parent.update(items)
    repairs.renamed[(*route[:-1], matches[0])] = str(route[-1])
    return True


def _candidates(error: ValidationError, key: str) -> list[str]:
    if error.validator == "enum":
        choices = [choice for choice in error.validator_value if isinstance(choice, str)]
        word = error.instance
        if not isinstance(word, str):
            return []
        alias = OPERATOR_ALIASES.get(word.casefold().replace("-", "_").replace(" ", "_"))
        return [alias] if alias in choices else close_matches(word, choices)
    if key in _RESERVED:
        return []
    present: Mapping[str, Any] = error.instance
    choices = [name for name in error.schema["properties"] if name not in present]
    alias = ALIASES.get(key.casefold())
    matches = close_matches(key, choices)
    return matches or ([alias] if alias in choices else [])


def _unknown_key(document: SourceDocument, error: ValidationError, route: Route) -> Diagnostic:
    key = str(route[-1])
    if key in _RESERVED:
        return document.finding(
            "SCH114", f"the key '{key}' is reserved", route, Detail(help=_RESERVED[key], part="key")
        )
    matches = _candidates(error, key)
    allowed = [name for name in error.schema["properties"] if name not in error.instance]
    text = f"did you mean '{matches[0]}'?" if matches else f"possible here: {', '.join(sorted(allowed))}"
    close = close_matches(key, allowed)
    replacement = None
    if len(close) == 1:
        replacement = (f"Rename '{shortened(key)}' to '{close[0]}'", close[0], Applicability.SAFE)
    return document.finding(
        "SCH102",
        f"unknown key '{shortened(key)}'",
        route,
        Detail(help=text if allowed else None, replacement=replacement, part="key"),
    )


def _wrong_choice(document: SourceDocument, error: ValidationError, route: Route) -> Diagnostic:
    choices = [choice for choice in error.validator_value if isinstance(choice, str)]
    matches = _candidates(error, "")
    name = route[-1] if route and isinstance(route[-1], str) else "value"
    value = f"'{shortened(error.instance)}'" if isinstance(error.instance, str) else quoted(error.instance)
    few = len(choices) <= 12
    text = f"did you mean '{matches[0]}'?" if matches else f"choose one of {', '.join(choices)}" if few else None
    if not matches and not few:
        text = "flagctl schema flag, and the documentation of conditions, list all of them"
    replacement = None
    if len(matches) == 1:
        replacement = (f"Write '{matches[0]}'", matches[0], Applicability.UNSAFE)
    return document.finding(
        "SCH105", f"{value} is not a known {name}", route, Detail(help=text, replacement=replacement)
    )


@cache
def _validator(name: str) -> Any:
    kind = extend(
        Draft7Validator,
        {
            "additionalProperties": _additional_properties,
            "properties": _properties,
            "required": _required,
            "dependencies": _dependencies,
            "propertyNames": _property_names,
            "pattern": _pattern,
        },
    )
    return kind(schema(name))


def _additional_properties(validator: Any, rule: Any, instance: Any, where: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    known = where.get("properties", {})
    for key, value in instance.items():
        if key in known:
            continue
        if rule is False:
            yield ValidationError("unknown key", path=deque([key]))
        else:
            yield from validator.descend(value, rule, path=key)


def _properties(validator: Any, rules: dict[str, Any], instance: Any, where: Any) -> Iterator[ValidationError]:
    del where
    if not isinstance(instance, dict):
        return
    for name, rule in rules.items():
        if name in instance:
            if rule is False:  # jsonschema's own keyword loses the path here
                yield ValidationError("not allowed here", validator=_FORBIDDEN, path=deque([name]))
            else:
                yield from validator.descend(instance[name], rule, path=name, schema_path=name)


def _required(validator: Any, names: list[str], instance: Any, where: Any) -> Iterator[ValidationError]:
    del validator, where
    if isinstance(instance, dict):
        for name in names:
            if name not in instance:
                yield ValidationError("missing key", validator_value=name)


def _dependencies(validator: Any, rules: dict[str, Any], instance: Any, where: Any) -> Iterator[ValidationError]:
    del where
    if not isinstance(instance, dict):
        return
    for name, rule in rules.items():
        if name not in instance:
            continue
        if isinstance(rule, list):
            yield from _required(validator, rule, instance, None)
        else:
            yield from validator.descend(instance, rule, schema_path=name)


def _property_names(validator: Any, rule: Any, instance: Any, where: Any) -> Iterator[ValidationError]:
    del where
    if isinstance(instance, dict):
        for name in instance:
            for error in validator.descend(name, rule):
                error.path.appendleft(name)
                error.cause = KeyNameError()
                yield error


def _pattern(validator: Any, pattern: str, instance: Any, where: Any) -> Iterator[ValidationError]:
    del validator, where
    if isinstance(instance, str) and not _compiled(pattern).search(instance):
        yield ValidationError("no match")


@cache
def _compiled(pattern: str) -> Any:
    import re  # noqa: PLC0415  only this function needs it

    # In Python `$` also holds before a final line break; in JSON Schema it does not.
    return re.compile(pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern)
