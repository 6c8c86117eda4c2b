"""Experiments and layers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from flagctl.model.flag import TARGETING_KEY

if TYPE_CHECKING:
    from flagctl.diagnostics import Route
    from flagctl.model.rollout import Rollout


class ExperimentStatus(Enum):
    """Only this gates an experiment; dates are records."""

    DRAFT = "draft"
    RUNNING = "running"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """What an experiment measures."""

    event: str
    kind: str
    name: str | None = None
    direction: str | None = None
    route: Route = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An experiment file.

    `traffic` (thousandths of a percent) and `layer` with `slots` (half-open, of 100 000) exclude each other; both None
    means all eligible units.
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
