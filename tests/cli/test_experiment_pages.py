"""Experiments as people read them before there are results: lists, one experiment, and how large it must be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest


@pytest.fixture
def shop(example: Path) -> Path:
    return example


def test_a_list_shows_what_runs_and_what_room_layers_have(cli, shop: Path) -> None:
    text = cli("experiment", "list").stdout
    row = next(line for line in text.splitlines() if line.startswith("homepage-hero")).split()
    assert row[1:5] == ["running", "homepage-banner", "50", "%"]
    room = text[text.index("Layer homepage") :].splitlines()
    assert [line.split() for line in room[1:3]] == [
        ["50", "%", "homepage-hero"],
        ["20", "%", "newsletter-timing"],
    ]
    assert room[3].split() == ["30", "%", "free", "(60000-90000)"]
    for path in shop.rglob("experiments/*.yaml"):
        path.unlink()
    assert cli("experiment", "list").stdout == "no experiments\n"


def test_one_experiment_shows_what_was_agreed_on(cli, shop: Path) -> None:
    lines = cli("experiment", "show", "homepage-hero").stdout.splitlines()
    assert lines[0] == "Homepage hero  running"
    facts = {line[:13].strip(): line[13:] for line in lines[1:] if line[:1].strip()}
    assert facts["variants"] == "carousel 34 %, video 33 %, story 33 %; control carousel"
    assert facts["units"] == "50 % of the units (layer homepage)"
    assert facts["flag"].startswith("homepage-banner, served in ")
    assert facts["started"].startswith("2026-11-16")
    assert facts["primary"].startswith("product-viewed: ")
    assert facts["guardrail"].startswith("page-abandoned: ")
    assert "Layer homepage" in lines
    done = cli("experiment", "show", "referral-amount").stdout
    assert "winner       ten" in done
    assert "60 % of the units" in done


def test_amendments_and_plans_are_shown_and_an_experiment_that_nobody_serves_says_so(cli, shop: Path) -> None:
    cli(
        *("experiment", "create", "check-test", "--flag", "new-checkout-flow", "--primary", "order"),
        *("--hypothesis", "one page sells more", "--minimum-effect", "3"),
    )
    assert "new-checkout-flow, served nowhere" in cli("experiment", "show", "check-test").stdout
    cli("add-rule", "new-checkout-flow", "check-test", "--experiment", "check-test")
    cli("experiment", "start", "check-test", "--units", "20000")
    shown = cli("experiment", "show", "check-test").stdout
    assert "20,000 units" in shown
    file = shop / "experiments" / "check-test.yaml"
    file.write_text(file.read_text(encoding="utf-8").replace("kind: conversion", "kind: count"), encoding="utf-8")
    cli("experiment", "amend", "check-test", "--reason", "orders are counted now")
    assert ": orders are counted now" in cli("experiment", "show", "check-test").stdout


def test_a_plan_says_how_many_units_in_how_many_days_and_draws_smaller_effects(cli, shop: Path) -> None:
    text = cli(
        "experiment", "power", "ranking-test", "--rate", "5", "--effect", "10", "--per-day", "5000"
    ).stdout.splitlines()
    assert " units to see 10" in text[0]
    assert text[0].endswith("days at 5,000 units a day")
    assert text[1].startswith("baseline 5 %; 80 % power, 5 % risk, sequential; 7 days until the values")
    bars = [line.count("█") for line in text[text.index("Smallest effect that so many units show:") + 1 :]]
    assert bars == sorted(bars, reverse=True)
    assert bars[0] == 30
    assert "days at" not in cli("experiment", "power", "ranking-test", "--rate", "5").stdout


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((), "error: what is the metric today?"),
        (("--mean", "20", "--deviation", "30"), "error: order is a conversion: its baseline is a rate"),
        (("--rate", "5", "--events", "events"), "error: --events measures what --rate says"),
        (("--metric", "search-error:count", "--rate", "5"), "error: search-error:count is no conversion"),
        (("--metric", "search-error:count", "--mean", "5"), "error: --mean and --deviation are given together"),
        (
            ("--metric", "search-error:count", "--mean", "5", "--deviation", "-2"),
            "error: --deviation is a number above 0",
        ),
        (("--metric", "search-error:count", "--mean", "nan", "--deviation", "2"), "error: --mean is a number"),
    ],
)
def test_a_baseline_of_another_kind_than_the_metric_is_refused(cli, shop: Path, given, message: str) -> None:
    assert message in cli("experiment", "power", "ranking-test", *given, exit_code=2).stderr


def test_one_unit_a_day_is_one_and_an_effect_of_many_times_is_a_whole_number(cli, shop: Path) -> None:
    cli(
        *("experiment", "create", "check-test", "--flag", "new-checkout-flow", "--primary", "order"),
        *("--hypothesis", "one page sells more", "--minimum-effect", "3"),
    )
    text = cli("experiment", "power", "check-test", "--rate", "5", "--per-day", "1").stdout
    assert text.splitlines()[0].endswith("days at 1 unit a day")
    assert re.search(r"effects from \d,\d{3} % on are seen", text)


def test_events_too_young_for_a_baseline_are_counted_and_called_so(cli, shop: Path) -> None:
    cli("experiment", "simulate-events", "ranking-test", "--out", "events", "--units", "20000", "--effect", "0")
    words = ("experiment", "power", "ranking-test", "--events", "events", "--as-of", "2026-11-23T00:00:00Z")
    said = " ".join(cli(*words, exit_code=2).stderr.split())
    assert re.search(r"do not suffice: 0 units; two are the least; [\d,]+ more have values that are not complete", said)
    plan = " ".join(cli(*words, "--metric", "search-milliseconds:quantile:p95").stdout.split())
    assert "no exposure is old enough for complete values: units count from what they were first seen by" in plan


def test_a_guard_without_guardrails_says_why_it_has_nothing_to_judge(cli, shop: Path) -> None:
    cli("experiment", "simulate-events", "referral-amount", "--out", "events", "--units", "2000")
    said = cli("experiment", "guard", "referral-amount", "--events", "events").stdout
    assert said.splitlines() == ["referral-amount: no data", "  · it has no guardrails"]


def test_a_quantile_needs_as_many_units_more_as_it_varies_more_than_a_mean(cli, shop: Path) -> None:
    words = ("experiment", "power", "ranking-test", "--mean", "100", "--deviation", "40", "--effect", "2", "--metric")
    text = cli(*words, "search-milliseconds:quantile:p95").stdout
    assert "baseline 100, deviation 84.53 (as of normal values, one for each unit)" in text
    count = cli.json(*words, "search-error:count")["plan"]["units"]
    # The variance of a quantile of normal values is q (1 - q) / density^2 = 4.4652 of that of their mean for 95 %.
    assert cli.json(*words, "search-milliseconds:quantile:p95")["plan"]["units"] == pytest.approx(
        4.4652 * count, rel=1e-3
    )


def test_a_plan_says_what_the_planned_end_shows(cli, shop: Path) -> None:
    cli(
        *("experiment", "create", "check-test", "--flag", "new-checkout-flow", "--primary", "order"),
        *("--hypothesis", "one page sells more", "--days", "14"),
    )
    words = ("experiment", "power", "check-test", "--rate", "5")
    # Units count after a window of seven days.
    assert "At the planned end (14 days, 70,000 units) effects from" in cli(*words, "--per-day", "10000").stdout
    planned = cli.json(*words, "--per-day", "10000")["planned"]
    assert (planned["days"], planned["units"]) == (14, 70_000)
    again = cli.json(*words, "--per-day", "10000", "--effect", str(planned["relative"] * 100))
    assert again["plan"]["days"] == 14
    assert cli.json(*words)["planned"] is None


def test_units_of_the_last_days_do_not_count_at_a_planned_end_in_units(cli, shop: Path) -> None:
    file = shop / "experiments" / "ranking-test.yaml"
    text = file.read_text(encoding="utf-8")
    words = ("experiment", "power", "ranking-test", "--rate", "5")

    def planned(decision: str, *more: str) -> int | None:
        file.write_text(f"{text}decision: {decision}\n", encoding="utf-8")
        found = cli.json(*words, *more)["planned"]
        return found and found["units"]

    # Units count after a window of seven days, so nobody can tell how many do if nobody knows how many come.
    assert planned("{planned_units: 100000}") is None
    assert planned("{planned_units: 100000}", "--per-day", "5000") == 65_000
    assert planned("{planned_units: 100000, maturity: all}") == 100_000
    assert planned("{planned_units: 140000, planned_days: 14}") == 70_000
    assert planned("{planned_units: 140000, planned_days: 14}", "--per-day", "5000") == 35_000


def test_an_odd_risk_is_not_rounded(cli, shop: Path) -> None:
    file = shop / "experiments" / "ranking-test.yaml"
    file.write_text(file.read_text(encoding="utf-8") + "decision: {alpha: 2.5}\n", encoding="utf-8")
    assert ", 2.5 % risk, " in cli("experiment", "power", "ranking-test", "--rate", "5").stdout


def test_one_experiment_says_what_each_metric_is_made_of(cli, shop: Path) -> None:
    file = shop / "experiments" / "ranking-test.yaml"
    text = file.read_text(encoding="utf-8")
    more = """  secondary:
    - {name: Items, event: order, kind: mean, value: items, winsorize: {lower: 1, upper: 99}, cuped: 7d}
    - {name: Basket, kind: ratio, numerator: {event: order, of: value}, denominator: {event: visit}, window: 1d}
    - {name: Wait, event: wait, kind: quantile, quantile: 50, level: unit}
  guardrails:
"""
    text = text.replace("  guardrails:\n", more) + "breakdowns: [platform, plan]\nbots: {events_per_day: 200}\n"
    file.write_text(text, encoding="utf-8")
    shown = cli("experiment", "show", "ranking-test").stdout
    for line in (
        "primary      order: conversion of order, within 7 days",
        "secondary    Items: mean of items of order, within 7 days, cut at the 1 % and 99 % quantiles, adjusted by what units",
        "secondary    Basket: ratio of the value of order to the count of visit, within 1 day",
        "secondary    Wait: 50 % quantile of wait over units, within 7 days",
        "quantile of search-milliseconds over events, within 7 days, less is better, up to 5 % worse is allowed",
        "parts        platform, plan",
        "bots         units with more than 200 events on a day",
    ):
        assert line in shown
