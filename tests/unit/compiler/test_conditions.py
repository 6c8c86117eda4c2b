from __future__ import annotations

import pytest

from flagctl.evaluator.operators import OPERATORS
from flagctl.model import AllOf, AnyOf, AttributeCondition, Not, SegmentCondition
from tests.unit.compiler.build import compiled, condition, flag, rule, segment, when

CONSTANTS = [
    ("equals", "DE", "DE"),
    ("equals", 1.0, 1),
    ("equals", -0.0, 0),
    ("not_equals", True, True),
    ("in", ["DE", 2.0, False], ["DE", 2, False]),
    ("contains", "a", "a"),
    ("contains_any", ["a", 0.5], ["a", 0.5]),
    ("contains_all", [1], [1]),
    ("starts_with", "a", ["a"]),
    ("not_ends_with", ["b", "a"], ["b", "a"]),
    ("greater_than", 5.0, 5),
    ("less_or_equal", 0.1, 0.1),
    ("semver_equal", "v1", "1.0.0"),
    ("semver_less_than", "1.2", "1.2.0"),
    ("semver_less_than", "1.2-rc.1", "1.2.0-rc.1"),
    ("semver_less_than", "1.2.3-a-b+build-5", "1.2.3-a-b"),
    ("semver_less_than", "v1+b", "1.0.0"),
    ("before", "2026-12-01T00:00:00Z", 1_796_083_200_000_000),
    ("after", "2026-12-01T01:00:00.1234567+01:00", 1_796_083_200_123_456),
    ("after", 1.5, 1_500_000),
    ("before", 0.0000005, 0),
    ("in_network", "10.0.0.0/8", ["10.0.0.0/8"]),
    (
        "in_network",
        ["10.1.2.3", "2001:DB8:0::/32", "::ffff:10.0.0.0/104"],
        ["10.1.2.3/32", "2001:db8::/32", "10.0.0.0/8"],
    ),
    ("not_in_network", "::/0", ["::/0"]),
]


@pytest.mark.parametrize(("operator", "written", "expected"), CONSTANTS)
def test_constants_have_one_form(operator, written, expected):
    document = condition(when(operator, written))
    assert document == {"attribute": "country", "operator": operator, "value": expected}
    assert repr(document["value"]) == repr(expected)  # 1 and 1.0 are equal, and written differently


@pytest.mark.parametrize(
    ("operator", "written", "expected"),
    [
        ("equals", "Straße", "strasse"),
        ("in", ["DE", 1], ["de", 1]),
        ("starts_with", "ΑΣ", ["ας".casefold()]),
        ("contains_any", ["A"], ["a"]),
    ],
)
def test_text_is_casefolded_where_case_is_ignored(operator, written, expected):
    assert condition(when(operator, written, ignore_case=True)) == {
        "attribute": "country",
        "operator": operator,
        "value": expected,
        "ignore_case": True,
    }


def test_a_pattern_is_an_entry_of_its_own_shared_by_all_conditions():
    bundle = compiled(
        flag("a", rules=(rule(when=(when("matches", "^a+b"),), serve="on"),)),
        flag("b", rules=(rule(when=(when("not_matches", "^a+b"),), serve="on"),)),
    )
    assert bundle["flags"]["a"]["rules"][0]["when"][0]["value"] == "^a+b"
    assert list(bundle["patterns"]) == ["^a+b"]
    assert bundle["patterns"]["^a+b"]["accept"] == [3]
    assert bundle["bundle"]["capabilities"] == ["operator:matches", "patterns"]


def test_a_path_of_one_key_is_text_whatever_it_holds():
    assert condition(AttributeCondition(attribute=("a.b",), operator="exists"))["attribute"] == "a.b"
    assert condition(AttributeCondition(attribute=("a.b", "c"), operator="exists"))["attribute"] == ["a.b", "c"]


def test_conditions_nest():
    inner = AnyOf(conditions=(when("exists"), SegmentCondition(segment="beta")))
    written = Not(condition=AllOf(conditions=(inner, when("equals", "x"))))
    assert condition(written, segment("beta", include=("u",))) == {
        "not": {
            "all": [
                {"any": [{"attribute": "country", "operator": "exists"}, {"segment": "beta"}]},
                {"attribute": "country", "operator": "equals", "value": "x"},
            ]
        }
    }


def test_every_operator_compiles_and_is_a_capability():
    samples = {name: value for name, value, _ in CONSTANTS} | {"matches": "a", "exists": None}
    for name in OPERATORS:
        sample = samples.get(name, samples.get(f"not_{name}", "1.0.0" if name.startswith("semver") else 1))
        document = compiled(flag(rules=(rule(when=(when(f"not_{name}", sample),), serve="on"),)))
        assert f"operator:{name}" in document["bundle"]["capabilities"]
