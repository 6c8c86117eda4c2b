"""What the lists behind an answer are worth, in its details; and which lists a bundle names."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, final

from flagctl.evaluator.details import EvaluationDetails

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flagctl.client.dress import Evaluating
    from flagctl.evaluator.details import Variant
    from flagctl.evaluator.document import Document


@final
class ListedFlags:
    """Served flags whose details say what the lists behind an answer are worth.

    Args:
        served: The flags.
        document: Their bundle.
        health: Returns what a list is worth.
    """

    __slots__ = ("_document", "_health", "_known", "_served", "evaluate_all", "get_value", "get_variant", "is_enabled")

    def __init__(self, served: Evaluating, document: Document, health: Callable[[str], str]) -> None:
        self._served = served
        self._document = document
        self._health = health
        self._known: dict[str, tuple[tuple[str, str], ...]] = {}
        self.is_enabled: Callable[..., bool] = served.is_enabled
        self.get_value: Callable[..., Any] = served.get_value
        self.get_variant: Callable[..., Variant | None] = served.get_variant
        self.evaluate_all: Callable[..., dict[str, Any]] = served.evaluate_all

    def evaluate(self, key: str, context: Mapping[str, Any] | None = None, default: Any = None, /) -> EvaluationDetails:
        """Answer as `FlagSet.evaluate`."""
        return self._amended(key, self._served.evaluate(key, context, default))

    def evaluate_typed(
        self, key: str, context: Mapping[str, Any] | None = None, default: Any = None, kind: type | None = None, /
    ) -> EvaluationDetails:
        """Answer as `FlagSet.evaluate_typed`."""
        return self._amended(key, self._served.evaluate_typed(key, context, default, kind))

    def _amended(self, key: str, details: EvaluationDetails) -> EvaluationDetails:
        try:
            lists = self._known[key]
        except (KeyError, TypeError):
            lists = self._find(key)
        if not lists:
            return details
        worth = {segment: self._health(name) for segment, name in lists}
        return EvaluationDetails(
            details.value,
            details.variant,
            details.reason,
            details.error_code,
            details.error_message,
            details.rule,
            MappingProxyType({**details.metadata, "big_segments": worth}),
        )

    def _find(self, key: object) -> tuple[tuple[str, str], ...]:
        if type(key) is not str or not self._document.has("flags", key):
            return ()
        try:
            found = tuple(sorted(set(_lists_of(self._document, "flags", key, set()))))
        except (LookupError, ValueError, TypeError, AttributeError):
            found = ()  # an entry that cannot be read, whose answer says so
        self._known[key] = found
        return found


def list_names(document: Document) -> tuple[str, ...]:
    """Return the lists that a bundle's segments name, ascending."""
    names = set()
    for key, line in document.raw_lines("segments").items():
        if b'"list":' in line:
            name = document.segment(key).get("list")
            if type(name) is str:
                names.add(name)
    return tuple(sorted(names))


def _lists_of(document: Document, section: str, key: str, seen: set[tuple[str, str]]) -> Iterator[tuple[str, str]]:
    """Yield (segment, list) for everything below a flag or segment."""
    if (section, key) in seen or not document.has(section, key):
        return
    seen.add((section, key))
    entry = document.entry(section, key)
    if section == "segments" and "list" in entry:
        yield key, entry["list"]
    for need, _ in entry.get("prerequisites", ()):
        yield from _lists_of(document, "flags", need, seen)
    conditions = [entry.get("when", ()), *(rule.get("when", ()) for rule in entry.get("rules", ()))]
    for segment in _segments_in(conditions):
        yield from _lists_of(document, "segments", segment, seen)


def _segments_in(node: Any) -> Iterator[str]:
    if isinstance(node, (list, tuple)):
        for part in node:
            yield from _segments_in(part)
    elif isinstance(node, dict):
        if "segment" in node:
            yield node["segment"]
        for name in ("all", "any", "not"):
            if name in node:
                yield from _segments_in(node[name])
