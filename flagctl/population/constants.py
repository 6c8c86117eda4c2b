"""What flags look at: the attributes, the constants each is compared with, the units that are named, the ways into each rule."""

from __future__ import annotations

import ipaddress
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flagctl.model import TARGETING_KEY, AllOf, AnyOf, AttributeCondition, SegmentCondition, walk_conditions
from flagctl.model.config import AttributeType
from flagctl.patterns import PatternError, compile_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from random import Random

    from flagctl.model import Condition, EnvironmentOverride, Flag, Repository

Path = tuple[str, ...]

_PREFERRED = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.@ "
_MOST_CODE_POINT = 0x10FFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Constants:
    """What the flags of a repository look at.

    Attributes:
        conditions: For each attribute, every condition on it.
        units: For each attribute that names units, the units listed in targets and segments; none where it only draws buckets.
        ways: For each rule and segment, the conditions that lead into it.
    """

    conditions: dict[Path, list[AttributeCondition]] = field(default_factory=dict)
    units: dict[Path, list[str]] = field(default_factory=dict)
    ways: list[tuple[Condition, ...]] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What it takes to lead a context somewhere: the repository, and the types of attributes."""

    repository: Repository
    types: Mapping[Path, AttributeType]


def constants_of(repository: Repository) -> Constants:
    """Collect what all flags, segments and experiments of a repository look at, in every environment."""
    found = Constants()
    found.units[TARGETING_KEY] = []
    for segment in repository.segments.values():
        found.units[TARGETING_KEY] += [*segment.include, *segment.exclude]
        _collect(segment.when or (), found)
    for experiment in repository.experiments.values():
        found.units.setdefault(experiment.bucket_by, [])
    for flag in repository.flags.values():
        parts: tuple[Flag | EnvironmentOverride, ...] = (flag, *flag.environments.values())
        for part in parts:
            for target in part.targets:
                found.units.setdefault(flag.unit_of(), []).extend(target.units)
            for rule in part.rules:
                found.units.setdefault(flag.unit_of(rule, rule.rollout), [])
                _collect(rule.when, found)
    return found


def _collect(conditions: tuple[Condition, ...], found: Constants) -> None:
    if conditions:
        found.ways.append(conditions)
    for condition in walk_conditions(conditions):
        if isinstance(condition, AttributeCondition):
            found.conditions.setdefault(condition.attribute, []).append(condition)


def way_in(conditions: Iterable[Condition], world: World, rng: Random) -> dict[Path, Any]:
    """Return attributes that meet conditions, as far as one value for each attribute can; negated ones are left to chance."""
    repository = world.repository
    values: dict[Path, Any] = {}
    for condition in conditions:
        match condition:
            case AttributeCondition(attribute=path) if not condition.operator.startswith("not_"):
                values.setdefault(path, satisfying(condition, world.types.get(path), rng))
            case AllOf(conditions=parts):
                values = {**way_in(parts, world, rng), **values}
            case AnyOf(conditions=parts):
                values = {**way_in((rng.choice(parts),), world, rng), **values}
            case SegmentCondition(segment=key) if key in repository.segments:
                segment = repository.segments[key]
                inside = way_in(segment.when or (), world, rng)
                if segment.when is None and segment.include:
                    inside = {TARGETING_KEY: rng.choice(segment.include)}
                values = {**inside, **values}
            case _:
                pass
    return {path: value for path, value in values.items() if value is not None}


def satisfying(condition: AttributeCondition, kind: AttributeType | None, rng: Random) -> Any:
    """Return a value of some type for which a condition holds (of a negated one: its twin), or None if none was found."""
    operator = condition.operator.removeprefix("not_")
    value: Any = condition.value
    if operator == "contains_all":
        return list(value)
    if isinstance(value, list):
        value = rng.choice(value)
    match operator:
        case "equals" | "in":
            return value
        case "contains":
            return [value] if kind is AttributeType.LIST or not isinstance(value, str) else f"a{value}b"
        case "contains_any":
            return [value]
        case "starts_with":
            return f"{value}{rng.randrange(1000)}"
        case "ends_with":
            return f"user.{rng.randrange(100_000)}{value}" if value.startswith("@") else f"{rng.randrange(1000)}{value}"
        case "matches":
            return example_of(value)
        case "in_network":
            return _inside(value, rng)
        case "exists":
            return None
        case _:
            return _beside(operator, value, rng)


def _beside(operator: str, value: Any, rng: Random) -> Any:
    """Return a number, version or instant on the right side of a constant."""
    from flagctl.population.steps import instant_at, version_near  # noqa: PLC0415 - each is about constants

    up = operator.endswith(("greater_than", "greater_or_equal", "after"))
    exact = operator.endswith(("_equal", "or_equal")) and rng.random() < 0.3
    if operator.startswith("semver_"):
        if operator == "semver_equal" or exact:
            return value
        return version_near(value, rng, up=up)
    if operator in {"before", "after"}:
        return instant_at(value, rng.randrange(1, 60 * 86_400) * (1 if up else -1))
    if exact:
        return value
    distance = rng.randrange(1, max(int(abs(value)), 10))
    return value + distance if up else value - distance


def _inside(network: str, rng: Random) -> str:
    block = ipaddress.ip_network(network, strict=False)
    return str(block[rng.randrange(min(block.num_addresses, 1 << 32))])


def example_of(pattern: str) -> str | None:
    """Return a shortest text that a pattern finds, of plain characters where possible; None if there is none.

    >>> example_of("^A-[0-9]{4}$")
    'A-0000'
    """
    try:
        automaton = compile_pattern(pattern).to_document()
    except PatternError:
        return None
    characters = _characters(automaton["classes"])
    accept, table = set(automaton["accept"]), automaton["next"]
    texts = {0: ""}
    waiting = deque([0])
    while waiting:
        state = waiting.popleft()
        if state in accept:
            return texts[state]
        for number, character in characters.items():
            following = table[state][number]
            if following not in texts:
                texts[following] = texts[state] + character
                waiting.append(following)
    return None


def _characters(classes: list[list[int]]) -> dict[int, str]:
    """Return a character of each class of code points, classes with plain ones first."""
    starts = [start for start, _ in classes]
    found: dict[int, str] = {}
    for character in _PREFERRED:
        place = sum(start <= ord(character) for start in starts) - 1
        found.setdefault(classes[place][1], character)
    for start, number in classes:
        if number not in found and not 0xD800 <= start <= 0xDFFF and start <= _MOST_CODE_POINT:
            found[number] = chr(start)
    return found
