"""What applications did with flags: counted, and compared between variants."""

from __future__ import annotations

import random
from datetime import UTC, datetime

import pytest

from flagctl.events import Evaluation, Exposure, Measurement, Usage, folder_of, to_json_line
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


def slow(example, *, by: str):
    rng = random.Random(5)
    events: list[object] = []
    for index in range(3000):
        unit, variant = f"u{index}", "neural" if index % 2 else "classic"
        attrs = {"search-ranking": variant} if by == "attribute" else {}
        if by == "exposure":
            events.append(
                Exposure(
                    ts=NOW_US - DAY + index,
                    event_id=f"x{index}",
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
            )
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
