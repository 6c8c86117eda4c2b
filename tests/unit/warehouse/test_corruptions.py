"""Events spoilt in one way at a time: either the numbers are those of the whole ones, or a finding says what is lost, and how much."""

from __future__ import annotations

import gzip
import json
import shutil
from decimal import Decimal
from functools import partial

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from flagctl.errors import UsageError
from flagctl.model import Decision, Metric
from flagctl.warehouse.aggregate import AggregateOptions, aggregate
from flagctl.warehouse.duck import DuckEngine
from flagctl.warehouse.listing import days_around, list_events
from tests.unit.experiments.samples import DAY, START, experiment
from tests.unit.warehouse.test_aggregation import KINDS, US, conversion, exposure

UNITS = 120
METRICS = {
    "primary": Metric(kind="conversion", event="order"),
    "secondary": (
        Metric(kind="mean", event="order", name="Sum"),
        Metric(kind="quantile", event="order", name="Middle", quantile=50.0, level="unit"),
    ),
    "decision": Decision(maturity="all"),
}
FILES = 4


def events():
    """Two files of each kind on each of two days: every unit is exposed once, and most order once or twice."""
    exposures = [exposure(f"u{i}", "on" if i % 2 else "off", (START + i % 2 * DAY) * US + i, i) for i in range(UNITS)]
    orders = [
        conversion(f"u{i % UNITS}", (START + i % 2 * DAY) * US + 1000 + i, i, 5.0 + i % 7)
        for i in range(UNITS * 3 // 2)
    ]
    return {"exposures": [one.to_dict() for one in exposures], "conversions": [one.to_dict() for one in orders]}


def write(root, rows, *, parquet=False):
    for kind, all_rows in rows.items():
        for number in range(FILES):
            own = [row for i, row in enumerate(all_rows) if i % FILES == number]
            folder = root / kind / f"dt=2025-10-{9 + number % 2:02}"
            folder.mkdir(parents=True, exist_ok=True)
            if parquet:
                pq.write_table(table(own), folder / f"{number}.parquet")
            else:
                (folder / f"{number}.jsonl").write_bytes(lines(own))


def lines(rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def table(rows):
    names = [name for name in rows[0] if name not in {"attrs", "is_bot", "phase"}]
    columns = {name: pa.array([row[name] for row in rows]) for name in names}
    columns["ts"] = (
        pa.array([row["ts"].replace("Z", "") for row in rows]).cast(pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    )
    return pa.table(columns)


def read(root, *, trusting=False):
    """Findings without their messages, and the data."""
    setup = experiment(**METRICS)
    engine = DuckEngine(trusting=trusting)
    try:
        engine.load(list_events(str(root), KINDS, days=days_around(START, START + 14 * DAY)))
        options = AggregateOptions(as_of_ms=START + 14 * DAY, details=False)
        data = aggregate(engine, setup, options, engine.findings)
    finally:
        engine.close()
    return {one.code: (one.count, one.blocks) for one in data.findings}, data


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    root = tmp_path_factory.mktemp("whole")
    write(root, events())
    found, data = read(root)
    assert found == {}
    return data


def numbers(data):
    """What is compared: sums in another order differ in their last digit."""
    return {
        (key, arm.variant): (
            arm.happened,
            arm.quantile and (arm.quantile.n, arm.quantile.estimate),
            arm.moments
            and (
                arm.moments.n,
                *(round(one, 9) for one in arm.moments.covariances.values()),
                *arm.moments.means.values(),
            ),
        )
        for key, metric in data.metrics.items()
        for arm in metric.arms
    }


def first(root, kind="conversions"):
    return min((root / kind).rglob("[0-9].*"), key=lambda path: path.name)


# -- what changes nothing ---------------------------------------------------------------------------------------------------


def names_like_patterns(root):
    file = first(root)
    shutil.move(file.with_name("2" + file.suffix), file.with_name("a1" + file.suffix))
    shutil.move(file, file.with_name("a[1]" + file.suffix))


def folder_by_link(root):
    shutil.move(first(root).parent, root / "elsewhere")
    (root / "conversions" / "dt=2025-10-09").symlink_to(root / "elsewhere")


def circle(root):
    (first(root).parent / "up").symlink_to(root / "conversions")


def folder_of_a_file(root):
    file = first(root)
    content = file.read_bytes()
    file.unlink()
    file.mkdir()
    (file / f"part-0{file.suffix}").write_bytes(content)


def unfinished(root):
    folder = first(root).parent / "_temporary"
    folder.mkdir()
    (folder / "part.jsonl").write_bytes(b"no line\n")
    (folder / "part.parquet").write_bytes(b"no table")


def impossible_days(root):
    for number, day in enumerate(("2025-13-45", "1970-01-21", "2031-02-30")):
        target = root / "conversions" / f"dt={day}"
        target.mkdir()
        file = sorted((root / "conversions" / "dt=2025-10-09").iterdir() or [])[:1]
        for one in file:
            shutil.move(one, target / f"{number}{one.suffix}")


@pytest.mark.parametrize("parquet", [False, True], ids=["lines", "parquet"])
@pytest.mark.parametrize(
    "change", [names_like_patterns, folder_by_link, circle, folder_of_a_file, unfinished, impossible_days]
)
def test_where_files_lie_and_what_they_are_called_changes_nothing(tmp_path, whole, change, parquet):
    write(tmp_path, events(), parquet=parquet)
    change(tmp_path)
    found, data = read(tmp_path, trusting=True)
    assert (found, numbers(data), data.units) == ({}, numbers(whole), whole.units)


def test_a_partition_above_the_folder_is_not_one_of_its_events(tmp_path, whole):
    root = tmp_path / "dt=2020-01-01" / "copy"
    write(root, events())
    found, data = read(root)
    assert (found, numbers(data)) == ({}, numbers(whole))


# -- files that cannot be read ----------------------------------------------------------------------------------------------


def column(name, make, *, drop=False):
    def change(root):
        file = first(root)
        rows = pq.read_table(file, partitioning=None)
        made = make(rows[name])
        rows = rows.set_column(rows.column_names.index(name), name, made) if drop else rows
        pq.write_table(rows if drop else rows.add_column(0, name.title(), made), file)

    return change


def content(make, kind="conversions"):
    def change(root):
        file = first(root, kind)
        file.write_bytes(make(file.read_bytes()))

    return change


def renamed(suffix):
    return lambda root: first(root).rename(first(root).with_name(f"part{suffix}"))


def not_utf8(old):
    binary = pa.array([b"\xff\xfe%d" % i for i in range(len(old))], pa.binary())
    return pa.Array.from_buffers(pa.string(), len(old), binary.buffers())


def decimals(old):
    return pa.array([Decimal(str(one)) for one in old.to_pylist()], pa.decimal256(50, 3))


PARQUET = {
    "decimals wider than engines read": column("value", decimals, drop=True),
    "numbers of 16 bits": column("value", lambda old: old.cast(pa.float16()), drop=True),
    "text that is not UTF-8": column("unit_id", not_utf8, drop=True),
    "a column twice, once in capitals": column("value", lambda old: old),
    "another name": renamed(".PARQUET"),
    "packed as a whole": renamed(".parquet.gz"),
}
LINES = {
    "ends of lines of old Macs": content(lambda old: old.replace(b"\n", b"\r")),
    "one array": content(lambda old: json.dumps([json.loads(one) for one in old.splitlines()]).encode()),
    "one array over many lines": content(
        lambda old: json.dumps([json.loads(one) for one in old.splitlines()], indent=1).encode()
    ),
    "objects over many lines": content(
        lambda old: b"\n".join(json.dumps(json.loads(one), indent=1).encode() for one in old.splitlines())
    ),
    "all on one line": content(lambda old: old.replace(b"\n", b"")),
    "two on a line": content(lambda old: b"".join(o + b"\n" * (i % 2) for i, o in enumerate(old.splitlines()[1:]))),
    "UTF-16 without its mark": content(lambda old: old.decode().encode("utf-16-le")),
    "a page of an error": content(lambda _old: b"<html>503</html>"),
    "a table with commas": content(lambda _old: b"ts,unit_id\n2025-10-09,u1\n"),
    "rows of Python": content(lambda old: b"".join(repr(json.loads(o)).encode() + b"\n" for o in old.splitlines())),
    **{
        f"a name in {suffix}": renamed(suffix)
        for suffix in (".json", ".ndjson", ".JSONL", ".jsonl.zst", ".jsonl.1", ".csv")
    },
}


@pytest.mark.parametrize(
    ("parquet", "change"),
    [*((True, one) for one in PARQUET.values()), *((False, one) for one in LINES.values())],
    ids=[*PARQUET, *LINES],
)
def test_a_file_of_something_else_is_named_and_blocks(tmp_path, parquet, change):
    write(tmp_path, events(), parquet=parquet)
    change(tmp_path)
    found, data = read(tmp_path)
    assert found == {"unreadable-files": (1, True)}
    assert "/conversions/dt=2025-10-09/" in data.findings[0].message


def test_folders_that_have_another_name_or_are_files_are_named(tmp_path):
    write(tmp_path, events())
    (tmp_path / "conversions").rename(tmp_path / "Conversions")
    (tmp_path / "measurements").write_text("no folder")
    _, data = read(tmp_path)
    messages = [one.message for one in data.findings if one.blocks]
    assert [one.rpartition(": ")[2] for one in messages] == [
        "the folder's name has to be conversions",
        "it is no folder",
    ]


def test_a_location_with_nothing_but_names_of_another_kind_says_so(tmp_path):
    folder = tmp_path / "exposures"
    folder.mkdir()
    (folder / "part.json").write_bytes(b"{}")
    found, _ = read(tmp_path)
    assert found["unreadable-files"] == (1, True)


def test_a_folder_that_nobody_may_look_into_is_no_traceback(tmp_path, monkeypatch):
    def refuse(*_):
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr("flagctl.warehouse.listing.entries_of", refuse)
    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        list_events(str(tmp_path), KINDS)


# -- rows -------------------------------------------------------------------------------------------------------------------


def changed(kind, every, **columns):
    def change(rows):
        return {
            **rows,
            kind: [
                row | {name: one(row) if callable(one) else one for name, one in columns.items()}
                if i % every == 0
                else row
                for i, row in enumerate(rows[kind])
            ],
        }

    return change


ORDERS = UNITS * 3 // 2
FEW, MANY = 130, 10


@pytest.mark.parametrize("every", [FEW, MANY], ids=["few", "many"])
@pytest.mark.parametrize(
    "columns",
    [
        {"ts": "2025-10-09"},
        {"ts": "10:00:00"},
        {"ts": "today"},
        {"ts": 2**63 + 5},
        {"value": "1_000"},
        {"value": "5d"},
        {"value": "0x10"},
        {"value": {"amount": 5}},
        {"value": True},
        {"unit_id": None},
        {"event": None},
    ],
    ids=str,
)
def test_texts_that_are_no_instants_and_no_numbers_are_counted(tmp_path, columns, every):
    write(tmp_path, changed("conversions", every, **columns)(events()))
    found, _ = read(tmp_path)
    count = -(-ORDERS // every)
    assert found == {"unusable-rows": (count, count > ORDERS / 100)}


@pytest.mark.parametrize("kind", [pa.uint64(), pa.int64()], ids=str)
def test_instants_that_are_too_great_are_counted_whatever_a_footer_says(tmp_path, kind):
    write(tmp_path, events(), parquet=True)
    file = first(tmp_path)
    rows = pq.read_table(file, partitioning=None)
    instants = rows["ts"].cast(pa.int64()).to_pylist()
    instants[0] = 2**63 - 1 if kind == pa.int64() else 2**63 + 5
    pq.write_table(rows.set_column(rows.column_names.index("ts"), "ts", pa.array(instants, kind)), file)
    assert read(tmp_path, trusting=True)[0] == {"unusable-rows": (1, False)}


def test_a_file_that_ends_within_a_line_is_named(tmp_path):
    write(tmp_path, events())
    content(lambda old: old[:-40])(tmp_path)
    found, data = read(tmp_path)
    assert found == {"unusable-rows": (1, False), "cut-files": (1, False)}
    assert data.findings[1].message.endswith("0.jsonl: files end within a line, and may lack more than that")


@pytest.mark.parametrize("parquet", [False, True], ids=["lines", "parquet"])
@pytest.mark.parametrize("lacking", ["", None])
def test_events_without_ids_count_and_are_counted(tmp_path, whole, lacking, parquet):
    write(tmp_path, changed("conversions", 1, event_id=lacking)(events()), parquet=parquet)
    found, data = read(tmp_path)
    assert (found, numbers(data)) == ({"missing-ids": (ORDERS, False)}, numbers(whole))


@pytest.mark.parametrize("parquet", [False, True], ids=["lines", "parquet"])
@pytest.mark.parametrize("again", [1, 40])
def test_events_without_ids_that_are_there_twice_block_if_they_are_many(tmp_path, again, parquet):
    rows = changed("conversions", 1, event_id=None)(events())
    rows["conversions"] += rows["conversions"][:again]
    write(tmp_path, rows, parquet=parquet)
    assert read(tmp_path)[0] == {"missing-ids": (again, again > 1)}


def test_exposures_without_ids_need_none(tmp_path, whole):
    rows = changed("exposures", 1, event_id=None)(events())
    rows["exposures"] += rows["exposures"]
    write(tmp_path, rows)
    found, data = read(tmp_path)
    assert (found, numbers(data)) == ({}, numbers(whole))


@pytest.mark.parametrize("parquet", [False, True], ids=["lines", "parquet"])
@pytest.mark.parametrize("shared", [2, 60])
def test_different_events_with_one_id_block_if_they_are_many(tmp_path, shared, parquet):
    rows = events()
    rows["conversions"] = [row | {"event_id": "x"} if i < shared else row for i, row in enumerate(rows["conversions"])]
    write(tmp_path, rows, parquet=parquet)
    assert read(tmp_path)[0] == {"reused-ids": (shared - 1, shared > 2)}


def test_an_event_that_is_stamped_anew_when_it_is_sent_again_is_the_same_event(tmp_path, whole):
    rows = events()
    rows["conversions"] += [row | {"ts": "2025-10-12T00:00:00Z"} for row in rows["conversions"][:30]]
    write(tmp_path, rows)
    found, data = read(tmp_path)
    assert (found, numbers(data)) == ({"duplicate-events": (30, False)}, numbers(whole))


@pytest.mark.parametrize("name", ["Order", " order"])
@pytest.mark.parametrize("every", [7, MANY])
def test_events_that_are_almost_called_as_those_of_a_metric_are_counted(tmp_path, name, every):
    rows = events()
    misnamed = rows["conversions"][::every]
    for row in misnamed:
        row["event"] = name
    write(tmp_path, rows)
    found, _ = read(tmp_path)
    assert found == {"misnamed-events": (len(misnamed), len(misnamed) > len(rows["conversions"]) / 100)}


@pytest.mark.parametrize(
    ("code", "columns"),
    [
        ("misnamed-exposures", {"experiment": "Hero-Test"}),
        ("misnamed-exposures", {"experiment": " hero-test "}),
        ("other-units", {"unit_type": "device.id"}),
        ("other-flags", {"flag": "villain"}),
    ],
    ids=["capitals", "blanks", "units", "flag"],
)
@pytest.mark.parametrize("every", [UNITS, MANY])
def test_exposures_that_are_almost_of_the_experiment_are_counted(tmp_path, code, columns, every):
    write(tmp_path, changed("exposures", every, **columns)(events()))
    found, data = read(tmp_path)
    count = UNITS // every
    assert found == {code: (count, code != "other-flags" and count > UNITS / 100)}
    assert sum(data.units.values()) == UNITS - (0 if code == "other-flags" else count)


def test_names_of_variants_are_shown_with_their_blanks(tmp_path):
    write(tmp_path, changed("exposures", MANY, variant=lambda row: row["variant"] + " ")(events()))
    _, data = read(tmp_path)
    assert data.findings[0].message.endswith("does not have: 'off '")


def test_a_quantile_over_units_counts_the_units_that_did_something(tmp_path, whole):
    rows = events()
    rows["conversions"] = [row for row in rows["conversions"] if int(row["unit_id"][1:]) % 2]
    write(tmp_path, rows)
    assert [arm.happened for arm in whole.metrics["Middle"].arms] == [UNITS // 2] * 2
    assert [arm.happened for arm in read(tmp_path)[1].metrics["Middle"].arms] == [0, UNITS // 2]


def test_packed_lines_in_several_parts_are_read_to_the_end(tmp_path, whole):
    write(tmp_path, events())
    file = first(tmp_path)
    parts = map(partial(gzip.compress, mtime=0), file.read_bytes().splitlines(keepends=True))
    file.with_suffix(".jsonl.gz").write_bytes(b"".join(parts))
    file.unlink()
    found, data = read(tmp_path)
    assert (found, numbers(data)) == ({}, numbers(whole))
