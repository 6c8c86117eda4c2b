"""Values of attributes, taken out of contexts that were just read.

Contexts of a batch take far more memory than a processor's caches have. Going through them again for each attribute costs more
than reading them did, so what flags ask for is taken out some hundred contexts at a time, while these are still at hand; and equal
values become one object, which is at hand for whatever looks at it later. What flags will ask for is what they
asked of earlier batches.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

NEAR: Final = 500
"""Contexts that are looked at together before the next are read."""

_SHARED: Final = (str, int, float, bool)


class Shared:
    """Makes one object of equal values of one batch, attribute by attribute."""

    def __init__(self) -> None:
        self._known: dict[tuple[Hashable, type], dict[Any, Any]] = {}

    def values(self, path: Hashable, values: Sequence[Any]) -> Iterable[Any]:
        """Return some values of an attribute; those of several types are returned as they are.

        Args:
            path: The attribute.
            values: Plain data.
        """
        kinds = set(map(type, values))
        kinds.discard(type(None))
        if len(kinds) != 1 or (kind := kinds.pop()) not in _SHARED:
            return values
        known = self._known.setdefault((path, kind), {})
        return map(known.setdefault, values, values)
