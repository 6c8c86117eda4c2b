"""What a test may ask of a flag: one of its variants, or another value of its type."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.diagnostics import did_you_mean
from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

RULE: Final = "override"
"""The rule that answers of an overridden flag name."""


class Chosen(NamedTuple):
    """A variant or a value, said unmistakably.

    Attributes:
        what: The variant's name, or the value.
        is_variant: Which of both it is.
    """

    what: Any
    is_variant: bool


def variant(name: str) -> Any:
    """Ask an override for a variant, even if another variant has this name as its value."""
    return Chosen(name, is_variant=True)


def value(what: Any) -> Any:
    """Ask an override for a value, even for one that the flag does not have, or that a variant is called."""
    return Chosen(what, is_variant=False)


def choose(owner: str, entry: Mapping[str, Any], wanted: Any) -> tuple[list[list[Any]], int]:
    """Find what a test asks for among a flag's variants, or add it.

    Args:
        owner: The flag (or experiment), as messages name it.
        entry: Its entry in a bundle.
        wanted: A variant's name, a value, or what `variant` or `value` returned.

    Returns:
        The flag's variants as in a bundle, and the index of the one to serve.

    Raises:
        UsageError: If the flag has no such variant, and the value is not one of its type.
    """
    variants: list[list[Any]] = list(entry["variants"])
    names = [name for name, _ in variants]
    chosen = wanted if isinstance(wanted, Chosen) else None
    what = wanted if chosen is None else chosen.what
    if (chosen is None or chosen.is_variant) and isinstance(what, str) and what in names:
        return variants, names.index(what)
    if chosen is not None and chosen.is_variant:
        raise UsageError(f"{owner} has no variant {what!r}; {_advice(what, names)}")
    shown = repr(what)
    for index, (_, present) in enumerate(variants):
        if _same(present, what):
            return variants, index
    kind = entry["type"]
    if not _FITS[kind](what):
        raise UsageError(
            f"{owner} is of type {kind}, and {shown} is neither of that type nor one of its variants; "
            f"{_advice(what, names)}"
        )
    if chosen is None and isinstance(what, str):
        raise UsageError(
            f"{owner} has neither a variant nor a value {shown}; {_advice(what, names)}; "
            f"if that is meant: flagctl.testing.value({what!r})"
        )
    name = RULE
    while name in names:
        name += "-"
    return [*variants, [name, what]], len(variants)


def advice(word: object, known: Iterable[str]) -> str:
    """Return a guess at what was meant, else what there is."""
    return _advice(word, sorted(known))


def _advice(word: object, names: list[str]) -> str:
    close = did_you_mean(word, names) if isinstance(word, str) else None
    if close:
        return f"did you mean '{close}'?"
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    return f"there are: {shown}"


def _same(one: Any, other: Any) -> bool:
    """Return whether two values are the same JSON, in which 1 is 1.0 and true is neither."""
    try:
        return _frozen(one) == _frozen(other)
    except (TypeError, ValueError):
        return False


def _frozen(what: Any) -> str:
    def plain(part: Any) -> Any:
        if isinstance(part, float) and part == part // 1:
            return int(part)
        if isinstance(part, dict):
            return {name: plain(item) for name, item in part.items()}
        if isinstance(part, (list, tuple)):
            return [plain(item) for item in part]
        return part

    return json.dumps(plain(what), sort_keys=True, allow_nan=False)


def _is_number(what: Any) -> bool:
    return type(what) is int or (type(what) is float and math.isfinite(what))


def _is_json(what: Any) -> bool:
    try:
        json.dumps(what, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True


_FITS: Final[dict[str, Callable[[Any], bool]]] = {
    "boolean": lambda what: type(what) is bool,
    "string": lambda what: type(what) is str,
    "number": _is_number,
    "json": _is_json,
}
