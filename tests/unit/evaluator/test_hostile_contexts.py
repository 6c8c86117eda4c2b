"""Values and mappings that lie, raise or contain themselves: always an answer, never an exception."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from fractions import Fraction

import pytest

import flagctl
from flagctl.evaluator import FlagSet
from tests.unit.evaluator.bundles import asks, boolean, bundle, when

PATTERN = {"accept": [1], "classes": [[0, 0], [97, 1], [98, 0]], "next": [[0, 1], [1, 1]]}
OPERATORS = [
    asks("x", "equals", "a"),
    asks("x", "equals", 1),
    asks("x", "equals", True),
    asks("x", "equals", "a", ignore_case=True),
    asks("x", "in", ["a", "b", "c"]),
    asks("x", "in", [1, 2, 3]),
    asks("x", "in", ["a", 1, True]),
    asks("x", "contains", "a"),
    asks("x", "contains", 1),
    asks("x", "contains_any", ["a", 1]),
    asks("x", "contains_all", ["a", True]),
    asks("x", "contains_all", ["a"], ignore_case=True),
    asks("x", "starts_with", ["a"]),
    asks("x", "ends_with", ["a", ""]),
    asks("x", "matches", "a"),
    asks("x", "greater_than", 0),
    asks("x", "less_or_equal", 0.5),
    asks("x", "semver_greater_or_equal", "1.0.0"),
    asks("x", "before", 0),
    asks("x", "after", 0),
    asks("x", "in_network", ["10.0.0.0/8", "::/0"]),
    asks("x", "exists"),
    asks(["x", "y"], "equals", "a"),
    {"segment": "members"},
]
FLAGS = {f"positive-{number:02d}": boolean(rules=[when(test)]) for number, test in enumerate(OPERATORS)}
FLAGS |= {f"negative-{number:02d}": boolean(rules=[when({"not": test})]) for number, test in enumerate(OPERATORS)}
FLAGS |= {
    "rollout": boolean(default={"split": [[50_000, 0], [100_000, 1]], "unit": "x"}),
    "share": boolean(rules=[when(percentage=50_000, unit="x")]),
    "targets": boolean(targets=[[0, ["a", "1"]]], unit="x"),
    "several": boolean(rules=[when(test, id=f"r{number}") for number, test in enumerate(OPERATORS)]),
}
DATA = bundle(
    FLAGS,
    segments={"members": {"include": ["a"], "exclude": ["b"], "when": [asks("x", "equals", "a")]}},
    patterns={"a": PATTERN},
    experiments={"exp": {"flag": "rollout"}},
)


class Angry:
    """Raises whatever is done with it."""

    def _raise(self, *_):
        raise RuntimeError("hands off")

    __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __contains__ = __getitem__ = __str__ = __lt__ = __gt__ = _raise
    __float__ = __int__ = __index__ = __ne__ = _raise

    def __repr__(self):
        return "Angry()"


class AngryText(str):
    __slots__ = ()
    __eq__ = __hash__ = __bool__ = __len__ = __iter__ = __contains__ = __str__ = encode = startswith = Angry._raise


class LyingText(str):
    __slots__ = ()

    def __eq__(self, other):
        return False

    def __hash__(self):
        return 7

    def __bool__(self):
        return False

    def isascii(self):
        return True


class AngryInt(int):
    __eq__ = __hash__ = __bool__ = __lt__ = __gt__ = __le__ = __ge__ = __index__ = __int__ = Angry._raise


class AngryFloat(float):
    __eq__ = __hash__ = __lt__ = __gt__ = __le__ = __ge__ = __float__ = Angry._raise


class AngryList(list):
    __iter__ = __contains__ = __len__ = __getitem__ = __eq__ = Angry._raise


class Always:
    """Equals everything."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return hash("a")


class Pretender:
    """Says that it is text."""

    @property
    def __class__(self):
        return str


class Faceless:
    @property
    def __class__(self):
        raise RuntimeError


class Plan(str, Enum):  # noqa: UP042 - hashes by its name, not by its value
    OTHER_NAME = "a"


class Modern(StrEnum):
    OTHER_NAME = "a"


class One(IntEnum):
    ONE = 1


SELF = {}
SELF["x"] = SELF
LOOP = []
LOOP.append(LOOP)

VALUES = [
    None, True, False, 0, 1, -1, 1.0, 10**5000, -(10**400), float("nan"), float("inf"), float("-inf"), -0.0, "", "a", "\ud800", "a\udfff",
    "ａ", "a" * 100_000, b"a", bytearray(b"a"), memoryview(b"a"), [], ["a"], ("a",), {"a"}, frozenset({"a"}), {}, {"y": "a"}, {1: 2},
    LOOP, SELF, [LOOP, SELF, ["a"]], Angry(), [Angry()], {"y": Angry()}, AngryText("a"), LyingText("a"), LyingText("\ud800"), AngryInt(1), AngryFloat(1.0),
    AngryList(["a"]), Always(), [Always()], Pretender(), Faceless(), [Pretender(), Faceless()], Plan.OTHER_NAME, Modern.OTHER_NAME,
    One.ONE, Decimal(1), Fraction(1), 1 + 0j, datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=23))), datetime(2026, 1, 1),  # noqa: DTZ001
    datetime.max.replace(tzinfo=timezone(-timedelta(hours=23))), object(), type, len, iter("a"), range(3), ..., NotImplemented,
]  # fmt: skip


def flagsets():
    interpreted, compiled = flagctl.load(DATA), flagctl.load(DATA)
    compiled.compile_all()
    return interpreted, compiled


FLAGSETS = flagsets()


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_every_value_is_answered_and_the_same_way_by_both_kinds_of_functions(number):
    value = VALUES[number]
    for context in ({"x": value}, {"x": value, "targeting_key": value}, {"x": {"y": value}}):
        answers = []
        for flags in FLAGSETS:
            answers.append([flags.evaluate(key, context, "d").variant for key in list(flags.keys())])
            assert list(flags.evaluate_all(context)) == list(flags.keys())
            for key in list(flags.keys()):
                assert flags.is_enabled(key, context) in {True, False}
                flags.get_value(key, context, 1)
            flags.get_variant("exp", context)
        assert answers[0] == answers[1]


@pytest.mark.parametrize("number", range(len(VALUES)))
def test_a_negated_condition_is_the_negation_whatever_the_value(number):
    context = {"x": VALUES[number]}
    for flags in FLAGSETS:
        for index in range(len(OPERATORS)):
            positive = flags.evaluate(f"positive-{index:02d}", context)
            negative = flags.evaluate(f"negative-{index:02d}", context)
            assert positive.error_code is negative.error_code
            assert positive.error_code in {None, "INVALID_CONTEXT"}
            assert positive.error_code or positive.value is not negative.value


@pytest.mark.parametrize("text", [AngryText("a"), LyingText("a"), Plan.OTHER_NAME, Modern.OTHER_NAME], ids=type)
def test_a_subclass_of_text_counts_as_its_text(text):
    context = {"x": text, "targeting_key": text}
    plain = {"x": "a", "targeting_key": "a"}
    for flags in FLAGSETS:
        assert flags.evaluate_all(context) == flags.evaluate_all(plain)


@pytest.mark.parametrize("number", [AngryInt(1), One.ONE], ids=type)
def test_a_subclass_of_int_counts_as_its_number(number):
    for flags in FLAGSETS:
        assert flags.evaluate_all({"x": number}) == flags.evaluate_all({"x": 1})


def holds(index, value):
    answers = {flags.is_enabled(f"positive-{index:02d}", {"x": value}) for flags in FLAGSETS}
    assert len(answers) == 1
    return answers.pop()


def test_true_is_not_one_and_one_is_one_point_zero():
    assert [holds(1, value) for value in (1, 1.0, True, "1")] == [True, True, False, False]
    assert [holds(2, value) for value in (True, 1, "true")] == [True, False, False]
    assert [holds(5, value) for value in (1, 1.0, True)] == [True, True, False]
    assert [holds(9, value) for value in ([1.0], [True], {"a"}, "a")] == [True, False, True, False]


def test_null_is_missing():
    assert [holds(21, value) for value in (None, False, 0, "", [])] == [False, True, True, True, True]


def test_something_that_equals_everything_equals_nothing():
    assert not any(holds(index, Always()) for index in range(len(OPERATORS)) if index != 21)


class Raising(Mapping):
    def __getitem__(self, key):
        raise ValueError(key)

    def __contains__(self, key):
        return True

    def __iter__(self):
        raise ValueError

    def __len__(self):
        raise ValueError


class Odd(dict):
    def __contains__(self, key):
        raise LookupError(key)


def test_a_read_that_raises_is_an_invalid_context_for_the_flags_that_read():
    static = flagctl.load(
        bundle({"static": boolean(default={"serve": 0}), "reads": boolean(rules=[when(OPERATORS[0])])})
    )
    for flags in (static, FlagSet(static.document)):
        for context in (Raising(), Odd(x="a")):
            assert flags.is_enabled("static", context) is True
            details = flags.evaluate("reads", context, "mine")
            assert (details.value, details.error_code) == ("mine", "INVALID_CONTEXT")
            assert flags.get_value("reads", context, 5) == 5
            assert flags.is_enabled("reads", context) is False
            assert flags.evaluate_all(context) == {"reads": None, "static": True}
        flags.compile_all()


def test_keys_that_are_no_text_and_raise_when_compared_are_an_invalid_context_at_worst():
    class Key:
        def __hash__(self):
            return hash("x")

        def __eq__(self, other):
            raise RuntimeError

    for context in ({Key(): 1}, {1: 2, None: 3, (): 4, "x": "a"}):
        for flags in FLAGSETS:
            for key in list(flags.keys()):
                assert flags.evaluate(key, context).error_code in {None, "INVALID_CONTEXT"}
                assert flags.is_enabled(key, context) in {True, False}


def test_interrupts_and_exits_pass_through():
    class Interrupting(dict):
        def __contains__(self, key):
            raise KeyboardInterrupt

    for flags in FLAGSETS:
        with pytest.raises(KeyboardInterrupt):
            flags.is_enabled("positive-00", Interrupting())


def test_evaluation_deep_in_the_stack_still_answers():
    def dive(depth):
        if depth:
            return dive(depth - 1)
        return [flags.is_enabled("several", {"x": "a"}) for flags in FLAGSETS]

    frame, used = sys._getframe(), 0
    while frame is not None:
        frame, used = frame.f_back, used + 1
    for room in range(12, 60, 3):
        try:
            answers = dive(sys.getrecursionlimit() - used - room)
        except RecursionError:
            continue  # not even the call itself fitted
        assert set(answers) <= {True, False}
