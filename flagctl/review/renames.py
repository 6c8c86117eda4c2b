"""Variants that got another name: one change, with all that says the new name, instead of one for each place."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flagctl.model import ExperimentStatus, Rollout
from flagctl.review.meaning import json_meaning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.model import EnvironmentOverride, Experiment, Flag, Prerequisite, Repository

Names = dict[str, str]
"""New names of a flag's variants, by their old ones."""


def renamed_variants(old: Flag, new: Flag) -> Names:
    """Return which variants of a flag have another name and the same value.

    A value that several of the variants that came or went have says nothing about which of them became which.
    """
    if [v.name for v in old.variants] == [v.name for v in new.variants]:
        return {}  # nearly always, and quick
    gone = {v.name for v in old.variants} - {v.name for v in new.variants}
    fresh = {v.name for v in new.variants} - {v.name for v in old.variants}
    if not gone or not fresh or old.is_value_flag or new.is_value_flag or old.type is not new.type:
        return {}
    olds = [(json_meaning(v.value), v.name) for v in old.variants if v.name in gone]
    news = [(json_meaning(v.value), v.name) for v in new.variants if v.name in fresh]
    counts = Counter(value for value, _ in olds), Counter(value for value, _ in news)
    later = {value: name for value, name in news if counts[1][value] == 1}
    return {name: later[value] for value, name in olds if counts[0][value] == 1 and value in later}


class Renames:
    """The renamed variants of all flags that are on both sides.

    Attributes:
        names: New names by old ones, by the flag's key; only flags that have some.
    """

    def __init__(self, old: Repository, new: Repository) -> None:
        found = {key: renamed_variants(flag, new.flags[key]) for key, flag in old.flags.items() if key in new.flags}
        self.names: dict[str, Names] = {key: names for key, names in found.items() if names}
        self._old, self._new = old, new

    def flag(self, flag: Flag) -> Flag:
        """Return a flag of the old side as it reads with the new names, its own and those of its prerequisites."""
        if not self.names:
            return flag
        names = self.names.get(flag.key, {})
        base = self._state(flag, names)
        overrides = {env: replace(part, **self._state(part, names)) for env, part in flag.environments.items()}
        return replace(flag, **base, environments=overrides)

    def experiment(self, item: Experiment) -> Experiment:
        """Return an experiment of the old side as it reads with the new names.

        One that has begun keeps them: its data are recorded under the old ones, so new ones are a change of their own.
        """
        names = self.names.get(item.flag, {})
        if not names or item.status is not ExperimentStatus.DRAFT:
            return item
        control, winner = (None if name is None else names.get(name, name) for name in (item.control, item.winner))
        return replace(item, variants=_rollout(item.variants, names), control=control, winner=winner)

    def touched(self, key: str, name: str) -> tuple[str, ...]:
        """Return what says the new name of a variant where it said the old one, in words."""
        later = self.names[key][name]
        after = {*_uses(self._new, key, later)}
        return tuple(use for use in dict.fromkeys(_uses(self._old, key, name)) if use in after)

    def _state(self, part: Flag | EnvironmentOverride, names: Names) -> dict[str, Any]:
        default = part.default
        if isinstance(default, str):
            default = names.get(default, default)
        elif default is not None:
            default = _rollout(default, names)
        return {
            "off": None if part.off is None else names.get(part.off, part.off),
            "default": default,
            "targets": tuple(replace(one, variant=names.get(one.variant, one.variant)) for one in part.targets),
            "rules": tuple(
                replace(
                    rule,
                    serve=None if rule.serve is None else names.get(rule.serve, rule.serve),
                    rollout=None if rule.rollout is None else _rollout(rule.rollout, names),
                )
                for rule in part.rules
            ),
            "prerequisites": tuple(self._prerequisite(one) for one in part.prerequisites),
        }

    def _prerequisite(self, one: Prerequisite) -> Prerequisite:
        names: Mapping[str, str] = self.names.get(one.flag, {})
        return replace(one, variants=tuple(names.get(name, name) for name in one.variants))


def _rollout(rollout: Rollout, names: Names) -> Rollout:
    return replace(
        rollout, arms=tuple(replace(arm, variant=names.get(arm.variant, arm.variant)) for arm in rollout.arms)
    )


def _uses(repository: Repository, key: str, name: str) -> Iterator[str]:
    """Yield what names a variant: parts of its flag, then other documents."""
    for part in _parts(repository.flags[key]):
        yield from _uses_in_state(part, name)
    for other in repository.flags.values():
        for part in _parts(other):
            if any(one.flag == key and name in one.variants for one in part.prerequisites):
                yield f"prerequisite of {other.key}"
    for experiment in repository.experiments.values():
        named = {arm.variant for arm in experiment.variants.arms} | {experiment.control, experiment.winner}
        if experiment.flag == key and experiment.status is ExperimentStatus.DRAFT and name in named:
            yield f"experiment {experiment.key}"


def _parts(flag: Flag) -> tuple[Flag | EnvironmentOverride, ...]:
    return (flag, *flag.environments.values())


def _uses_in_state(part: Flag | EnvironmentOverride, name: str) -> Iterator[str]:
    if _serves(part.default, name):
        yield "default"
    if part.off == name:
        yield "off"
    if any(target.variant == name for target in part.targets):
        yield "targets"
    for rule in part.rules:
        if rule.serve == name or _serves(rule.rollout, name):
            yield f"rule {rule.id}"


def _serves(outcome: str | Rollout | None, name: str) -> bool:
    if isinstance(outcome, Rollout):
        return any(arm.variant == name for arm in outcome.arms)
    return outcome == name
