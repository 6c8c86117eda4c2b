"""Who changes, exactly: the share of units that gets another variant, by arithmetic over bucket ranges.

A unit's bucket under one salt is uniform over 100 000 values and independent of its bucket under another salt, so what a flag
serves to units for which the same conditions hold is a function on a box with one axis per (salt, unit attribute). The
ranges written in rules cut this box into cells on which both versions are constant; adding up the cells gives the
shares without looking at a single user.

Conditions themselves are not interpreted. Instead there is one *group* per set of conditions: units that meet them (and no
other rule's), and everybody else. A rule whose conditions changed has no exact answer here; measure it with a population.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from flagctl.model import (
    FULL,
    ExperimentStatus,
    FixedPercentage,
    LinearPercentage,
    Rollout,
    SteppedPercentage,
)
from flagctl.review.meaning import meaning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.model import Experiment, Flag, Percentage, Repository, Rule

Axis = tuple[str, tuple[str, ...]]
"""Salt and attribute path: one independent bucket."""

_MOST_CELLS = 250_000
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """A share of the group's units that goes from one variant to another; None is the caller's default."""

    before: str | None
    after: str | None
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Return the movement as the JSON output has it; the share is a fraction."""
        return {"before": self.before, "after": self.after, "share": self.share}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupImpact:
    """What changes for the units that meet the same conditions.

    Attributes:
        rules: Ids of the rules whose conditions hold; empty for units that only meet rules without conditions.
        movements: Every (before, after) with a share above 0, unchanged ones included; shares add up to 1.
    """

    rules: tuple[str, ...]
    movements: tuple[Movement, ...]

    @property
    def switching(self) -> float:
        """Share of units whose variant changes, as a fraction."""
        return sum(m.share for m in self.movements if m.before != m.after)

    @property
    def minimum(self) -> float:
        """Share that has to switch for the new shares, whatever the buckets: half the sum of absolute differences."""
        difference: dict[str | None, float] = {}
        for movement in self.movements:
            difference[movement.before] = difference.get(movement.before, 0.0) - movement.share
            difference[movement.after] = difference.get(movement.after, 0.0) + movement.share
        return sum(abs(value) for value in difference.values()) / 2

    @property
    def monotonic(self) -> bool:
        """Whether no variant both gains and loses units.

        Exactly then no more units switch than have to: every unit that moves makes up for a difference of the shares.
        """
        return self.switching - self.minimum < _ROUNDING

    def to_dict(self) -> dict[str, Any]:
        """Return the group as the JSON output has it."""
        return {
            "rules": list(self.rules),
            "switching": self.switching,
            "minimum": self.minimum,
            "monotonic": self.monotonic,
            "movements": [movement.to_dict() for movement in self.movements],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    box: Mapping[Axis, tuple[int, int]]
    variant: str | None


_Program = list[list[_Piece]]
"""What a flag serves to one group: the first piece of the first list that contains the unit's buckets."""


def percentage_at(item: Percentage, now_ms: int) -> int:
    """Return a percentage in thousandths at an instant, as the evaluator computes it."""
    match item:
        case FixedPercentage():
            return item.thousandths
        case LinearPercentage():
            if now_ms < item.from_ms:
                return item.start
            if now_ms >= item.to_ms:
                return item.end
            return item.start + (item.end - item.start) * (now_ms - item.from_ms) // (item.to_ms - item.from_ms)
        case SteppedPercentage():
            current = 0
            for step in item.steps:
                if now_ms >= step.from_ms:
                    current = step.thousandths
            return current


def exact_impact(
    old: tuple[Flag, Repository], new: tuple[Flag, Repository], environment: str, now_ms: int
) -> tuple[GroupImpact, ...] | None:
    """Return what changes for each group of units in one environment, or None where arithmetic can't tell.

    It can't when a rule's conditions, a target list or the prerequisites changed, or when there are too many independent
    salts for the cells to be counted. Targets and prerequisites that did not change are left out: the shares are of units
    that reach the rules.

    Args:
        old: The flag and its repository before.
        new: The same after.
        environment: Which environment to look at.
        now_ms: Instant at which schedules and ramps are looked at.
    """
    one, other = old[0].in_environment(environment), new[0].in_environment(environment)
    if meaning(one.targets) != meaning(other.targets) or meaning(one.prerequisites) != meaning(other.prerequisites):
        return None
    conditions = {rule.id: meaning(rule.when) for rule in one.rules}
    if any(conditions.get(rule.id, meaning(rule.when)) != meaning(rule.when) for rule in other.rules):
        return None
    groups: dict[Any, list[str]] = {}
    for rule in (*one.rules, *other.rules):
        if rule.when and rule.id not in groups.setdefault(meaning(rule.when), []):
            groups[meaning(rule.when)].append(rule.id)
    result = []
    for held, ids in [(None, []), *groups.items()]:
        before = _program(old, environment, now_ms, held)
        after = _program(new, environment, now_ms, held)
        movements = _movements(before, after)
        if movements is None:
            return None
        result.append(GroupImpact(rules=tuple(ids), movements=movements))
    return tuple(result)


def _program(side: tuple[Flag, Repository], environment: str, now_ms: int, held: Any) -> _Program:
    flag, repository = side
    state = flag.in_environment(environment)
    window = state.schedule
    if not state.enabled or (window is not None and not _inside(window.from_ms, window.until_ms, now_ms)):
        return [[_Piece(box={}, variant=state.off)]]
    program = []
    for rule in state.rules:
        if rule.when and meaning(rule.when) != held:
            continue
        if rule.schedule is not None and not _inside(rule.schedule.from_ms, rule.schedule.until_ms, now_ms):
            continue
        program.append(list(_rule_pieces(flag, rule, repository, now_ms)))
    default = state.default
    if isinstance(default, Rollout):
        program.append(list(_split(default, (flag.salt_of(None, default), flag.unit_of(None, default)))))
    else:
        program.append([_Piece(box={}, variant=default)])
    return program


def _inside(start: int | None, end: int | None, now_ms: int) -> bool:
    return (start is None or now_ms >= start) and (end is None or now_ms < end)


def _rule_pieces(flag: Flag, rule: Rule, repository: Repository, now_ms: int) -> Iterator[_Piece]:
    axis = (flag.salt_of(rule, rule.rollout), flag.unit_of(rule, rule.rollout))
    if rule.rollout is not None:
        yield from _split(rule.rollout, axis)
    elif rule.experiment is not None:
        experiment = repository.experiments.get(rule.experiment)
        if experiment is not None:
            yield from _experiment_pieces(experiment)
    else:
        share = FULL if rule.percentage is None else percentage_at(rule.percentage, now_ms)
        variant = rule.id if rule.serve is None else rule.serve
        if share >= FULL:
            yield _Piece(box={}, variant=variant)
        elif share > 0:
            yield _Piece(box={axis: (0, share)}, variant=variant)


def _split(rollout: Rollout, axis: Axis) -> Iterator[_Piece]:
    for start, end, variant in rollout.ranges():
        yield _Piece(box={axis: (start, end)}, variant=variant)


def _experiment_pieces(experiment: Experiment) -> Iterator[_Piece]:
    if experiment.status is ExperimentStatus.COMPLETED and experiment.winner is not None:
        yield _Piece(box={}, variant=experiment.winner)
    if experiment.status is not ExperimentStatus.RUNNING:
        return
    allocation = (experiment.allocation_salt, experiment.bucket_by)
    assignment = (experiment.key, experiment.bucket_by)
    for slot in experiment.allocation_slots:
        for start, end, variant in experiment.variants.ranges():
            yield _Piece(box={allocation: slot, assignment: (start, end)}, variant=variant)


def _movements(before: _Program, after: _Program) -> tuple[Movement, ...] | None:
    cuts: dict[Axis, set[int]] = {}
    for piece in (piece for program in (before, after) for pieces in program for piece in pieces):
        for axis, ends in piece.box.items():
            cuts.setdefault(axis, {0, FULL}).update(ends)
    axes = list(cuts)
    intervals = [list(pairwise(sorted(cuts[axis]))) for axis in axes]
    cells = 1
    for parts in intervals:
        cells *= len(parts)
    if cells > _MOST_CELLS:
        return None
    sums: dict[tuple[str | None, str | None], float] = {}
    for cell in product(*intervals):
        point = {axis: start for axis, (start, _) in zip(axes, cell, strict=True)}
        volume = 1.0
        for start, end in cell:
            volume *= (end - start) / FULL
        pair = (_serve(before, point), _serve(after, point))
        sums[pair] = sums.get(pair, 0.0) + volume
    ordered = sorted(sums.items(), key=lambda item: (str(item[0][0]), str(item[0][1])))
    return tuple(Movement(before=pair[0], after=pair[1], share=share) for pair, share in ordered if share > 0)


def _serve(program: _Program, point: Mapping[Axis, int]) -> str | None:
    for pieces in program:
        for piece in pieces:
            if all(start <= point[axis] < end for axis, (start, end) in piece.box.items()):
                return piece.variant
    return None
