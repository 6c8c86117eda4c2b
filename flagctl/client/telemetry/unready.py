"""Answers before the first bundle, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from flagctl.client.not_ready import NotReady
from flagctl.evaluator.readings import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.client.telemetry.book import Book
    from flagctl.evaluator.details import EvaluationDetails

_REASON = "ERROR:PROVIDER_NOT_READY"


@final
class Unready(NotReady):
    """Answers as `NotReady`; evaluations are counted.

    Args:
        book: Counts them.
    """

    __slots__ = ("_book",)

    def __init__(self, book: Book) -> None:
        self._book = book

    def is_enabled(self, key: str, context: Mapping[str, Any] | None = None) -> bool:
        """Return False."""
        self._book.unknown(text(key), _REASON).count += 1
        return super().is_enabled(key, context)

    def get_value(self, key: str, context: Mapping[str, Any] | None, default: Any) -> Any:
        """Return the default."""
        self._book.unknown(text(key), _REASON).count += 1
        return super().get_value(key, context, default)

    def evaluate(self, key: str, context: Mapping[str, Any] | None = None, default: Any = None) -> EvaluationDetails:
        """Return details with the default and the error code ``PROVIDER_NOT_READY``; `evaluate_typed` asks this, too."""
        self._book.unknown(text(key), _REASON).count += 1
        return super().evaluate(key, context, default)
