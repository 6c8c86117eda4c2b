"""EXP101: two experiments of a layer that claim the same slots."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from flagctl.diagnostics import RuleInfo, Severity
from flagctl.lint.finding import Finding, Place
from flagctl.model import ExperimentStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.lint.context import LintContext

INFO = RuleInfo(
    code="EXP101",
    name="layer-slots-overlap",
    severity=Severity.ERROR,
    summary="Slots of two experiments in one layer overlap.",
    why=(
        "A layer promises that no unit is in two of its experiments at once. Units in an overlap would be in both, and each"
        " experiment would measure the other's effect. Slots of completed experiments are free again."
    ),
    bad="""\
kind: layer
key: homepage
---
kind: flag
key: hero
type: boolean
default: off
---
kind: experiment
key: hero-size
flag: hero
status: draft
variants: {on: 50, off: 50}
layer: homepage
slots: [[0, 60000]]
---
kind: experiment
key: hero-text
flag: hero
status: draft
variants: {on: 50, off: 50}
layer: homepage
slots: [[50000, 100000]]
""",
    good="""\
kind: layer
key: homepage
---
kind: flag
key: hero
type: boolean
default: off
---
kind: experiment
key: hero-size
flag: hero
status: draft
variants: {on: 50, off: 50}
layer: homepage
slots: [[0, 50000]]
---
kind: experiment
key: hero-text
flag: hero
status: draft
variants: {on: 50, off: 50}
layer: homepage
slots: [[50000, 100000]]
""",
)


class _Slot(NamedTuple):
    start: int
    end: int
    experiment: str
    place: Place


def check(context: LintContext) -> Iterator[Finding]:
    """Yield a finding for each slot that begins inside an earlier one."""
    layers: dict[str, list[_Slot]] = {}
    for experiment in context.repository.experiments.values():
        if experiment.layer is not None and experiment.status is not ExperimentStatus.COMPLETED:
            for index, (start, end) in enumerate(experiment.slots):
                slot = _Slot(start, end, experiment.key, Place(experiment.path, ("slots", index)))
                layers.setdefault(experiment.layer, []).append(slot)
    for layer, slots in layers.items():
        slots.sort()
        widest = slots[0]
        for slot in slots[1:]:
            if slot.start < widest.end:
                yield _finding(layer, widest, slot)
            widest = max(widest, slot, key=lambda one: one.end)


def _finding(layer: str, first: _Slot, second: _Slot) -> Finding:
    span = f"{second.start} to {min(first.end, second.end)}"
    return Finding(
        place=second.place,
        message=f"experiments '{first.experiment}' and '{second.experiment}' both have the slots {span}"
        f" of layer '{layer}'"
        if first.experiment != second.experiment
        else f"experiment '{first.experiment}' lists the slots {span} twice",
        help="give each experiment slots of its own",
        related=((first.place, f"slots of '{first.experiment}'"),),
        key=second.experiment,
    )
