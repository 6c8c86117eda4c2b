"""Comparing answers: types count, so that True is not taken for 1."""

from __future__ import annotations

import json
from typing import Any

from tests.reference import Answer


def answer_of(details: Any) -> Answer:
    """Return the parts of evaluation details that the specification fixes."""
    code = None if details.error_code is None else str(details.error_code)
    return Answer(details.value, details.variant, str(details.reason), code, details.rule)


def same(left: Answer, right: Answer) -> bool:
    return left[1:] == right[1:] and same_value(left.value, right.value)


def same_value(left: Any, right: Any) -> bool:
    if type(left) is not type(right):
        return False
    if isinstance(left, (dict, list)):
        return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)
    return bool(left == right)


def shown(value: Any) -> str:
    """Return the repr of a context, some of whose values may refuse to be shown."""
    if type(value) is dict:
        return "{" + ", ".join(f"{shown(key)}: {shown(item)}" for key, item in value.items()) + "}"
    try:
        return repr(value)[:300]
    except Exception as error:  # noqa: BLE001
        return f"<{type(value).__name__}, whose repr raises {type(error).__name__}>"
