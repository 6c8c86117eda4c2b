"""Values and types in people's words, and close matches."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

_TYPES: Final = {
    "string": "text",
    "number": "a number",
    "integer": "an integer",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
    "null": "empty",
}

ALIASES: Final = {
    "variations": "variants",
    "variant": "serve",
    "values": "variants",
    "targeting": "rules",
    "conditions": "when",
    "if": "when",
    "op": "operator",
    "comparator": "operator",
    "state": "enabled",
    "active": "enabled",
    "disabled": "enabled",
    "default_variant": "default",
    "defaultvariant": "default",
    "off_variant": "off",
    "offvariant": "off",
    "weights": "rollout",
    "split": "rollout",
    "percent": "percentage",
    "segments": "segment",
    "property": "attribute",
    "field": "attribute",
    "and": "all",
    "or": "any",
    "seed": "salt",
    "bucketby": "bucket_by",
    "depends_on": "prerequisites",
    "requires": "prerequisites",
    "whitelist": "targets",
    "users": "targets",
    "owners": "owner",
    "team": "owner",
    "labels": "tags",
    "start": "from",
    "end": "until",
    "envs": "environments",
}
"""What other products call a thing: suggested, never applied on their own."""

OPERATOR_ALIASES: Final = {
    "==": "equals",
    "=": "equals",
    "eq": "equals",
    "is": "equals",
    "!=": "not_equals",
    "neq": "not_equals",
    "ne": "not_equals",
    ">": "greater_than",
    "gt": "greater_than",
    ">=": "greater_or_equal",
    "gte": "greater_or_equal",
    "<": "less_than",
    "lt": "less_than",
    "<=": "less_or_equal",
    "lte": "less_or_equal",
    "one_of": "in",
    "is_one_of": "in",
    "any_of": "in",
    "not_one_of": "not_in",
    "regex": "matches",
    "=~": "matches",
    "like": "contains",
    "prefix": "starts_with",
    "suffix": "ends_with",
    "cidr": "in_network",
    "is_set": "exists",
}
"""The same for operators."""


def quoted(value: Any) -> str:
    """Return a value as a message shows it, shortened."""
    match value:
        case None:
            return "empty (null)"
        case bool():
            return "the boolean true" if value else "the boolean false"
        case int() | float():
            return f"the number {value!r}"
        case str():
            return f"the text '{shortened(value)}'"
        case list():
            return "a list" if value else "an empty list"
        case _:
            return "a mapping" if value else "an empty mapping"


def shortened(text: str) -> str:
    """Return `text` on one line and not longer than 60 characters."""
    text = text if len(text) <= 60 else f"{text[:57]}..."
    return "".join(character if character.isprintable() else f"\\u{ord(character):04x}" for character in text)


def types_in_words(types: str | list[str]) -> str:
    """Return JSON Schema types as a message shows them: ``text or a list``."""
    names = [types] if isinstance(types, str) else types
    return listed([_TYPES[name] for name in names])


def listed(words: Iterable[str], last: str = "or") -> str:
    """Return ``a, b or c``."""
    items = list(words)
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} {last} {items[-1]}"


def close_matches(word: str, candidates: Iterable[str]) -> list[str]:
    """Return the candidates that are close to `word`, the closest first; else those that it abbreviates.

    Case, ``-`` and ``_`` do not count.
    """
    folded = {_folded(candidate): candidate for candidate in candidates}
    word = _folded(word)
    if word in folded:
        return [folded[word]]
    matches = get_close_matches(word, folded, n=3, cutoff=0.75)
    if not matches and len(word) >= 3:
        matches = [candidate for candidate in folded if candidate.startswith(word)]
    return [folded[match] for match in matches]


def _folded(word: str) -> str:
    return word.casefold().replace("_", "").replace("-", "")
