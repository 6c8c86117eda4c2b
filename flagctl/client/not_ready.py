"""Answers before the first bundle: always the caller's default."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.evaluator.details import ErrorCode, EvaluationDetails, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

_MESSAGE = "no bundle has been accepted yet"


class NotReady:
    """Has the evaluation methods of `FlagSet`, and answers each with the caller's default."""

    __slots__ = ()

    def is_enabled(self, key: str, context: Mapping[str, Any] | None = None) -> bool:  # noqa: ARG002
        """Return False."""
        return False

    def get_value(self, key: str, context: Mapping[str, Any] | None, default: Any) -> Any:  # noqa: ARG002
        """Return the default."""
        return default

    def get_variant(self, experiment_key: str, context: Mapping[str, Any] | None = None) -> None:
        """Return None."""

    def evaluate(
        self,
        key: str,  # noqa: ARG002
        context: Mapping[str, Any] | None = None,  # noqa: ARG002
        default: Any = None,
    ) -> EvaluationDetails:
        """Return details with the default and the error code ``PROVIDER_NOT_READY``."""
        return EvaluationDetails(default, None, Reason.ERROR, ErrorCode.PROVIDER_NOT_READY, _MESSAGE)

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


NOT_READY = NotReady()
