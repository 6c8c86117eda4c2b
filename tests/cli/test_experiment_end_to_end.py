"""From an application's calls to a verdict: client, sinks of files and of S3, analysis; what goes wrong on the way is told."""

from __future__ import annotations

import json
import random
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

import flagctl
from flagctl.client import Telemetry
from flagctl.client.sinks import JsonlSink, ParquetSink, S3Sink
from flagctl.compiler import compile_environment
from flagctl.source import load_tree, read_tree
from flagctl.storage import RemoteOptions

HOUR, DAY = 3600.0, 86_400.0
START = datetime(2026, 11, 2, tzinfo=UTC).timestamp()
END = "2026-11-14T00:00:00Z"
UNITS = 600

FLAG = """
kind: flag
key: hero
owner: team-growth
type: string
variants: {old: a, new: b}
off: old
default: old
rules:
  - {id: hero-test, experiment: hero-test}
"""

EXPERIMENT = """
kind: experiment
key: hero-test
flag: hero
owner: team-growth
hypothesis: The new hero sells more.
status: running
started_at: 2026-11-02T00:00:00Z
variants: {old: 50, new: 50}
control: old
metrics:
  primary: {event: order, kind: conversion, window: 2d}
  secondary:
    - {name: Revenue, event: order, kind: revenue, window: 2d}
  guardrails:
    - {name: Slowest, event: load-ms, kind: quantile, quantile: 50, direction: decrease, window: 2d}
bots: {events_per_day: 50}
"""


class Story:
    """What an application did, and what an analysis must make of it."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.acts: list[tuple[float, str, dict[str, object], float]] = []
        self.counted: dict[str, list[float]] = {}
        for number in range(UNITS):
            unit = {"targeting_key": f"user-{number}", "plan": "pro", "is_bot": number % 100 == 7}
            self._unit(unit, START + self.rng.random() * 10 * DAY, number)
        for number in range(40):
            # Orders of those who never saw the page.
            self._act(START + number * HOUR, "order", {"targeting_key": f"stranger-{number}"}, 10.0)

    def _unit(self, unit: dict[str, object], seen: float, number: int) -> None:
        # Some are seen more than once; the first time counts.
        for again in range(number % 3 + 1):
            self._act(seen + again * HOUR, "see", unit)
        busy = number % 150 == 11
        for _ in range(60 if busy else 2):
            self._act(seen + 2 * HOUR, "load", unit, 100.0 + number % 50)
        values = []
        if self.rng.random() < 0.3:
            values.append(round(self.rng.gammavariate(2, 20), 2))
            self._act(seen + self.rng.random() * 1.9 * DAY, "order", unit, values[0])
        if number % 40 == 3:
            # The clock of whoever wrote the order was half a minute behind that of the page: it counts.
            values.append(5.0)
            self._act(seen - 30, "order", unit, 5.0)
        if number % 40 == 5:
            self._act(seen - 300, "order", unit, 1000.0)
        if number % 40 == 9:
            self._act(seen + 2.1 * DAY, "order", unit, 1000.0)
        if not unit["is_bot"] and not busy:
            self.counted[str(unit["targeting_key"])] = values

    def _act(self, at: float, what: str, unit: dict[str, object], value: float = 0.0) -> None:
        self.acts.append((at, what, unit, value))

    def play(self, client: flagctl.Client, now: list[float]) -> dict[str, str]:
        """Show pages as time goes by; deliver the rest afterwards in no order at all; return who saw what."""
        shown = {}
        self.rng.shuffle(self.acts)
        self.acts.sort(key=lambda act: act[0] if act[1] == "see" else float("inf"))
        for at, what, unit, value in self.acts:
            now[0] = at
            if what == "see":
                variant = client.get_variant("hero-test", unit)
                assert variant is not None
                shown[str(unit["targeting_key"])] = variant.name
            elif what == "order":
                client.track_conversion("hero-test", unit, value, metric="order")
            else:
                client.measure("load-ms", value, unit)
        return shown


@pytest.fixture
def shop(example: Path) -> Path:
    (example / "growth" / "hero.yaml").write_text(FLAG)
    (example / "experiments" / "hero-test.yaml").write_text(EXPERIMENT)
    return example


def flat(value: object, place: str = "") -> dict[str, object]:
    """The leaves of a JSON value by where they are."""
    if isinstance(value, dict):
        return {k: v for name, one in value.items() for k, v in flat(one, f"{place}/{name}").items()}
    if isinstance(value, list):
        return {k: v for index, one in enumerate(value) for k, v in flat(one, f"{place}/{index}").items()}
    return {place: value}


def nearly(value: object) -> dict[str, object]:
    """The same, with numbers that may differ in their last digits: sums depend on the order of files."""
    leaves = flat(value).items()
    return {place: pytest.approx(one, rel=1e-9, abs=1e-12) if isinstance(one, float) else one for place, one in leaves}


def lines_of(folder: Path, kind: str) -> list[dict[str, object]]:
    return [json.loads(line) for file in (folder / kind).rglob("*.jsonl") for line in file.read_text().splitlines()]


def test_what_an_application_did_is_what_reports_of_files_and_of_s3_say(shop: Path, cli, s3_bucket) -> None:
    repository = load_tree(read_tree(shop)).repository
    flags = flagctl.load(compile_environment(repository, "production").data)
    story, now = Story(5), [START]
    place = f"s3://{s3_bucket.name}/events"
    client = flagctl.Client(
        "memory:",
        environment="production",
        fixed=flags,
        sinks=[
            JsonlSink("lines"),
            ParquetSink("columns"),
            S3Sink(place, options=RemoteOptions(endpoint_url=s3_bucket.endpoint_url)),
        ],
        telemetry=Telemetry(exposure_attributes=["plan"], queue=100_000),
        clock=lambda: now[0],
    )
    shown = story.play(client, now)
    client.close(timeout=60)
    words = ("experiment", "analyze", "hero-test", "--as-of", END, "--events")
    lines = cli.json(*words, "lines")
    self_told = {name: lines[name] for name in lines if name not in {"source", "engine"}}
    for more in (("columns",), (place, "--endpoint-url", s3_bucket.endpoint_url)):
        other = cli.json(*words, *more)
        assert flat({name: other[name] for name in self_told}) == nearly(self_told)

    assert lines["units"] == {
        name: sum(v == name for u, v in shown.items() if u in story.counted) for name in ("old", "new")
    }
    assert lines["excluded"] == {"marked as bots": 6, "more than 50 events on a day": 4}
    by_variant = {v: [story.counted[u] for u in story.counted if shown[u] == v] for v in ("old", "new")}
    conversions, revenue, slowest = (one["estimates"][0] for one in lines["metrics"])
    assert (conversions["n_control"], conversions["n_variant"]) == tuple(len(by_variant[v]) for v in ("old", "new"))
    for side, name in (("control", "old"), ("mean", "new")):
        orders = by_variant[name]
        assert conversions[side] == pytest.approx(sum(map(bool, orders)) / len(orders))
        assert revenue[side] == pytest.approx(sum(map(sum, orders)) / len(orders))
    assert 100 <= slowest["control"] <= 150
    assert lines["verdict"]["outcome"] in {"keep_running", "ship"}


def test_copies_switchers_and_late_files_change_no_number_but_those_they_must(shop: Path, cli) -> None:
    repository = load_tree(read_tree(shop)).repository
    flags = flagctl.load(compile_environment(repository, "production").data)
    story, now = Story(6), [START]
    client = flagctl.Client(
        "memory:", environment="production", fixed=flags, sinks=[JsonlSink("lines")], clock=lambda: now[0]
    )
    story.play(client, now)
    client.close(timeout=60)
    words = ("experiment", "analyze", "hero-test", "--as-of", END, "--events", "lines")
    before = cli.json(*words)
    # A file that was delivered twice, and one that came days later into another day's folder.
    for file in list(Path("lines/conversions").rglob("*.jsonl"))[:2]:
        shutil.copy(file, file.with_name(f"copy-{file.name}"))
    moved = next(Path("lines/measurements").rglob("*.jsonl"))
    late = Path("lines/measurements/dt=2026-11-13")
    late.mkdir(parents=True, exist_ok=True)
    moved.rename(late / moved.name)
    after = cli.json(*words)
    assert [one["code"] for one in after["findings"]] == ["duplicate-events"]
    assert flat([after["metrics"], after["units"]]) == nearly([before["metrics"], before["units"]])

    exposed = [one for one in lines_of(Path("lines"), "exposures") if one["unit_id"] in story.counted]
    other = {"old": "new", "new": "old"}
    again = [
        one | {"event_id": f"again-{i}", "variant": other[str(one["variant"])]} for i, one in enumerate(exposed[:4])
    ]
    (Path("lines/exposures/dt=2026-11-13")).mkdir(parents=True, exist_ok=True)
    Path("lines/exposures/dt=2026-11-13/again.jsonl").write_text("".join(json.dumps(one) + "\n" for one in again))
    switched = cli.json(*words)
    assert switched["switchers"] == 4
    assert "4 units changed variants and were left out" in switched["verdict"]["warnings"]
    counted = switched["metrics"][0]["estimates"][0]
    assert counted["n_control"] + counted["n_variant"] == len(story.counted) - 4
