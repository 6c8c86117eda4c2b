"""What experiments rest on, asked of both engines through the command: the same answers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.spark.test_engines_agree import QUIET, agree

pytestmark = [pytest.mark.spark, *QUIET]
ROOT = Path(__file__).resolve().parents[2]
METRICS = """  secondary:
    - {name: Revenue, event: paid, kind: revenue, winsorize: {upper: 99}, cuped: 3d}
    - {name: Share, kind: ratio, numerator: {event: order}, denominator: {event: paid, of: value}}
  guardrails:
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The example repository with a holdout, richer metrics, and events of two experiments in one folder."""
    folder = tmp_path_factory.mktemp("shop") / "example"
    shutil.copytree(ROOT / "flags", folder, ignore=shutil.ignore_patterns(".*", "trust.json"))
    layer = folder / "layers" / "homepage.yaml"
    layer.write_text(layer.read_text(encoding="utf-8") + "holdout: [[60000, 70000]]\n", encoding="utf-8")
    test = folder / "experiments" / "ranking-test.yaml"
    test.write_text(test.read_text(encoding="utf-8").replace("  guardrails:\n", METRICS), encoding="utf-8")
    for number, key in enumerate(("ranking-test", "homepage-hero")):
        made = folder / f"made{number}"
        done = invoke(folder, "simulate-events", key, "--out", str(made), "--units", "3000")
        assert done.exit_code == 0, done.stderr
        for file in made.rglob("*.parquet"):
            target = folder / "events" / file.relative_to(made).with_name(f"{number}-{file.name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return folder


def invoke(folder, *words):
    from flagctl.cli.app import app

    return CliRunner().invoke(app, ["experiment", *words, "--root", str(folder)])


@pytest.mark.parametrize(
    "words",
    [
        ("selftest", "ranking-test", "--runs", "100"),
        ("selftest", "ranking-test", "--runs", "50", "--metric", "Revenue"),
        ("selftest", "ranking-test", "--runs", "50", "--metric", "Share"),
        ("interactions", "ranking-test"),
        ("interactions", "homepage-hero", "ranking-test"),
        ("holdout", "homepage", "--event", "product-viewed", "--event", "purchase"),
    ],
    ids=" ".join,
)
def test_a_check_says_the_same_on_both_engines(shop, running, words):
    events = ("--events", str(shop / "events"), "--as-of", "2026-12-05T12:00:00Z", "--output-format", "json")
    found = []
    for engine in (("--engine", "duckdb"), ("--engine", "spark", "--master", "local[2]")):
        done = invoke(shop, *words, *events, *engine)
        assert done.exit_code in {0, 1}, done.stderr
        found.append(json.loads(done.stdout))
    agree(*found)
    assert found[0].get("units") or found[0].get("crossings")
