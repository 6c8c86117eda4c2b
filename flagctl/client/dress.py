"""What is served, dressed: the flags that the background thread accepted, with everything around an evaluation.

`Updater` hands over a `FlagSet`; the client serves what `dress` makes of it, by one assignment. The order is fixed, and
parts that are not used add nothing, so that a plain client evaluates its `FlagSet` itself::

    FlagSet → guards (flags whose breaker tripped in this process) → overrides (of a test)
            → telemetry (counting, exposures, evaluation log) → attributes (contexts are completed before they are evaluated)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from flagctl.evaluator.details import EvaluationDetails, Variant
    from flagctl.evaluator.flagset import FlagSet


class Evaluating(Protocol):
    """The methods of `FlagSet` that answer, with its promises: none raises, none takes a lock or does I/O of its own."""

    def is_enabled(self, key: str, context: Mapping[str, Any] | None = None, /) -> bool:
        """Return the value of a boolean flag; False on any error."""

    def get_value(self, key: str, context: Mapping[str, Any] | None, default: Any, /) -> Any:
        """Return a flag's value, or `default` on any error and if the value does not fit the default's type."""

    def get_variant(self, experiment_key: str, context: Mapping[str, Any] | None = None, /) -> Variant | None:
        """Return the variant that an experiment assigns, or None unless the experiment's own rule decided."""

    def evaluate(self, key: str, context: Mapping[str, Any] | None = None, default: Any = None, /) -> EvaluationDetails:
        """Return a flag's value with variant, reason, rule and metadata."""

    def evaluate_typed(
        self, key: str, context: Mapping[str, Any] | None = None, default: Any = None, kind: type | None = None, /
    ) -> EvaluationDetails:
        """Return the same, or an error with the default if the value has another type."""

    def evaluate_all(self, context: Mapping[str, Any] | None = None, /) -> dict[str, Any]:
        """Return the value of every flag by key."""


class Parts(NamedTuple):
    """What a client's flags are dressed with; None for what is not used.

    Attributes:
        guards: Returns flags under the breakers of this process.
        telemetry: Returns flags that are counted and reported.
        attributes: Returns flags that complete contexts first.
        overrides: Returns flags as a test wants them (`flagctl.testing`).
        recorder: Returns what is served so that a test learns of every evaluation (`flagctl.testing`).
    """

    guards: Callable[[FlagSet], FlagSet] | None = None
    telemetry: Callable[[FlagSet], Evaluating] | None = None
    attributes: Callable[[Evaluating], Evaluating] | None = None
    overrides: Callable[[FlagSet], FlagSet] | None = None
    recorder: Callable[[FlagSet, Evaluating], Evaluating] | None = None


def dress(flags: FlagSet, parts: Parts) -> Evaluating:
    """Return what a client serves of these flags."""
    if parts.guards is not None:
        flags = parts.guards(flags)
    if parts.overrides is not None:
        flags = parts.overrides(flags)
    served: Evaluating = flags if parts.telemetry is None else parts.telemetry(flags)
    if parts.recorder is not None:
        served = parts.recorder(flags, served)
    return served if parts.attributes is None else parts.attributes(served)
