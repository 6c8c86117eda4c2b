"""`flagctl experiment list` and `show`: what runs, who is in it, and what room is left."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.ops.experiment_analyze import find_experiment
from flagctl.ops.experiment_edit import free_ranges
from flagctl.ops.loading import load, readable

if TYPE_CHECKING:
    from pathlib import Path

    from flagctl.model import Experiment, Metric, Repository


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSummary:
    """An experiment in a few words.

    Attributes:
        experiment: As it is in its file.
        share: Of all eligible units that it takes in, in thousandths of a percent.
        served_in: Environments where a rule of its flag hands units to it.
        registered: ``yes``, ``no``, ``amended``, or ``changed`` if it is not what was registered.
    """

    experiment: Experiment
    share: int
    served_in: tuple[str, ...]
    registered: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain data."""
        one = self.experiment
        return {
            "key": one.key,
            "flag": one.flag,
            "status": one.status.value,
            "owner": one.owner,
            "hypothesis": one.hypothesis,
            "share": self.share / 1000,
            "layer": one.layer,
            "slots": [list(slot) for slot in one.slots],
            "variants": {arm.variant: (None if arm.weight is None else arm.weight / 1000) for arm in one.variants.arms},
            "control": one.control,
            "winner": one.winner,
            "started_ms": one.started_at_ms,
            "ended_ms": one.ended_at_ms,
            "method": one.decision.effective_method,
            "planned_days": one.decision.planned_days,
            "primary": None if one.primary is None else one.primary.key,
            "secondary": [metric.key for metric in one.secondary],
            "guardrails": [metric.key for metric in one.guardrails],
            "served_in": list(self.served_in),
            "registered": self.registered,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerSummary:
    """A layer: who has which slots, and what is free."""

    key: str
    taken: tuple[tuple[str, int], ...]
    holdout: int
    free: tuple[tuple[int, int], ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data; shares in percent."""
        return {
            "key": self.key,
            "taken": [{"experiment": key, "share": share / 1000} for key, share in self.taken],
            "holdout": self.holdout / 1000,
            "free": [list(one) for one in self.free],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentListResult:
    """All experiments, or one."""

    experiments: tuple[ExperimentSummary, ...]
    layers: tuple[LayerSummary, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the result as the JSON output has it (`schemas/output-experiment-list.schema.json`)."""
        return {
            "experiments": [one.to_dict() for one in self.experiments],
            "layers": [one.to_dict() for one in self.layers],
        }


def list_experiments(root: Path, *, key: str | None = None, status: str | None = None) -> ExperimentListResult:
    """Return all experiments, those of one status, or one by its key.

    Raises:
        NothingMatchedError: If there is no such experiment.
        FindingsError: If the flag files have errors.
    """
    return summaries(readable(load(root)), key=key, status=status)


def summaries(repository: Repository, *, key: str | None = None, status: str | None = None) -> ExperimentListResult:
    """As `list_experiments`, of a repository that was read already."""
    if key is not None:
        chosen = [find_experiment(repository, key)]
    else:
        chosen = [one for one in repository.experiments.values() if status is None or one.status.value == status]
    layers = {one.layer for one in chosen if one.layer is not None} if key is not None else set(repository.layers)
    return ExperimentListResult(
        experiments=tuple(_summary(repository, one) for one in sorted(chosen, key=lambda one: one.key)),
        layers=tuple(_layer(repository, name) for name in sorted(layers) if name in repository.layers),
    )


def _summary(repository: Repository, experiment: Experiment) -> ExperimentSummary:
    from flagctl.model import agreed_registration, registration_of

    flag = repository.flags.get(experiment.flag)
    served = []
    if flag is not None:
        for name in repository.config.environments:
            rules = flag.in_environment(name).rules
            if any(rule.experiment == experiment.key for rule in rules):
                served.append(name)
    registered = "no"
    if experiment.registration is not None:
        registered = "amended" if experiment.amendments else "yes"
        if registration_of(experiment) != agreed_registration(experiment):
            registered = "changed"
    return ExperimentSummary(
        experiment=experiment,
        share=sum(end - start for start, end in experiment.allocation_slots),
        served_in=tuple(served),
        registered=registered,
    )


def _layer(repository: Repository, key: str) -> LayerSummary:
    layer = repository.layers[key]
    mine = [one for one in repository.experiments.values() if one.layer == key and one.status.value != "completed"]
    used = [slot for one in mine for slot in one.slots]
    return LayerSummary(
        key=key,
        taken=tuple((one.key, sum(end - start for start, end in one.slots)) for one in mine),
        holdout=sum(end - start for start, end in layer.holdout),
        free=tuple(free_ranges([*used, *layer.holdout])),
    )


def metric_words(metric: Metric) -> str:
    """Return what a metric measures, in words."""
    days = metric.window_ms / 86_400_000
    parts = [_what(metric)]
    parts.append(f"within {days:g} {'day' if days == 1 else 'days'}")
    if metric.direction == "decrease":
        parts.append("less is better")
    if metric.minimum_effect is not None:
        parts.append(f"worth having from {metric.minimum_effect:g} %")
    if metric.margin:
        parts.append(f"up to {metric.margin:g} % worse is allowed")
    cuts = [f"{one:g} %" for one in (metric.winsorize_lower, metric.winsorize_upper) if one is not None]
    if cuts:
        parts.append(f"cut at the {' and '.join(cuts)} {'quantile' if len(cuts) == 1 else 'quantiles'}")
    if metric.cuped_ms is not None:
        before = metric.cuped_ms / 86_400_000
        parts.append(f"adjusted by what units did in the {before:g} {'day' if before == 1 else 'days'} before")
    return ", ".join(parts)


def _what(metric: Metric) -> str:
    """Return the number of one unit, in words."""
    if metric.numerator is not None and metric.denominator is not None:
        above, below = (f"{side.of} of {side.event}" for side in (metric.numerator, metric.denominator))
        return f"ratio of the {above} to the {below}"
    value = "" if metric.value == "value" else f"{metric.value} of "
    if metric.quantile is not None:
        each = "units" if metric.level == "unit" else "events"
        return f"{metric.quantile:g} % quantile of {value}{metric.event} over {each}"
    return f"{metric.kind} of {value}{metric.event}"
