"""Every kind of step of an evaluation, as people read it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flagctl.ops.evaluate import EvaluateOptions, Explained, evaluate
from flagctl.report.explanation import render_evaluation, render_explained, render_trace_briefly
from flagctl.report.style import Style

NOW = 1_800_000_000_000  # 2027-01-15T08:00:00Z
CONFIG = "version: 1\nproject: shop\nenvironments: {production: {}}\n"
FILES = {
    "flagctl.yaml": CONFIG,
    "plain.yaml": "kind: flag\nkey: plain\nowner: t\ntype: boolean\ndefault: on\n",
    "off.yaml": "kind: flag\nkey: off\nowner: t\ntype: boolean\nenabled: false\ndefault: on\n",
    "later.yaml": """kind: flag
key: later
owner: t
type: boolean
schedule: {from: 2030-01-01T00:00:00Z}
default: on
""",
    "needs.yaml": """kind: flag
key: needs
owner: t
type: string
variants: {a: x}
prerequisites: [{flag: off, variants: [on]}]
default: a
""",
    "targets.yaml": """kind: flag
key: targets
owner: t
type: boolean
default: off
targets: {on: [vip]}
rules:
  - id: window
    schedule: {until: 2026-01-01T00:00:00Z}
    serve: on
  - id: groups
    when:
      - {segment: inner}
      - all:
          - {attribute: since, operator: before, value: 2026-01-01T00:00:00Z}
          - not: {attribute: name, operator: starts_with, value: A, ignore_case: true}
    serve: on
  - id: ramp
    when: [{attribute: seats, operator: exists}]
    serve: on
    percentage: {linear: {from: 2027-01-01T00:00:00Z, to: 2027-02-01T00:00:00Z, start: 0, end: 100}}
""",
    "inner.yaml": """kind: segment
key: inner
owner: t
include: [member]
exclude: [banned]
when: [{segment: outer}]
""",
    "outer.yaml": "kind: segment\nkey: outer\nowner: t\ninclude: [guest]\n",
    "split.yaml": """kind: flag
key: split
owner: t
type: string
variants: {a: x, b: y}
default: {rollout: {a: 50, b: 50}}
""",
    "arms.yaml": """kind: flag
key: arms
owner: t
type: string
variants: {a: x, b: y}
default: a
rules:
  - id: test
    experiment: trial
""",
    "trial.yaml": """kind: experiment
key: trial
owner: t
flag: arms
hypothesis: h
status: running
started_at: 2026-01-01T00:00:00Z
variants: {a: 50, b: 50}
control: a
traffic: 50
metrics: {primary: {event: order, kind: conversion}}
""",
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("flags")
    for name, text in FILES.items():
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def explain(root: Path) -> Any:
    def run(key: str, context: Any = None, style: Style | None = None) -> str:
        options = EvaluateOptions(
            root=root, key=key, environment=None, context=context or {}, now_ms=NOW, check_ms=NOW, default="mine"
        )
        return render_explained(Explained(result=evaluate(options)), style or Style())

    return run


def steps(text: str) -> list[str]:
    return text.partition("\n\n")[2].splitlines()


def test_a_static_flag_says_its_default(explain) -> None:
    assert steps(explain("plain")) == ["✓ default → on  line 5"]


def test_a_disabled_flag_and_one_out_of_season_say_so(explain) -> None:
    assert steps(explain("off")) == ["✗ disabled (enabled: false)  line 5"]
    assert steps(explain("later")) == ["✗ schedule from 2030-01-01T00:00:00Z  line 5"]


def test_a_prerequisite_is_explained_below_and_without_off_the_caller_decides(explain) -> None:
    text = explain("needs")
    assert "variant      none: the caller's default" in text
    assert 'value        "mine"' in text
    assert steps(text) == ["✗ needs off = on: it serves off  line 6", "  ✗ disabled (enabled: false)  off.yaml:5"]


def test_targets_name_the_unit(explain) -> None:
    assert '✓ targets list "vip": on  line 6' in steps(explain("targets", {"targeting_key": "vip"}))
    assert "✗ targets do not list missing  line 6" in steps(explain("targets"))


def test_conditions_schedules_and_segments_say_what_they_saw(explain) -> None:
    text = steps(explain("targets", {"targeting_key": "member", "since": "2025-05-05T00:00:00Z", "name": "bob"}))
    assert text == [
        '✗ targets do not list "member"  line 6',
        "✗ rule window  line 8",
        "  ✗ schedule until 2026-01-01T00:00:00Z  line 9",
        "✓ rule groups → on  line 11",
        '  ✓ segment inner: "member" is included  line 13',
        "  ✓ all of  line 14",
        '    ✓ since before 2026-01-01T00:00:00Z; since is "2025-05-05T00:00:00Z"  line 15',
        "    ✓ not  line 16",
        '      ✗ name starts with ["a"] (any case); name is "bob"  line 16',
        "· rule ramp: not reached  line 18",
    ]


def test_members_and_exclusions_of_nested_segments_are_told(explain) -> None:
    banned = "\n".join(steps(explain("targets", {"targeting_key": "banned"})))
    assert '✗ segment inner: "banned" is excluded  line 13' in banned
    guest = "\n".join(steps(explain("targets", {"targeting_key": "guest"})))
    assert "✓ segment inner: by its conditions  line 13" in guest
    assert '✓ segment outer: "guest" is included  inner.yaml:6' in guest
    assert "segment outer: no targeting_key is not included" in explain("targets")


def test_percentages_splits_and_experiments_show_their_draws(explain) -> None:
    ramp = "\n".join(steps(explain("targets", {"targeting_key": "u", "seats": 5})))
    assert '46.236 % of units: targeting_key "u" has bucket' in ramp
    assert "has no bucket" in explain("targets", {"seats": 5})
    split = "\n".join(steps(explain("split", {"targeting_key": "u"})))
    assert "50 % a, 50 % b → " in split
    nobody = explain("split")
    assert "ERROR, TARGETING_KEY_MISSING" in nobody
    assert "problem" in nobody
    arms = "\n".join(steps(explain("arms", {"targeting_key": "u"})))
    assert 'experiment trial is running: targeting_key "u" has bucket' in arms
    assert "under salt trial/allocation, slots 0-50000" in arms


def test_a_context_that_is_none_is_told(root) -> None:
    options = EvaluateOptions(root=root, key="split", environment=None, context=[], now_ms=NOW, check_ms=NOW)  # type: ignore[arg-type]
    result = evaluate(options)
    assert "INVALID_CONTEXT" in render_evaluation(result, Style())
    assert "✗ a context is a mapping" in render_explained(Explained(result=result), Style())


def test_colours_change_nothing_but_colours(explain) -> None:
    import re

    context = {"targeting_key": "guest", "seats": 1}
    painted = explain("targets", context, Style(color=True, width=60))
    assert re.sub(r"\x1b\[[0-9;]*m", "", painted) == explain("targets", context, Style(width=60))


def test_a_brief_trace_leaves_out_what_held(root) -> None:
    options = EvaluateOptions(
        root=root, key="targets", environment=None, context={"seats": 1}, now_ms=NOW, check_ms=NOW
    )
    result = evaluate(options)
    brief = render_trace_briefly(result.trace, result.places, Style(), indent="> ").splitlines()
    assert all(line.startswith("> ") for line in brief)
    assert not any("seats exists" in line for line in brief)
    assert any("rule groups" in line for line in brief)
