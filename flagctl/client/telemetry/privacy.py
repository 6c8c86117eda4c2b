"""What must not leave: attributes that `flagctl.yaml` declares personal, which a bundle's header names.

An attribute is left out, or replaced by its keyed hash if the application gave a key. Without a key nothing derived
from it leaves either: a plain hash of an address can be found by trying all addresses.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from flagctl.evaluator.buckets import unit_of

if TYPE_CHECKING:
    from flagctl.evaluator.plan import Path

_DIGITS = 32
_DEEPEST = 16


class Privacy:
    """Removes or hashes personal attributes.

    Args:
        private: Their paths.
        hash_key: What to hash them with; None: they are removed.
    """

    __slots__ = ("_dotted", "_key", "_private")

    def __init__(self, private: tuple[tuple[str, ...], ...], hash_key: bytes | str | None) -> None:
        self._private = frozenset(private)
        # A context may spell a path as one name with dots.
        self._dotted = frozenset([".".join(path) for path in private])
        self._key = hash_key.encode() if isinstance(hash_key, str) else hash_key

    def is_private(self, path: Path) -> bool:
        """Return whether a path leads to personal data: it is declared so, or lies within what is."""
        steps = (path,) if isinstance(path, str) else path
        return ".".join(steps) in self._dotted or any(steps[:end] in self._private for end in range(1, len(steps) + 1))

    def unit(self, path: Path, unit: str) -> str | None:
        """Return a unit as it may leave, None if it may not."""
        return self.hashed(unit) if self.is_private(path) else unit

    def hashed(self, value: object) -> str | None:
        """Return the keyed hash of a value; None without a key."""
        if self._key is None:
            return None
        text = unit_of(value)
        if text is None:
            text = json.dumps(plain(value), sort_keys=True, separators=(",", ":"))
        return hmac.new(self._key, text.encode("utf-8", "replace"), "sha256").hexdigest()[:_DIGITS]

    def context(self, context: Mapping[Any, Any]) -> dict[str, Any]:
        """Return a context as JSON values, as it may leave."""
        return self._cleaned(context, ())

    def strings(self, attributes: Mapping[Any, Any]) -> dict[str, str]:
        """Return attributes of an event as strings, as they may leave; values that are no scalars are left out."""
        found: dict[str, str] = {}
        for key, value in attributes.items():
            text = text_of(value)
            if type(key) is str and text is not None:
                kept = self.hashed(value) if self.is_private(key) else text
                if kept is not None:
                    found[key] = kept
        return found

    def _cleaned(self, node: Mapping[Any, Any], above: tuple[str, ...]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in node.items():
            if type(key) is not str:
                continue
            path = (*above, key)
            if path in self._private or ".".join(path) in self._dotted:
                digest = self.hashed(value)
                if digest is not None:
                    found[key] = digest
            elif isinstance(value, Mapping) and len(path) < _DEEPEST:
                found[key] = self._cleaned(value, path)
            else:
                found[key] = plain(value)
        return found


def text_of(value: object) -> str | None:
    """Return a scalar as text: booleans as in JSON; None for everything else."""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if type(value) is int or type(value) is float else None


def plain(value: object, depth: int = 0) -> Any:
    """Return any value as one that JSON can hold: what it cannot is named by its type."""
    kind = type(value)
    if value is None or kind is bool or kind is int or kind is str:
        return value
    if kind is float:
        return value if value == value and abs(value) != float("inf") else str(value)  # type: ignore[arg-type]  # noqa: PLR0124 - NaN
    if depth < _DEEPEST:
        if isinstance(value, Mapping):
            return {str(key): plain(item, depth + 1) for key, item in value.items()}
        if isinstance(value, (list, tuple, set, frozenset)):
            return [plain(item, depth + 1) for item in value]
    return f"<{kind.__name__}>"
