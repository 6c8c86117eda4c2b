"""Experiments as people read them before there are results: lists, one experiment, and how large it must be."""

from __future__ import annotations

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
    assert text[1].startswith("baseline 0.05")
    bars = [line.count("█") for line in text[text.index("Smallest effect that so many units show:") + 1 :]]
    assert bars == sorted(bars, reverse=True)
    assert bars[0] == 30
    without = cli("experiment", "power", "ranking-test", "--mean", "20", "--deviation", "30").stdout
    assert "days at" not in without
