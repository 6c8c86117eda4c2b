"""What the text in a cell of a CSV file stands for: the declared type of its attribute says so.

An empty cell is a missing attribute. Numbers and booleans are written as in JSON, lists and objects are JSON; every other attribute, an
undeclared one too, is the text as it stands.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from flagctl.model.config import AttributeType

if TYPE_CHECKING:
    from flagctl.model.config import Attribute

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_INTEGER: Final = re.compile(r"-?(?:0|[1-9][0-9]{0,18})")
_BOOLEANS: Final = {"true": True, "false": False}


class CellError(ValueError):
    """A cell that does not hold what its attribute is declared as; the message says what was expected."""


def read_cell(text: str, attribute: Attribute | None) -> Any:
    """Return the value that a cell stands for; None if it is empty.

    Raises:
        CellError: If it can't be of the declared type.
    """
    if not text:
        return None
    match None if attribute is None else attribute.type:
        case AttributeType.NUMBER:
            return _number(text)
        case AttributeType.BOOLEAN:
            if text.lower() not in _BOOLEANS:  # spreadsheets write TRUE
                raise CellError("true or false is expected")
            return _BOOLEANS[text.lower()]
        case AttributeType.LIST:
            return _json(text, list, 'a JSON list such as ["a", "b"] is expected')
        case AttributeType.OBJECT:
            return _json(text, dict, 'a JSON object such as {"a": 1} is expected')
        case _:
            return text


def write_cell(value: Any) -> str:
    """Return the cell of a value, as :func:`read_cell` reads it."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _number(text: str) -> int | float:
    if _INTEGER.fullmatch(text):
        return int(text)
    if _NUMBER.fullmatch(text):
        return float(text)
    raise CellError("a number is expected")


def _json(text: str, kind: type, expected: str) -> Any:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        raise CellError(expected) from None
    if type(value) is not kind:
        raise CellError(expected)
    return value
