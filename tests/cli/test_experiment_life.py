"""The life of an experiment: created, planned, started, amended, stopped."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.cli.conftest import git
from tests.cli.test_experiment_results import obeys

FILE = Path("experiments/check-test.yaml")


@pytest.fixture
def shop(example):
    git(example, "init", "-q")
    git(example, "add", ".")
    git(example, "commit", "-qm", "start")
    return example


def create(cli, *more: str):
    return cli(
        *("experiment", "create", "check-test", "--flag", "new-checkout-flow", "--primary", "order"),
        *("--hypothesis", "one page sells more", "--minimum-effect", "3", *more),
    )


def test_an_experiment_lives_from_draft_to_winner(shop, cli):
    assert "flagctl add-rule new-checkout-flow check-test" in create(cli).stderr
    cli("add-rule", "new-checkout-flow", "check-test", "--experiment", "check-test")
    cli("experiment", "start", "check-test", "--units", "20000")
    text = FILE.read_text(encoding="utf-8")
    assert "status: running" in text
    assert "registration: sha256:" in text
    cli("validate")
    data = cli.json("experiment", "show", "check-test")
    obeys("experiment-list", data)
    assert data["experiments"][0]["registered"] == "yes"
    cli("experiment", "stop", "check-test", "--winner", "on", "--commit")
    assert 'winner: "on"' in FILE.read_text(encoding="utf-8")
    assert "winner none → on" in git(shop, "log", "-1", "--format=%s%b")


def test_a_change_while_it_runs_is_an_error_until_it_is_amended(shop, cli):
    create(cli)
    cli("experiment", "start", "check-test")
    FILE.write_text(FILE.read_text(encoding="utf-8").replace("kind: conversion", "kind: count"), encoding="utf-8")
    done = cli("validate", str(FILE), exit_code=1)
    assert "EXP111" in done.stdout
    assert "flagctl experiment amend check-test" in done.stdout
    cli("experiment", "amend", "check-test", "--reason", "orders are counted now")
    cli("validate")
    assert cli.json("experiment", "show", "check-test")["experiments"][0]["registered"] == "amended"
    assert "nothing to amend" in cli("experiment", "amend", "check-test", "--reason", "again", exit_code=2).stderr


def test_what_must_be_agreed_on_is_asked_for_before_the_start(shop, cli):
    cli("experiment", "create", "check-test", "--flag", "new-checkout-flow")
    done = cli("experiment", "start", "check-test", exit_code=2)
    assert "cannot start without hypothesis, metrics.primary" in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("start", "homepage-hero"), "is running, not a draft"),
        (("stop", "winback-offer-test", "--no-winner"), "is draft, not running"),
        (("stop", "homepage-hero", "--winner", "nobody"), "'nobody' is none of its variants"),
        (("stop", "homepage-hero"), "who won?"),
        (("amend", "homepage-hero", "--reason", "x"), "is what was agreed on"),
        (("list", "--status", "done"), "there is no status 'done'"),
        (("power", "ranking-test"), "what is the metric today?"),
        (("power", "ranking-test", "--rate", "5", "--metric", "nothing"), "has no metric 'nothing'"),
    ],
)
def test_what_does_not_fit_is_refused(shop, cli, words, message):
    assert message in cli("experiment", *words, exit_code=2).stderr
    assert git(shop, "status", "--porcelain") == ""


@pytest.mark.parametrize("effect", ["nan", "inf"])
def test_an_effect_that_is_no_number_is_refused_with_a_place(shop, cli, effect):
    words = ("experiment", "create", "odd-test", "--flag", "search-ranking", "--primary", "order")
    done = cli(*words, "--hypothesis", "more", "--minimum-effect", effect, exit_code=1)
    assert "minimum_effect" in done.stdout + done.stderr
    assert git(shop, "status", "--porcelain") == ""


def test_an_end_at_which_nothing_can_be_decided_is_refused_at_the_start(shop, cli):
    create(cli)
    said = " ".join(cli("experiment", "start", "check-test", "--days", "7", exit_code=2).stderr.split())
    assert (
        "would end after 7 days, but units count towards order when their window of 7 days is over hint: --days 8"
        in said
    )
    text = FILE.read_text(encoding="utf-8").replace("minimum_effect: 3", "minimum_effect: 3, window: 1d")
    FILE.write_text(text, encoding="utf-8")
    said = " ".join(cli("experiment", "start", "check-test", "--days", "5", exit_code=2).stderr.split())
    assert "would end after 5 days, but nothing is decided before 7 days (minimum_days) hint: --days 7" in said
    assert "status: draft" in FILE.read_text(encoding="utf-8")
    cli("experiment", "start", "check-test", "--days", "7")


def test_what_was_never_registered_is_not_amended(shop, cli):
    file = shop / "experiments" / "homepage-hero.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text[: text.index("registration:")], encoding="utf-8")
    done = cli("experiment", "amend", "homepage-hero", "--reason", "x", exit_code=2)
    assert "was never registered" in done.stderr


def test_slots_of_a_layer_are_found_where_they_are_free(shop, cli):
    create(cli, "--layer", "homepage", "--slots", "20")
    assert "slots: [[60000, 80000]]" in FILE.read_text(encoding="utf-8")
    done = cli(
        *("experiment", "create", "other-test", "--flag", "new-checkout-flow", "--layer", "homepage", "--slots", "40"),
        exit_code=2,
    )
    assert "has only 10 % of its slots free" in done.stderr


def test_the_list_names_all_experiments_and_the_room_in_layers(shop, cli):
    data = cli.json("experiment", "list")
    obeys("experiment-list", data)
    assert [one["key"] for one in data["experiments"]][:2] == ["homepage-hero", "newsletter-timing"]
    assert data["layers"][0]["free"] == [[60000, 90000]]
    assert len(cli.json("experiment", "list", "--status", "running")["experiments"]) == 3


def test_power_is_planned_for_a_given_baseline(shop, cli):
    data = cli.json("experiment", "power", "ranking-test", "--rate", "5", "--effect", "10", "--per-day", "5000")
    obeys("experiment-power", data)
    by_rule = {one["method"]: one["units"] for one in (data["plan"], *data["others"])}
    assert by_rule["fixed"] < by_rule["hybrid"] < by_rule["sequential"]
    # A week more: units count when their window is over.
    assert data["plan"]["days"] == -(-data["plan"]["units"] // 5000) + 7
    text = cli("experiment", "power", "ranking-test", "--rate", "5", "--per-day", "5000").stdout
    assert "; 7 days until the values of the last units are complete" in text
    assert "until the values" not in cli("experiment", "power", "ranking-test", "--rate", "5").stdout


def test_power_measures_the_baseline_on_past_events(shop, cli):
    cli("experiment", "simulate-events", "ranking-test", "--out", "events", "--units", "5000", "--effect", "0")
    words = ("experiment", "power", "ranking-test", "--events", "events", "--as-of", "2026-12-05T00:00:00Z")
    for metric, expected in (("order", 0.095), ("search-error:count", 0.1)):
        data = cli.json(*words, "--metric", metric)
        obeys("experiment-power", data)
        assert data["baseline"] == pytest.approx(expected, abs=0.02)
        assert data["measured"] > 1000
    assert cli.json(*words, "--metric", "search-milliseconds:quantile:p95")["baseline"] > 50


def test_what_is_wrong_with_past_events_is_said_beside_the_plan_that_rests_on_them(shop, cli):
    cli("experiment", "simulate-events", "ranking-test", "--out", "events", "--units", "5000", "--effect", "0")
    words = ("experiment", "power", "ranking-test", "--events", "events", "--as-of", "2026-12-05T00:00:00Z")
    clean = cli.json(*words)
    assert clean["findings"] == []
    orders, exposures = Path("events/conversions/dt=2026-11-25"), Path("events/exposures/dt=2026-11-25")
    (orders / "a.parquet").write_bytes(b"garbage")
    event = {"ts": "2026-11-25T00:00:00Z", "event": "order", "value": 1.0, "unit_type": "targeting_key"}
    shown = {"experiment": "ranking-test", "variant": "classic", "environment": "simulated", "is_bot": True}
    robots = [{**event, "event_id": f"r{i}", "unit_id": f"robot-{i}", "environment": "simulated"} for i in range(30)]
    lines = [*map(json.dumps, [*robots, robots[0]]), *["no line"] * 40]
    (orders / "c.jsonl").write_text("\n".join([*lines, ""]), encoding="utf-8")
    marked = [{**one, **shown, "event_id": f"x{one['event_id']}"} for one in robots]
    (exposures / "c.jsonl").write_text("\n".join([*map(json.dumps, marked), ""]), encoding="utf-8")
    old = Path("events/conversions/dt=2026-01-01")
    old.mkdir()
    (old / "a.parquet").write_bytes(b"garbage")
    data = cli.json(*words)
    obeys("experiment-power", data)
    assert (data["baseline"], data["measured"]) == (clean["baseline"], clean["measured"])
    assert {one["code"]: (one["count"], one["blocks"]) for one in data["findings"]} == {
        "unreadable-files": (1, True),
        "unusable-rows": (40, True),
        "duplicate-events": (1, False),
        "excluded-units": (30, False),
    }
    text = " ".join(cli(*words).stdout.split())
    assert "! events/conversions/dt=2026-11-25/a.parquet: not a readable Parquet file" in text
    assert "! units were left out: marked as bots (30)" in text


def test_before_anybody_was_exposed_the_event_that_a_unit_is_known_by_is_none_of_its_values(shop, cli):
    day = Path("events/conversions/dt=2026-11-10")
    day.mkdir(parents=True)
    event = {"event": "order", "value": 1.0, "unit_type": "targeting_key", "environment": "production"}
    orders = [
        {**event, "ts": f"2026-11-10T0{again}:00:00Z", "event_id": f"o{i}-{again}", "unit_id": f"u{i}"}
        for i in range(1000)
        for again in range(2 if i % 4 == 0 else 1)
    ]
    (day / "a.jsonl").write_text("\n".join([*map(json.dumps, orders), ""]), encoding="utf-8")
    data = cli.json("experiment", "power", "ranking-test", "--events", "events", "--as-of", "2026-11-22T00:00:00Z")
    assert (data["baseline"], data["measured"]) == (0.25, 1000)
    assert [one["code"] for one in data["findings"]] == ["not-exposed"]
    # A fifth of the units is taken in.
    assert data["per_day"] == 200


def test_units_are_planned_that_are_exposed_not_those_with_a_value(shop, cli):
    cli("experiment", "simulate-events", "ranking-test", "--out", "events", "--units", "5000", "--effect", "0")
    words = ("experiment", "power", "ranking-test", "--events", "events", "--as-of", "2026-12-05T00:00:00Z")
    before = cli.json(*words, "--metric", "search-milliseconds:quantile:p95", "--effect", "5")
    assert before["measured"] == cli.json(*words)["measured"]
    # Units that are exposed were taken in already.
    assert before["per_day"] == pytest.approx(5000 / 14, rel=0.1)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--rate", "20", "--effect", "nan"), "--effect is a percentage above 0"),
        (("--rate", "20", "--effect", "inf"), "--effect is a percentage above 0"),
        (("--rate", "20", "--effect", "900"), "order is 20 % today and cannot rise by 900 % of that"),
        (("--rate", "20", "--effect", "900"), "hint: --effect is relative, here below 400"),
        (("--rate", "20", "--per-day", "inf"), "--per-day is a number of units"),
        (("--rate", "20", "--per-day", "nan"), "--per-day is a number of units"),
    ],
)
def test_effects_that_cannot_be_are_refused(shop, cli, words, message):
    assert message in cli("experiment", "power", "ranking-test", *words, exit_code=2).stderr


def test_large_numbers_and_small_effects_are_written_so_that_they_can_be_read(shop, cli):
    text = cli("experiment", "power", "ranking-test", "--rate", "20", "--effect", "0.01", "--per-day", "4000").stdout
    assert " to see 0.01 % of order, " in text
    days = text.splitlines()[4].split()[-1]
    assert re.fullmatch(r"\d+(,\d{3})+", days)
    lines = text[text.index("Smallest effect") :].splitlines()[1:]
    assert len({line.index("%") for line in lines}) == 1


def test_a_baseline_can_be_measured_in_one_environment(shop, cli):
    cli("experiment", "simulate-events", "ranking-test", "--out", "events", "--units", "5000", "--effect", "0")
    words = ("experiment", "power", "ranking-test", "--events", "events", "--as-of", "2026-12-05T00:00:00Z")
    assert cli.json(*words, "--env", "simulated")["baseline"] == cli.json(*words)["baseline"]
    assert "the past events do not suffice" in cli(*words, "--env", "staging", exit_code=2).stderr
    for file in Path("events").rglob("*.parquet"):
        file.write_bytes(b"garbage")
    said = " ".join(cli(*words, exit_code=2).stderr.split())
    assert "the past events do not suffice" in said
    assert "not a readable Parquet file" in said


def test_an_analysis_of_what_was_not_registered_is_invalid_until_it_is_amended(shop, cli):
    words = (
        "experiment",
        "create",
        "check-test",
        "--flag",
        "search-ranking",
        "--primary",
        "order",
        "--minimum-effect",
        "3",
    )
    assert (
        "minimum_effect: 3}" in cli(*words, "--hypothesis", "more orders", "--variants", "classic=50,neural=50").stdout
    )
    cli("experiment", "start", "check-test")
    done = cli("experiment", "start", "check-test", exit_code=2)
    assert "hint: it runs already" in done.stderr
    cli("experiment", "simulate-events", "check-test", "--out", "events", "--units", "3000", "--effect", "0")
    file = next(shop.rglob("check-test.yaml"))
    file.write_text(file.read_text(encoding="utf-8").replace("kind: conversion", "kind: count"), encoding="utf-8")
    analyze = ("experiment", "analyze", "check-test", "--events", "events")
    verdict = cli.json(*analyze, exit_code=1)["verdict"]
    assert verdict["outcome"] == "invalid"
    assert verdict["reasons"][0].startswith(
        "its units, variants, metrics or decision rule are no longer what was registered (sha256:"
    )
    assert verdict["reasons"][0].endswith("or record it with flagctl experiment amend check-test")
    guard = ("experiment", "guard", "check-test", "--events", "events")
    judged = cli.json(*guard, exit_code=1)
    obeys("experiment-guard", judged)
    assert (judged["state"], judged["problems"]) == ("no_data", verdict["reasons"])
    shown = " ".join(cli(*guard, exit_code=1).stdout.split())
    assert shown.startswith(
        "check-test: cannot be trusted ! its units, variants, metrics or decision rule are no longer"
    )
    cli("experiment", "amend", "check-test", "--reason", "orders are counted now")
    assert cli.json(*guard)["problems"] == []
    data = cli.json(*analyze)
    assert data["verdict"]["outcome"] == "keep_running"
    assert [one["reason"] for one in data["amendments"]] == ["orders are counted now"]
