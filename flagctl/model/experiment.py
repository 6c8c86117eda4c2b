"""Experiments and layers."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Final

from flagctl.model.flag import TARGETING_KEY

if TYPE_CHECKING:
    from flagctl.diagnostics import Route
    from flagctl.model.rollout import Rollout


class ExperimentStatus(Enum):
    """Only this gates an experiment; dates are records."""

    DRAFT = "draft"
    RUNNING = "running"
    COMPLETED = "completed"


WEEK_MS: Final = 7 * 86_400_000
"""Default window in which a unit's events count, in milliseconds."""

VALUE_KINDS: Final = frozenset({"mean", "revenue"})
"""Kinds of metrics that sum the values of events per unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioSide:
    """One side of a ratio: how often an event happened, or the sum of its values (`of` is ``count`` or ``value``)."""

    event: str
    of: str = "count"
    value: str = "value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What an experiment measures.

    Attributes:
        kind: ``conversion``, ``count``, ``mean``, ``revenue``, ``ratio`` or ``quantile``.
        event: Name of the event; empty for a ratio, which has `numerator` and `denominator`.
        name: For people.
        direction: ``increase`` or ``decrease``: which way is better; None is ``increase``.
        value: Where the event's number is: ``value``, or the name of one of its attributes.
        window_ms: How long after a unit's first exposure its events count.
        minimum_effect: Smallest relative difference worth having, in percent of the control's value.
        margin: How much worse than the control a guardrail may be, in percent of the control's value.
        winsorize_lower: Percentile up to which values are raised.
        winsorize_upper: Percentile down to which values are cut.
        cuped_ms: Length of the period before the first exposure whose values reduce noise.
        quantile: In percent, for the kind ``quantile``.
        level: ``event`` or ``unit``: what a quantile is taken over.
    """

    kind: str
    event: str = ""
    name: str | None = None
    direction: str | None = None
    value: str = "value"
    window_ms: int = WEEK_MS
    minimum_effect: float | None = None
    margin: float = 0.0
    winsorize_lower: float | None = None
    winsorize_upper: float | None = None
    cuped_ms: int | None = None
    quantile: float | None = None
    level: str = "event"
    numerator: RatioSide | None = None
    denominator: RatioSide | None = None
    route: Route = ()

    @property
    def key(self) -> str:
        """Return what names this metric within its experiment: its name, else event and kind."""
        if self.name is not None:
            return self.name
        if self.numerator is not None and self.denominator is not None:
            return f"{self.numerator.event}/{self.denominator.event}"
        suffix = "" if self.kind == "conversion" else f":{self.kind}"
        return f"{self.event}{suffix}" + ("" if self.quantile is None else f":p{self.quantile:g}")

    @property
    def events(self) -> tuple[str, ...]:
        """Return the names of the events this metric reads."""
        if self.numerator is not None and self.denominator is not None:
            return tuple(dict.fromkeys((self.numerator.event, self.denominator.event)))
        return (self.event,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How a result is read, agreed on before the start.

    Attributes:
        method: ``hybrid``, ``sequential``, ``fixed``, ``group_sequential`` or ``bayesian``; None: `effective_method`.
        alpha: Risk of a false alarm, in percent.
        power: Chance to see an effect of the minimum size, in percent.
        planned_days: Days from the start to the planned end.
        planned_units: Units in all variants together at the planned end.
        looks: Planned looks of a group-sequential test.
        minimum_days: No verdict before so many full days.
        minimum_units: No verdict with fewer units in a variant.
        minimum_conversions: No verdict with fewer conversions in a variant.
        maturity: ``complete``: only units whose window is over count towards the primary metric; ``all``.
        correction: ``holm``, ``benjamini_hochberg`` or ``none``.
    """

    method: str | None = None
    alpha: float = 5.0
    power: float = 80.0
    planned_days: int | None = None
    planned_units: int | None = None
    looks: int | None = None
    minimum_days: int = 7
    minimum_units: int = 100
    minimum_conversions: int = 25
    maturity: str = "complete"
    correction: str = "benjamini_hochberg"

    @property
    def effective_method(self) -> str:
        """Return the method: without one written, hybrid if an end is planned, else sequential."""
        if self.method is not None:
            return self.method
        return "sequential" if self.planned_days is None else "hybrid"


@dataclass(frozen=True, slots=True, kw_only=True)
class Amendment:
    """A change of what was agreed on, made while the experiment ran."""

    at_ms: int
    reason: str
    registration: str
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment file.

    `traffic` (thousandths of a percent) and `layer` with `slots` (half-open, of 100 000) exclude each other; both None
    means all eligible units. `registration` is the digest of what was agreed on when the experiment started
    (`flagctl.model.registration`).
    """

    key: str
    path: str
    flag: str
    status: ExperimentStatus
    variants: Rollout
    owner: str | None = None
    name: str | None = None
    description: str | None = None
    hypothesis: str | None = None
    tags: tuple[str, ...] = ()
    control: str | None = None
    winner: str | None = None
    traffic: int | None = None
    layer: str | None = None
    slots: tuple[tuple[int, int], ...] = ()
    bucket_by: tuple[str, ...] = TARGETING_KEY
    started_at_ms: int | None = None
    ended_at_ms: int | None = None
    primary: Metric | None = None
    secondary: tuple[Metric, ...] = ()
    guardrails: tuple[Metric, ...] = ()
    decision: Decision = field(default_factory=Decision)
    breakdowns: tuple[str, ...] = ()
    bot_events_per_day: int | None = None
    registration: str | None = None
    amendments: tuple[Amendment, ...] = ()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return all metrics: primary, secondary, guardrails."""
        return (*(() if self.primary is None else (self.primary,)), *self.secondary, *self.guardrails)

    @property
    def allocation_salt(self) -> str:
        """Salt of the draw that takes units in; the layer's if there is one, so that its experiments exclude each other."""
        return f"{self.layer or self.key}/allocation"

    @property
    def allocation_slots(self) -> tuple[tuple[int, int], ...]:
        """Bucket ranges of the allocation draw that are taken in, ascending."""
        if self.layer is not None:
            return tuple(sorted(self.slots))
        traffic = 100_000 if self.traffic is None else self.traffic
        return ((0, traffic),) if traffic else ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A layer file: experiments that share one allocation draw and so never overlap."""

    key: str
    path: str
    name: str | None = None
    description: str | None = None
    owner: str | None = None
    holdout: tuple[tuple[int, int], ...] = ()
