"""The published JSON Schemas, and the two validators that work with them.

`jsonschema-rs` decides in microseconds whether a document is right; only a wrong one is handed to `jsonschema`, which is
two hundred times slower and can say where and why. A test holds the two to the same verdict.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import UsageError
from flagctl.resources import data_path

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS: Final = ("flag", "segment", "experiment", "layer")
"""Kinds of documents that make up the model."""

_NAMES: Final = (*KINDS, "config", "test", "diagnostics")


def schema_names() -> tuple[str, ...]:
    """Return the names that `schema` knows: kinds of documents, and the JSON output of findings."""
    return _NAMES


@cache
def schema_text(name: str) -> str:
    """Return a schema's text as it is published.

    Raises:
        UsageError: If there is no such schema.
    """
    if name not in _NAMES:
        raise UsageError(f"there is no schema '{name}'", hint=f"choose one of {', '.join(_NAMES)}")
    return (data_path("schemas") / f"{name}.schema.json").read_text(encoding="utf-8")


def schema(name: str) -> dict[str, Any]:
    """Return a schema, as data that the caller may change.

    Raises:
        UsageError: If there is no such schema.
    """
    result: dict[str, Any] = json.loads(schema_text(name))
    return result


@cache
def fast_validator(name: str) -> Callable[[Any], bool]:
    """Return a function that tells whether a document obeys the schema `name`."""
    import jsonschema_rs  # noqa: PLC0415  costs 26 ms, and callers that only want a schema's text need none of it

    validator = jsonschema_rs.Draft7Validator(schema(name), validate_formats=False)
    is_valid: Callable[[Any], bool] = validator.is_valid
    return is_valid
