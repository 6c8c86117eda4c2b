from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest

from flagctl.population.columns import Column


def told(values: list) -> list:
    column = Column(values)
    if column.codes is None:
        return column.distinct
    return [None if code == -1 else column.distinct[code] for code in column.codes]


@pytest.mark.parametrize(
    "values",
    [
        [],
        [None, None],
        ["a", "b", "a", None, "a", "a"],
        ["a", "b", "c"],
        [1, 2, 2, 1, 1, 1],
        [True, False, True, True, True],
        [1, True, 1.0, "1", None, 0, False],
        [["a"], ["a", "b"], None, ["a"], []],
        [[1], [1.0], [True], ["1"], [1]],
        [{"a": 1}, {"a": 1}, {"a": True}],
        [date(2026, 1, 1), None, "x"],
        [[date(2026, 1, 1)], ["a"]],
        [math.inf, -0.0, 0.5, None],
    ],
    ids=str,
)
def test_every_row_keeps_its_value_and_type(values) -> None:
    again = told(values)
    assert again == values
    assert [type(value) for value in again] == [type(value) for value in values]
    inner = [list(map(type, value)) for value in again if type(value) is list]
    assert inner == [list(map(type, value)) for value in values if type(value) is list]


def test_equal_values_of_one_type_are_asked_once() -> None:
    assert Column(["a", "b", "a", None, "a", "b", "b"]).distinct == ["a", "b"]
    assert Column([["a"], ["a"], ["b"], None]).distinct == [["a"], ["b"]]
    assert Column([1, True, 1.0, 1, None]).distinct == [1, True, 1.0]


def test_values_that_are_nearly_all_distinct_are_left_in_rows() -> None:
    column = Column(["a", "b", "c", "c"])
    assert column.codes is None
    assert column.kind is str


def test_answers_are_handed_out_to_rows() -> None:
    column = Column(["a", "b", "a", None, "a", "a"])
    assert column.hand_out(np.array([1, 2, 9])).tolist() == [1, 2, 1, 9, 1, 1]
    assert column.rows_with([0]).tolist() == [True, False, True, False, True, True]


def test_a_value_that_raises_is_told() -> None:
    def question(value: str) -> bool:
        if value == "b":
            raise RuntimeError(value)
        return value == "a"

    assert Column(["a", "b", "a", "c", "a", "a", "a"]).ask(question, default=False) == ([True, False, False], [1])


def test_running_out_of_memory_is_no_answer() -> None:
    def question(_: str) -> bool:
        raise MemoryError

    with pytest.raises(MemoryError):
        Column(["a"]).ask(question, default=False)
