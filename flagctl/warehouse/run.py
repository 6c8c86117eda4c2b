"""What the steps of an aggregation have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.model import Experiment
    from flagctl.warehouse.pipeline import Engine

MISSING = "(missing)"
"""Shown for units without an attribute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateOptions:
    """How to read events.

    Attributes:
        as_of_ms: Events up to this instant count.
        environment: Only events of this environment; None for all.
        details: Whether days, ages and parts are computed, too.
        progress: Called with what is done next.
    """

    as_of_ms: int
    environment: str | None = None
    details: bool = True
    progress: Callable[[str], None] | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What the steps have in common."""

    engine: Engine
    experiment: Experiment
    options: AggregateOptions

    @property
    def variants(self) -> tuple[str, ...]:
        """Names of the experiment's variants, in their order."""
        return tuple(arm.variant for arm in self.experiment.variants.arms)

    @property
    def until(self) -> int:
        """Instant in microseconds up to which events count."""
        return self.options.as_of_ms * 1000

    def rows(self, expression: Any) -> list[dict[str, Any]]:
        """Return the rows of a small result, with the name of the variant for each ``arm``."""
        return [{**row, "variant": self.variants[int(row["arm"])]} for row in self.engine.rows(expression)]

    def say(self, text: str) -> None:
        """Tell what is done next."""
        if self.options.progress is not None:
            self.options.progress(text)
