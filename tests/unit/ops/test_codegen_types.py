"""Types that generated modules have for JSON values."""

from __future__ import annotations

from typing import Any

import pytest

from flagctl.ops.codegen_types import Types, literal, literal_type


@pytest.mark.parametrize(
    ("schema", "kind"),
    [
        (True, "Any"),
        ({}, "Any"),
        ({"type": "integer"}, "int"),
        ({"type": ["string", "null"]}, "str | None"),
        ({"type": ["integer", "number"]}, "float"),
        ({"type": ["string", "odd"]}, "Any"),
        ({"enum": ["a", 1, None, "a"]}, 'Literal["a", 1, None]'),
        ({"enum": [1.5], "type": "number"}, "float"),
        ({"type": "array"}, "list[Any]"),
        ({"type": "array", "items": {"type": "array", "items": {"type": "boolean"}}}, "list[list[bool]]"),
        ({"type": "object"}, "dict[str, Any]"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "dict[str, float]"),
    ],
)
def test_a_schema_is_a_type(schema: Any, kind: str) -> None:
    types = Types()
    assert types.from_schema("Limits", schema) == kind
    assert types.definitions == []


def test_a_schema_of_an_object_defines_what_must_and_what_may_be_there() -> None:
    types = Types()
    inner = {"properties": {"class": {"type": "string"}, "b c": {"type": "integer"}}, "required": ["class"]}
    schema = {
        "type": "object",
        "properties": {"a": inner, "more": {"type": "array", "items": inner}},
        "required": ["a"],
    }
    assert types.from_schema("Limits", schema) == "Limits"
    names: dict[str, Any] = {}
    head = "from typing import Any, Literal, NotRequired, TypedDict\n"
    code = compile(head + "\n".join(types.definitions), "limits.py", "exec", dont_inherit=True)
    exec(code, names)  # noqa: S102 - our own definitions
    assert names["Limits"].__required_keys__ == {"a"}
    assert names["Limits"].__optional_keys__ == {"more"}
    assert (names["LimitsA"].__required_keys__, names["LimitsA"].__optional_keys__) == ({"class"}, {"b c"})
    assert "list[LimitsMoreItem]" in types.definitions[-1]


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([], "Any"),
        ([1, 2.5], "float"),
        ([True, "x", None], "bool | str | None"),
        ([{}], "dict[str, Any]"),
        ([[], [1]], "list[int]"),
        ([[]], "list[Any]"),
    ],
)
def test_values_have_a_type_in_common(values: list[Any], kind: str) -> None:
    assert Types().from_values("Limits", values) == kind


def test_what_only_some_values_have_is_not_required_and_names_are_taken_once() -> None:
    types = Types()
    assert types.from_values("Limits", [{"a": 1, "b": {"c": "x"}}, {"a": 2}]) == "Limits"
    assert types.from_values("Limits", [{"a": 1}]) == "Limits2"
    assert types.definitions == [
        "class LimitsB(TypedDict):\n    c: str",
        "class Limits(TypedDict):\n    a: int\n    b: NotRequired[LimitsB]",
        "class Limits2(TypedDict):\n    a: int",
    ]


def test_text_is_in_double_quotes_whatever_is_in_it() -> None:
    for text in ("plain", "it's", 'say "x"', "both ' and \"", "\n\\"):
        assert eval(literal(text)) == text  # noqa: S307 - our own literal
    assert literal("it's") == '"it\'s"'
    assert literal_type([1.5]) is None
    assert literal_type(["a", True]) == 'Literal["a", True]'
