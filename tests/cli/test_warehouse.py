"""Events and flags in tables: a DuckDB file and a real PostgreSQL."""

from __future__ import annotations

import csv
import gzip
import io
import json
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from flagctl.events import Evaluation, Exposure, Usage, folder_of, to_json_line
from flagctl.ops.file_lock import try_lock
from flagctl.ops.warehouse import QueryResult, without_password
from flagctl.report.style import Style
from flagctl.report.warehouse import render_query
from flagctl.warehouse.asking import Answer
from tests.cli.conftest import git
from tests.cli.test_experiment_results import obeys
from tests.simulators import postgres

NOW = 1_790_000_000_000_000
DAY = 86_400_000_000


def exposure(number: int, **more) -> Exposure:
    fields = {
        "ts": NOW + number,
        "event_id": f"x{number}",
        "environment": "production",
        "experiment": "ranking-test",
        "variant": "neural" if number % 2 else "classic",
        "unit_type": "targeting_key",
        "unit_id": f"u{number}",
        "flag": "search-ranking",
        "config_hash": "c",
        "reason": "SPLIT",
        "sdk": "test/1",
        "attrs": {"plan": "pro"},
    }
    return Exposure(**(fields | more))


def evaluation(number: int) -> Evaluation:
    return Evaluation(
        ts=NOW + number,
        event_id=f"e{number}",
        environment="production",
        flag="search-ranking",
        variant="neural",
        value='{"a": 1}',
        reason="SPLIT",
        unit_id=f"u{number}",
        context='{"country": "DE"}' if number % 2 else None,
        bundle="b",
        duration_ns=900,
    )


def used(count: int) -> Usage:
    return Usage(
        ts=NOW,
        seconds=60.0,
        environment="production",
        flag="search-ranking",
        variant="neural",
        reason="SPLIT",
        count=count,
        sdk="t",
    )


def write(root: Path, events, name: str = "part") -> None:
    for event in events:
        folder = root / folder_of(event)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / f"{name}.jsonl").open("ab") as file:
            file.write(to_json_line(event))


def rows(cli, sql: str, *more: str):
    data = cli.json("warehouse", "query", sql, *more)
    obeys("warehouse-query", data)
    return data["rows"]


@pytest.fixture
def events(example) -> Path:
    folder = example / "events"
    write(folder, [*(exposure(i) for i in range(20)), *(evaluation(i) for i in range(6)), used(5)])
    return folder


def test_every_file_is_loaded_once_wherever_it_lies(events, cli):
    obeys("warehouse-init", cli.json("warehouse", "init"))
    first = cli.json("warehouse", "load", "--events", "events")
    obeys("warehouse-load", first)
    assert {one["kind"]: one["rows"] for one in first["kinds"]} == {"exposures": 20, "evaluations": 6, "usage": 1}
    for copy in ("copy.jsonl", "again.jsonl"):
        for path in list(events.rglob("part.jsonl")):
            path.with_name(copy).write_bytes(path.read_bytes())
    second = cli.json("warehouse", "load", "--events", "events")
    assert {(one["rows"], one["known"]) for one in second["kinds"]} == {(0, 3)}
    assert rows(cli, "SELECT sum(count) FROM usage") == [[5]]


def test_of_events_in_new_files_only_the_new_ones_are_added(events, cli):
    cli("warehouse", "load", "--events", "events")
    write(events, [*(exposure(i) for i in range(15, 25)), exposure(24)], "late")
    good = to_json_line(exposure(24)).decode()
    (events / "exposures" / "dt=2026-09-21" / "bad.jsonl").write_text("no json\n" * 3 + good)
    data = cli.json("warehouse", "load", "--events", "events")
    done = next(one for one in data["kinds"] if one["kind"] == "exposures")
    assert (done["rows"], done["duplicates"], done["unusable"]) == (5, 7, 3)
    assert {one["code"] for one in data["findings"]} == {"duplicate-events", "unusable-rows"}
    assert rows(cli, "SELECT count(*), count(DISTINCT event_id) FROM exposures") == [[25, 25]]


def test_files_that_break_off_are_named_and_tried_again_when_they_are_whole(events, cli):
    folder = events / "usage" / "dt=2026-09-22"
    folder.mkdir(parents=True)
    whole = gzip.compress(b"".join(to_json_line(used(n)) for n in range(1, 200)))
    for broken in (b"\x1f\x8bbroken", whole[: len(whole) // 2]):
        (folder / "part.jsonl.gz").write_bytes(broken)
        data = cli.json("warehouse", "load", "--events", "events")
        assert [one["code"] for one in data["findings"]] == ["unreadable-files"]
    assert rows(cli, "SELECT sum(count) FROM usage") == [[5]]
    (folder / "part.jsonl.gz").write_bytes(whole)
    assert cli.json("warehouse", "load", "--events", "events")["findings"] == []
    assert rows(cli, "SELECT sum(count) FROM usage") == [[5 + 199 * 100]]


def test_a_load_that_fails_leaves_nothing_behind(events, cli):
    cli("warehouse", "load", "--events", "events")
    import duckdb

    with duckdb.connect("warehouse.duckdb") as connection:
        connection.execute("ALTER TABLE usage ALTER COLUMN seconds SET DATA TYPE DATE USING NULL")
    write(events, [exposure(30), used(1)], "late")
    assert "cannot be written" in cli("warehouse", "load", "--events", "events", exit_code=2).stderr
    assert rows(cli, "SELECT count(*) FROM exposures") == [[20]]
    assert rows(cli, "SELECT count(*) FROM loaded_files") == [[3]]


def test_a_warehouse_from_before_a_column_was_added_is_read_and_completed(events, cli):
    cli("warehouse", "load", "--events", "events")
    import duckdb

    with duckdb.connect("warehouse.duckdb") as connection:
        for table, column in (("usage", "environment"), ("exposures", "attrs"), ("evaluations", "duration_ns")):
            connection.execute(f"ALTER TABLE {table} DROP COLUMN {column}")
    words = ("usage", "--events", "warehouse.duckdb", "--as-of", "2026-09-22T00:00:00Z")
    assert [one["count"] for one in cli.json(*words)["flags"]] == [5]
    assert cli.json(*words, "--env", "production")["counted"] == "evaluations"
    write(events, [used(7), exposure(50)], "late")
    cli("warehouse", "load", "--events", "events")
    assert rows(cli, "SELECT environment, sdk, count FROM usage ORDER BY count") == [
        [None, "t", 5],
        ["production", "t", 7],
    ]
    assert rows(cli, "SELECT count(*), count(attrs) FROM exposures") == [[21, 1]]
    assert [one["count"] for one in cli.json(*words, "--env", "production")["flags"]] == [7]


def test_analyses_of_a_warehouse_equal_those_of_its_files(example, cli):
    cli("experiment", "simulate-events", "ranking-test", "--out", "made", "--units", "3000", "--effect", "60")
    cli("warehouse", "load", "--events", "made")
    words = ("experiment", "analyze", "ranking-test", "--as-of", "2026-12-15T00:00:00Z", "--events")
    one, other = (
        json.loads(cli(*words, place, "--output-format", "json", exit_code=None).stdout)
        for place in ("made", "warehouse.duckdb")
    )
    assert (one.pop("source"), other.pop("source")) == ("made", "warehouse.duckdb")
    from tests.spark.test_engines_agree import agree

    agree(one, other)


def test_usage_is_read_from_a_warehouse_too(events, cli):
    cli("warehouse", "load", "--events", "events")
    data = cli.json("usage", "--events", "warehouse.duckdb", "--as-of", "2026-09-22T00:00:00Z")
    assert [(one["key"], one["count"]) for one in data["flags"]] == [("search-ranking", 5)]


def test_a_database_of_somebody_else_is_left_alone(example, cli):
    import duckdb

    duckdb.connect("other.duckdb").execute("CREATE TABLE mine (a INTEGER)").close()
    done = cli("warehouse", "init", "--database", "other.duckdb", exit_code=2)
    assert "is no warehouse" in done.stderr
    assert "cannot be read as a warehouse" in cli("usage", "--events", "other.duckdb", exit_code=2).stderr


def test_lines_are_packed_without_losing_or_doubling_anything(events, cli):
    write(events, [exposure(3), used(7)], "more")
    before = cli.json("usage", "--events", "events", "--as-of", "2026-09-22T00:00:00Z")
    kept = cli.json("warehouse", "compact", "--events", "events", "--keep")
    obeys("warehouse-compact", kept)
    assert {one["kind"]: (one["rows"], one["duplicates"], one["files"]) for one in kept["days"]} == {
        "exposures": (20, 1, 2),
        "evaluations": (6, 0, 1),
        "usage": (2, 0, 2),
    }
    # The lines are there still; what was packed is not counted twice.
    assert len(list(events.rglob("*.jsonl"))) == 5
    assert cli.json("usage", "--events", "events", "--as-of", "2026-09-22T00:00:00Z") == before
    assert cli("warehouse", "compact", "--events", "events").stdout.strip() == "nothing to pack"
    assert list(events.rglob("*.jsonl")) == []
    assert cli.json("usage", "--events", "events", "--as-of", "2026-09-22T00:00:00Z") == before
    cli("warehouse", "load", "--events", "events")
    found = rows(cli, "SELECT ts, attrs, is_bot, layer FROM exposures ORDER BY ts LIMIT 1")
    assert found == [["2026-09-21T14:13:20Z", {"plan": "pro"}, False, None]]


def test_what_was_loaded_as_lines_is_not_loaded_again_when_it_is_packed(events, cli):
    cli("warehouse", "load", "--events", "events")
    cli("warehouse", "compact", "--events", "events")
    again = cli.json("warehouse", "load", "--events", "events")
    assert {(one["rows"], one["files"], one["known"]) for one in again["kinds"]} == {(0, 0, 1)}
    assert rows(cli, "SELECT sum(count) FROM usage") == [[5]]


def test_of_lines_packed_with_others_only_those_that_were_not_loaded_are_added(events, cli):
    cli("warehouse", "load", "--events", "events")
    write(events, [used(7), used(7), exposure(40)], "late")
    cli("warehouse", "compact", "--events", "events")
    again = cli.json("warehouse", "load", "--events", "events")
    assert {one["kind"]: one["rows"] for one in again["kinds"]} == {"exposures": 1, "evaluations": 0, "usage": 2}
    assert rows(cli, "SELECT count FROM usage ORDER BY count") == [[5], [7], [7]]


def test_two_that_pack_one_folder_do_not_disturb_each_other(events, cli):
    with (events / ".flagctl-packing.lock").open("w") as lock:
        assert try_lock(lock.fileno())
        busy = cli("warehouse", "compact", "--events", "events", exit_code=6)
        assert "another process is packing events" in busy.stderr
        assert len(list(events.rglob("*.jsonl"))) == 3
    assert cli("warehouse", "compact", "--events", "events").stdout.count("2026-09-21") == 3


def test_a_warehouse_that_another_process_has_open_is_named_with_it(events, cli):
    cli("warehouse", "load", "--events", "events")
    other = subprocess.Popen(
        [sys.executable, "-c", "import duckdb; c = duckdb.connect('warehouse.duckdb'); print(1, flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        other.stdout.readline()
        for words in (
            ("warehouse", "load", "--events", "events"),
            ("warehouse", "query", "SELECT 1"),
            ("usage", "--events", "warehouse.duckdb"),
        ):
            said = cli(*words, exit_code=6).stderr
            assert f"warehouse.duckdb is open in another process (PID {other.pid})" in said
    finally:
        other.communicate(b"\n")


def test_only_folders_are_packed(events, cli):
    cli("warehouse", "init")
    for place in ("s3://shop/events", "warehouse.duckdb"):
        assert "only folders can be packed" in cli("warehouse", "compact", "--events", place, exit_code=2).stderr
    assert "there is no folder" in cli("warehouse", "compact", "--events", "nowhere", exit_code=3).stderr


def test_a_file_with_a_bad_line_is_not_packed_and_named(events, cli):
    bad = events / "usage" / "dt=2026-09-21" / "bad.jsonl"
    bad.write_text('{"flag": 1\n')
    done = cli("warehouse", "compact", "--events", "events")
    assert "bad.jsonl has lines that cannot be used" in " ".join(done.stdout.split())
    assert [path.name for path in events.rglob("*.jsonl")] == ["bad.jsonl"]


def test_lines_of_today_stay_lines(events, cli):
    assert "nothing to pack" in cli("warehouse", "compact", "--events", "events", "--before", "2026-09-21").stdout
    assert "is no date" in cli("warehouse", "compact", "--events", "events", "--before", "soon", exit_code=2).stderr


def test_a_query_is_a_table_json_or_csv(events, cli):
    cli("warehouse", "load", "--events", "events")
    sql = "SELECT variant, count(*) AS n, max(ts) AS newest FROM exposures GROUP BY ALL ORDER BY 1"
    assert cli("warehouse", "query", sql).stdout.splitlines()[1].split() == [
        "classic",
        "10",
        "2026-09-21T14:13:20.000018Z",
    ]
    text = cli("warehouse", "query", "-", "--output-format", "csv", input=sql).stdout
    assert list(csv.DictReader(io.StringIO(text)))[1]["variant"] == "neural"
    done = cli("warehouse", "query", "SELECT * FROM exposures", "--limit", "3")
    assert len(done.stdout.splitlines()) == 4
    assert "more rows than 3" in done.stderr


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM exposures",
        "COPY exposures TO 'out.csv'",
        "SELECT * FROM read_csv('flagctl.yaml')",
        "ATTACH 'new.duckdb'",
        "SET enable_external_access = true",
        "SELEC",
    ],
)
def test_a_query_can_change_and_read_nothing_else(events, cli, sql):
    cli("warehouse", "load", "--events", "events")
    assert "the query cannot be run" in cli("warehouse", "query", sql, exit_code=2).stderr
    assert not Path("out.csv").exists()
    assert not Path("new.duckdb").exists()


@pytest.mark.parametrize(
    ("sql", "said"),
    [("", "is empty"), (" -- nothing", "is empty"), ("SELECT 1; SELECT 2", "one query is asked at a time")],
)
def test_nothing_and_several_queries_are_refused(events, cli, sql, said):
    cli("warehouse", "init")
    assert said in cli("warehouse", "query", sql, exit_code=2).stderr


def test_a_query_may_turn_rows_into_columns(events, cli):
    cli("warehouse", "load", "--events", "events")
    assert rows(cli, "PIVOT usage ON variant USING sum(count) GROUP BY flag;") == [["search-ranking", 5]]


def test_rows_that_are_too_wide_are_shown_one_below_the_other():
    answer = Answer(
        columns=("flag", "count"),
        types=("VARCHAR", "DECIMAL(9,2)"),
        rows=(("image-cdn", 5), ("log-level", 12)),
        more=False,
    )
    assert render_query(QueryResult(answer=answer), Style(width=20)).splitlines() == [
        "flag       count",
        "image-cdn      5",
        "log-level     12",
    ]
    assert render_query(QueryResult(answer=answer), Style(width=15)).splitlines() == [
        *("flag   image-cdn", "count  5", "", "flag   log-level", "count  12")
    ]


def test_without_a_warehouse_the_error_says_how_to_make_one(example, cli):
    assert "flagctl warehouse load" in cli("warehouse", "query", "SELECT 1", exit_code=3).stderr


@pytest.fixture
def flags(in_git) -> Path:
    """A flag repository whose flag was made by one person, moved by another and changed by a third, in a branch."""
    folder = in_git
    flag = "kind: flag\nkey: new-page\ntype: boolean\nowner: web\ndescription: A new page\ndefault: off\n"
    (folder / "flags" / "new-page.yaml").write_text(flag)
    git(folder, "add", ".")
    git(folder, "-c", "user.name=Ann", "commit", "-qm", "Add", "--author", "Ann <ann@example.com>")
    (folder / "flags" / "web").mkdir()
    git(folder, "mv", "flags/new-page.yaml", "flags/web/new-page.yaml")
    git(folder, "commit", "-qm", "Move", "--author", "Bob <bob@example.com>")
    git(folder, "checkout", "-qb", "change")
    (folder / "flags" / "web" / "new-page.yaml").write_text(flag.replace("default: off", "default: on"))
    git(folder, "commit", "-qam", "Serve it", "--author", "Cy <cy@example.com>")
    git(folder, "checkout", "-q", "main")
    git(folder, "merge", "-q", "--no-ff", "-m", "Merge branch 'change'", "change")
    return folder


SQL = "SELECT key, enabled, default_value, created_by, updated_by FROM feature_flags WHERE key = 'new-page'"


def test_flags_have_who_made_and_who_changed_them_and_stay_in_step(flags, cli):
    first = cli.json("warehouse", "sync")
    obeys("warehouse-sync", first)
    count = first["tables"][0]["rows"]
    assert first["tables"][0] == {"table": "feature_flags", "rows": count, "written": count, "removed": 0}
    assert rows(cli, SQL) == [["new-page", True, "true", "Ann <ann@example.com>", "Cy <cy@example.com>"]]
    assert {one["written"] for one in cli.json("warehouse", "sync")["tables"]} == {0}
    (flags / "flags" / "web" / "new-page.yaml").unlink()
    again = cli.json("warehouse", "sync")["tables"][0]
    assert (again["rows"], again["written"], again["removed"]) == (count - 1, 0, 1)
    assert rows(cli, SQL) == []
    assert cli.json("warehouse", "sync", "--revision", "HEAD")["tables"][0]["written"] == 1


def test_a_flag_keeps_its_history_wherever_it_moves(flags, cli):
    for number, place in enumerate(("apps", "zones", "mobile")):
        (flags / "flags" / place).mkdir()
        git(flags, "mv", next((flags / "flags").rglob("new-page.yaml")).relative_to(flags).as_posix(), f"flags/{place}")
        git(flags, "commit", "-qm", "Move", "--author", f"Mover {number} <mover@example.com>")
        cli("warehouse", "sync")
        assert rows(cli, SQL) == [["new-page", True, "true", "Ann <ann@example.com>", "Cy <cy@example.com>"]]


def test_a_real_postgresql_holds_the_same_tables(flags, cli):
    write(flags / "events", [evaluation(i) for i in range(4)])
    with postgres.running() as url:
        first = cli.json("warehouse", "sync", "--to", url, "--events", "events")
        obeys("warehouse-sync", first)
        again = cli.json("warehouse", "sync", "--to", url, "--events", "events")
        assert {one["written"] for one in again["tables"]} == {0}
        write(flags / "events", [evaluation(i) for i in range(2, 9)], "late")
        third = cli.json("warehouse", "sync", "--to", url, "--events", "events")
        assert [one for one in third["tables"] if one["written"]] == [
            {"table": "flag_evaluations", "rows": 9, "written": 5, "removed": 0}
        ]
        with psycopg.connect(url) as connection:
            assert connection.execute(SQL).fetchall() == [
                ("new-page", True, True, "Ann <ann@example.com>", "Cy <cy@example.com>")
            ]
            found = connection.execute(
                "SELECT unit, value->>'a', context->>'country', extract(epoch FROM evaluated_at)"
                " FROM flag_evaluations WHERE id = 'e1'"
            ).fetchone()
            assert (*found[:3], float(found[3])) == ("u1", "1", "DE", (NOW + 1) / 1e6)
            connection.execute("DROP TABLE feature_flags")
            connection.execute("CREATE TABLE feature_flags (id TEXT PRIMARY KEY)")
        done = cli("warehouse", "sync", "--to", url, exit_code=2)
        assert "has a table feature_flags with other columns" in done.stderr
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute("CREATE ROLE reader LOGIN")
        reader = url.replace("tester@", "reader:geheim@") + "?password=geheim"
        assert "PostgreSQL refused: permission denied" in cli("warehouse", "sync", "--to", reader, exit_code=2).stderr
    assert "cannot be reached" in cli("warehouse", "sync", "--to", url, exit_code=2).stderr


def test_a_server_that_does_not_answer_is_not_waited_for_without_an_end(flags, cli):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        url = f"postgresql://flags@127.0.0.1:{silent.getsockname()[1]}/shop?connect_timeout=2"
        assert "timeout expired" in cli("warehouse", "sync", "--to", url, exit_code=2).stderr


def test_a_database_of_another_kind_is_named_as_such(flags, cli):
    done = cli("warehouse", "sync", "--to", "mysql://flags@db/shop", exit_code=2)
    assert "a warehouse's file or in postgresql://…, not in mysql://" in done.stderr
    assert not Path("mysql:").exists()


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("postgresql://me:p%40ss@db/shop", "postgresql://me:***@db/shop"),
        (
            "postgresql://me@db/shop?password=p%40ss&sslmode=require",
            "postgresql://me@db/shop?password=***&sslmode=require",
        ),
        ("postgresql://me@db/shop", "postgresql://me@db/shop"),
        ("warehouse.duckdb", "warehouse.duckdb"),
    ],
)
def test_no_password_is_shown(place, shown):
    assert without_password(place) == shown


def test_both_databases_agree_about_every_flag_of_the_example(example, cli):
    git(example, "init", "-q")
    git(example, "add", ".")
    git(example, "commit", "-qm", "All")
    cli("warehouse", "sync")
    own = {
        row[0]: row[1:] for row in rows(cli, "SELECT id, key, name, type, enabled, rules, metadata FROM feature_flags")
    }
    allocation = rows(cli, "SELECT key, allocation FROM experiments ORDER BY key")
    assert all(sum(json.loads(one[1]).values()) == pytest.approx(100) for one in allocation)
    with postgres.running() as url:
        cli("warehouse", "sync", "--to", url)
        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT id, key, name, type, enabled, rules, metadata FROM feature_flags")
            theirs = {row[0]: row[1:] for row in found.fetchall()}
    assert own.keys() == theirs.keys()
    for key, row in own.items():
        assert (*row[:4], json.loads(row[4]), json.loads(row[5])) == theirs[key]


def test_what_only_a_load_sees_is_said_by_every_analysis_until_the_file_can_be_read(events, cli):
    from flagctl.warehouse.duck import DuckEngine
    from flagctl.warehouse.listing import Listing

    def found():
        engine = DuckEngine()
        try:
            engine.load(Listing(location="warehouse.duckdb", files=(), database=True), ("exposures",))
            return {one.code: (one.count, one.blocks, one.message) for one in engine.findings}
        finally:
            engine.close()

    folder = events / "exposures" / "dt=2026-09-22"
    folder.mkdir(parents=True)
    (folder / "broken.parquet").write_bytes(b"garbage")
    (folder / "alike.jsonl").write_bytes(
        b"".join(to_json_line(replace(exposure(n), event_id="x")) for n in range(40, 44))
    )
    cli("warehouse", "load", "--events", "events")
    problems = found()
    assert {code: one[:2] for code, one in problems.items()} == {
        "unreadable-files": (1, True),
        "reused-ids": (3, True),
    }
    assert problems["unreadable-files"][2].startswith("when it was loaded, ")
    assert "broken.parquet: not a readable Parquet file" in problems["unreadable-files"][2]
    (folder / "broken.parquet").unlink()
    cli("warehouse", "load", "--events", "events")
    assert list(found()) == ["reused-ids"]


def test_events_that_merely_have_no_id_are_no_problem_of_a_warehouse(events, cli):
    write(events, [replace(evaluation(n), event_id="") for n in range(50, 54)], "late")
    data = cli.json("warehouse", "load", "--events", "events")
    assert ("missing-ids", 4, False) in [(one["code"], one["count"], one["blocks"]) for one in data["findings"]]
    assert rows(cli, "SELECT count(*) FROM load_problems") == [[0]]
