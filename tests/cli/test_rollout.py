"""`rollout` and `flip` as people and jobs use them."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flagctl.evaluator import bucket
from flagctl.events import Measurement, folder_of, to_json_line
from tests.cli.conftest import git
from tests.cli.test_experiment_results import obeys
from tests.cli.test_publish import client
from tests.simulators.rollouts import growing, guarded

COLOURS = """\
kind: flag
key: cluster
owner: web
type: string
variants: {blue: b.example, green: g.example}
off: blue
strategy: {blue_green: {active: blue}}
targets: {green: [tester]}
"""
BEGUN = "2026-01-01T09:00:00Z"
GUARDED = guarded("{metrics: [{metric: errors, margin: 10}], on_failure: kill}", start=BEGUN)
MEASURED = guarded("{metrics: [{metric: page_ms, margin: 5}], on_failure: kill}", start=BEGUN, steps="[40, 100]")
WAITING = growing(
    "search",
    """\
    percentage:
      steps:
        - {from: 2026-01-01T09:00:00Z, percent: 20}
        - {after: 2d, percent: 100, hold_until: approval}
    """,
    rule="ramp",
)


@pytest.fixture
def live(cli: Any, in_git: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for role in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{role}_NAME", "tests")
        monkeypatch.setenv(f"GIT_{role}_EMAIL", "tests@example.com")
    for text in (COLOURS, GUARDED, WAITING):
        (in_git / "flags" / f"{text.split()[3]}.yaml").write_text(text, encoding="utf-8")
    git(in_git, "add", ".")
    git(in_git, "commit", "-qm", "Rollouts")
    cli("publish", "development")
    return in_git


def numbers(treatment: int, age: timedelta = timedelta()) -> str:
    arms = {"control": {"units": 5000, "events": 100}, "treatment": {"units": 5000, "events": treatment}}
    return json.dumps({"as_of": (datetime.now(UTC) - age).isoformat(), "metrics": {"errors": arms}})


def test_a_flip_that_is_published_at_once_reaches_a_running_application_and_back(cli: Any, live: Path) -> None:
    with client(live) as app:
        assert app.get_value("cluster", {"targeting_key": "user-1"}, "") == "b.example"
        assert app.get_value("cluster", {"targeting_key": "tester"}, "") == "g.example"
        done = cli("flip", "cluster", "--env", "development", "--now", "--yes")
        assert "default blue → green [development]" in done.stdout
        assert "flagctl flip cluster --env development --now" in done.stderr
        app.refresh()
        assert app.get_value("cluster", {"targeting_key": "user-1"}, "") == "g.example"
        data = cli.json("flip", "cluster", "--env", "development", "--now", "--yes")
        obeys("publish", data)
        app.refresh()
        assert app.get_value("cluster", {"targeting_key": "user-1"}, "") == "b.example"
    assert git(live, "log", "-2", "--format=%s").splitlines() == [
        "cluster: default green → blue [development]",
        "cluster: default blue → green [development]",
    ]
    assert (
        "commits elsewhere" in cli("flip", "cluster", "--env", "staging", "--now", "--branch", "x", exit_code=2).stderr
    )


def test_a_flip_that_may_not_be_published_is_not_committed_so_that_repeating_it_does_not_flip_back(
    cli: Any, live: Path
) -> None:
    cli("publish", "production", "--yes")
    before = git(live, "rev-parse", "HEAD")
    flip = ("flip", "cluster", "--env", "production", "--now")
    assert "'production' is protected" in cli(*flip, exit_code=6).stderr
    assert "no key file" in cli(*flip, "--yes", "--key", "lost.key", exit_code=2).stderr
    assert (git(live, "rev-parse", "HEAD"), git(live, "status", "--porcelain")) == (before, "")
    assert "flip cluster --env production --now --yes" in cli(*flip, "--yes").stderr
    assert cli.json("eval", "cluster", "--env", "production")["value"] == "g.example"


def test_a_flip_that_is_committed_and_can_not_be_published_says_how_it_can_be_later(
    cli: Any, live: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    cli("keys", "generate", str(other / "publish.key"))
    flip = ("flip", "cluster", "--env", "development", "--now", "--key", str(other / "publish.key"))
    assert "committed, but not published: flagctl publish development --yes" in cli(*flip, exit_code=2).stderr


def test_a_commit_says_what_else_it_takes_along_and_when_there_is_nothing_left_to_commit(cli: Any, live: Path) -> None:
    flip = ("flip", "cluster", "--env", "staging")
    cli(*flip, "--commit")
    cli(*flip)
    undone = cli(*flip, "--commit")
    assert "nothing to commit" in undone.stderr
    assert "--commit makes a commit" not in undone.stderr
    assert git(live, "status", "--porcelain") == ""
    cli(*flip)
    took = cli("add-target", "cluster", "tester-2", "--variant", "green", "--commit")
    assert "takes along what was changed before and not committed in flags/cluster.yaml" in took.stderr
    assert git(live, "status", "--porcelain") == ""


def test_a_flip_is_an_ordinary_edit_otherwise(cli: Any, live: Path) -> None:
    data = cli.json("flip", "cluster", "--env", "staging", "--dry-run")
    obeys("edit", data)
    assert git(live, "status", "--porcelain") == ""
    cli("flip", "cluster", "--env", "staging")
    assert "staging:" in git(live, "diff")


def test_a_status_shows_calendar_curve_and_picture(cli: Any, live: Path) -> None:
    shown = cli("rollout", "status", "search", "--svg", "curve.svg").stdout
    assert "waits for approval" in shown
    assert "100 %" in shown
    assert "░" in shown
    assert Path("curve.svg").read_text(encoding="utf-8").startswith("<svg")
    listed = cli("rollout", "status").stdout
    assert "guarded" in listed
    assert "cluster" not in listed
    assert "cluster" in cli("rollout", "status", "--all").stdout
    data = cli.json("rollout", "status", "--all")
    obeys("rollout", data)
    at = cli.json("rollout", "status", "search", "--at", "2025-12-31T00:00:00Z")
    assert at["rollouts"][0]["state"] == "planned"
    assert "draws one rollout" in cli("rollout", "status", "--svg", "x.svg", exit_code=2).stderr


def test_a_plan_is_approved_by_a_commit_and_replayed(cli: Any, live: Path) -> None:
    cli("rollout", "advance", "search", "--commit")
    assert "100 % from" in git(live, "log", "-1", "--format=%B")
    words = ("eval", "search", "--env", "production", "--context", '{"targeting_key": "user-1"}')
    assert cli.json(*words, "--at", "2026-02-01T00:00:00Z")["value"] is False
    assert cli.json(*words)["value"] is True
    assert "finished" in cli("rollout", "advance", "search", exit_code=2).stderr
    cli("rollout", "abort", "search", "--reason", "it broke")
    assert cli.json(*words)["value"] is False
    assert "it broke" in cli("rollout", "status", "search").stdout


def test_a_simulation_counts_units_as_the_plan_goes_on(cli: Any, live: Path) -> None:
    lines = [json.dumps({"targeting_key": f"user-{number}", "plan": "free"}) for number in range(500)]
    Path("people.jsonl").write_text("\n".join(lines), encoding="utf-8")
    words = ("rollout", "simulate", "engine", "--population", "people.jsonl", "--env", "production")
    data = cli.json(*words)
    obeys("rollout-simulate", data)
    counts = [{one["variant"]: one["count"] for one in at["counts"]}["on"] for at in data["instants"]]
    assert counts == sorted(counts)
    assert counts[-1] == data["contexts"] == 500
    assert "500 contexts" in cli(*words).stdout


def test_a_check_advances_and_a_broken_guard_kills_at_once(cli: Any, live: Path) -> None:
    Path("../ok.json").write_text(numbers(104), encoding="utf-8")
    words = ("rollout", "check", "--env", "development", "--data")
    data = cli.json(*words, "../ok.json", "--dry-run")
    obeys("rollout-check", data)
    assert [one["action"] for one in data["decisions"]] == ["advance"]
    done = cli(*words, "../ok.json", "--commit")
    assert "advances" in done.stdout
    message = git(live, "log", "-1", "--format=%B")
    assert message.startswith("Advance rollout engine in development, as its guard says")
    assert "0.0208 against 0.02" in message
    Path("../bad.json").write_text(numbers(300), encoding="utf-8")
    with client(live) as app:
        broken = cli(*words, "../bad.json", "--commit", exit_code=1)
        assert "forced off in development" in broken.stderr
        app.refresh()
        assert app.evaluate("engine", {"targeting_key": "user-1"}).reason == "DISABLED"
    assert "aborted:" in git(live, "show")


def test_a_kill_without_a_key_still_reverts(cli: Any, live: Path) -> None:
    for key in (live / ".flagctl/keys").glob("kill*"):
        key.unlink()
    Path("../bad.json").write_text(numbers(300), encoding="utf-8")
    broken = cli("rollout", "check", "engine", "--env", "development", "--data", "../bad.json", exit_code=1)
    assert "could not be killed" in broken.stderr
    assert "aborted:" in (live / "flags/engine.yaml").read_text(encoding="utf-8")


def test_a_blind_guard_waits_and_fails_closed(cli: Any, live: Path) -> None:
    Path("../old.json").write_text(numbers(104, timedelta(days=2)), encoding="utf-8")
    words = ("rollout", "check", "--env", "development", "--data", "../old.json", "--state", "../state.json")
    for _ in range(2):
        assert "without data" in cli(*words).stdout
    assert "no usable data in 3 checks" in cli(*words, exit_code=1).stdout


def test_where_numbers_come_from_is_said_once(cli: Any, live: Path) -> None:
    for words in ((), ("--data", "x", "--events", "y")):
        assert "where do the numbers come from?" in cli("rollout", "check", *words, exit_code=2).stderr
    assert "which environment?" in cli("rollout", "check", "--data", "x", exit_code=2).stderr
    missing = ("rollout", "check", "search", "--env", "development", "--data", "x")
    assert "nothing in search is guarded" in cli(*missing, exit_code=3).stderr


def write_events(place: Path, events: Iterable[Measurement]) -> str:
    for event in events:
        folder = place / folder_of(event)
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / "part.jsonl").open("ab") as file:
            file.write(to_json_line(event))
    return str(place)


def page_times(slower: float, unit_type: str = "targeting_key") -> Iterator[Measurement]:
    """Yield times of units with the feature, which are the first 40 % of the buckets, and of those still in line."""
    now_us, generator = int(datetime.now(UTC).timestamp() * 1_000_000), random.Random(5)
    for number in range(2000):
        unit = f"user-{number}"
        treated = bucket("engine", unit) < 40_000
        value = generator.gauss(100 * (slower if treated else 1), 10)
        yield Measurement(
            ts=now_us - 60_000_000 + number,
            event_id=f"m{number}",
            environment="development",
            unit_type=unit_type,
            unit_id=unit,
            name="page_ms",
            value=value,
            attrs={"engine": "on" if treated else "off"},
        )


def found_times(drawn_by: str) -> Iterator[Measurement]:
    """Yield the same of hosts, or of users whose ids were hashed on their way."""
    for event in page_times(1.0, "instance" if drawn_by == "instance" else "targeting_key"):
        yield event if drawn_by == "instance" else replace(event, unit_id=f"hash-of-{event.unit_id}")


def test_measurements_of_a_step_s_units_are_compared_with_those_in_line(cli: Any, live: Path) -> None:
    Path("flags/engine.yaml").write_text(MEASURED, encoding="utf-8")
    words = ("rollout", "check", "engine", "--env", "development", "--dry-run", "--events")
    (harmless,) = cli.json(*words, write_events(Path("../good"), page_times(1.0)))["decisions"]
    assert (harmless["action"], harmless["verdict"]["state"]) == ("advance", "safe")
    assert harmless["verdict"]["control"] == "in_line"
    (harmed,) = cli.json(*words, write_events(Path("../bad"), page_times(1.2)), exit_code=1)["decisions"]
    assert (harmed["action"], harmed["verdict"]["state"]) == ("kill", "harmed")
    assert "newcomers compared with those still in line" in cli(*words, "../bad", exit_code=1).stdout
    Path("../nothing").mkdir()
    (blind,) = cli.json(*words, "../nothing")["decisions"]
    assert (blind["action"], blind["verdict"]["state"], blind["verdict"]["control"]) == ("wait", "no_data", None)


def test_a_step_does_not_go_on_from_measurements_of_which_a_part_cannot_be_read(cli: Any, live: Path) -> None:
    Path("flags/engine.yaml").write_text(MEASURED, encoding="utf-8")
    place = Path(write_events(Path("../part"), page_times(1.0)))
    (next((place / "measurements").iterdir()) / "lost.parquet").write_bytes(b"garbage")
    words = ("rollout", "check", "engine", "--env", "development", "--dry-run", "--events", str(place))
    done = cli(*words, "--output-format", "json", exit_code=None)
    (found,) = json.loads(done.stdout)["decisions"]
    assert (found["verdict"]["state"], found["action"] == "advance") == ("untrusted", False)
    assert "not a readable Parquet file" in found["verdict"]["reason"]


def test_a_step_is_judged_by_the_days_since_its_rollout_began(cli: Any, live: Path) -> None:
    Path("flags/engine.yaml").write_text(MEASURED, encoding="utf-8")
    events = Path(write_events(Path("../some"), page_times(1.0)))
    words = ("rollout", "check", "engine", "--env", "development", "--dry-run", "--events", str(events))
    for day, action in (("2025-12-29", "advance"), ("2025-12-30", "hold")):
        folder = events / "measurements" / f"dt={day}"
        folder.mkdir()
        (folder / "broken.parquet").write_bytes(b"garbage")
        assert cli.json(*words, exit_code=None)["decisions"][0]["action"] == action


@pytest.mark.parametrize("drawn_by", ["instance", "hashed"])
def test_measurements_of_units_with_other_buckets_are_compared_by_variant(cli: Any, live: Path, drawn_by: str) -> None:
    Path("flags/engine.yaml").write_text(MEASURED, encoding="utf-8")
    words = ("rollout", "check", "engine", "--env", "development", "--dry-run", "--events")
    (found,) = cli.json(*words, write_events(Path("../hosts"), found_times(drawn_by)))["decisions"]
    assert (found["verdict"]["control"], found["verdict"]["state"]) == ("everybody_else", "safe")
    assert "compared with everybody else" in cli(*words, "../hosts").stdout


def test_a_command_that_judges_an_experiment_may_fail_for_what_it_found(cli: Any, live: Path) -> None:
    told = {
        "state": "harmed",
        "guardrails": [{"metric": "errors", "variant": "on", "state": "harmed", "units": 900, "reason": "worse"}],
        "problems": [],
        "freshest_ms": int(datetime.now(UTC).timestamp() * 1000),
    }
    words = ("rollout", "check", "engine", "--env", "development", "--dry-run", "--command")

    def failing(answer: str, code: int = 1) -> Any:
        Path("../told.json").write_text(answer, encoding="utf-8")
        (one,) = json.loads(
            cli(*words, f"sh -c 'cat ../told.json; exit {code}'", "--output-format", "json", exit_code=None).stdout
        )["decisions"]
        return one["action"], one["verdict"]["state"]

    assert failing(json.dumps(told)) == ("kill", "harmed")
    assert failing(json.dumps({**told, "problems": ["its file was changed"]})) == ("hold", "untrusted")
    assert failing(json.dumps(told), 3)[1] == "no_data"
    assert failing(numbers(104))[1] == "no_data"
    assert failing("none")[1] == "no_data"


def test_a_command_that_can_not_be_split_into_words_is_a_mistyped_option(cli: Any, live: Path) -> None:
    said = cli("rollout", "check", "--env", "development", "--command", "echo 'half", exit_code=2).stderr
    assert "--command cannot be split into words: no closing quotation" in said
