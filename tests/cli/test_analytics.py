"""What applications did with flags: counted, and compared between variants."""

from __future__ import annotations

import random
import shutil
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from flagctl.errors import NothingMatchedError
from flagctl.events import Evaluation, Exposure, Measurement, Usage, folder_of, to_json_line
from flagctl.warehouse.listing import list_events
from tests.cli.test_experiment_results import obeys

NOW = "2026-11-20T12:00:00Z"
NOW_US = int(datetime(2026, 11, 20, 12, tzinfo=UTC).timestamp() * 1_000_000)
DAY = 86_400_000_000


def write(root, events) -> str:
    for event in events:
        folder = root / "events" / folder_of(event)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "part.jsonl").open("ab") as file:
            file.write(to_json_line(event))
    return str(root / "events")


def used(
    flag: str, variant: str | None, count: int, *, days_ago: int = 1, reason: str = "STATIC", env: str = "production"
):
    return Usage(
        ts=NOW_US - days_ago * DAY,
        seconds=60.0,
        environment=env,
        flag=flag,
        variant=variant,
        reason=reason,
        count=count,
        sdk="test/1",
    )


def evaluated(flag: str, variant: str, number: int, *, unit: str, nanoseconds: int) -> Evaluation:
    return Evaluation(
        ts=NOW_US - DAY + number,
        event_id=f"e{number}",
        environment="production",
        flag=flag,
        variant=variant,
        value='"v"',
        reason="SPLIT",
        unit_id=unit,
        bundle="x",
        duration_ns=nanoseconds,
    )


def test_counts_are_by_flag_variant_reason_and_day(example, cli):
    events = write(
        example,
        [
            used("image-cdn", "on", 90),
            used("image-cdn", "on", 10, days_ago=2),
            used("image-cdn", None, 5, reason="ERROR:TYPE_MISMATCH"),
            used("image-cdn", "on", 1000, days_ago=40),
            used("imge-cdn", None, 7, reason="ERROR:FLAG_NOT_FOUND"),
            used("image-cdn", "on", 3, env="staging"),
        ],
    )
    data = cli.json("usage", "--events", events, "--as-of", NOW, "--env", "production")
    obeys("usage", data)
    first, second = data["flags"]
    assert (first["key"], first["count"], first["variants"]) == ("image-cdn", 105, {"on": 100, "": 5})
    assert first["days"] == {"2026-11-18": 10, "2026-11-19": 95}
    assert (second["key"], second["known"]) == ("imge-cdn", False)
    assert "log-level" in data["never"]
    assert "image-cdn" not in data["never"]
    text = cli("usage", "--events", events, "--as-of", NOW).stdout
    assert "imge-cdn: 7 times" in text
    assert "STATIC 95%, ERROR:TYPE_MISMATCH 5%" in " ".join(
        cli("usage", "--events", events, "--as-of", NOW, "--env", "production", env={"COLUMNS": "160"}).stdout.split()
    )


def test_the_days_of_all_flags_are_the_same_days(example, cli):
    events = write(
        example,
        [used("image-cdn", "on", 8, days_ago=3), used("image-cdn", "on", 4), used("log-level", "info", 2, days_ago=12)],
    )
    lines = cli("usage", "--events", events, "--as-of", NOW, env={"COLUMNS": "160"}).stdout.splitlines()
    drawn = {words[0]: words[3] for words in map(str.split, lines) if len(words) > 3}
    assert drawn["image-cdn"] == "··········█·▄·"
    assert drawn["log-level"] == "·█············"


@pytest.mark.parametrize("words", [("usage",), ("performance", "image-cdn")])
def test_an_environment_that_nobody_has_is_a_typo(example, cli, words):
    events = write(example, [used("image-cdn", "on", 8), used("image-cdn", "on", 8, env="elsewhere")])
    events = write(example, [evaluated("image-cdn", "on", 1, unit="u", nanoseconds=500)])
    done = cli(*words, "--events", events, "--as-of", NOW, "--env", "prodction", exit_code=2)
    assert "there is no environment 'prodction'" in done.stderr
    assert "did you mean 'production'?" in done.stderr
    cli("usage", "--events", events, "--as-of", NOW, "--env", "elsewhere")
    cli(*words, "--events", events, "--as-of", NOW, "--env", "staging")


def test_a_file_of_counts_that_was_copied_counts_once_and_is_named(example, cli):
    events = write(example, [used("image-cdn", "on", 90)])
    (file,) = Path(events).rglob("*.jsonl")
    for name in ("copy.jsonl", "again.jsonl"):
        shutil.copy(file, file.with_name(name))
    file.with_name("other.jsonl").write_bytes(file.read_bytes().replace(b"test/1", b"test/2"))
    data = cli.json("usage", "--events", events, "--as-of", NOW)
    assert data["flags"][0]["count"] == 180
    (finding,) = data["findings"]
    assert finding.endswith("copies of other files, left out (2)")


def test_without_counts_the_log_is_counted_and_said_to_be_a_sample(example, cli):
    events = write(example, [evaluated("image-cdn", "on", i, unit=f"u{i}", nanoseconds=500) for i in range(5)])
    data = cli.json("usage", "image-cdn", "--events", events, "--as-of", NOW)
    assert (data["counted"], data["flags"][0]["count"]) == ("evaluations", 5)
    assert "sampled log" in cli("usage", "--events", events, "--as-of", NOW).stdout


def test_a_key_that_is_no_flag_gets_a_suggestion(example, cli):
    events = write(example, [used("image-cdn", "on", 1)])
    assert "did you mean 'image-cdn'?" in cli("usage", "image-cdm", "--events", events, exit_code=3).stderr


def measured(number: int, value: float, unit: str | None, attrs: dict[str, str]) -> Measurement:
    return Measurement(
        ts=NOW_US - DAY + number,
        event_id=f"m{number}",
        environment="production",
        unit_type=None if unit is None else "targeting_key",
        unit_id=unit,
        name="search-ms",
        value=value,
        attrs=attrs,
    )


def exposed(number: int, *, unit: str, variant: str) -> Exposure:
    return Exposure(
        ts=NOW_US - DAY + number,
        event_id=f"x{number}",
        environment="production",
        experiment="ranking-test",
        variant=variant,
        unit_type="targeting_key",
        unit_id=unit,
        flag="search-ranking",
        config_hash="x",
        reason="SPLIT",
        sdk="test/1",
    )


def slow(example, *, by: str):
    rng = random.Random(5)
    events: list[object] = []
    for index in range(3000):
        unit, variant = f"u{index}", "neural" if index % 2 else "classic"
        attrs = {"search-ranking": variant} if by == "attribute" else {}
        if by == "exposure":
            events.append(exposed(index, unit=unit, variant=variant))
        else:
            events.append(evaluated("search-ranking", variant, index, unit=unit, nanoseconds=400 + index % 100))
        factor = 1.3 if variant == "neural" else 1.0
        known = None if by == "attribute" else unit
        events += [measured(index * 2 + i, rng.lognormvariate(4, 0.5) * factor, known, attrs) for i in range(2)]
    return write(example, events)


@pytest.mark.parametrize("by", ["exposure", "evaluation", "attribute"])
def test_a_variant_that_makes_searches_slower_is_found(example, cli, by):
    events = slow(example, by=by)
    data = cli.json("performance", "search-ranking", "--events", events, "--as-of", NOW)
    obeys("performance", data)
    assert data["control"] == "classic"
    effects = {round(one["level"] * 100): one for one in data["effects"]}
    assert set(effects) == {50, 95, 99}
    assert effects[50]["estimate"]["relative"] == pytest.approx(0.3, abs=0.08)
    assert effects[50]["corrected_p_value"] < 0.001
    if by != "exposure":
        assert data["latencies"][0]["p50"] == pytest.approx(449, abs=5)
    assert "search-ms" in cli("performance", "search-ranking", "--events", events, "--as-of", NOW).stdout


def test_a_control_without_measurements_is_refused(example, cli):
    events = slow(example, by="attribute")
    words = ("performance", "search-ranking", "--events", events, "--as-of", NOW, "--control", "hybrid")
    assert "there are: classic, neural" in cli(*words, exit_code=2).stderr


def test_what_is_wrong_with_measurements_is_said_beside_what_they_show(example, cli):
    events = slow(example, by="attribute")
    folder = next((Path(events) / "measurements").iterdir())
    (folder / "a.parquet").write_bytes(b"garbage")
    (folder / "b.jsonl").write_bytes(b"no line\n{}\n")
    data = cli.json("performance", "search-ranking", "--events", events, "--as-of", NOW)
    obeys("performance", data)
    assert [one.rpartition(" (")[2] for one in data["findings"]] == ["1)", "2)"]
    text = " ".join(cli("performance", "search-ranking", "--events", events, "--as-of", NOW).stdout.split())
    assert "! some of 6,002 measurements have no usable ts" in text
    assert "not a readable Parquet file" in text


def at(event, days: float):
    return replace(event, ts=event.ts + round(days * DAY), event_id=f"{event.event_id}-{days}")


def test_only_files_of_the_days_looked_at_are_read_and_events_that_came_late_count(example, cli):
    events = slow(example, by="evaluation")
    words = ("performance", "search-ranking", "--events", events, "--as-of", NOW, "--days", "7")
    before = cli.json(*words)
    for kind in ("measurements", "evaluations", "exposures"):
        for day in ("2026-01-01", "2026-11-09", "2026-11-30"):
            folder = Path(events) / kind / f"dt={day}"
            folder.mkdir(parents=True)
            (folder / "a.parquet").write_bytes(b"garbage")
    write(example, [at(measured(i, 1e6, f"u{i}", {"search-ranking": "neural"}), -8) for i in range(500)])
    assert cli.json(*words) == before
    # Filed by when they came, or not by day at all.
    for name, day in (("dt=2026-11-20", "2026-11-19"), (".", "2026-11-19")):
        source = Path(events) / "measurements" / f"dt={day}" / "part.jsonl"
        kept = source.read_text(encoding="utf-8").splitlines()
        half = len(kept) // 2
        target = Path(events) / "measurements" / name
        target.mkdir(exist_ok=True)
        (target / "late.jsonl").write_text("\n".join(kept[:half]) + "\n", encoding="utf-8")
        source.write_text("\n".join(kept[half:]) + "\n", encoding="utf-8")
    assert cli.json(*words) == before
    (Path(events) / "measurements" / "dt=2026-11-14" / "a.parquet").parent.mkdir()
    (Path(events) / "measurements" / "dt=2026-11-14" / "a.parquet").write_bytes(b"garbage")
    (finding,) = cli.json(*words)["findings"]
    assert "not a readable Parquet file" in finding


def test_a_unit_has_the_variant_that_it_got_in_the_days_looked_at_and_in_this_environment(example, cli):
    events = slow(example, by="evaluation")
    words = ("performance", "search-ranking", "--events", events, "--as-of", NOW, "--days", "7", "--env", "production")
    before = cli.json(*words)
    swapped = {"neural": "classic", "classic": "neural"}
    others = [
        evaluated("search-ranking", swapped["neural" if i % 2 else "classic"], i, unit=f"u{i}", nanoseconds=900)
        for i in range(3000)
    ]
    write(example, [at(one, -8.5) for one in others])
    write(example, [replace(one, environment="staging", event_id=f"{one.event_id}-staging") for one in others])
    after = cli.json(*words)
    assert after["effects"] == before["effects"]
    assert after["latencies"] == before["latencies"]


def test_measurements_of_one_variant_have_nothing_to_be_compared_with(example, cli):
    events = write(example, [measured(i, 5.0, f"u{i}", {"search-ranking": "neural"}) for i in range(20)])
    text = cli("performance", "search-ranking", "--events", events, "--as-of", NOW).stdout
    assert "measurements are known of the variant 'neural' only: nothing to compare with" in text


def test_usage_says_what_a_folder_has_instead_of_counts_and_who_writes_them(example, cli):
    write(example, [measured(1, 5.0, "u", {}), exposed(1, unit="u", variant="neural")])
    (Path("events") / "notes").mkdir()
    (Path("events") / "conversions").mkdir()
    said = " ".join(cli("usage", "--events", "events", exit_code=3).stderr.split())
    assert "events has no usage or evaluations, only exposures and measurements" in said
    assert (
        "hint: clients count evaluations for sinks that accept usage, and log them with Telemetry(log_rate=...);"
        in said
    )
    assert said.endswith("files lie in events/usage/dt=YYYY-MM-DD/")
    cli("warehouse", "load", "--database", "kept.duckdb", "--events", "events")
    said = " ".join(cli("usage", "--events", "kept.duckdb", exit_code=3).stderr.split())
    assert "kept.duckdb has no usage or evaluations, only exposures and measurements" in said
    assert said.endswith("flagctl warehouse load")
    only = write(example / "other", [used("image-cdn", "on", 1)])
    said = " ".join(cli("experiment", "analyze", "ranking-test", "--events", only, exit_code=3).stderr.split())
    assert "has no exposures or conversions or measurements, only usage" in said


def test_days_without_any_count_are_no_news_of_flags(example, cli):
    events = write(example, [used("image-cdn", "on", 90)])
    data = cli.json("usage", "--events", events, "--as-of", "2027-03-01T00:00:00Z", "--days", "7")
    assert (data["flags"], data["never"]) == ([], [])
    text = cli("usage", "--events", events, "--as-of", "2027-03-01T00:00:00Z", "--days", "7").stdout
    assert "Usage from 2027-02-22 to 2027-03-01" in text
    assert "nothing was counted in these days, so nobody knows what was asked for" in text
    assert "Nobody asked for" not in text


def test_a_folder_without_evaluations_is_said_to_have_none(example):
    events = write(example, [used("image-cdn", "on", 1)])
    with pytest.raises(NothingMatchedError, match="has no evaluations") as caught:
        list_events(events, ("evaluations",))
    assert caught.value.hint.endswith("/evaluations/dt=YYYY-MM-DD/")
