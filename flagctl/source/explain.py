"""Schema errors in people's words.

A document that the fast validator refuses comes here. Misspelt keys and choices are first corrected in a copy, and the copy
is checked again: one typo gives one finding, and what stands below a misspelt key is checked in the same pass.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flagctl.source.messages import message_of, point_at_second
from flagctl.source.typos import corrections, unknown_key, wrong_choice
from flagctl.source.validator import FORBIDDEN, UNKNOWN_KEY, explaining_validator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema import ValidationError

    from flagctl.diagnostics import Diagnostic, Route
    from flagctl.source.document import SourceDocument

_MOST_ROUNDS: Final = 8
"""Corrections can bring further typos to light, below a key that was misspelt; nobody nests them deeper."""

_MOST_FINDINGS: Final = 100
"""Of one file; a file of another product's format has hundreds, and nobody reads them."""


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
    validator = explaining_validator(name)
    errors = list(validator.iter_errors(data))
    for _ in range(_MOST_ROUNDS):
        if not _repair_all(document, errors, repairs, result, ignore):
            break
        errors = list(validator.iter_errors(data))
    for error in _without_echoes(errors):
        route = tuple(error.absolute_path)
        written = repairs.written(route)
        result.routes.append(route)
        if _is_below(written, ignore):  # reported already, but what depends on it can't be built all the same
            continue
        if len(result.diagnostics) < _MOST_FINDINGS:
            result.diagnostics.append(_tell(document, error, written))
    for route, key in repairs.renamed.items():
        document.alias(repairs.written(route[:-1]), key, str(route[-1]))
    return result


def _repair_all(
    document: SourceDocument,
    errors: list[ValidationError],
    repairs: _Repairs,
    result: Explanation,
    ignore: tuple[Route, ...],
) -> bool:
    """Correct every misspelt key and choice, and tell them; return whether there was any."""
    found = False
    for error in errors:
        route = tuple(error.absolute_path)
        written = repairs.written(route)
        if error.validator not in {UNKNOWN_KEY, "enum"} or _is_below(written, ignore):
            continue
        finding = _tell(document, error, written)
        if _repair(error, result.data, repairs):
            found = True
            if len(result.diagnostics) < _MOST_FINDINGS:
                result.diagnostics.append(finding)
    return found


def _is_below(route: Route, bad: tuple[Route, ...]) -> bool:
    """Return whether `route` lies in, or around, a value that is known to be wrong."""
    return any(route[: len(other)] == other or other[: len(route)] == route for other in bad)


def _tell(document: SourceDocument, error: ValidationError, route: Route) -> Diagnostic:
    if error.validator == UNKNOWN_KEY:
        return unknown_key(document, error, route)
    if error.validator == "enum":
        return wrong_choice(document, error, route)
    code, message, detail = message_of(document, error, route)
    return document.finding(code, message, route, detail)


def _without_echoes(errors: list[ValidationError]) -> Iterator[ValidationError]:
    """Drop findings that only repeat another one about the same place, such as a wrong type that is no choice either."""
    wrong_type = {tuple(error.absolute_path) for error in errors if error.validator == "type"}
    in_conflict = {tuple(error.absolute_path)[:-1] for error in errors if error.validator == FORBIDDEN}
    seen: set[tuple[Route, str]] = set()
    for error in errors:
        route = tuple(error.absolute_path)
        if error.validator in {"enum", "const", "pattern"} and route in wrong_type:
            continue
        if error.validator == "required" and route and route in in_conflict:
            continue
        if error.validator == FORBIDDEN:
            point_at_second(error)
            route = tuple(error.absolute_path)
        subject = (route, f"{error.validator}{error.validator_value if error.validator == 'required' else ''}")
        if subject not in seen:
            seen.add(subject)
            yield error


def _repair(error: ValidationError, data: Any, repairs: _Repairs) -> bool:
    """Correct a misspelt key or choice in `data`; return whether that was possible."""
    route: Route = tuple(error.absolute_path)
    parent = data
    for step in route[:-1]:
        parent = parent[step]
    matches = corrections(error, str(route[-1]))
    if not matches:
        return False
    if error.validator == "enum":
        parent[route[-1]] = matches[0]
        return True
    if matches[0] in parent:  # another misspelt key took the name a moment ago
        return False
    items = [(matches[0] if key == route[-1] else key, value) for key, value in parent.items()]
    parent.clear()
    parent.update(items)
    repairs.renamed[(*route[:-1], matches[0])] = str(route[-1])
    return True
