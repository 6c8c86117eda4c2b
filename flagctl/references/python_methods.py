"""The methods by which Python code asks for a flag: flagctl's own and OpenFeature's."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from enum import Enum
from typing import Final

OVERRIDES: Final = frozenset({"override", "set", "flag_overrides"})
"""Names of calls by which tests give flags other answers, in a mapping by key."""


class Answer(Enum):
    """What a call gives."""

    VALUE = "value"
    DETAILS = "details"
    GUARD = "guard"
    DECORATOR = "decorator"
    VARIANT = "variant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method with a key among its arguments.

    Attributes:
        name: As code writes it.
        answer: What it gives.
        key_name: Parameter of the key; it is the first one.
        default: Position of the caller's default, or None.
        default_name: Its parameter.
        boolean: Whether it serves boolean flags only.
        is_distinct: Whether nothing but flags has a method of this name.
    """

    name: str
    answer: Answer
    key_name: str = "key"
    default: int | None = None
    default_name: str = "default"
    boolean: bool = False
    is_distinct: bool = True


def _open_feature() -> list[Method]:
    found = []
    for kind in ("boolean", "string", "integer", "float", "object"):
        for end, answer in (("value", Answer.VALUE), ("details", Answer.DETAILS)):
            found += [
                Method(
                    name=f"get_{kind}_{end}{suffix}",
                    answer=answer,
                    key_name="flag_key",
                    default=1,
                    default_name="default_value",
                    boolean=kind == "boolean",
                )
                for suffix in ("", "_async")
            ]
    return found


_OWN: Final = (
    Method(name="is_enabled", answer=Answer.VALUE, boolean=True),
    Method(name="get_value", answer=Answer.VALUE, default=2, is_distinct=False),
    Method(name="evaluate", answer=Answer.DETAILS, default=2, is_distinct=False),
    Method(name="get_variant", answer=Answer.VARIANT, key_name="experiment_key", is_distinct=False),
    Method(name="guard", answer=Answer.GUARD, default=2, is_distinct=False),
    Method(name="guarded", answer=Answer.DECORATOR, boolean=True, is_distinct=False),
)
METHODS: Final = {method.name: method for method in (*_OWN, *_open_feature())}
METHOD_WORDS: Final = frozenset(name.encode() for name in METHODS)


def wrapper_method(name: str, answer: Answer = Answer.VALUE, *, boolean: bool = False) -> Method:
    """Return what a function of the application is that passes a key on."""
    return Method(name=name, answer=answer, boolean=boolean)


def argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    """Return an argument by position or name; None if it is not given, or hidden behind a star."""
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if any(isinstance(given, ast.Starred) for given in call.args[: position + 1]):
        return None
    return call.args[position] if position < len(call.args) else None


def last_name(node: ast.expr) -> str:
    """Return the last name of a receiver: ``self.flags.client`` is ``client``, ``get_flags()`` is ``get_flags``."""
    if isinstance(node, ast.Call):
        return last_name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""
