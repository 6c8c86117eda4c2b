"""Conditions that are called contradictory never hold together, for any value the reference evaluator is asked about."""

from __future__ import annotations

import random

from flagctl.evaluator.operators import positive
from flagctl.lint.compare import same_condition
from flagctl.lint.contradiction import contradicts
from flagctl.model import UNSET, AllOf, AnyOf, AttributeCondition, Not, SegmentCondition
from tests.reference.conditions import attribute_holds
from tests.reference.readers import instant
from tests.scale import scaled

TEXTS = ["a", "A", "b", "1.0.0", "1", "2.0.0-rc.1", "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]
NUMBERS = [0, 1, 1.0, 2, 2.5, -1]
VALUES = [*TEXTS, *NUMBERS, True, False, None]
CONSTANTS = {
    "equals": [*TEXTS, *NUMBERS, True],
    "before": [*TEXTS[-2:], 1, 2.5],
    "semver_less_than": ["1", "1.0.0", "2.0.0-rc.1"],
    "less_than": NUMBERS,
}
OPERATORS = {
    "equals": "equals",
    "greater_than": "less_than",
    "greater_or_equal": "less_than",
    "less_than": "less_than",
    "less_or_equal": "less_than",
    "semver_greater_than": "semver_less_than",
    "semver_less_or_equal": "semver_less_than",
    "semver_greater_or_equal": "semver_less_than",
    "before": "before",
    "after": "before",
}


def random_condition(rng):
    kind = rng.choice([*OPERATORS, "in", "exists"])
    negated = "not_" if rng.random() < 0.25 else ""
    if kind == "exists":
        return AttributeCondition(attribute=("x",), operator=f"{negated}exists")
    if kind == "in":
        value = rng.sample(CONSTANTS["equals"], rng.randint(1, 4))
    else:
        value = rng.choice(CONSTANTS[OPERATORS[kind]])
    fold = kind in {"in", "equals"} and rng.random() < 0.3
    return AttributeCondition(attribute=("x",), operator=f"{negated}{kind}", value=value, ignore_case=fold)


def holds(condition, value):
    def constant():
        if positive(condition.operator)[0] in {"before", "after"}:
            return instant(condition.value)
        if condition.ignore_case:
            members = condition.value if isinstance(condition.value, list) else [condition.value]
            folded = [member.casefold() if isinstance(member, str) else member for member in members]
            return folded if isinstance(condition.value, list) else folded[0]
        return condition.value

    document = {"attribute": "x", "operator": condition.operator, "ignore_case": condition.ignore_case}
    if condition.value is not UNSET:
        document["value"] = constant()
    return attribute_holds(document, {"x": value})


def test_contradictory_conditions_never_hold_together():
    rng = random.Random(7)
    found = 0
    for _ in range(scaled(3_000, 200_000)):
        left, right = random_condition(rng), random_condition(rng)
        if contradicts(left, right):
            found += 1
            assert contradicts(right, left)
            assert not [value for value in VALUES if holds(left, value) and holds(right, value)], (left, right)
    assert found > 100


def test_conditions_are_compared_without_their_places():
    one = AttributeCondition(attribute=("x",), operator="equals", value=1, route=("rules", 0))
    other = AttributeCondition(attribute=("x",), operator="equals", value=1.0, route=("rules", 1))
    segment = SegmentCondition(segment="s", route=("a",))
    for build in (
        lambda part: part,
        lambda part: Not(condition=part),
        lambda part: AllOf(conditions=(part, segment)),
        lambda part: AnyOf(conditions=(segment, part)),
    ):
        assert same_condition(build(one), build(other))
        assert not same_condition(build(one), build(segment))
    assert not same_condition(AllOf(conditions=(one,)), AnyOf(conditions=(one,)))
    assert not same_condition(segment, SegmentCondition(segment="t"))
