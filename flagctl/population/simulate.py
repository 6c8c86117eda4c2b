"""What one version of the flags answers to a population: how many contexts each rule and variant has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from flagctl.garbage import without_garbage_collection
from flagctl.population.counting import Grouping, Tally
from flagctl.population.nesting import heading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flagctl.population.counting import Group
    from flagctl.population.engine import ColumnFlags, Outcome
    from flagctl.population.measure import Batches, Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantAudience:
    """How many contexts get a variant; None is the caller's default. The share is of the audience that it is part of."""

    variant: str | None
    value: Any
    count: int
    share: float

    def to_dict(self) -> dict[str, Any]:
        """Return the audience as the JSON output has it."""
        return {"variant": self.variant, "value": self.value, "count": self.count, "share": self.share}


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleAudience:
    """How many contexts a rule decides, or a step without a rule.

    Attributes:
        rule: Id of the rule, ``target``, ``prerequisite:<flag>``; None where none decided.
        reason: Why its answers are what they are.
        error_code: What went wrong, if the reason is ``ERROR``.
        count: Contexts.
        share: Of all contexts.
        variants: What they get.
    """

    rule: str | None
    reason: str | None
    error_code: str | None
    count: int
    share: float
    variants: tuple[VariantAudience, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the audience as the JSON output has it."""
        return {
            "rule": self.rule,
            "reason": self.reason,
            "error_code": self.error_code,
            "count": self.count,
            "share": self.share,
            "variants": [variant.to_dict() for variant in self.variants],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAudience:
    """What contexts with one value of an attribute get."""

    group: Group
    contexts: int
    variants: tuple[VariantAudience, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the group as the JSON output has it."""
        variants = [variant.to_dict() for variant in self.variants]
        return {**self.group.to_dict(), "contexts": self.contexts, "variants": variants}


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedFlag:
    """What one flag answers to the population.

    Attributes:
        key: The flag.
        contexts: Size of the population.
        variants: Every variant, those that nobody gets too.
        rules: Steps in the order of evaluation; rules that decide for nobody too.
        by: For each attribute asked for, the groups, the largest first.
    """

    key: str
    contexts: int
    variants: tuple[VariantAudience, ...]
    rules: tuple[RuleAudience, ...]
    by: Mapping[str, tuple[GroupAudience, ...]]

    def to_dict(self) -> dict[str, Any]:
        """Return the flag as the JSON output has it."""
        return {
            "key": self.key,
            "contexts": self.contexts,
            "variants": [variant.to_dict() for variant in self.variants],
            "rules": [rule.to_dict() for rule in self.rules],
            "by": [
                {"attribute": attribute, "groups": [group.to_dict() for group in groups]}
                for attribute, groups in self.by.items()
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """What a flag is made of, so that parts with an empty audience are told as well.

    Attributes:
        variants: Names and values, in order.
        rules: Ids of its rules, in the order of evaluation.
    """

    variants: tuple[tuple[str, Any], ...]
    rules: tuple[str, ...]


def simulate(
    columns: ColumnFlags,
    flags: Mapping[str, Steps],
    batches: Batches,
    by: Sequence[tuple[str, ...]],
    progress: Progress,
) -> tuple[SimulatedFlag, ...]:
    """Evaluate flags for every context.

    Args:
        columns: The bundle's flags at one instant.
        flags: Which of them, with what they are made of.
        batches: The population.
        by: Attributes to break numbers down by.
        progress: Told after each batch.
    """
    groupings = [Grouping(path) for path in by]
    tallies = {key: Tally(groupings) for key in flags}
    done = 0
    with without_garbage_collection():
        for batch, share in batches:
            groups = [grouping.numbers(batch) for grouping in groupings]
            run = columns.on(batch)
            for key, tally in tallies.items():
                answers = run.flag(key)
                for number in range(len(tally.classes), len(columns.outcomes(key))):
                    tally.number(number)
                tally.add(batch, answers.astype(np.int64), groups)
            done += batch.size
            progress(done, share)
    return tuple(_audiences(key, flags[key], tally, columns.outcomes(key), groupings) for key, tally in tallies.items())


def _audiences(
    key: str, steps: Steps, tally: Tally, outcomes: Sequence[Outcome], groupings: Sequence[Grouping]
) -> SimulatedFlag:
    counts = {number: tally.count(number) for number in range(len(outcomes))}
    by = {}
    for place, grouping in enumerate(groupings):
        groups = []
        for number, part in tally.by_group(place).items():
            total = sum(part.values())
            audience = GroupAudience(
                group=grouping.groups[number], contexts=total, variants=_variants(part, outcomes, total)
            )
            groups.append(audience)
        by[heading(grouping.path)] = tuple(groups)
    return SimulatedFlag(
        key=key,
        contexts=tally.total,
        variants=_variants(counts, outcomes, tally.total, steps.variants),
        rules=tuple(_rules(counts, outcomes, tally.total, steps.rules)),
        by=by,
    )


def _variants(
    counts: Mapping[int, int],
    outcomes: Sequence[Outcome],
    total: int,
    known: Sequence[tuple[str, Any]] = (),
) -> tuple[VariantAudience, ...]:
    sums: dict[str | None, int] = {name: 0 for name, _ in known}
    values: dict[str | None, Any] = dict(known)
    for number, count in counts.items():
        outcome = outcomes[number]
        if count:
            sums[outcome.variant] = sums.get(outcome.variant, 0) + count
            values[outcome.variant] = outcome.value
    audiences = [
        VariantAudience(variant=name, value=values[name], count=count, share=count / total if total else 0.0)
        for name, count in sums.items()
    ]
    return tuple(audiences if known else sorted(audiences, key=lambda audience: -audience.count))


def _rules(
    counts: Mapping[int, int], outcomes: Sequence[Outcome], total: int, rules: Sequence[str]
) -> list[RuleAudience]:
    parts: dict[tuple[str | None, str | None, str | None], dict[int, int]] = {(rule, None, None): {} for rule in rules}
    for number, outcome in enumerate(outcomes):
        if not counts[number]:
            continue
        code = None if outcome.error_code is None else outcome.error_code.value
        identity = (outcome.rule, None if outcome.rule in rules else outcome.reason.value, code)
        parts.setdefault(identity, {})[number] = counts[number]
    order = {rule: place for place, rule in enumerate(rules)}
    result = []
    for (rule, _, code), part in parts.items():
        count = sum(part.values())
        reasons = {outcomes[number].reason.value for number in part}
        result.append(
            RuleAudience(
                rule=rule,
                reason=reasons.pop() if len(reasons) == 1 else None,
                error_code=code,
                count=count,
                share=count / total if total else 0.0,
                variants=_variants(part, outcomes, count),
            )
        )
    return sorted(result, key=lambda audience: _place(audience, order))


def _place(audience: RuleAudience, rules: Mapping[str, int]) -> tuple[int, int, str]:
    """Return where a step stands in the order of evaluation: before the rules, a rule, or after them."""
    rule = audience.rule
    if rule is not None and rule in rules:
        return 1, rules[rule], ""
    before = audience.reason == "DISABLED" or rule == "target"
    return (0 if before else 2), int(rule == "target"), rule or audience.error_code or ""
