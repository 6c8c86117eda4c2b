from __future__ import annotations

import json
import math
import struct
from random import Random

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from flagctl.bundle.canonical import canonical_json, canonical_number
from tests.scale import scaled

# Keys stay in one half of Unicode: RFC 8785 sorts by UTF-16 unit, we sort by code point, and the orders differ only
# where characters beyond U+FFFF meet characters from U+E000 to U+FFFF.
_TEXT = st.text(st.characters(max_codepoint=0xD7FF))
# Floats that are integral and beyond 2^53 are written exactly, where RFC 8785 fills up with zeros.
_NUMBERS = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False).filter(
    lambda number: not 2**53 <= abs(number) < 1e21
)
_VALUES = st.recursive(
    st.none() | st.booleans() | _NUMBERS | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(_VALUES)
def test_the_text_is_that_of_rfc_8785(value):
    assert canonical_json(value) == rfc8785.dumps(value)


def test_floats_of_every_magnitude_are_written_as_rfc_8785_does():
    random = Random(8785)
    for _ in range(scaled(20_000, 2_000_000)):
        number = struct.unpack("<d", random.randbytes(8))[0]
        if math.isfinite(number) and not 2**53 <= abs(number) < 1e21:
            assert canonical_json([number]) == rfc8785.dumps([number]), number


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1.0, "1"),
        (-0.0, "0"),
        (1e20, "100000000000000000000"),
        (6.366332943700659e16, "63663329437006592"),
        (1e21, "1e+21"),
        (-1.5e300, "-1.5e+300"),
        (1e-6, "0.000001"),
        (-1.25e-5, "-0.0000125"),
        (1e-7, "1e-7"),
        (0.1, "0.1"),
        (5e-324, "5e-324"),
        (253402300799999999, "253402300799999999"),
    ],
)
def test_numbers_have_one_form(number, text):
    assert canonical_json(number).decode() == text
    assert json.loads(text) == number


def test_keys_are_sorted_by_code_point():
    assert canonical_json({"\U0001f600": 1, "\ufb33": 2, "a": 3}) == '{"a":3,"\ufb33":2,"\U0001f600":1}'.encode()


def test_tuples_are_arrays():
    assert canonical_json((1, (2,))) == b"[1,[2]]"


def test_an_unusual_number_changes_nothing_around_it():
    value = {"b": [1e-5, 2.0, "é\n"], "a": {"y": None, "x": True}}
    assert canonical_json(value).decode() == '{"a":{"x":true,"y":null},"b":[0.00001,2,"é\\n"]}'


@pytest.mark.parametrize("value", [math.nan, math.inf, [-math.inf], {"a": math.nan}, "\ud800", {"\udfff": 1}])
def test_what_json_cannot_hold_is_refused(value):
    with pytest.raises(ValueError):  # noqa: PT011  the message is Python's own for surrogates
        canonical_json(value)


@pytest.mark.parametrize("value", [{1: 2}, {"a", "b"}, b"bytes", object(), {None: 1e-5}])
def test_other_types_are_refused(value):
    with pytest.raises(TypeError):
        canonical_json(value)


def test_a_canonical_number_keeps_its_value():
    assert canonical_number(2.0) == 2
    assert isinstance(canonical_number(2.0), int)
    assert isinstance(canonical_number(1e21), float)
    assert math.copysign(1, canonical_number(-0.0)) == 1
