"""Who gets what: percentages, rollouts and experiments as a bundle has them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

from flagctl.compiler.scope import place_of_experiment
from flagctl.model import FULL, ExperimentStatus, FixedPercentage, SteppedPercentage

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from flagctl.compiler.scope import Place, Scope
    from flagctl.diagnostics import Route
    from flagctl.model import Experiment, LinearPercentage, Percentage, Rollout, Schedule


def variant_index(name: str, indexes: Mapping[str, int], place: Place, route: Route) -> int:
    """Return a variant's place in the flag's array of variants.

    Raises:
        FindingsError: If the flag has no such variant.
    """
    index = indexes.get(name)
    if index is None:
        place.refuse(route, f"the flag has no variant '{name}'")
    return index


def schedule_document(schedule: Schedule, place: Place, scope: Scope) -> dict[str, int]:
    """Return a window of time as a bundle has it.

    Raises:
        FindingsError: If the window is empty.
    """
    scope.capabilities.add("schedules")
    document = {}
    if schedule.from_ms is not None:
        document["from"] = schedule.from_ms
    if schedule.until_ms is not None:
        document["until"] = schedule.until_ms
    if document.get("from", float("-inf")) >= document.get("until", float("inf")):
        place.refuse(schedule.route, "the schedule ends before it begins")
    return document


def percentage_document(percentage: Percentage, place: Place, scope: Scope) -> Any:
    """Return a percentage as a bundle has it.

    Raises:
        FindingsError: If a share is not between 0 and 100 %, or instants are out of order.
    """
    if isinstance(percentage, FixedPercentage):
        return _share(percentage.thousandths, place, percentage.route)
    scope.capabilities.add("schedules")
    if isinstance(percentage, SteppedPercentage):
        if not percentage.steps:
            place.refuse(percentage.route, "the list of steps is empty")
        if any(one.from_ms >= other.from_ms for one, other in pairwise(percentage.steps)):
            place.refuse(percentage.route, "the steps are not in the order of their instants")
        return {"steps": [[step.from_ms, _share(step.thousandths, place, step.route)] for step in percentage.steps]}
    return {"linear": _linear(percentage, place)}


def _linear(percentage: LinearPercentage, place: Place) -> list[int]:
    if percentage.from_ms >= percentage.to_ms:
        place.refuse(percentage.route, "the ramp ends before it begins")
    ends = (_share(share, place, percentage.route) for share in (percentage.start, percentage.end))
    return [percentage.from_ms, percentage.to_ms, *ends]


def _share(thousandths: int, place: Place, route: Route) -> int:
    if not 0 <= thousandths <= FULL:
        place.refuse(route, f"{thousandths / 1000} is not a percentage")
    return thousandths


def split_document(rollout: Rollout, indexes: Mapping[str, int], place: Place) -> list[list[int]]:
    """Return a rollout as ascending ``[exclusive end, variant]``, with equal neighbours joined.

    Raises:
        FindingsError: If the ranges do not cover all buckets exactly once, or a variant is unknown.
    """
    if any((arm.weight is None) == (arm.ranges is None) for arm in rollout.arms):
        place.refuse(rollout.route, "each variant needs either a weight or bucket ranges")
    if len({arm.ranges is None for arm in rollout.arms}) > 1:
        place.refuse(rollout.route, "weights and pinned bucket ranges cannot be mixed")
    for arm in rollout.arms:
        variant_index(arm.variant, indexes, place, arm.route)
        if arm.weight is not None:
            _share(arm.weight, place, arm.route)
    split: list[list[int]] = []
    reached = 0
    for start, end, variant in rollout.ranges():
        if start != reached or not start < end <= FULL:
            place.refuse(
                rollout.route, f"the bucket ranges {'overlap' if start < reached else 'have a gap'} at {start}"
            )
        index = indexes[variant]
        if split and split[-1][1] == index:
            split[-1][0] = end
        else:
            split.append([end, index])
        reached = end
    if reached != FULL:
        place.refuse(rollout.route, f"the shares make {reached / 1000:g} %, not 100 %")
    return split


def experiment_document(
    experiment: Experiment, indexes: Mapping[str, int], scope: Scope
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an experiment as the rule that serves it has it, and the rest of that rule's outcome.

    Raises:
        FindingsError: If the experiment does not fit its flag or its layer.
    """
    place = place_of_experiment(experiment)
    split = split_document(experiment.variants, indexes, place)
    slots = _slots(experiment, place, scope)
    document: dict[str, Any] = {"key": experiment.key, "status": experiment.status.value}
    winner = None
    if experiment.winner is not None:
        winner = variant_index(experiment.winner, indexes, place, ("winner",))
    if experiment.status is ExperimentStatus.RUNNING:
        document |= {"salt": experiment.allocation_salt, "slots": slots}
        return document, {"split": split}
    if experiment.status is ExperimentStatus.COMPLETED and winner is not None:
        return document, {"serve": winner}
    return document, {}


def _slots(experiment: Experiment, place: Place, scope: Scope) -> list[list[int]]:
    if experiment.layer is not None:
        if experiment.layer not in scope.repository.layers:
            place.refuse(("layer",), f"there is no layer '{experiment.layer}'")
        if experiment.traffic is not None:
            place.refuse(("traffic",), "an experiment in a layer has slots, not traffic")
    elif experiment.slots:
        place.refuse(("slots",), "slots need a layer")
    elif experiment.traffic is not None:
        _share(experiment.traffic, place, ("traffic",))
    return _joined(experiment.allocation_slots, place)


def _joined(slots: Iterable[tuple[int, int]], place: Place) -> list[list[int]]:
    result: list[list[int]] = []
    for start, end in slots:
        if not 0 <= start < end <= FULL:
            place.refuse(("slots",), f"[{start}, {end}] is not a range of the {FULL} slots")
        if result and start < result[-1][1]:
            place.refuse(("slots",), f"the slots overlap at {start}")
        if result and start == result[-1][1]:
            result[-1][1] = end
        else:
            result.append([start, end])
    return result
