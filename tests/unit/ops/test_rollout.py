"""Rollouts are shown, moved, flipped, and checked against metrics."""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from flagctl.errors import ConflictError, NothingMatchedError, UsageError
from flagctl.evaluator.instants import parse_instant
from flagctl.model.strategy import Guard, GuardMetric
from flagctl.ops.edit import Draft
from flagctl.ops.edit_apply import ApplyOptions
from flagctl.ops.edit_flags import CopyDownError
from flagctl.ops.guard_arms import Arms, StepArms
from flagctl.ops.guard_data import GuardDataError, Question, judge, parse_answer
from flagctl.ops.guard_prometheus import PrometheusSource
from flagctl.ops.guard_sources import CommandSource, FileSource
from flagctl.ops.promote import promote
from flagctl.ops.rollout import RolloutOptions, rollout_status, share_of
from flagctl.ops.rollout_check import CheckOptions, CheckResult, act, check
from flagctl.ops.rollout_move import Which, abort, advance, flip, hold, resume
from flagctl.ops.rollout_picture import curve_svg
from flagctl.ops.rollout_words import step_when
from flagctl.ops.workspace import Workspace
from flagctl.report.rollout import curve, render_rollouts
from flagctl.report.style import Style
from flagctl.source.editing import Delete, Set
from tests.simulators.rollouts import growing, guarded

DAY = 86_400_000
WORD = "of-a-robot"
START = (parse_instant("2026-12-01T09:00:00Z") or 0) // 1000

GRADUAL = growing(
    "search",
    """\
    percentage:
      steps:
        - {from: 2026-12-01T09:00:00Z, percent: 5}   # a few
        - {after: 2d, percent: 25, hold_until: approval}
        - {after: 2d, percent: 100}   # everybody
    """,
    rule="ramp",
).replace("rules:\n", "rules:\n  # people with new phones first\n")
CANARY = growing(
    "basket",
    """\
    strategy:
      canary:
        start: 2026-12-01T09:00:00Z
        group: {percent: 5, bucket_by: instance}
        bake: 1d
        steps: [10, 100]   # quick
    """,
    rule="hosts",
)
QUERIES = """{events: 'bad{flag="{flag}"}[{window}]', units: "all[{window}]"}"""
GUARDED = guarded(f"{{metrics: [{{metric: errors, margin: 10, prometheus: {QUERIES}}}], max_age: 30m}}", hold="6h")
COLOURS = """\
kind: flag
key: cluster
owner: web
type: string
variants: {blue: b, green: g, red: r}
strategy: {blue_green: {active: blue, previous: green}}
environments:
  staging:
    strategy: {blue_green: {active: green, previous: blue}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    config = "version: 1\nproject: shop\nenvironments: {staging: {}, production: {}}\n"
    (tmp_path / "flagctl.yaml").write_text(config, encoding="utf-8")
    for text in (GRADUAL, CANARY, GUARDED, COLOURS):
        (tmp_path / f"{text.split()[3]}.yaml").write_text(text, encoding="utf-8")
    return tmp_path


def draft(root: Path, now_ms: int) -> Draft:
    return Draft(Workspace(root), now_ms)


def edited(root: Path, draft: Draft, key: str) -> list[str]:
    """Return the lines that a draft changes, with what becomes of them."""
    plan = draft.plan()
    assert plan.errors == ()
    assert [file.path for file in plan.files] == [f"{key}.yaml"]
    return [line for line in plan.patch.splitlines() if line[:1] in "+-"][2:]


# --- looking ---


def test_a_calendar_says_what_serves_now_and_what_waits(root: Path) -> None:
    options = RolloutOptions(root=root, now_ms=START + 5 * DAY, key="search")
    (view,) = rollout_status(options).rollouts
    assert (view.kind, view.state, view.percent, view.next_ms, view.waits_for) == (
        "gradual",
        "waiting",
        5.0,
        None,
        "approval",
    )
    assert view.environments == ("staging", "production")
    assert [(step.label, step.state) for step in view.steps] == [("5 %", "now"), ("25 %", "next"), ("100 %", "later")]
    assert view.known == ((START, 5000),)
    assert view.expected == ((START, 5000), (START + 5 * DAY, 25_000), (START + 7 * DAY, 100_000))
    assert [share_of(view, START + days * DAY) for days in (-1, 0, 5, 7)] == [0, 5000, 25_000, 100_000]


def test_the_curve_is_drawn_as_text_and_as_a_picture(root: Path) -> None:
    (view,) = rollout_status(RolloutOptions(root=root, now_ms=START + 5 * DAY, key="search")).rollouts
    lines = curve(view, START + 5 * DAY)
    assert lines[0].startswith("100 % ")
    assert "░" in lines[0]
    assert lines[-1].split() == ["2026-12-01", "now", "2026-12-08"]
    assert len({len(line) for line in lines[:-1]}) == 1
    picture = curve_svg(view, START + 5 * DAY, standalone=True)
    assert picture.startswith("<svg ")
    assert picture.endswith("</svg>\n")
    assert "<style>" in picture
    assert "legend" in curve_svg(view, START + 5 * DAY)


@pytest.mark.parametrize("columns", [40, 60, 160])
def test_the_curve_fits_into_the_terminal(root: Path, columns: int) -> None:
    status = rollout_status(RolloutOptions(root=root, now_ms=START + 5 * DAY, key="search"))
    lines = render_rollouts(status, Style(width=columns)).splitlines()
    axis = next(line for line in lines if "┴" in line)
    assert len(axis) == min(columns, 108)
    assert max(map(len, lines[lines.index(axis) - 5 :])) == len(axis)


def test_a_step_whose_date_hangs_on_one_that_waits_says_how_long_after_it_it_begins(root: Path) -> None:
    (view,) = rollout_status(RolloutOptions(root=root, now_ms=START + 5 * DAY, key="search")).rollouts
    assert [step_when(step) for step in view.steps] == [
        "2026-12-01T09:00:00Z",
        "2026-12-03T09:00:00Z at the earliest, waits for approval",
        "2d after the step before",
    ]
    waiting = GRADUAL.replace("percent: 100}", "percent: 100, hold_until: approval}")
    (root / "search.yaml").write_text(waiting, encoding="utf-8")
    (view,) = rollout_status(RolloutOptions(root=root, now_ms=START + 5 * DAY, key="search")).rollouts
    assert step_when(view.steps[2]) == "2d after the step before, waits for approval"


def test_after_an_abort_no_step_is_promised_a_date(root: Path) -> None:
    aborted = GRADUAL.replace(", hold_until: approval", "") + "      aborted: {at: 2026-12-04T09:00:00Z}\n"
    (root / "search.yaml").write_text(aborted, encoding="utf-8")
    (view,) = rollout_status(RolloutOptions(root=root, now_ms=START + 5 * DAY, key="search")).rollouts
    assert [(step.state, step_when(step)) for step in view.steps] == [
        ("done", "2026-12-01T09:00:00Z"),
        ("done", "2026-12-03T09:00:00Z"),
        ("later", "no more: aborted"),
    ]


def test_all_flags_are_listed_but_those_that_are_done(root: Path) -> None:
    keys = [view.key for view in rollout_status(RolloutOptions(root=root, now_ms=START)).rollouts]
    assert keys == ["basket", "engine", "search"]
    every = rollout_status(RolloutOptions(root=root, now_ms=START, everything=True)).rollouts
    assert {(view.key, view.serves, view.environments) for view in every if view.kind == "blue-green"} == {
        ("cluster", "blue", ("production",)),
        ("cluster", "green", ("staging",)),
    }
    with pytest.raises(UsageError, match="no environment 'nowhere'"):
        rollout_status(RolloutOptions(root=root, now_ms=START, environment="nowhere"))


# --- moving ---


def test_an_approval_changes_one_line_and_keeps_comments(root: Path) -> None:
    work = draft(root, START + 5 * DAY)
    advance(work, Which(key="search"))
    assert edited(root, work, "search") == [
        "-        - {after: 2d, percent: 25, hold_until: approval}",
        "+        - {after: 2d, percent: 25, hold_until: approval, released: 2026-12-06T09:00:00Z}",
    ]
    assert "Advance rollout search, rule ramp, to 25 %" in work.titles


def test_an_early_approval_waits_for_the_date_unless_told_otherwise(root: Path) -> None:
    work = draft(root, START + DAY)
    advance(work, Which(key="search"))
    assert "released: 2026-12-03T09:00:00Z" in work.text("search.yaml")
    assert work.notes
    with pytest.raises(UsageError, match="let go already"):
        advance(work, Which(key="search"))
    advance(work, Which(key="search"), at_once=True)
    assert "released: 2026-12-02T09:00:00Z" in work.text("search.yaml")


RULES = {
    "percentage": """\
      - id: ramp
        serve: on
        percentage:
          steps:
            - {from: 2026-12-01T09:00:00Z, percent: 5}
            - {after: 2d, percent: 25, hold_until: approval}
            - {after: 2d, percent: 100, hold_until: approval}
""",
    "canary": """\
      - id: ramp
        serve: on
        strategy:
          canary: {start: 2026-12-01T09:00:00Z, group: {percent: 5}, bake: 1d, steps: [10, 100]}
""",
    "guarded": """\
      - id: ramp
        serve: on
        strategy: {guarded: {start: 2026-12-01T09:00:00Z, guard: {metrics: [{metric: errors}]}}}
""",
}


def in_environments(root: Path, rules: str, *names: str) -> None:
    parts = "".join(f"  {name}:\n    rules:\n{rules}" for name in names)
    text = f"kind: flag\nkey: apart\nowner: web\ntype: boolean\ndefault: off\nenvironments:\n{parts}"
    (root / "apart.yaml").write_text(text, encoding="utf-8")


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_what_happened_in_one_environment_is_not_promoted_to_another_one(root: Path, rules: str) -> None:
    in_environments(root, rules.replace("guarded: {", "guarded: {steps: [1, 10, 100], "), "staging")
    work = draft(root, START + 5 * DAY)
    promote(work, ["apart"], "staging", "production")
    planned = work.value("apart.yaml", ("environments", "production"))
    advance(work, Which(key="apart", environment="staging"), at_once=True)
    hold(work, Which(key="apart", environment="staging"), "too slow")
    abort(work, Which(key="apart", environment="staging"), "broken")
    promote(work, ["apart"], "staging", "production")
    assert work.value("apart.yaml", ("environments", "production")) == planned
    work.edit("apart.yaml", Delete(("environments", "production")))
    promote(work, ["apart"], "staging", "production")
    assert work.value("apart.yaml", ("environments", "production")) == planned
    assert work.plan().errors == ()


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
def test_promoting_keeps_what_happened_in_the_target(root: Path, rules: str) -> None:
    in_environments(root, rules, "staging", "production")
    work = draft(root, START + 5 * DAY)
    advance(work, Which(key="apart", environment="production"), at_once=True)
    hold(work, Which(key="apart", environment="production"), "too slow")
    before = work.text("apart.yaml")
    promote(work, ["apart"], "staging", "production")
    assert work.text("apart.yaml") == before
    work.edit("apart.yaml", Set(("environments", "staging", "rules", 0, "description"), "Slowly"))
    promote(work, ["apart"], "staging", "production")
    happened = work.text("apart.yaml").partition("production:")[2]
    assert "description: Slowly" in happened
    assert "released:" in happened
    assert "too slow" in happened


def test_rules_that_all_share_again_after_a_promotion_bring_no_record_along(root: Path) -> None:
    in_environments(root, RULES["percentage"], "production")
    text = (root / "apart.yaml").read_text(encoding="utf-8")
    shared = RULES["percentage"].replace(
        "hold_until: approval}", "hold_until: approval, released: 2026-12-03T09:00:00Z}", 1
    )
    (root / "apart.yaml").write_text(text + "rules:\n" + shared, encoding="utf-8")
    work = draft(root, START + 5 * DAY)
    promote(work, ["apart"], "staging", "production")
    assert work.value("apart.yaml", ("environments", "production", "rules", 0, "percentage", "steps", 1)) == {
        "after": "2d",
        "percent": 25,
        "hold_until": "approval",
    }


def test_a_canary_advances_from_its_group_to_everybody(root: Path) -> None:
    work = draft(root, START + 2 * DAY)
    advance(work, Which(key="basket"))
    assert edited(root, work, "basket") == [
        "-        steps: [10, 100]   # quick",
        "+        steps: [{percent: 10, released: 2026-12-03T09:00:00Z}, 100]   # quick",
    ]
    later = draft(root, START + 2 * DAY)
    advance(later, Which(key="basket"), at_once=True)
    advance(later, Which(key="basket"), at_once=True)
    with pytest.raises(UsageError, match="finished"):
        advance(later, Which(key="basket"), at_once=True)


def test_hold_resume_and_abort_are_kept_with_their_reasons(root: Path) -> None:
    work = draft(root, START + DAY)
    hold(work, Which(key="search"), "the shop is closed")
    with pytest.raises(UsageError, match="is held"):
        hold(work, Which(key="search"), None)
    assert "- {from: 2026-12-02T09:00:00Z, reason: the shop is closed}" in work.text("search.yaml")
    work.now_ms += DAY
    resume(work, Which(key="search"))
    assert "until: 2026-12-03T09:00:00Z" in work.text("search.yaml")
    with pytest.raises(UsageError, match="not held"):
        resume(work, Which(key="search"))
    abort(work, Which(key="search"), "it broke")
    assert "aborted: {at: 2026-12-03T09:00:00Z, reason: it broke}" in work.text("search.yaml")
    for move in (advance, resume):
        with pytest.raises(UsageError, match="aborted"):
            move(work, Which(key="search"))
    assert "# everybody" in work.text("search.yaml")


def test_a_rollout_is_found_by_its_rule_and_environment(root: Path) -> None:
    work = draft(root, START)
    with pytest.raises(NothingMatchedError, match="nothing grows in cluster"):
        hold(work, Which(key="cluster"), None)
    with pytest.raises(CopyDownError):
        hold(work, Which(key="search", environment="production"), None)
    hold(work, Which(key="search", environment="production", copy_down=True), None)
    with pytest.raises(NothingMatchedError, match="nothing grows"):
        hold(work, Which(key="search", rule="other"), None)


def test_a_line_is_held_at_its_share(root: Path) -> None:
    linear = GRADUAL.partition("      steps")[0].replace("search", "line")
    linear += "      linear: {from: 2026-12-01T09:00:00Z, to: 2026-12-11T09:00:00Z, start: 0, end: 50}\n"
    (root / "line.yaml").write_text(linear, encoding="utf-8")
    work = draft(root, START + 2 * DAY)
    hold(work, Which(key="line"), None)
    assert "percentage: 10\n" in work.text("line.yaml")
    with pytest.raises(NothingMatchedError):
        hold(work, Which(key="line"), None)


# --- two colours ---


def test_a_flip_changes_one_environment_and_once_more_flips_back(root: Path) -> None:
    work = draft(root, START)
    assert flip(work, "cluster", "production") == ("blue", "green")
    assert "  production:\n    strategy: {blue_green: {active: green, previous: blue}}" in work.text("cluster.yaml")
    assert flip(work, "cluster", "production") == ("green", "blue")
    assert flip(work, "cluster", "staging", to="red") == ("green", "red")
    assert "strategy: {blue_green: {active: red, previous: green}}" in work.text("cluster.yaml")
    with pytest.raises(UsageError, match="is active"):
        flip(work, "cluster", "staging", to="red")
    with pytest.raises(NothingMatchedError, match="no variant 'pink'"):
        flip(work, "cluster", "staging", to="pink")
    with pytest.raises(UsageError, match="no two colours"):
        flip(work, "search", "staging")


# --- guards ---


def answer(treatment: int, *, units: int = 5000, as_of: str = "2026-12-02T09:00:00Z") -> str:
    arms = {"control": {"units": units, "events": 100}, "treatment": {"units": units, "events": treatment}}
    return json.dumps({"as_of": as_of, "metrics": {"errors": arms}})


def checked(root: Path, text: str, now_ms: int = START + DAY, **more: Any) -> CheckResult:
    place = root.parent / "numbers.json"
    place.write_text(text, encoding="utf-8")
    source = FileSource(path=place)
    return check(CheckOptions(root=root, now_ms=now_ms, source=source, environment="production", **more))


@pytest.mark.parametrize(
    ("text", "action", "state"),
    [
        (answer(104), "advance", "open"),
        (answer(260), "revert", "harmed"),
        (answer(2, units=50).replace("100", "2"), "wait", "too_few"),
        (answer(104, as_of="2026-12-02T08:29:00Z"), "wait", "no_data"),
        (answer(104, as_of="2026-12-02T10:29:00Z"), "wait", "no_data"),
        (json.dumps({"as_of": "2026-12-02T09:00:00Z", "metrics": {}}), "wait", "no_data"),
        ("no json", "wait", "no_data"),
    ],
)
def test_a_check_advances_only_on_fresh_and_harmless_numbers(root: Path, text: str, action: str, state: str) -> None:
    (decision,) = checked(root, text).decisions
    assert decision.verdict is not None
    assert (decision.action, decision.verdict.state) == (action, state)


def test_a_step_that_is_not_due_waits_and_harm_does_not(root: Path) -> None:
    early = START + 3_600_000
    assert checked(root, answer(104, as_of="2026-12-01T10:00:00Z"), early).decisions[0].action == "wait"
    assert checked(root, answer(260, as_of="2026-12-01T10:00:00Z"), early).decisions[0].action == "revert"


def test_a_guard_that_sees_nothing_for_too_long_fails_closed(root: Path) -> None:
    state = root.parent / "ci" / "state.json"
    actions = [checked(root, "no json", state=state).decisions[0].action for _ in range(3)]
    assert actions == ["wait", "wait", "revert"]
    assert checked(root, answer(104), state=state).decisions[0].action == "advance"
    assert checked(root, "no json", state=state).decisions[0].action == "wait"
    state.write_text("[]", encoding="utf-8")
    with pytest.raises(UsageError, match="not what a check wrote"):
        checked(root, "no json", state=state)


def test_what_a_check_decides_is_written_with_its_evidence(root: Path) -> None:
    result = act(checked(root, answer(104)), root, ApplyOptions())
    assert result.edit is not None
    text = (root / "engine.yaml").read_text(encoding="utf-8")
    assert "{percent: 5, released: 2026-12-02T09:00:00Z}" in text
    assert "no harm shown, 0.0208 against 0.02 in 10000 units" in result.edit.plan.message
    broken = act(checked(root, answer(260)), root, ApplyOptions())
    assert broken.broken
    assert "worse than allowed" in (root / "engine.yaml").read_text(encoding="utf-8")
    assert checked(root, answer(260)).decisions[0].action == "none"


def test_a_file_that_changed_meanwhile_is_not_touched(root: Path) -> None:
    result = checked(root, answer(104))
    text = (root / "engine.yaml").read_text(encoding="utf-8").replace("hold: 6h", "hold: 9d")
    (root / "engine.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConflictError, match="changed while"):
        act(result, root, ApplyOptions())


@pytest.mark.parametrize(("setting", "action"), [("hold", "hold"), ("kill", "kill")])
def test_a_guard_says_what_happens_when_it_breaks(root: Path, setting: str, action: str) -> None:
    text = GUARDED.replace("max_age: 30m", f"max_age: 30m, on_failure: {setting}")
    (root / "engine.yaml").write_text(text, encoding="utf-8")
    result = act(checked(root, answer(260)), root, ApplyOptions())
    assert result.decisions[0].action == action
    word = "holds:" if setting == "hold" else "aborted:"
    assert word in (root / "engine.yaml").read_text(encoding="utf-8")
    assert checked(root, answer(260)).decisions[0].action == "none"


def test_arms_of_the_wrong_size_hold_a_rollout(root: Path) -> None:
    arms = {"control": {"units": 5000, "events": 100}, "treatment": {"units": 4000, "events": 80}}
    shares = {"control": 50, "treatment": 50}
    text = json.dumps({"as_of": "2026-12-02T09:00:00Z", "metrics": {"errors": arms}, "expected": shares})
    (decision,) = checked(root, text).decisions
    assert decision.action == "hold"
    assert "not the shares" in decision.reason


def test_strata_undo_a_mix_that_changes() -> None:
    # In each stratum both arms are equal; summed up, the treatment looks far worse.
    strata = [
        {"control": {"units": 9000, "events": 90}, "treatment": {"units": 1000, "events": 10}},
        {"control": {"units": 1000, "events": 200}, "treatment": {"units": 9000, "events": 1800}},
    ]
    summed = {"control": {"units": 10000, "events": 290}, "treatment": {"units": 10000, "events": 1810}}
    guard = Guard(metrics=(GuardMetric(metric="errors"),))
    for value, state in ((strata, "open"), (summed, "harmed")):
        data = parse_answer(json.dumps({"as_of": "2026-12-02T09:00:00Z", "metrics": {"errors": value}}))
        assert judge(guard, data, data.as_of_ms or 0).state == state


@pytest.mark.parametrize(
    "text",
    [
        "[]",
        '{"as_of": "yesterday", "metrics": {}}',
        '{"as_of": "2026-12-02T09:00:00Z", "metrics": {"e": {"control": {"units": 5}}}}',
        answer(6000),
        answer(100).replace("5000", "true"),
        answer(100).replace("5000", "-5"),
        answer(100).replace('"units": 5000, "events": 100', '"units": 5000, "mean": NaN, "variance": 1'),
        '{"state": "fine", "guardrails": [], "freshest_ms": 1}',
    ],
)
def test_numbers_that_make_no_sense_are_no_numbers(text: str) -> None:
    with pytest.raises(GuardDataError):
        parse_answer(text)


def test_an_experiment_s_guard_is_taken_as_it_is() -> None:
    one = {"metric": "errors", "variant": "on", "state": "harmed", "units": 9, "reason": "worse"}
    data = parse_answer(json.dumps({"state": "harmed", "guardrails": [one], "freshest_ms": 5, "problems": []}))
    assert judge(Guard(experiment="x"), data, 5).state == "harmed"
    sick = parse_answer(json.dumps({"state": "no_data", "guardrails": [], "freshest_ms": 5, "problems": ["shares"]}))
    assert judge(Guard(experiment="x"), sick, 5).state == "untrusted"
    for variant, state in (("on", "too_few"), ("", "no_data")):
        few = {"metric": "errors", "variant": variant, "state": "no_data", "reason": "too few values"}
        early = parse_answer(json.dumps({"state": "no_data", "guardrails": [few], "freshest_ms": 5}))
        assert judge(Guard(experiment="x"), early, 5).state == state


def question(root: Path) -> Question:
    metric = GuardMetric(metric="errors", events='bad{flag="{flag}"}[{window}]', units="all[{window}]")
    return Question(
        flag="engine",
        environment="production",
        guard=Guard(metrics=(metric,)),
        treatment="on",
        control="off",
        since_ms=START,
        now_ms=START + DAY,
    )


def test_a_command_is_told_what_to_measure(root: Path) -> None:
    program = (
        "import json, os; e = os.environ; print(json.dumps({'as_of': '2026-12-02T09:00:00Z', 'metrics': {'errors':"
        " {'control': {'units': 10, 'events': 1}, 'treatment': {'units': int(e['FLAGCTL_GUARD_SINCE']), 'events': 1}}}}))"
    )
    data = CommandSource(words=[sys.executable, "-c", program]).read(question(root))
    assert data.metrics["errors"][0][1].units == START // 1000
    for words, message in (
        ([sys.executable, "-c", "import sys; sys.exit('no database')"], "no database"),
        (["/nowhere/at/all"], "no numbers"),
    ):
        with pytest.raises(GuardDataError, match=message):
            CommandSource(words=words).read(question(root))
    with pytest.raises(GuardDataError, match="timed out"):
        CommandSource(words=[sys.executable, "-c", "import time; time.sleep(60)"], timeout=0.2).read(question(root))


class Prometheus:
    """Answers queries as Prometheus does, from a table."""

    def __init__(self) -> None:
        self.answers: dict[str, dict[str, str]] = {}
        self.asked: list[str] = []
        self.times: list[float] = []
        self.label = "variant"
        self.tokens: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
                (query,) = form["query"]
                outer.asked.append(query)
                outer.tokens.append(self.headers["Authorization"])
                values = next((v for name, v in outer.answers.items() if query.startswith(name)), {})
                outer.times.append(float(form["time"][0]))
                result = [{"metric": {outer.label: arm}, "value": [1.0, value]} for arm, value in values.items()]
                body = json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    server = Prometheus()
    yield server
    server.server.shutdown()
    server.server.server_close()
    server.thread.join()


def test_prometheus_is_asked_since_the_step_began_and_whether_it_is_fresh(root: Path, prometheus: Prometheus) -> None:
    prometheus.answers = {"bad": {"on": "7.2", "off": "5"}, "all": {"on": "400.4", "off": "410"}}
    data = PrometheusSource(url=prometheus.url, token=WORD).read(question(root))
    ((control, treatment),) = data.metrics["errors"]
    assert (control.units, treatment.units) == (410, 400)
    assert treatment.mean == pytest.approx(7.2 / 400)
    assert data.as_of_ms == START + DAY
    assert prometheus.asked == ["all[3600s]", "all[86400s]", 'bad{flag="engine"}[86400s]']
    assert set(prometheus.tokens) == {f"Bearer {WORD}"}


def test_prometheus_that_counts_by_bucket_is_asked_about_each_step(root: Path, prometheus: Prometheus) -> None:
    prometheus.label = "bucket"
    prometheus.answers = {
        "bad": {"0": "3", "1": "2", "2": "5", "6": "1", "99": "70"},
        "all": {"0": "200", "1": "210", "2": "100", "3": "101", "4": "90", "6": "300", "99": "900"},
    }
    steps = (
        StepArms(since_ms=START, until_ms=START + 7200_000, treatment=(0, 1000), control=(1000, 2000)),
        StepArms(since_ms=START + 7200_000, until_ms=START + DAY, treatment=(1000, 5000), control=(5000, 9000)),
    )
    by_bucket = replace(question(root), arms=Arms(salt="engine", unit=("targeting_key",), steps=steps))
    data = PrometheusSource(url=prometheus.url).read(by_bucket)
    first, second = data.metrics["errors"]
    assert (data.control, data.as_of_ms) == ("in_line", START + DAY)
    assert (first[0].units, first[1].units, second[0].units, second[1].units) == (210, 200, 300, 501)
    assert second[1].mean == pytest.approx(7 / 501)
    assert prometheus.asked[1:3] == ["all[7200s]", 'bad{flag="engine"}[7200s]']
    assert prometheus.times[1] == START / 1000 + 7200
    with pytest.raises(GuardDataError, match="nobody is in line"):
        PrometheusSource(url=prometheus.url).read(question(root))
    prometheus.answers["all"] = {"few": "3"}
    with pytest.raises(GuardDataError, match="counts percents"):
        PrometheusSource(url=prometheus.url).read(by_bucket)


@pytest.mark.parametrize(
    "answers",
    [
        {},
        {"all": {"on": "400"}, "bad": {"on": "4"}},
        {"all": {"on": "400", "off": "NaN"}, "bad": {}},
        {"all[86400s]": {"on": "400", "off": "400"}, "bad": {"on": "4", "off": "4"}},
    ],
)
def test_prometheus_without_numbers_is_no_data(root: Path, prometheus: Prometheus, answers: Any) -> None:
    prometheus.answers = answers
    options = CheckOptions(
        root=root, now_ms=START + DAY, source=PrometheusSource(url=prometheus.url), environment="production"
    )
    (decision,) = check(options).decisions
    assert decision.verdict is not None
    assert (decision.action, decision.verdict.state) == ("wait", "no_data")


def test_prometheus_that_is_gone_or_elsewhere_is_no_data(root: Path) -> None:
    for url, said in (
        ("http://127.0.0.1:9/", "gave no numbers: Connection refused"),
        ("file:///etc/passwd", "http://"),
    ):
        with pytest.raises(GuardDataError, match=said):
            PrometheusSource(url=url).read(question(root))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "cannot be read: this is no JSON"),
        ("{}", "cannot be read: 'metrics' is missing"),
        ("[]", "not built as the documentation says"),
        ('{"as_of": "2026-12-02T09:00:00Z", "metrics": {"errors": 5}}', "not built as the documentation says"),
        (answer(9999), "9999 of 5000 units cannot have had the event"),
    ],
)
def test_numbers_that_can_not_be_read_say_why_without_words_of_python(text: str, said: str) -> None:
    with pytest.raises(GuardDataError, match=said) as caught:
        parse_answer(text)
    assert "Error" not in str(caught.value)


def test_a_file_that_is_missing_or_no_text_is_named(root: Path) -> None:
    (root / "numbers").write_bytes(b"\xff\xfe")
    for name, said in (("numbers", "no text in UTF-8"), ("none", "No such file or directory")):
        with pytest.raises(
            GuardDataError, match=f"{name} cannot be read: {said}|{name} cannot be read: this is {said}"
        ):
            FileSource(path=root / name).read(question(root))
