"""Routes, values, conditions, percentages and weights as people type them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flagctl.errors import UsageError
from flagctl.ops.edit_paths import (
    parse_assignment,
    parse_condition,
    parse_percentage,
    parse_route,
    parse_value,
    parse_weights,
)

DATA: dict[str, Any] = {
    "rules": [{"id": "ramp", "percentage": 5}, {"id": "half"}],
    "prerequisites": [{"flag": "search"}],
    "variants": {"a.b": 1},
    "tags": ["x", 2],
}


@pytest.mark.parametrize(
    ("text", "value"),
    [("50", 50), ("true", True), ("on", "on"), ("[DE, FR]", ["DE", "FR"]), ("{a: 1}", {"a": 1}), ('"a: b"', "a: b")],
)
def test_a_value_is_what_a_file_would_mean_by_it(text: str, value: Any) -> None:
    assert parse_value(text) == value


@pytest.mark.parametrize("text", ["a: b: c", "[1", "x\nother: 1", "&a 1"])
def test_a_text_that_is_no_value_is_shown_shortened(text: str) -> None:
    with pytest.raises(UsageError, match="is no value"):
        parse_value(text)
    with pytest.raises(UsageError, match=r"\.\.\.' is no value"):
        parse_value("[" + "x" * 100)


def test_a_value_may_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "value.yaml"
    file.write_text("\ufeffa: 1\nb: [2]\n\n", encoding="utf-8")
    assert parse_value(f"@{file}") == {"a": 1, "b": [2]}
    with pytest.raises(UsageError, match="No such file"):
        parse_value(f"@{tmp_path}/none")
    file.write_bytes(b"\xff")
    with pytest.raises(UsageError, match="cannot be read: 'utf-8' codec"):
        parse_value(f"@{file}")


def test_an_assignment_has_a_path_and_a_value() -> None:
    assert parse_assignment("rules[ramp].percentage = 50") == ("rules[ramp].percentage", 50)
    for wrong in ("rules", "=5", " = 5"):
        with pytest.raises(UsageError, match="sets nothing"):
            parse_assignment(wrong)


@pytest.mark.parametrize(
    ("text", "route"),
    [
        ("rules[ramp].percentage", ("rules", 0, "percentage")),
        ("rules[1]", ("rules", 1)),
        ("prerequisites[search].variants", ("prerequisites", 0, "variants")),
        ('variants."a.b"', ("variants", "a.b")),
        ('variants["a.b"]', ("variants", "a.b")),
        ("tags[x]", ("tags", 0)),
        ("new.inside", ("new", "inside")),
    ],
)
def test_a_path_is_a_route(text: str, route: tuple[str | int, ...]) -> None:
    assert parse_route(text, DATA) == route


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("", "the path is empty", None),
        ("a=b", "is no path", "write it like rules[ramp].percentage"),
        ("new[0]", "there is no list 'new'", "set the whole list, or use add-rule"),
        ("rules[rmap]", "there is no item 'rmap'", "did you mean 'ramp'?"),
        ("rules[7]", "there is no item '7'", "there are: ramp, half"),
        ("tags[zzzzz]", "there is no item 'zzzzz'", "there are: x"),
    ],
)
def test_a_path_that_leads_nowhere_says_what_there_is(text: str, message: str, hint: str | None) -> None:
    with pytest.raises(UsageError, match=message.replace("[", r"\[")) as caught:
        parse_route(text, DATA)
    assert caught.value.hint == hint


@pytest.mark.parametrize(
    ("text", "condition"),
    [
        ("country in [DE, FR]", {"attribute": "country", "operator": "in", "value": ["DE", "FR"]}),
        ("country in DE, FR", {"attribute": "country", "operator": "in", "value": ["DE", "FR"]}),
        ("country not_in DE", {"attribute": "country", "operator": "not_in", "value": ["DE"]}),
        ("age greater_than 18", {"attribute": "age", "operator": "greater_than", "value": 18}),
        ("email exists", {"attribute": "email", "operator": "exists"}),
        ("app semver_equal 1.10", {"attribute": "app", "operator": "semver_equal", "value": "1.10"}),
        ("email matches ^a+$", {"attribute": "email", "operator": "matches", "value": "^a+$"}),
        ("segment staff", {"segment": "staff"}),
        ("not segment staff", {"not": {"segment": "staff"}}),
        ("{any: [{segment: staff}]}", {"any": [{"segment": "staff"}]}),
    ],
)
def test_a_condition_is_written_in_a_line(text: str, condition: dict[str, Any]) -> None:
    assert parse_condition(text) == condition


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no condition"),
        ("country", "is no condition"),
        ("country inn DE", "there is no operator 'inn'"),
        ("country zzzzzzzzz DE", "there is no operator 'zzzzzzzzz'"),
        ("country in", "has no value"),
    ],
)
def test_a_line_that_is_no_condition_says_why(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_condition(text)


@pytest.mark.parametrize(("text", "percent"), [("5", 5), ("12.5 %", 12.5), ("0.001", 0.001), ("100%", 100)])
def test_a_percentage_has_at_most_three_decimals(text: str, percent: float) -> None:
    assert parse_percentage(text) == percent


@pytest.mark.parametrize("text", ["x", "NaN", "Infinity", "-1", "100.001", "0.0001", ""])
def test_what_is_no_percentage_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is no percentage"):
        parse_percentage(text)


def test_weights_name_a_variant_each_once() -> None:
    assert parse_weights(["a=20", "b=c=80"]) == {"a": 20, "b=c": 80}
    for wrong in (["a"], ["=5"]):
        with pytest.raises(UsageError, match="is no weight"):
            parse_weights(wrong)
    with pytest.raises(UsageError, match="'a' has two weights"):
        parse_weights(["a=20", "a=80"])
