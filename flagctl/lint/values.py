"""Every value a flag can serve, and JSON Schemas to hold them against."""

from __future__ import annotations

import json
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.model import UNSET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jsonschema_rs import ValidationError

    from flagctl.diagnostics import Route
    from flagctl.model import Flag

_DRAFTS: Final = (
    "http://json-schema.org/draft-04/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-07/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
)
"""Dialects of JSON Schema that `$schema` may name; without one it is the last."""

_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")


class FlagValue(NamedTuple):
    """A value, where it stands, and what it is called in a sentence."""

    value: Any
    route: Route
    what: str


class SchemaProblem(NamedTuple):
    """What is wrong with a value or with a schema itself; `route` is relative to it."""

    route: Route
    message: str


def flag_values(flag: Flag) -> Iterator[FlagValue]:
    """Yield every value of a flag: declared variants, inline values of rules, and values of environments."""
    for variant in flag.variants:
        what = "the value" if flag.is_value_flag else f"variant '{variant.name}'"
        yield FlagValue(variant.value, variant.route, what)
    for rule in flag.rules:
        if rule.value is not UNSET:
            yield FlagValue(rule.value, (*rule.route, "value"), f"the value of rule '{rule.id}'")
    for override in flag.environments.values():
        if override.value is not UNSET:
            yield FlagValue(override.value, (*override.route, "value"), "the value")
        for rule in override.rules:
            if rule.value is not UNSET:
                yield FlagValue(rule.value, (*rule.route, "value"), f"the value of rule '{rule.id}'")


def schema_problems(schema: Any) -> list[SchemaProblem]:
    """Return what is wrong with a JSON Schema; nothing is ever fetched for it.

    Args:
        schema: The schema as plain data.
    """
    problems = list(_foreign(schema, ()))
    if not problems:
        problem = _schema_problem(json.dumps(schema))
        problems = [problem] if problem else []
    return problems


def value_problems(schema: Any, value: Any) -> list[SchemaProblem]:
    """Return where a value breaks a schema.

    Args:
        schema: One without problems; else there are no findings about values either.
        value: Plain data.
    """
    if next(_foreign(schema, ()), None) is not None:
        return []
    validator = _validator(json.dumps(schema))
    if isinstance(validator, SchemaProblem) or validator.is_valid(value):
        return []
    return sorted(_problem(error) for error in validator.iter_errors(value))


def _foreign(schema: Any, route: Route) -> Iterator[SchemaProblem]:
    """Yield references out of the schema: the network must not decide whether a flag is right."""
    if isinstance(schema, dict):
        for key, part in schema.items():
            if key in _REFERENCES and isinstance(part, str) and not part.startswith("#"):
                yield SchemaProblem((*route, key), f"'{part}' refers to another document, which is not supported")
            elif key == "$schema" and (not isinstance(part, str) or part.rstrip("#") not in _DRAFTS):
                yield SchemaProblem((*route, key), "this dialect of JSON Schema is not supported")
            yield from _foreign(part, (*route, key))
    elif isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from _foreign(part, (*route, index))


@lru_cache(maxsize=4096)
def _validator(text: str) -> Any:
    """Return a validator of the schema, or a SchemaProblem."""
    import jsonschema_rs  # noqa: PLC0415  26 ms, and few repositories have a value_schema

    try:
        return jsonschema_rs.validator_for(json.loads(text), validate_formats=False, retriever=_refuse)
    except jsonschema_rs.ValidationError as error:
        return _problem(error)
    except (ValueError, RecursionError) as error:
        return SchemaProblem((), _first_line(str(error)))


def _schema_problem(text: str) -> SchemaProblem | None:
    validator = _validator(text)
    return validator if isinstance(validator, SchemaProblem) else None


def _refuse(uri: str) -> Any:
    raise ValueError(f"'{uri}' refers to another document, which is not supported")


def _problem(error: ValidationError) -> SchemaProblem:
    return SchemaProblem(tuple(error.instance_path), _first_line(error.message))


def _first_line(text: str) -> str:
    return text.split("\n", 1)[0].rstrip(".")
