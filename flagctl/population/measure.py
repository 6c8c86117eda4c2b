"""What flags answer to a whole population: one version, or what changes between two."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from flagctl.bundle.canonical import canonical_json
from flagctl.garbage import without_garbage_collection
from flagctl.population.counting import Grouping, Tally
from flagctl.population.engine import ColumnFlags
from flagctl.population.nesting import heading

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

    from flagctl.evaluator.document import Document
    from flagctl.evaluator.lists import ListReader
    from flagctl.population.batch import Batch
    from flagctl.population.counting import Group
    from flagctl.population.engine import Outcome

    Batches = Iterable[tuple[Batch, float | None]]
    Progress = Callable[[int, float | None], None]
    """Told after each batch: contexts so far, and the share of the file that is read (None: unknown)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """What applications get.

    Attributes:
        variant: Name of the variant; None: the caller's default.
        value: The variant's value.
        error_code: Why the caller's default is served, if an error is the cause.
    """

    variant: str | None
    value: Any
    error_code: str | None

    @classmethod
    def by(cls, outcome: Outcome) -> Served:
        """Return what an outcome serves."""
        code = None if outcome.error_code is None else outcome.error_code.value
        return cls(variant=outcome.variant, value=outcome.value, error_code=code)

    @property
    def identity(self) -> tuple[str | None, bytes, str | None]:
        """A key that is equal for what is the same to applications."""
        return self.variant, canonical_json(self.value), self.error_code

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON outputs have it."""
        return {"variant": self.variant, "value": self.value, "error_code": self.error_code}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredMovement:
    """How many contexts get one thing before and one after, with a few of them."""

    before: Served
    after: Served
    count: int
    share: float
    examples: tuple[Mapping[str, Any], ...] = ()

    @property
    def is_change(self) -> bool:
        """Whether both differ."""
        return self.before.identity != self.after.identity

    def to_dict(self) -> dict[str, Any]:
        """Return the movement as JSON outputs have it; the share is a fraction."""
        return {
            "before": self.before.to_dict(),
            "after": self.after.to_dict(),
            "is_change": self.is_change,
            "count": self.count,
            "share": self.share,
            "examples": list(self.examples),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredGroup:
    """The same for contexts with one value of an attribute; shares are of these contexts."""

    group: Group
    contexts: int
    movements: tuple[MeasuredMovement, ...]

    @property
    def changed(self) -> int:
        """Contexts whose answer changes."""
        return sum(m.count for m in self.movements if m.is_change)

    def to_dict(self) -> dict[str, Any]:
        """Return the group as JSON outputs have it."""
        return {
            **self.group.to_dict(),
            "contexts": self.contexts,
            "changed": self.changed,
            "movements": [_without_examples(m.to_dict()) for m in self.movements],
        }


def _without_examples(data: dict[str, Any]) -> dict[str, Any]:
    return {name: part for name, part in data.items() if name != "examples"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredFlag:
    """Who changes when one flag changes in one environment.

    Attributes:
        key: The flag.
        environment: Where.
        contexts: Size of the population.
        movements: Every (before, after) that occurs, the largest change first, then what stays.
        by: For each attribute asked for, the groups, the largest first.
    """

    key: str
    environment: str
    contexts: int
    movements: tuple[MeasuredMovement, ...]
    by: Mapping[str, tuple[MeasuredGroup, ...]]

    @property
    def changed(self) -> int:
        """Contexts whose answer changes."""
        return sum(m.count for m in self.movements if m.is_change)

    def to_dict(self) -> dict[str, Any]:
        """Return the measurement as JSON outputs have it."""
        return {
            "key": self.key,
            "environment": self.environment,
            "contexts": self.contexts,
            "changed": self.changed,
            "movements": [movement.to_dict() for movement in self.movements],
            "by": [
                {"attribute": attribute, "groups": [group.to_dict() for group in groups]}
                for attribute, groups in self.by.items()
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """What to count besides.

    Attributes:
        by: Attributes to break numbers down by, as paths.
        examples: How many contexts to show of each movement.
        private: Attributes that examples keep to themselves.
        lists: Knows the units of lists; None: nobody does.
    """

    by: tuple[tuple[str, ...], ...] = ()
    examples: int = 3
    private: frozenset[tuple[str, ...]] = frozenset()
    lists: ListReader | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Versions:
    """Both versions of one environment's flags, and those of them to compare."""

    environment: str
    before: Document
    after: Document
    keys: tuple[str, ...]


def compare(
    versions: Sequence[Versions], batches: Batches, now_ms: int, questions: Questions, progress: Progress
) -> tuple[MeasuredFlag, ...]:
    """Evaluate both versions of flags for every context.

    Args:
        versions: What to compare, for each environment.
        batches: The population.
        now_ms: The instant of all evaluations.
        questions: What to count.
        progress: Told after each batch.
    """
    groupings = [Grouping(path) for path in questions.by]
    lists = questions.lists
    sides = [(ColumnFlags(v.before, now_ms, lists), ColumnFlags(v.after, now_ms, lists)) for v in versions]
    tallies = {(v.environment, key): Tally(groupings, questions.examples) for v in versions for key in v.keys}
    done = 0
    with without_garbage_collection():
        for batch, share in batches:
            groups = [grouping.numbers(batch) for grouping in groupings]
            for version, (old, new) in zip(versions, sides, strict=True):
                before, after = old.on(batch), new.on(batch)
                for key in version.keys:
                    tally = tallies[version.environment, key]
                    left, right = before.flag(key), after.flag(key)
                    pairs = _pairs(tally, old.outcomes(key), new.outcomes(key))
                    tally.add(batch, pairs[left, right], groups)
            done += batch.size
            progress(done, share)
    measured = []
    for version, (old, new) in zip(versions, sides, strict=True):
        for key in version.keys:
            parts = (old.attributes(key), new.attributes(key))
            looked_at = None if None in parts else {_TARGETING_KEY, *(parts[0] or ()), *(parts[1] or ())}
            tally = tallies[version.environment, key]
            counted = _Counted(tally, groupings, partial(shown, private=questions.private, only=looked_at))
            measured.append(counted.flag(key, version.environment))
    return tuple(measured)


class _Pair:
    """What two versions serve, as a class of a tally."""

    __slots__ = ("after", "before")

    def __init__(self, before: Served, after: Served) -> None:
        self.before = before
        self.after = after

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Pair) and (self.before.identity, self.after.identity) == (
            other.before.identity,
            other.after.identity,
        )

    def __hash__(self) -> int:
        return hash((self.before.identity, self.after.identity))


def _pairs(tally: Tally, before: Sequence[Outcome], after: Sequence[Outcome]) -> Any:
    """Return the class of each pair of outcomes, shape ``(len(before), len(after))``."""
    olds, news = [Served.by(outcome) for outcome in before], [Served.by(outcome) for outcome in after]
    return np.array([[tally.number(_Pair(old, new)) for new in news] for old in olds], np.int64)


@dataclass(frozen=True, slots=True)
class _Counted:
    """A tally on its way to a measurement."""

    tally: Tally
    groupings: Sequence[Grouping]
    shown: Callable[[Any], dict[str, Any]]

    def flag(self, key: str, environment: str) -> MeasuredFlag:
        tally = self.tally
        every = {number: tally.count(number) for number in range(len(tally.classes))}
        by = {}
        for place, grouping in enumerate(self.groupings):
            groups = []
            for number, counts in tally.by_group(place).items():
                total = sum(counts.values())
                part = self._movements(counts, total, examples=False)
                groups.append(MeasuredGroup(group=grouping.groups[number], contexts=total, movements=part))
            by[heading(grouping.path)] = tuple(groups)
        return MeasuredFlag(
            key=key,
            environment=environment,
            contexts=tally.total,
            movements=self._movements(every, tally.total, examples=True),
            by=by,
        )

    def _movements(self, counts: Mapping[int, int], total: int, *, examples: bool) -> tuple[MeasuredMovement, ...]:
        """Return what occurs, changes first, the largest first."""
        found = []
        for number, count in counts.items():
            pair: _Pair = self.tally.classes[number]
            if count:
                wanted = examples and pair.before.identity != pair.after.identity
                contexts = self.tally.examples(number) if wanted else ()
                movement = MeasuredMovement(
                    before=pair.before,
                    after=pair.after,
                    count=count,
                    share=count / total,
                    examples=tuple(map(self.shown, contexts)),
                )
                found.append(movement)
        return tuple(sorted(found, key=lambda m: (not m.is_change, -m.count)))


_TARGETING_KEY = ("targeting_key",)
PRIVATE = "(personal data)"
"""Stands in examples for values of attributes that are declared as personal data."""


def shown(
    context: Any, private: frozenset[tuple[str, ...]], only: Collection[tuple[str, ...]] | None
) -> dict[str, Any]:
    """Return a context as examples show it: plain JSON, without personal data.

    Args:
        context: A mapping.
        private: Attributes that are personal data.
        only: Leave the others out; None: show all.
    """
    wanted = None if only is None else {path[:length] for path in only for length in range(1, len(path) + 1)}
    whole = frozenset(only or ())

    def visit(value: Any, path: tuple[str, ...], *, everything: bool) -> Any:
        if path in private and value is not None:
            return PRIVATE
        if isinstance(value, dict):
            inner = {(*path, str(key)): part for key, part in value.items()}
            return {
                below[-1]: visit(part, below, everything=everything or below in whole)
                for below, part in inner.items()
                if everything or wanted is None or below in wanted
            }
        return json.loads(json.dumps(value, default=str))

    result: dict[str, Any] = visit(context, (), everything=wanted is None)
    return result
