"""Where the parts of a repository stand: built once, so that each rule looks only at what concerns it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from flagctl.model import AllOf, AnyOf, AttributeCondition, Rollout, SegmentCondition

if TYPE_CHECKING:
    from collections.abc import Iterator

    from flagctl.model import Condition, Flag, FlagState, Repository, Rule


class ConditionSite(NamedTuple):
    """A condition on an attribute, where it is written.

    Attributes:
        path: File.
        key: Of the flag or segment it is in.
        condition: Itself.
        scope: Conditions that must hold together with it, itself included unless it stands under `not`.
        nots: How many `not` stand around it.
        direct: Whether the innermost of them holds nothing but this condition.
    """

    path: str
    key: str
    condition: AttributeCondition
    scope: tuple[Condition, ...]
    nots: int
    direct: bool


class SegmentSite(NamedTuple):
    """A condition on a segment, where it is written; `user` is the segment it stands in, or None in a flag."""

    path: str
    key: str
    condition: SegmentCondition
    user: str | None


class Conjunction(NamedTuple):
    """Conditions that must all hold."""

    path: str
    key: str
    conditions: tuple[Condition, ...]


class RuleSite(NamedTuple):
    """A rule where it is written, in the flag itself or in an environment's override."""

    flag: Flag
    rule: Rule


class RolloutSite(NamedTuple):
    """A rollout where it is written: a rule's, or a default's (`rule` is None)."""

    flag: Flag
    rule: Rule | None
    rollout: Rollout


class StateSite(NamedTuple):
    """What a flag is in some environments.

    Attributes:
        flag: The flag.
        state: Base and override put together.
        environments: Names of the environments it is like this in; never empty.
    """

    flag: Flag
    state: FlagState
    environments: tuple[str, ...]


class ConditionIndex:
    """Every condition of a repository.

    Attributes:
        uses: Conditions on attributes by (attribute path, operator).
        segments: Conditions on segments by the segment's name.
        conjunctions: Lists of two or more conditions that must all hold.
    """

    __slots__ = ("_key", "_path", "_user", "conjunctions", "segments", "uses")

    def __init__(self, repository: Repository) -> None:
        self.uses: dict[tuple[tuple[str, ...], str], list[ConditionSite]] = defaultdict(list)
        self.segments: dict[str, list[SegmentSite]] = defaultdict(list)
        self.conjunctions: list[Conjunction] = []
        self._user: str | None = None
        for flag, rule in rule_sites(repository):
            if rule.when:
                self._path, self._key = flag.path, flag.key
                self._all(rule.when, rule.when)
        for segment in repository.segments.values():
            if segment.when:
                self._path, self._key, self._user = segment.path, segment.key, segment.key
                self._all(segment.when, segment.when)

    def _all(self, conditions: tuple[Condition, ...], scope: tuple[Condition, ...], nots: int = 0) -> None:
        if len(conditions) > 1:
            self.conjunctions.append(Conjunction(self._path, self._key, conditions))
        self._walk(conditions, scope, nots, direct=False)

    def _walk(
        self, conditions: tuple[Condition, ...], scope: tuple[Condition, ...], nots: int, *, direct: bool
    ) -> None:
        for condition in conditions:
            kind = condition.__class__
            if kind is AttributeCondition:
                site = ConditionSite(self._path, self._key, condition, scope, nots, direct)  # type: ignore[arg-type]
                self.uses[condition.attribute, condition.operator].append(site)  # type: ignore[union-attr]
            elif kind is SegmentCondition:
                place = SegmentSite(self._path, self._key, condition, self._user)  # type: ignore[arg-type]
                self.segments[condition.segment].append(place)  # type: ignore[union-attr]
            elif isinstance(condition, AllOf):
                self._all(condition.conditions, scope + condition.conditions, nots)
            elif isinstance(condition, AnyOf):
                for part in condition.conditions:
                    self._walk((part,), (*scope, part), nots, direct=False)
            else:
                self._walk((condition.condition,), scope, nots + 1, direct=True)  # type: ignore[union-attr]


def rule_sites(repository: Repository) -> Iterator[RuleSite]:
    """Yield every rule that is written, flags in the order of their keys."""
    for flag in repository.flags.values():
        for rule in flag.rules:
            yield RuleSite(flag, rule)
        for override in flag.environments.values():
            for rule in override.rules:
                yield RuleSite(flag, rule)


def rollout_sites(repository: Repository) -> Iterator[RolloutSite]:
    """Yield every rollout that is written."""
    for flag in repository.flags.values():
        for rule in flag.rules:
            if rule.rollout is not None:
                yield RolloutSite(flag, rule, rule.rollout)
        if isinstance(flag.default, Rollout):
            yield RolloutSite(flag, None, flag.default)
        for override in flag.environments.values():
            for rule in override.rules:
                if rule.rollout is not None:
                    yield RolloutSite(flag, rule, rule.rollout)
            if isinstance(override.default, Rollout):
                yield RolloutSite(flag, None, override.default)


def state_sites(repository: Repository) -> Iterator[StateSite]:
    """Yield the distinct states of every flag.

    Environments without an override share the base. A repository without environments has it in none, which still
    counts as one state, so that a flag is looked at before the first environment exists.
    """
    names = tuple(repository.config.environments)
    for flag in repository.flags.values():
        overrides = flag.environments
        if not overrides:
            yield StateSite(flag, flag.in_environment(""), names)
            continue
        plain = tuple(name for name in names if name not in overrides)
        if plain or not names:
            yield StateSite(flag, flag.in_environment(""), plain)
        for name in names:
            if name in overrides:
                yield StateSite(flag, flag.in_environment(name), (name,))
