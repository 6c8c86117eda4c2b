"""Data that are wrong in every way that data go wrong: each says so with a number, and none ships a wrong winner."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

EVENT = {
    "ts": "2026-11-25T00:00:00Z",
    "event_id": "z",
    "environment": "simulated",
    "unit_type": "targeting_key",
    "unit_id": "q",
    "event": "order",
    "value": 1.0,
}
REVENUE = """  secondary:
    - {event: order, kind: mean, name: Revenue}
decision: {planned_days: 14}
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The example repository, and events of a true success."""
    from tests.cli.conftest import ROOT, Cli

    folder = tmp_path_factory.mktemp("bad") / "example"
    shutil.copytree(ROOT / "flags", folder, ignore=shutil.ignore_patterns(".*", "trust.json"))
    file = folder / "experiments" / "ranking-test.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text[: text.index("  guardrails:")] + REVENUE, encoding="utf-8")
    words = ("--out", str(folder / "events"), "--units", "6000", "--effect", "60", "--root", str(folder))
    Cli()("experiment", "simulate-events", "ranking-test", *words)
    return folder


@pytest.fixture
def shop(made, tmp_path, monkeypatch):
    folder = tmp_path / "shop"
    shutil.copytree(made, folder)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def analyze(shop, cli):
    def run():
        words = ("--events", "events", "--as-of", "2026-12-10T00:00:00Z", "--output-format", "json")
        done = cli("experiment", "analyze", "ranking-test", *words, exit_code=None)
        assert done.exit_code in {0, 1}, done.stderr
        data = json.loads(done.stdout)
        found = {one["code"]: (one["count"], one["blocks"]) for one in data["findings"]}
        found.pop("after-the-look", None)
        return data["verdict"]["outcome"], found, data

    return run


def put(name: str, content: bytes, kind: str = "conversions") -> None:
    folder = Path("events") / kind / "dt=2026-11-25"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


def lines(rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def rewrite(kind: str, change) -> int:
    files = sorted((Path("events") / kind).rglob("*.parquet"))
    for file in files:
        table = change(pq.read_table(file))
        pq.write_table(table, file)
    return len(files)


def with_values(change):
    def run(table):
        values = pa.array([change(i, value) for i, value in enumerate(table["value"].to_pylist())], pa.float64())
        return table.set_column(table.column_names.index("value"), "value", values)

    return run


def test_events_of_a_true_success_ship_without_a_word(analyze):
    assert analyze()[:2] == ("ship", {})


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("a.parquet", b"PAR1garbagePAR1", "not a readable Parquet file"),
        ("a.parquet", b"", "not a readable Parquet file"),
        ("a.jsonl.gz", b"", "it is empty, which no packed file is"),
        ("a.jsonl.gz", gzip.compress(bytes(range(256)) * 50)[:-20], "cannot be read to its end"),
        ("a.jsonl.gz", gzip.compress(lines([EVENT] * 50))[:12], "cannot be read to its end"),
        ("a.jsonl.gz", gzip.compress(lines([EVENT] * 50))[:-8], "cannot be read to its end"),
        ("a.jsonl.gz", lines([EVENT]), "cannot be read to its end"),
        ("a.jsonl", gzip.compress(lines([EVENT] * 50)), "it is packed with gzip"),
        ("a.jsonl", json.dumps(EVENT).encode("utf-16"), "it is UTF-16"),
        ("a.jsonl", b"PAR1" + bytes(100), "it is Parquet"),
    ],
    ids=[
        "garbage",
        "empty parquet",
        "empty packed",
        "cut",
        "cut at once",
        "without its sum",
        "not packed",
        "packed",
        "utf-16",
        "parquet",
    ],
)
def test_a_file_that_cannot_be_read_is_named_and_blocks(analyze, name, content, reason):
    put(name, content)
    outcome, found, data = analyze()
    assert (outcome, found) == ("invalid", {"unreadable-files": (1, True)})
    assert f"dt=2026-11-25/{name}: {reason}" in data["findings"][0]["message"]


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])
def test_a_link_to_nothing_is_a_file_that_cannot_be_read(analyze, name):
    put("b.jsonl", b"")
    (Path("events/conversions/dt=2026-11-25") / name).symlink_to("/nowhere/at/all")
    assert analyze()[:2] == ("invalid", {"unreadable-files": (1, True)})


def text(table):
    return pa.array(["2026-11-25T00:00:00Z"] * len(table))


def numbers(table):
    return pa.array(range(len(table)))


@pytest.mark.parametrize(
    ("column", "other"),
    [
        *((column, None) for column in ("ts", "event_id", "unit_id", "event", "value")),
        *((column, text) for column in ("ts", "value")),
        *((column, numbers) for column in ("event_id", "unit_id", "event")),
    ],
)
def test_a_column_that_is_missing_or_has_another_type_is_named(analyze, column, other):
    def change(table):
        if other is None:
            return table.drop([column])
        return table.set_column(table.column_names.index(column), column, other(table))

    files = rewrite("conversions", change)
    outcome, _, data = analyze()
    (own,) = (one for one in data["findings"] if one["code"] == "unreadable-files")
    assert (outcome, own["count"], own["blocks"]) == ("invalid", files, True)
    # One of many is enough to see what is wrong.
    assert own["message"].count(".parquet") == 3
    assert f" and {files - 3} more: the column {column} is" in own["message"]


def test_a_variant_without_a_name_is_seen_in_the_finding(analyze):
    def change(table):
        names = pa.array(["" if i == 0 else one for i, one in enumerate(table["variant"].to_pylist())])
        return table.set_column(table.column_names.index("variant"), "variant", names)

    files = rewrite("exposures", change)
    outcome, found, data = analyze()
    assert (outcome, found["unknown-variants"]) == ("invalid", (files, True))
    assert data["findings"][0]["message"].endswith("does not have: ''")


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -1e300, None], ids=str)
@pytest.mark.parametrize(("every", "outcome"), [(400, "ship"), (20, "invalid")])
def test_values_that_are_no_numbers_are_counted_and_many_of_them_block(analyze, bad, every, outcome):
    table = pa.concat_tables(pq.read_table(f) for f in sorted(Path("events/conversions").rglob("*.parquet")))
    shutil.rmtree("events/conversions")
    table = with_values(lambda i, value: bad if i % every == 0 else value)(table)
    put("all.parquet", b"")
    pq.write_table(table, "events/conversions/dt=2026-11-25/all.parquet")
    count = -(-len(table) // every)
    assert analyze()[:2] == (outcome, {"unusable-rows": (count, outcome == "invalid")})


@pytest.mark.parametrize("other", ["seconds", "nanoseconds"])
@pytest.mark.parametrize(("every", "outcome"), [(400, "ship"), (20, "invalid")])
def test_instants_in_another_unit_are_counted_and_many_of_them_block(analyze, other, every, outcome):
    table = pa.concat_tables(pq.read_table(f) for f in sorted(Path("events/conversions").rglob("*.parquet")))
    shutil.rmtree("events/conversions")
    put("all.parquet", b"")
    wrong = {"seconds": lambda us: us // 1_000_000, "nanoseconds": lambda us: us * 1000}[other]
    instants = [
        wrong(us) if i % every == 0 else us for i, us in enumerate(pc.cast(table["ts"], pa.int64()).to_pylist())
    ]
    table = table.set_column(table.column_names.index("ts"), "ts", pa.array(instants, pa.int64()))
    pq.write_table(table, "events/conversions/dt=2026-11-25/all.parquet")
    found_outcome, found, data = analyze()
    assert (found_outcome, found["unusable-rows"]) == (outcome, (-(-len(table) // every), outcome == "invalid"))
    assert "have no usable ts (microseconds since 1970)" in data["findings"][0]["message"]


def test_negative_sums_are_counted_and_stay(analyze):
    rewrite("conversions", with_values(lambda i, value: -100.0 if i % 20 == 0 else value))
    outcome, found, _ = analyze()
    assert outcome == "ship"
    assert found["negative-values"][0] > 10


def test_files_that_are_there_twice_count_once(analyze):
    _, _, before = analyze()
    count = 0
    for file in list(Path("events").rglob("*.parquet")):
        shutil.copy(file, file.with_name(f"copy of {file.name}"))
        count += len(pq.read_table(file))
    _, found, after = analyze()
    twice = [one["count"] for one in after["findings"] if one["code"] == "duplicate-events"]
    assert (sum(twice), set(found)) == (count, {"duplicate-events"})
    for one, other in zip(before["metrics"], after["metrics"], strict=True):
        assert one["estimates"][0] == pytest.approx(other["estimates"][0])
    assert before["units"] == after["units"]


def test_a_variant_without_units_and_units_without_a_variant_are_no_verdict(analyze):
    rewrite("exposures", lambda t: t.filter(pc.equal(t["variant"], "classic")))
    outcome, found, _ = analyze()
    assert (outcome, found["empty-variants"]) == ("invalid", (1, False))
    shutil.rmtree("events/exposures")
    outcome, found, data = analyze()
    assert (outcome, found["empty-variants"]) == ("inconclusive", (2, False))
    assert "classic has 0 of at least 100 units" in data["verdict"]["reasons"]


def test_one_unit_only_is_no_verdict(analyze):
    for number, file in enumerate(sorted(Path("events/exposures").rglob("*.parquet"))):
        if number:
            file.unlink()
        else:
            pq.write_table(pq.read_table(file).slice(0, 1), file)
    outcome, found, data = analyze()
    assert (outcome, found["empty-variants"], sum(data["units"].values())) == ("inconclusive", (1, False), 1)


def test_an_event_that_nobody_did_may_have_another_name(analyze):
    shutil.rmtree("events/conversions")
    outcome, found, data = analyze()
    (one,) = data["metrics"][0]["estimates"]
    # Those whose window is over.
    units = one["n_control"] + one["n_variant"]
    assert (outcome, found) == ("inconclusive", {"missing-events": (units, False)})
    assert "no 'order'" in data["findings"][0]["message"]


def test_lines_with_other_endings_count_and_bad_ones_are_counted(analyze):
    put("a.jsonl", b"\r\n".join(json.dumps(EVENT | {"event_id": f"w{i}"}).encode() for i in range(5)))
    assert analyze()[:2] == ("ship", {})
    put("b.jsonl", b"\x00" * 100 + b"\n" + lines([EVENT | {"value": "many"}, EVENT | {"ts": "2026-02-30T00:00:00Z"}]))
    assert analyze()[:2] == ("ship", {"unusable-rows": (3, False)})


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz"])
def test_a_byte_order_mark_costs_no_line(analyze, name):
    content = b"\xef\xbb\xbf" + lines([EVENT | {"event_id": f"m{i}"} for i in range(3)])
    shutil.rmtree("events/conversions")
    put(name, gzip.compress(content) if name.endswith("gz") else content)
    _, found, data = analyze()
    assert found == {"missing-events": (found["missing-events"][0], False)}
    put("b.jsonl", b"\xef\xbb\xbf" + lines([EVENT | {"event_id": "n"}]) + b"no line\n")
    _, found, data = analyze()
    assert found["unusable-rows"] == (1, True)
    assert "some of 5 conversions have no usable ts" in data["findings"][0]["message"]


@pytest.mark.parametrize("kind", ["exposures", "conversions"])
@pytest.mark.parametrize(("every", "outcome"), [(300, "ship"), (20, "invalid")])
def test_units_without_a_name_are_counted_and_left_out(analyze, kind, every, outcome):
    table = pa.concat_tables(pq.read_table(f) for f in sorted((Path("events") / kind).rglob("*.parquet")))
    shutil.rmtree(Path("events") / kind)
    put("all.parquet", b"", kind)
    names = pa.array(["" if i % every == 0 else one for i, one in enumerate(table["unit_id"].to_pylist())])
    table = table.set_column(table.column_names.index("unit_id"), "unit_id", names)
    pq.write_table(table, f"events/{kind}/dt=2026-11-25/all.parquet")
    found_outcome, found, data = analyze()
    assert (found_outcome, found["unusable-rows"]) == (outcome, (-(-len(table) // every), outcome == "invalid"))
    assert f"some of {len(table):,} {kind} have no usable unit_id" in data["findings"][0]["message"]


def test_lines_of_measurements_may_have_no_unit_but_none_without_a_name(analyze):
    row = {name: one for name, one in EVENT.items() if name not in {"event", "unit_id"}} | {"name": "latency"}
    rows = [row | {"event_id": f"m{i}"} for i in range(300)]
    put("a.jsonl", lines([*rows, row | {"event_id": "x", "unit_id": ""}]), "measurements")
    assert analyze()[:2] == ("ship", {"unusable-rows": (1, False)})


@pytest.mark.parametrize("bad", ["12,50", "NaN", "1e300", None], ids=str)
def test_numbers_that_an_attribute_lacks_are_counted_and_block(analyze, bad):
    file = Path("experiments/ranking-test.yaml")
    file.write_text(file.read_text().replace("name: Revenue", "name: Revenue, value: amount"))
    rows = pa.concat_tables(
        pq.read_table(f, columns=["ts", "event_id", "environment", "unit_type", "unit_id", "event", "value"])
        for f in Path("events/conversions").rglob("*.parquet")
    ).to_pylist()
    shutil.rmtree("events/conversions")
    for i, row in enumerate(rows):
        row["ts"] = row["ts"].isoformat()
        amount = bad if i % 4 == 0 else "25.5"
        row["attrs"] = {} if amount is None else {"amount": amount}
    put("a.jsonl", lines(rows))
    outcome, found, data = analyze()
    assert (outcome, set(found)) == ("invalid", {"unusable-numbers"})
    # Only events of units that were exposed are looked at.
    assert 0.9 * len(rows) / 4 < found["unusable-numbers"][0] <= len(rows) / 4 + 1
    assert "no number in their attribute amount" in data["findings"][0]["message"]
