from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from flagctl.source.plain import IrregularError, load_plain
from flagctl.source.scalars import IntegerRangeError, NotFiniteError, resolve


@pytest.mark.parametrize(
    "text",
    ["on", "off", "yes", "no", "NO", "y", "n", "On", "oN", "tRue", "nULL", "1:30", "2026-01-01", "2026-01-01T00:00:00Z", "1_000", "0b11",
     "+0x1F", "-0o7", "0o8", "0xG", "1.2.3", "1e", "e5", ".", "-", "+", "..", ".e5", "-.", "1 2", "~x", "=", "<<", "١٢", "0x", "0o", ".INf",
     "-.nan", "+.NaN", "inf", "nan", "NaN", "1e5x", "1.0.0"],
)  # fmt: skip
def test_everything_that_is_no_core_schema_word_or_number_is_text(text):
    assert resolve(text) == text
    assert isinstance(resolve(text), str)


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("True", True), ("TRUE", True), ("false", False), ("False", False), ("FALSE", False), ("null", None), ("Null", None),
     ("NULL", None), ("~", None), ("", None), ("0", 0), ("-0", 0), ("+7", 7), ("007", 7), ("012", 12), ("0o17", 15), ("0x1F", 31),
     ("9007199254740992", 2**53), ("-9007199254740992", -(2**53)), ("0x20000000000000", 2**53), ("00000000000000000000000001", 1), ("1.5", 1.5), ("1.", 1.0), (".5", 0.5),
     ("-.5", -0.5), ("1e3", 1000.0), ("1E-3", 0.001), ("+1.5e+2", 150.0)],
)  # fmt: skip
def test_core_schema_words_and_numbers_are_read(text, value):
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


@pytest.mark.parametrize("text", [".inf", "-.inf", "+.Inf", ".INF", ".nan", ".NaN", ".NAN", "1e999", "-1e999"])
def test_numbers_that_are_not_finite_are_refused(text):
    with pytest.raises(NotFiniteError):
        resolve(text)


@pytest.mark.parametrize(
    "text",
    [
        "9007199254740993",
        "-9007199254740993",
        "1" * 5_000,
        "0x20000000000001",
        "0o400000000000000001",
        "0x" + "f" * 999,
    ],
)
def test_integers_that_a_double_cannot_hold_are_refused(text):
    with pytest.raises(IntegerRangeError):
        resolve(text)


_ATOMS = st.sampled_from(
    [*"0123456789+-.eExo_:", "true", "false", "null", "~", "on", "off", "yes", "no", "y", "n", "True", "NULL", "FALSE", "a", "f", "inf", ".inf", "nan",
     "2026-01-01", "T", "Z", "1:30"]
)  # fmt: skip


@given(st.lists(_ATOMS, max_size=6).map("".join))
def test_plain_scalars_are_read_as_ruamel_reads_yaml_1_2(text):
    # ruamel deliberately goes beyond the core schema here: underscores, binary and signed octal and hexadecimal numbers,
    # octal numbers without o's digits checked, and dates.
    skipped = "_" in text or "0b" in text or text[:2] in {"+0", "-0"} or text[:2] in {"0o", "0x"} or "-" in text[1:]
    reader = YAML(typ="safe", pure=True)
    reader.version = (1, 2)  # type: ignore[assignment]
    try:
        expected = reader.load(f"key: {text}\n")
    except Exception:  # noqa: BLE001  whatever ruamel refuses is no scalar to compare
        return
    if skipped or not isinstance(expected, dict) or set(expected) != {"key"}:
        return
    expected = expected["key"]
    try:
        actual = load_plain(f"key: {text}\n")["key"]
    except IrregularError:
        assert isinstance(expected, (int, float))
        assert not math.isfinite(expected) or abs(expected) > 2**53
        return
    assert actual == expected
    assert type(actual) is type(expected)


@given(
    st.sampled_from(
        [
            "a",
            "'a'",
            '"a"',
            "1",
            "1.0",
            "on",
            "null",
            "~",
            "true",
            "0x1F",
            "2026-01-01",
            "'on'",
            ".inf",
            "9007199254740993",
        ]
    )
)
def test_mapping_keys_are_texts_as_written(key):
    assert list(load_plain(f"{key}: 1\n")) == [key.strip("'\"")]
