"""The report of an experiment on a laptop and on a phone, light and dark."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.browser.conftest import SIZES
from tests.cli.conftest import ROOT, Cli

pytestmark = pytest.mark.browser

METRICS = """metrics:
  primary: {event: order, kind: conversion, minimum_effect: 5}
  secondary:
    - {name: Revenue of everybody who has seen the new ranking, event: order, kind: revenue, winsorize: {upper: 99}}
    - {name: Wait, event: search-milliseconds, kind: quantile, quantile: 50, level: unit, direction: decrease}
  guardrails:
    - {event: search-error, kind: count, direction: decrease, margin: 10}
breakdowns: [platform]
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A page of three variants with every section."""
    folder = tmp_path_factory.mktemp("report") / "example"
    shutil.copytree(ROOT / "flags", folder, ignore=shutil.ignore_patterns(".*", "trust.json"))
    file = folder / "experiments" / "ranking-test.yaml"
    text = file.read_text(encoding="utf-8")
    text = text[: text.index("metrics:")].replace("{classic: 50, neural: 50}", "{classic: 40, neural: 30, hybrid: 30}")
    file.write_text(text + METRICS, encoding="utf-8")
    words = ("experiment", "--root", str(folder))
    cli = Cli()
    cli(
        "--root",
        str(folder),
        *words[:1],
        "simulate-events",
        "ranking-test",
        "--out",
        str(folder / "events"),
        "--units",
        "9000",
    )
    page = folder / "report.html"
    cli(
        *("--root", str(folder), "experiment", "analyze", "ranking-test", "--events", str(folder / "events")),
        *("--as-of", "2026-12-05T12:00:00Z", "--report", str(page)),
    )
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", list(SIZES))
def test_a_report_fits_the_screen_can_be_read_and_has_enough_contrast(browser, axe, pictures, report, size, scheme):
    context = browser.new_context(viewport=SIZES[size], color_scheme=scheme)
    page = context.new_page()
    page.goto(report.as_uri())
    pictures(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]
    sections = page.eval_on_selector_all("h2", "all => all.map(one => one.textContent)")
    assert sections == [
        "Results",
        "Effects",
        "The primary metric over time",
        "Guardrails",
        "What is measured",
        "Units per day",
        "Shares of units",
        "Distributions",
        "The Bayesian view",
        "Parts",
        "By day since the first exposure",
    ]
    # Text in pictures grows and shrinks with them.
    small = page.evaluate(
        """[...document.querySelectorAll('svg text')].filter(text => {
            const svg = text.ownerSVGElement
            const scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width
            return parseFloat(getComputedStyle(text).fontSize) * scale < 10
        }).length"""
    )
    cut = page.evaluate(
        """[...document.querySelectorAll('svg text')].filter(text => {
            const box = text.getBoundingClientRect(), frame = text.ownerSVGElement.getBoundingClientRect()
            return box.left < frame.left - 1 || box.right > frame.right + 1
        }).map(text => text.textContent)"""
    )
    assert (small, cut) == (0, [])
    page.add_script_tag(content=axe)
    found = page.evaluate("axe.run().then(result => result.violations.map(one => [one.id, one.nodes[0].html]))")
    assert found == []
    context.close()
