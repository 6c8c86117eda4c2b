"""Small edits of repositories, as people make them: each may or may not change an answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flagctl.model import (
    AttributeCondition,
    ExperimentStatus,
    FixedPercentage,
    Flag,
    Repository,
    Rollout,
    Rule,
)
from tests.generators.conditions import random_conditions

if TYPE_CHECKING:
    from random import Random


def mutated(rng: Random, repository: Repository, edits: int) -> Repository:
    """Return the repository after some random edits of flags, segments and experiments."""
    for _ in range(edits):
        draw = rng.random()
        if draw < 0.7:
            key = rng.choice(list(repository.flags))
            flag = _edit_flag(rng, repository.flags[key], list(repository.segments))
            repository = replace(repository, flags={**repository.flags, key: flag})
        elif draw < 0.88 and repository.segments:
            key = rng.choice(list(repository.segments))
            segment = repository.segments[key]
            if rng.random() < 0.5 and len(segment.include) > 1:
                segment = replace(segment, include=segment.include[1:])
            elif segment.when is not None:
                segment = replace(segment, when=random_conditions(rng, [], 2))
            repository = replace(repository, segments={**repository.segments, key: segment})
        elif repository.experiments:
            key = rng.choice(list(repository.experiments))
            experiment = repository.experiments[key]
            if rng.random() < 0.5:
                arms = experiment.variants.arms
                experiment = replace(experiment, variants=replace(experiment.variants, arms=arms[1:] + arms[:1]))
            elif experiment.status is ExperimentStatus.RUNNING:
                experiment = replace(experiment, status=ExperimentStatus.DRAFT)
            elif experiment.winner is None:
                experiment = replace(experiment, status=ExperimentStatus.RUNNING)
            repository = replace(repository, experiments={**repository.experiments, key: experiment})
    return repository


def _edit_flag(rng: Random, flag: Flag, segments: list[str]) -> Flag:
    if flag.environments and rng.random() < 0.3:
        name = rng.choice(list(flag.environments))
        override = flag.environments[name]
        changes: dict[str, Any] = {}
        if "enabled" in override.given:
            changes["enabled"] = not override.enabled
        if "rules" in override.given and override.rules:
            changes["rules"] = _edit_rules(rng, override.rules, segments)
        return replace(flag, environments={**flag.environments, name: replace(override, **changes)})
    draw = rng.random()
    if draw < 0.15:
        return replace(flag, enabled=not flag.enabled)
    if draw < 0.25:
        return replace(flag, description="Another text.", tags=(*flag.tags, "edited"))
    if draw < 0.4 and not flag.is_value_flag:
        return replace(flag, default=rng.choice([variant.name for variant in flag.variants]))
    if draw < 0.5:
        return replace(flag, salt=f"{flag.key}/edited")
    if draw < 0.6 and flag.targets:
        return replace(flag, targets=flag.targets[1:])
    if draw < 0.65 and isinstance(flag.default, Rollout):
        return replace(flag, default=_rotated(flag.default))
    if draw < 0.7 and flag.prerequisites:
        return replace(flag, prerequisites=flag.prerequisites[1:])
    return replace(flag, rules=_edit_rules(rng, flag.rules, segments))


def _edit_rules(rng: Random, rules: tuple[Rule, ...], segments: list[str]) -> tuple[Rule, ...]:
    if not rules:
        return rules
    index = rng.randrange(len(rules))
    rule = rules[index]
    draw = rng.random()
    if draw < 0.15:
        return rules[:index] + rules[index + 1 :]
    if draw < 0.3:
        return rules[index:] + rules[:index]
    if draw < 0.5 and isinstance(rule.percentage, FixedPercentage):
        rule = replace(rule, percentage=FixedPercentage(thousandths=rng.choice((0, 1, 20_000, 60_000, 100_000))))
    elif draw < 0.6 and rule.rollout is not None:
        rule = replace(rule, rollout=_rotated(rule.rollout))
    elif draw < 0.7 and rule.experiment is None:
        rule = replace(rule, salt="edited")
    elif draw < 0.8 and any(isinstance(c, AttributeCondition) for c in rule.when):
        rule = replace(rule, when=rule.when[1:])
    elif draw < 0.9:
        rule = replace(rule, when=random_conditions(rng, segments, 2))
    else:
        rule = replace(rule, description="Another text.")
    return (*rules[:index], rule, *rules[index + 1 :])


def _rotated(rollout: Rollout) -> Rollout:
    if rollout.is_pinned:
        return rollout
    return replace(rollout, arms=rollout.arms[1:] + rollout.arms[:1])
