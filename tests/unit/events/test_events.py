from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagctl.events import (
    COLUMNS,
    KINDS,
    ColumnType,
    EventFormatError,
    Exposure,
    Usage,
    folder_of,
    format_ts,
    from_json_line,
    to_json_line,
)

TEXT = st.text(st.characters(codec="utf-8"))
VALUES: dict[ColumnType, st.SearchStrategy[Any]] = {
    ColumnType.TIMESTAMP: st.integers(-62_135_596_800_000_000, 253_402_300_800_000_000 - 1),
    ColumnType.STRING: TEXT,
    ColumnType.INT64: st.integers(-(2**63), 2**63 - 1),
    ColumnType.FLOAT64: st.floats(allow_nan=False, allow_infinity=False),
    ColumnType.BOOLEAN: st.booleans(),
    ColumnType.STRINGS: st.dictionaries(TEXT, TEXT, max_size=3),
}


def events() -> st.SearchStrategy[Any]:
    def rows(kind: str) -> st.SearchStrategy[Any]:
        values = {
            column.name: st.none() | VALUES[column.type] if column.nullable else VALUES[column.type]
            for column in COLUMNS[kind]
        }
        return st.fixed_dictionaries(values).map(lambda row: KINDS[kind](**row))

    return st.sampled_from(sorted(KINDS)).flatmap(rows)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_the_columns_are_the_fields_in_their_order(kind: str) -> None:
    assert [column.name for column in COLUMNS[kind]] == [field.name for field in fields(KINDS[kind])]
    assert KINDS[kind].kind == kind


@given(events())
def test_an_event_survives_its_line_of_json(event: Any) -> None:
    line = to_json_line(event)
    assert line.count(b"\n") == 1
    assert from_json_line(event.kind, line) == event
    assert KINDS[event.kind].from_dict(event.to_row()) == event


@given(events(), st.data())
def test_a_wrong_column_is_named(event: Any, data: st.DataObject) -> None:
    column = data.draw(st.sampled_from(COLUMNS[event.kind]))
    wrong: list[Any] = [[], float("nan"), object(), b"bytes"]
    if not column.nullable:
        wrong.append(None)
    row = {**event.to_dict(), column.name: data.draw(st.sampled_from(wrong))}
    with pytest.raises(EventFormatError, match=f"'{column.name}'"):
        KINDS[event.kind].from_dict(row)


@given(st.binary(max_size=40) | st.builds(lambda value: json.dumps(value).encode(), st.recursive(st.none(), st.lists)))
def test_what_is_no_event_is_refused_as_such(line: bytes) -> None:
    with pytest.raises(EventFormatError):
        from_json_line("usage", line)


def test_unknown_columns_are_left_out_and_absent_ones_that_may_be_empty_are_none() -> None:
    row = {"ts": "2026-11-20T10:00:00Z", "seconds": 60, "environment": "production", "flag": "f", "reason": "STATIC"}
    event = Usage.from_dict({**row, "count": 3, "sdk": "x/1", "later": True})
    assert event == Usage(
        ts=1_795_168_800_000_000,
        seconds=60.0,
        environment="production",
        flag="f",
        variant=None,
        reason="STATIC",
        count=3,
        sdk="x/1",
    )


def test_lone_surrogates_do_not_stop_a_line() -> None:
    event = Exposure(
        ts=0,
        event_id="1",
        environment="e",
        experiment="x",
        variant="v",
        unit_type="targeting_key",
        unit_id="\ud800",
        flag="f",
        config_hash="",
        reason="SPLIT",
        sdk="s",
    )
    assert json.loads(to_json_line(event))["unit_id"] == "?"


def test_files_lie_in_the_folder_of_their_utc_day() -> None:
    usage = Usage(ts=86_399_999_999, seconds=1.0, environment="e", flag="f", reason="STATIC", count=1, sdk="s")
    assert folder_of(usage) == "usage/dt=1970-01-01"
    assert format_ts(86_399_999_999) == "1970-01-01T23:59:59.999999Z"
