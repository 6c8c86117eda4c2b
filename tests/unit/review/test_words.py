from __future__ import annotations

import pytest

from flagctl.model import (
    AllOf,
    AnyOf,
    AttributeCondition,
    FixedPercentage,
    LinearPercentage,
    Not,
    Rollout,
    RolloutArm,
    Rule,
    Schedule,
    SegmentCondition,
    Step,
    SteppedPercentage,
)
from flagctl.review import words


def attribute(operator: str, value: object, **more: object) -> AttributeCondition:
    return AttributeCondition(attribute=("country",), operator=operator, value=value, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("thousandths", "text"),
    [(0, "0 %"), (1, "0.001 %"), (10_000, "10 %"), (12_500, "12.5 %"), (100_000, "100 %"), (33_333, "33.333 %")],
)
def test_shares_have_no_needless_digits(thousandths: int, text: str) -> None:
    assert words.share(thousandths) == text


def test_instants_are_in_utc() -> None:
    assert words.instant(0) == "1970-01-01T00:00:00Z"
    assert words.instant(1500) == "1970-01-01T00:00:01.500Z"
    assert words.instant(-1000) == "1969-12-31T23:59:59Z"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("DE", "DE"),
        ("true", '"true"'),
        ("1.0", '"1.0"'),
        ("", '""'),
        (" x", '" x"'),
        ("a,b", '"a,b"'),
        (True, "true"),
        (1.5, "1.5"),
        (None, "null"),
        ({"a": [1]}, '{"a": [1]}'),
    ],
)
def test_a_value_is_quoted_only_where_it_could_be_misread(data: object, text: str) -> None:
    assert words.value(data) == text


def test_conditions_read_like_sentences() -> None:
    nested = AnyOf(
        conditions=(
            attribute("in", ["DE", "FR"]),
            AllOf(conditions=(Not(condition=SegmentCondition(segment="staff")), attribute("exists", None))),
        )
    )
    assert words.conditions((SegmentCondition(segment="beta"), nested)) == (
        "in segment beta and (country in [DE, FR] or (not in segment staff and country exists))"
    )
    assert words.conditions(()) == "everyone"
    assert words.condition(Not(condition=attribute("equals", "DE"))) == "not (country = DE)"
    assert words.condition(attribute("not_exists", None)) == "country is missing"
    assert words.condition(attribute("starts_with", "d", ignore_case=True)) == "country starts with d (any case)"
    assert words.condition(attribute("semver_less_than", "2.0.0")) == 'country < version "2.0.0"'


def test_long_lists_are_cut_with_their_length() -> None:
    assert words.values([f"u{i}" for i in range(100)]) == "[u0, u1, u2, u3, u4, u5, … 100 in all]"


def test_outcomes_and_percentages_are_told_with_their_times() -> None:
    linear = LinearPercentage(from_ms=0, to_ms=86_400_000, start=0, end=100_000)
    assert words.percentage(linear) == "0 % → 100 % from 1970-01-01T00:00:00Z to 1970-01-02T00:00:00Z"
    steps = SteppedPercentage(steps=(Step(from_ms=0, thousandths=5000), Step(from_ms=1000, thousandths=25_000)))
    assert words.percentage(steps) == "5 % from 1970-01-01T00:00:00Z, 25 % from 1970-01-01T00:00:01Z"
    assert words.outcome(Rule(id="r", serve="on", percentage=FixedPercentage(thousandths=10_000))) == "serve on to 10 %"
    assert words.outcome(Rule(id="r", value=5000)) == "serve 5000"
    assert words.outcome(Rule(id="r", experiment="hero")) == "experiment hero"
    weights = Rollout(arms=(RolloutArm(variant="a", weight=30_000), RolloutArm(variant="b", weight=70_000)))
    assert words.outcome(Rule(id="r", rollout=weights)) == "split a 30 % / b 70 %"
    pinned = Rollout(
        arms=(RolloutArm(variant="a", ranges=((0, 10), (20, 100_000))), RolloutArm(variant="b", ranges=((10, 20),)))
    )
    assert words.rollout(pinned) == "a [0, 10), [20, 100000) / b [10, 20)"


def test_windows_name_the_sides_they_have() -> None:
    assert words.schedule(None) == "always"
    assert words.schedule(Schedule(from_ms=0)) == "from 1970-01-01T00:00:00Z"
    assert words.schedule(Schedule(from_ms=0, until_ms=1000)) == "from 1970-01-01T00:00:00Z until 1970-01-01T00:00:01Z"
