"""Which flags may answer otherwise than before: those whose own line changed, and those that lean on what changed."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

from flagctl.evaluator.document import MalformedEntryError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.evaluator.document import Document

_LEANED_ON: Final = ("flags", "patterns", "segments")
_MOST_NAMES: Final = 200
"""Names looked for at once; beyond, entries are decoded without a look at their bytes first."""


def changed_flags(before: Document, after: Document, flipped: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Return the keys of the flags that may answer otherwise in another bundle, ascending.

    Those are flags that were added, removed or written differently, flags with a prerequisite, segment or pattern that
    is one of these (at any distance), and those whose place on the kill list changed.

    Args:
        before: The bundle that was served.
        after: The bundle that is.
        flipped: Keys of the flags that were put on the kill list or taken from it meanwhile.
    """
    changed = {("flags", key) for key in flipped if after.has("flags", key) or before.has("flags", key)}
    if after is not before:
        for section in _LEANED_ON:
            changed |= {(section, key) for key in _different_lines(before, after, section)}
    fresh = changed
    while fresh:
        fresh = set(_leaning_on(fresh, after)) - changed
        changed |= fresh
    return tuple(sorted(key for section, key in changed if section == "flags"))


def _different_lines(before: Document, after: Document, section: str) -> Iterator[str]:
    old, new = before.raw_lines(section), after.raw_lines(section)
    for key in old.keys() | new.keys():
        was, now = old.get(key), new.get(key)
        # The comma belongs to the place in the section, not to the entry.
        if was is not now and (was is None or now is None or was.removesuffix(b",") != now.removesuffix(b",")):
            yield key


def _leaning_on(names: set[tuple[str, str]], document: Document) -> Iterator[tuple[str, str]]:
    """Yield the flags and segments that refer to one of the entries directly."""
    mention = _mention_of(names)
    for section in ("flags", "segments"):
        for key, line in document.raw_lines(section).items():
            if mention is not None and mention(line) is None:
                continue
            try:
                entry = document.entry(section, key)
            except MalformedEntryError:
                continue
            if not names.isdisjoint(_references(entry)):
                yield section, key


def _mention_of(names: set[tuple[str, str]]) -> Any:
    if len(names) > _MOST_NAMES:
        return None
    quoted = sorted({json.dumps(key, ensure_ascii=False).encode() for _, key in names})
    # Not at the line's own key.
    return re.compile(b"(?<!^)(?:" + b"|".join(map(re.escape, quoted)) + b")").search


def _references(value: Any) -> Iterator[tuple[str, str]]:
    """Yield all that a decoded flag or segment refers to."""
    if isinstance(value, list):
        for item in value:
            yield from _references(item)
    elif isinstance(value, dict):
        for name in value.get("prerequisites", ()) if "variants" in value else ():
            yield "flags", name[0]
        for part in ("rules", "when", "all", "any", "not"):
            if part in value:
                yield from _references(value[part])
        if isinstance(segment := value.get("segment"), str):
            yield "segments", segment
        if value.get("operator") in {"matches", "not_matches"}:
            yield "patterns", value["value"]
