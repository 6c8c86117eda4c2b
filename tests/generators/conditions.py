"""Random conditions: every operator with its twin, nested to any depth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.evaluator.operators import OPERATORS, Operator, ValueKind
from flagctl.model import UNSET, AllOf, AnyOf, AttributeCondition, AttributeType, Condition, Not, SegmentCondition
from tests.generators import vocabulary as v

if TYPE_CHECKING:
    from random import Random


def random_conditions(rng: Random, segments: list[str], most: int = 3) -> tuple[Condition, ...]:
    """Return one to `most` conditions that must all hold."""
    return tuple(random_condition(rng, segments) for _ in range(rng.randint(1, most)))


def random_condition(rng: Random, segments: list[str], depth: int = 0) -> Condition:
    """Return a condition over the vocabulary and the given segments."""
    draw = rng.random()
    if depth < 3 and draw < 0.08:
        return AllOf(conditions=tuple(random_condition(rng, segments, depth + 1) for _ in range(rng.randint(1, 3))))
    if depth < 3 and draw < 0.22:
        return AnyOf(conditions=tuple(random_condition(rng, segments, depth + 1) for _ in range(rng.randint(1, 3))))
    if depth < 3 and draw < 0.32:
        return Not(condition=random_condition(rng, segments, depth + 1))
    if segments and draw < 0.45:
        return SegmentCondition(segment=rng.choice(segments))
    return attribute_condition(rng)


def attribute_condition(rng: Random) -> AttributeCondition:
    word = rng.choice(v.WORDS)
    fitting = [o for o in OPERATORS.values() if word.type is None or word.type.value in o.reads]
    operator = rng.choice(fitting)
    value = constant(rng, operator, word)
    fold = operator.ignore_case and rng.random() < 0.25 and has_text(value)
    negated = "not_" if rng.random() < 0.25 else ""
    return AttributeCondition(
        attribute=word.path, operator=negated + operator.name, value=value, ignore_case=bool(fold)
    )


def has_text(value: Any) -> bool:
    return all(isinstance(item, str) for item in (value if isinstance(value, list) else [value]))


def constant(rng: Random, operator: Operator, word: v.Word) -> Any:
    """Return a constant that fits both the operator and what the attribute is declared as."""
    match operator.value:
        case ValueKind.NONE:
            return UNSET
        case ValueKind.SCALAR:
            return scalars(rng, word, 1, operator.name)[0]
        case ValueKind.SCALARS:
            return scalars(rng, word, 12 if rng.random() < 0.1 else 4, operator.name)
        case ValueKind.STRINGS:
            strings = v.sample(rng, word.strings, 3)
            return strings[0] if rng.random() < 0.5 else strings
        case ValueKind.PATTERN:
            return rng.choice(tuple(v.PATTERNS))
        case ValueKind.NUMBER:
            return rng.choice(v.NUMBERS)
        case ValueKind.SEMVER:
            return rng.choice(v.VERSIONS)
        case ValueKind.INSTANT:
            return rng.choice(v.INSTANTS if rng.random() < 0.7 else v.EPOCH_SECONDS)
        case ValueKind.NETWORKS:
            networks = v.sample(rng, v.NETWORKS, 3)
            return networks[0] if rng.random() < 0.5 else networks
    raise AssertionError(operator)


def scalars(rng: Random, word: v.Word, most: int, operator: str) -> list[Any]:
    """Return different scalars; for an attribute without a declared type they are of mixed types."""
    if word.type is AttributeType.LIST:
        pool: tuple[Any, ...] = v.MEMBERS
    elif word.type is AttributeType.NUMBER:
        pool = v.NUMBERS
    elif word.type is AttributeType.BOOLEAN:
        pool = (True, False)
    elif word.type is None and operator != "contains" and rng.random() < 0.5:
        pool = (*word.strings[:6], *v.NUMBERS[:4], True, False)
    else:
        pool = word.strings
    return v.sample(rng, pool, most)
