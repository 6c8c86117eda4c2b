"""`flagctl experiment interactions`: whether experiments that share units disturb one another."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.errors import UsageError
from flagctl.ops.experiment_analyze import days_of, find_experiment, open_events
from flagctl.ops.loading import load, readable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.experiments.data import ArmMetric
    from flagctl.model import Experiment, Repository
    from flagctl.ops.experiment_analyze import AnalyzeOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """The units with one variant in each of two experiments.

    Attributes:
        variant: In the experiment whose metric it is.
        other_variant: In the other one.
        units: How many.
        mean: Of the metric; None if there are too few.
    """

    variant: str
    other_variant: str
    units: int
    mean: float | None

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Two experiments that share units.

    Attributes:
        other: Key of the other experiment.
        units: Units in both.
        assignment_p_value: Of "the variants of one say nothing about those of the other", chi-square; None with few units.
        cells: Units by both variants.
        pairs: (variant, other variant, p-value of "the effect does not depend on the other experiment's variant"), corrected
            over all pairs of all experiments.
    """

    other: str
    units: int
    assignment_p_value: float | None
    cells: tuple[Cell, ...]
    pairs: tuple[tuple[str, str, float], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        return {
            "other": self.other,
            "units": self.units,
            "assignment_p_value": self.assignment_p_value,
            "cells": [one.to_dict() for one in self.cells],
            "pairs": [{"variant": one, "other_variant": other, "p_value": p} for one, other, p in self.pairs],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class InteractionsResult:
    """The experiments that an experiment shares units with.

    Attributes:
        experiment: Key.
        metric: Key of its primary metric.
        source: Where the events came from.
        crossings: One for each other experiment with units in both.
        apart: Experiments that were looked at and share no unit.
    """

    experiment: str
    metric: str
    source: str
    crossings: tuple[Crossing, ...]
    apart: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-experiment-interactions.schema.json`)."""
        return {
            "experiment": self.experiment,
            "metric": self.metric,
            "source": self.source,
            "crossings": [one.to_dict() for one in self.crossings],
            "apart": list(self.apart),
        }


def interactions(options: AnalyzeOptions, others: tuple[str, ...] = ()) -> InteractionsResult:
    """Compare an experiment's effect between the variants of other experiments.

    Args:
        options: Where events are and what reads them; its `key` is the experiment whose primary metric is looked at.
        others: Keys of other experiments; empty for all that are not drafts.

    Raises:
        NothingMatchedError: If there is no such experiment, or there are no events.
        UsageError: If the experiment has no primary metric, or it is a quantile over events, or packages are missing.
        RemoteError: If the store cannot be read.
        FindingsError: If the flag files have errors.
    """
    repository = readable(load(options.root, revision=options.revision))
    experiment = find_experiment(repository, options.key)
    primary = experiment.primary
    if primary is None or primary.kind == "quantile":
        raise UsageError(
            f"experiment '{experiment.key}' has no primary metric that adds up over units",
            hint="the check is for conversion, count, mean, revenue and ratio",
        )
    compared = _others(repository, experiment, others)
    with closing(open_events(options, days_of(experiment, options.now_ms))) as engine:
        from flagctl.warehouse.run import AggregateOptions, Run
        from flagctl.warehouse.units import crossed

        wanted = AggregateOptions(
            as_of_ms=options.now_ms, environment=options.environment, details=False, progress=options.progress
        )
        run = Run(engine, experiment, wanted)
        found = {other.key: (other, crossed(run, other)) for other in compared}
    shared = [(other, arms) for other, arms in found.values() if arms]
    return InteractionsResult(
        experiment=experiment.key,
        metric=primary.key,
        source=options.events,
        crossings=tuple(_crossing(experiment, other, arms, len(shared)) for other, arms in shared),
        apart=tuple(key for key, (_, arms) in found.items() if not arms),
    )


def _others(repository: Repository, experiment: Experiment, keys: tuple[str, ...]) -> list[Experiment]:
    from flagctl.model import ExperimentStatus

    if keys:
        return [find_experiment(repository, key) for key in dict.fromkeys(keys) if key != experiment.key]
    return [
        one
        for one in repository.experiments.values()
        if one.key != experiment.key and one.status is not ExperimentStatus.DRAFT
    ]


def _crossing(
    experiment: Experiment, other: Experiment, arms: Mapping[tuple[str, str], ArmMetric], tested: int
) -> Crossing:
    from flagctl.experiments.analysis import control_of
    from flagctl.experiments.views import independence, interaction, reduced_cells

    sizes = {pair: arm.moments.n if arm.moments else 0 for pair, arm in arms.items()}
    reduced = reduced_cells(arms)
    pairs = interaction(reduced, controls=(control_of(experiment), control_of(other)))
    return Crossing(
        other=other.key,
        units=sum(sizes.values()),
        assignment_p_value=independence(sizes),
        cells=tuple(
            Cell(
                variant=one,
                other_variant=two,
                units=sizes[one, two],
                mean=reduced[one, two].mean if (one, two) in reduced else None,
            )
            for one, two in sorted(arms)
        ),
        # Corrected within the other experiment already; Bonferroni over experiments.
        pairs=tuple((one, two, min(1.0, p * tested)) for one, two, p in pairs),
    )
