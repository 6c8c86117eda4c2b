"""What experiments rest on: tests that find nothing where nothing is, experiments that cross, holdouts."""

from __future__ import annotations

import json
import random
import shutil
from pathlib import Path

import jsonschema
import pytest

from flagctl import bucket

ROOT = Path(__file__).resolve().parents[2]
END = "2026-12-05T12:00:00Z"


def obeys(name: str, data: object) -> None:
    schema = json.loads((ROOT / "schemas" / f"output-{name}.schema.json").read_text(encoding="utf-8"))
    jsonschema.validate(data, schema, jsonschema.Draft7Validator)


@pytest.fixture
def shop(example):
    return example


@pytest.fixture
def events(shop, cli):
    for number, key in enumerate(("ranking-test", "homepage-hero")):
        cli("experiment", "simulate-events", key, "--out", f"made{number}", "--units", "6000", "--effect", "50")
    for number in range(2):
        for file in Path(f"made{number}").rglob("*.parquet"):
            target = Path("events") / file.relative_to(f"made{number}").with_name(f"{number}-{file.name}")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, target)
    return "events"


def test_dealing_units_out_at_random_finds_as_little_as_was_agreed(shop, cli, events):
    words = ("experiment", "selftest", "ranking-test", "--events", events, "--as-of", END, "--runs", "200")
    data = cli.json(*words)
    obeys("experiment-selftest", data)
    assert (data["passed"], data["runs"], sum(data["histogram"])) == (True, 200, 200)
    shown = cli(*words).stdout
    assert "PASSED" in shown
    assert "computes the same p-values (20 dealings" in shown
    done = cli(*words, "--metric", "search-milliseconds:quantile:p95", exit_code=2)
    assert "is a quantile" in done.stderr


def test_experiments_that_share_units_are_crossed(shop, cli, events):
    words = ("experiment", "interactions", "ranking-test", "--events", events, "--as-of", END)
    data = cli.json(*words)
    obeys("experiment-interactions", data)
    (one,) = data["crossings"]
    assert one["other"] == "homepage-hero"
    assert len(one["cells"]) == 6
    assert one["assignment_p_value"] > 0.001
    assert len(one["pairs"]) == 2
    assert data["apart"]
    named = cli(*words[:3], "homepage-hero", *words[3:])
    assert "ranking-test and homepage-hero" in named.stdout
    assert "disturb" in named.stdout


@pytest.fixture
def held_out(shop):
    """A layer that keeps 10 % apart, and 20,000 people of whom the rest orders twice as often."""
    path = shop / "layers" / "homepage.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "holdout: [[60000, 70000]]\n", encoding="utf-8")
    rng = random.Random(3)
    folder = Path("seen/conversions/dt=2026-11-25")
    folder.mkdir(parents=True)
    with (folder / "a.jsonl").open("w", encoding="utf-8") as file:
        for number in range(20_000):
            unit = f"user-{number}"
            apart = 60_000 <= bucket("homepage/allocation", unit) < 70_000
            for name, chance, value in (("visit", 1.0, 1.0), ("order", 0.1 if apart else 0.2, 25.5)):
                if rng.random() < chance:
                    event = {
                        "ts": "2026-11-25T12:00:00.000000Z",
                        "event_id": f"{name}{number}",
                        "environment": "production",
                        "unit_type": "targeting_key",
                        "unit_id": unit,
                        "event": name,
                        "value": value,
                    }
                    file.write(json.dumps(event) + "\n")
    return "seen"


def test_a_holdout_shows_what_all_experiments_of_a_layer_have_brought(shop, cli, held_out):
    words = ("experiment", "holdout", "homepage", "--events", held_out, "--as-of", END, "--event", "order")
    data = cli.json(*words, "--event", "visit")
    obeys("experiment-holdout", data)
    rows = {(row["event"], row["of"]): row for row in data["rows"]}
    # Everybody did it once: the number of events would say what the number of units says.
    assert list(rows) == [("order", "units"), ("order", "values"), ("visit", "units")]
    assert rows["order", "units"]["estimate"]["relative"] == pytest.approx(1.0, abs=0.3)
    assert rows["order", "units"]["corrected_p_value"] < 0.001
    assert rows["visit", "units"]["corrected_p_value"] > 0.01
    assert data["units_p_value"] > 0.001
    assert "what" not in cli(*words).stderr


def test_units_that_experiments_drove_away_are_noticed(shop, cli, held_out):
    data = cli.json("experiment", "holdout", "homepage", "--events", held_out, "--as-of", END, "--event", "order")
    assert data["units_p_value"] < 0.001


def test_what_a_holdout_lacks_is_said(shop, cli, held_out):
    words = ("--events", held_out, "--as-of", END)
    assert "did you mean 'homepage'?" in cli("experiment", "holdout", "homepag", *words, exit_code=3).stderr
    assert "nobody did" in cli("experiment", "holdout", "homepage", *words, "--event", "x", exit_code=3).stderr
    path = shop / "layers" / "homepage.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("holdout: [[60000, 70000]]\n", ""), encoding="utf-8")
    assert "holds no slots out" in cli("experiment", "holdout", "homepage", *words, exit_code=2).stderr
