"""The validator that explains: jsonschema's, with keywords that point at the exact place.

One finding for each unknown key, at that key; one for each missing key; and a key that is forbidden beside another one is
found at the key, not at the mapping around it.
"""

from __future__ import annotations

import re
from collections import deque
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from jsonschema import Draft7Validator, ValidationError
from jsonschema.validators import extend

from flagctl.source.schemas import schema

if TYPE_CHECKING:
    from collections.abc import Iterator

UNKNOWN_KEY: Final = "additionalProperties"
"""`ValidationError.validator` of a key that is not in the schema; the last step of its path is the key."""

FORBIDDEN: Final = "forbidden"
"""`ValidationError.validator` of a key that may not stand where it does."""


class KeyNameError(Exception):
    """Cause of an error about a mapping's key, not about the value behind it."""


@cache
def explaining_validator(name: str) -> Any:
    """Return the validator of the schema `name`."""
    kind: Any = extend(  # type: ignore[no-untyped-call]
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
                yield ValidationError("not allowed here", validator=FORBIDDEN, path=deque([name]))
            else:
                yield from validator.descend(instance[name], rule, path=name, schema_path=name)


def _required(validator: Any, names: list[str], instance: Any, where: Any) -> Iterator[ValidationError]:
    del validator, where
    if isinstance(instance, dict):
        for name in names:
            if name not in instance:
                yield ValidationError("missing key", validator="required", validator_value=name)


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
    # In Python `$` also holds before a final line break; in JSON Schema it does not.
    return re.compile(pattern[:-1] + r"\Z" if pattern.endswith("$") else pattern)
