"""Answers before the first bundle, counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from flagctl.client.not_ready import NOT_READY
from flagctl.evaluator.readings import text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.client.telemetry.book import Book
    from flagctl.evaluator.details import EvaluationDetails

_REASON = "ERROR:PROVIDER_NOT_READY"


@final
class Unready:
    """Answers as `NotReady`; evaluations are counted.

    Args:
        book: Counts them.
    """

    __slots__ = ("_book",)

    def __init__(self, book: Book) -> None:
        self._book = book

    def is_enabled(self, key: str, context: Mapping[str, Any] | None = None) -> bool:  # noqa: ARG002
        """Return False."""
        self._book.unknown(text(key), _REASON).count += 1
        return False

    def get_value(self, key: str, context: Mapping[str, Any] | None, default: Any) -> Any:  # noqa: ARG002
        """Return the default."""
        self._book.unknown(text(key), _REASON).count += 1
        return default

    def get_variant(self, experiment_key: str, context: Mapping[str, Any] | None = None) -> None:
        """Return None."""

    def evaluate(self, key: str, context: Mapping[str, Any] | None = None, default: Any = None) -> EvaluationDetails:
        """Return details with the default and the error code ``PROVIDER_NOT_READY``."""
        self._book.unknown(text(key), _REASON).count += 1
        return NOT_READY.evaluate(key, context, default)

    def evaluate_typed(
        self,
        key: str,
        context: Mapping[str, Any] | None = None,
        default: Any = None,
        kind: type | None = None,  # noqa: ARG002
    ) -> EvaluationDetails:
        """As `evaluate`."""
        return self.evaluate(key, context, default)

    def evaluate_all(self, context: Mapping[str, Any] | None = None) -> dict[str, Any]:  # noqa: ARG002
        """Return nothing."""
        return {}
