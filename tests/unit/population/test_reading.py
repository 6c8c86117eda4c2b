from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.model.config import Attribute, AttributeType, ContextSchema
from flagctl.population.reading import PopulationFile, format_of

SCHEMA = ContextSchema(
    attributes={
        path: Attribute(path=path, type=kind)
        for path, kind in {
            ("seats",): AttributeType.NUMBER,
            ("beta",): AttributeType.BOOLEAN,
            ("groups",): AttributeType.LIST,
            ("claims",): AttributeType.OBJECT,
            ("app_version",): AttributeType.SEMVER,
            ("device", "memory"): AttributeType.NUMBER,
        }.items()
    }
)


def read(path: Path, **more) -> list:
    source = PopulationFile(path=path, schema=SCHEMA, **more)
    return [batch.context(row) for batch, _ in source.batches() for row in range(batch.size)]


def written(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path, **more) -> UsageError:
    with pytest.raises(UsageError) as caught:
        read_columns(path, **more)
    return caught.value


def read_columns(path: Path, **more) -> None:
    for batch, _ in PopulationFile(path=path, schema=SCHEMA, **more).batches():
        for attribute in SCHEMA.attributes:
            batch.column(attribute[0] if len(attribute) == 1 else attribute)


def test_jsonl_is_an_object_on_each_line(tmp_path) -> None:
    text = '\ufeff{"targeting_key": "user-1", "seats": 3}\r\n\n  {"device": {"os": "ios"}, "x": null}  \n{}'
    expected = [{"targeting_key": "user-1", "seats": 3}, {"device": {"os": "ios"}, "x": None}, {}]
    assert read(written(tmp_path, "a.jsonl", text)) == expected
    assert read(written(tmp_path, "a.ndjson.gz", gzip.compress(text.encode()))) == expected
    assert read(written(tmp_path, "a.txt", text), form="jsonl") == expected


def test_batches_bound_what_is_in_memory(tmp_path) -> None:
    path = written(tmp_path, "a.jsonl", "".join(f'{{"targeting_key": "user-{n}"}}\n' for n in range(25)))
    batches = list(PopulationFile(path=path, schema=SCHEMA, batch_rows=10).batches())
    assert [batch.size for batch, _ in batches] == [10, 10, 5]
    assert batches[-1][1] == 1.0


def test_stdin_has_jsonl_and_no_length() -> None:
    source = PopulationFile(path=None, stream=io.BytesIO(b'{"seats": 1}\n'), schema=SCHEMA)
    assert [(batch.context(0), share) for batch, share in source.batches()] == [({"seats": 1}, None)]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"a": 1} {"b": 2}', "is not JSON"),
        ('{"a": 1},', "is not JSON"),
        ('{"a": NaN}', "is not JSON"),
        ('{"a": ' + "9" * 5000 + "}", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("{a: 1}", "is not JSON"),
        ("[1]", "is not a JSON object"),
        ("null", "is not a JSON object"),
    ],
)
def test_a_line_that_is_no_context_is_named(tmp_path, line, message) -> None:
    error = refusal(written(tmp_path, "a.jsonl", "{}\n{}\n" + line + "\n"))
    assert message in error.message
    assert "a.jsonl:3:" in error.message


def test_csv_is_typed_by_the_declared_context(tmp_path) -> None:
    text = (
        "targeting_key,seats,beta,groups,claims,app_version,device.memory,device.os,other\n"
        'user-1,3,true,"[""a"",1]","{""x"":[1]}",1.10,1.5e3,ios,007\n'
        ",,,,,,,,\n"
        "user-2,-0.5,FALSE,[],{},2,8,,true\n"
    )
    assert read(written(tmp_path, "a.csv", text)) == [
        {
            "targeting_key": "user-1",
            "seats": 3,
            "beta": True,
            "groups": ["a", 1],
            "claims": {"x": [1]},
            "app_version": "1.10",
            "device": {"memory": 1500.0, "os": "ios"},
            "other": "007",
        },
        {},
        {
            "targeting_key": "user-2",
            "seats": -0.5,
            "beta": False,
            "groups": [],
            "claims": {},
            "app_version": "2",
            "device": {"memory": 8},
            "other": "true",
        },
    ]


def test_csv_columns_have_the_same_values_as_its_rows(tmp_path) -> None:
    text = 'seats,groups,device.memory,device.os\n3,"[""a""]",4,ios\n,,,\n3,[],,ios\n'
    ((batch, _),) = PopulationFile(path=written(tmp_path, "a.csv", text), schema=SCHEMA).batches()
    assert batch.column("seats").distinct == [3]
    column = batch.column("groups")
    assert column.codes is not None
    assert column.codes.tolist() == [0, -1, 1]
    assert batch.column(("device", "os")).distinct == ["ios"]
    assert batch.column("device").distinct == [{"memory": 4, "os": "ios"}, {"os": "ios"}]
    assert batch.column("absent").distinct == []
    assert batch.column(("seats", "below")).distinct == []


def test_a_heading_may_be_a_list_of_keys(tmp_path) -> None:
    text = '"[""claims"", ""acme.com""]",plan\nadmin,free\n'
    assert read(written(tmp_path, "a.csv", text)) == [{"claims": {"acme.com": "admin"}, "plan": "free"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seats\nmany\n", "a.csv:2: 'seats' is 'many': a number is expected"),
        ("seats\n1\n01\n", "a.csv:3: 'seats' is '01': a number is expected"),
        ("seats\nNaN\n", "a number is expected"),
        ("beta\nyes\n", "true or false is expected"),
        ("groups\na;b\n", "a JSON list"),
        ('groups\n"{""a"": 1}"\n', "a JSON list"),
        ("claims\n[]\n", "a JSON object"),
        ("a,b\n1\n", "a.csv:2: this line has 1 cells, and the heading has 2"),
        ("a,a\n1,2\n", "two columns 'a'"),
        ("a,\n1,2\n", "is no attribute"),
        ("a.b,a\n1,2\n", "'a.b' lies inside the column 'a'"),
        ('a\n"x\n', "is not CSV"),
    ],
)
def test_what_a_csv_file_cannot_mean_is_told_with_its_line(tmp_path, text, message) -> None:
    assert message in refusal(written(tmp_path, "a.csv", text)).message


def test_parquet_columns_have_pythons_types(tmp_path) -> None:
    moment = datetime(2026, 12, 1, tzinfo=UTC)
    table = pa.table(
        {
            "targeting_key": pa.array(["user-1", None, "user-1"]),
            "seats": pa.array([1, None, 2**53 + 1], pa.int64()),
            "small": pa.array([1, 2, 3], pa.int8()),
            "score": pa.array([0.5, float("nan"), None]),
            "beta": pa.array([True, None, False]),
            "groups": pa.array([["a"], None, []]),
            "device": pa.array([{"os": "ios"}, None, {"os": None}]),
            "since": pa.array([moment, None, moment], pa.timestamp("ns", "UTC")),
            "price": pa.array([Decimal("1.5"), None, None]),
            "country": pa.array(["DE", "FR", None]).dictionary_encode(),
        }
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    rows = read(tmp_path / "a.parquet")
    assert rows[0] == {
        "targeting_key": "user-1",
        "seats": 1,
        "small": 1,
        "score": 0.5,
        "beta": True,
        "groups": ["a"],
        "device": {"os": "ios"},
        "since": moment,
        "price": Decimal("1.5"),
        "country": "DE",
    }
    assert [type(value) for value in rows[0].values()] == [
        str,
        int,
        int,
        float,
        bool,
        list,
        dict,
        datetime,
        Decimal,
        str,
    ]
    ((batch, _),) = PopulationFile(path=tmp_path / "a.parquet", schema=SCHEMA).batches()
    for name in table.column_names:
        column = batch.column(name)
        codes = range(3) if column.codes is None else column.codes
        values = [None if code == -1 else column.distinct[code] for code in codes]
        assert str(values) == str([row.get(name) for row in rows])
    assert batch.column(("device", "os")).distinct == ["ios"]


def test_parquet_from_stdin(tmp_path) -> None:
    stream = io.BytesIO()
    parquet.write_table(pa.table({"plan": ["free"]}), stream)
    stream.seek(0)
    source = PopulationFile(path=None, stream=stream, schema=SCHEMA, form="parquet")
    assert [batch.context(0) for batch, _ in source.batches()] == [{"plan": "free"}]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.parquet", b"no", "is not Parquet"),
        ("a.jsonl", b"\xff\xfe", "it is not UTF-8"),
        ("a.jsonl.gz", b"no gzip", "cannot be read"),
        ("a.csv", b"\xff,b\n", "it is not UTF-8"),
        ("a.json", b"[]", "is called JSON"),
        ("a.xlsx", b"", "what format does"),
    ],
)
def test_a_file_of_another_kind_is_told(tmp_path, name, content, message) -> None:
    assert message in refusal(written(tmp_path, name, content)).message


def test_a_missing_file_and_an_unknown_format_are_told(tmp_path) -> None:
    assert "cannot be read" in refusal(tmp_path / "none.jsonl").message
    with pytest.raises(UsageError, match="'xml' is no format"):
        format_of(None, "xml")


@pytest.mark.parametrize(("name", "content"), [("a.jsonl", "\n\n"), ("a.csv", "plan\n"), ("a.csv", "")])
def test_a_population_without_contexts_is_no_success(tmp_path, name, content) -> None:
    with pytest.raises(NothingMatchedError, match="no contexts"):
        read(written(tmp_path, name, content))
