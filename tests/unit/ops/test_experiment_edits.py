"""Experiments are created, started, amended and stopped, and layers held out, in files of their own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flagctl.errors import UsageError
from flagctl.ops.edit import Draft
from flagctl.ops.experiment_edit import (
    NewExperiment,
    amend_experiment,
    create_experiment,
    set_holdout,
    start_experiment,
    stop_experiment,
)
from flagctl.ops.workspace import Workspace

NOW = 1_795_000_000_000
FILES = {
    "flagctl.yaml": "version: 1\nproject: shop\nenvironments: {production: {}}\n",
    "button.yaml": (
        "kind: flag\nkey: button\nowner: web\ntype: string\nvariants: {red: r, blue: b, green: g}\noff: red\ndefault: blue\n"
    ),
    "search.yaml": "kind: flag\nkey: search\nowner: web\ntype: boolean\ndefault: off\n",
    "limit.yaml": "kind: flag\nkey: limit\nowner: web\ntype: number\nvalue: 5\n",
    "layers/page.yaml": "kind: layer\nkey: page\nowner: web\nholdout: [[0, 10000]]\n",
}


@pytest.fixture
def draft(tmp_path: Path) -> Draft:
    (tmp_path / "layers").mkdir()
    for path, text in FILES.items():
        (tmp_path / path).write_text(text)
    return Draft(Workspace(tmp_path), NOW)


def make(draft: Draft, **more: Any) -> str:
    """Create an experiment that may start, and return its path."""
    wanted = {"key": "test", "flag": "button", "hypothesis": "more sales", "primary": "order", **more}
    create_experiment(draft, NewExperiment(**wanted))
    return draft.find(wanted["key"], "experiment")


def test_shares_are_even_to_a_thousandth_and_the_control_is_the_default(draft: Draft) -> None:
    data = draft.data(make(draft, minimum_effect=3.0, traffic=20.0))
    assert data["variants"] == {"red": 33.334, "blue": 33.333, "green": 33.333}
    assert (data["control"], data["traffic"], data["owner"]) == ("blue", 20.0, "web")
    assert data["metrics"] == {"primary": {"event": "order", "kind": "conversion", "minimum_effect": 3.0}}
    assert draft.notes[0].startswith("no rule of 'button' serves it yet")
    other = draft.data(make(draft, key="other", flag="search", primary="clicks:count", days=None))
    assert other["variants"] == {"on": 50, "off": 50}
    assert "decision" not in other
    with pytest.raises(UsageError, match="'limit' has 0"):
        make(draft, key="third", flag="limit")


def test_the_rule_that_a_new_experiment_needs_gets_an_id_that_is_free_everywhere(draft: Draft) -> None:
    draft.add_rule("search", {"id": "test", "serve": "on"})
    draft.add_rule("search", {"id": "test-2", "serve": "off"}, env="production", copy_down=True)
    make(draft, flag="search")
    assert draft.notes[-1].endswith("flagctl add-rule search test-3 --experiment test")


def test_an_experiment_that_one_environment_serves_needs_no_other_rule(draft: Draft) -> None:
    draft.add_rule("search", {"id": "r", "experiment": "test"}, env="production", copy_down=True)
    draft.notes.clear()
    make(draft, flag="search")
    assert draft.notes == []


def test_an_experiment_takes_the_slots_that_neither_holdout_nor_others_have(draft: Draft) -> None:
    assert draft.data(make(draft, layer="page", slots=30.0))["slots"] == [[10_000, 40_000]]
    with pytest.raises(UsageError, match="only 90 % of its slots free") as caught:
        make(draft, key="other", layer="page")
    assert caught.value.hint == "--slots 90"


def test_a_holdout_grows_from_the_end_and_shrinks_from_the_front(draft: Draft) -> None:
    set_holdout(draft, "page", 15)
    assert draft.value("layers/page.yaml", ("holdout",)) == [[0, 10_000], [95_000, 100_000]]
    set_holdout(draft, "page", 8)
    assert draft.value("layers/page.yaml", ("holdout",)) == [[7_000, 10_000], [95_000, 100_000]]
    set_holdout(draft, "page", 5)
    assert draft.value("layers/page.yaml", ("holdout",)) == [[95_000, 100_000]]
    set_holdout(draft, "page", 7.5)
    assert draft.value("layers/page.yaml", ("holdout",)) == [[92_500, 100_000]], "ranges that meet are one"
    set_holdout(draft, "page", 0)
    set_holdout(draft, "page", 0)
    assert "holdout" not in draft.data("layers/page.yaml")


def test_a_holdout_does_not_take_what_experiments_have(tmp_path: Path, draft: Draft) -> None:
    make(draft, layer="page", slots=80.0)
    for path, content in ((path, draft.content(path)) for path in draft.paths()):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_bytes(content or b"")
    again = Draft(Workspace(tmp_path), NOW)
    set_holdout(again, "page", 20)
    assert again.value("layers/page.yaml", ("holdout",)) == [[0, 10_000], [90_000, 100_000]]
    with pytest.raises(UsageError, match="only 20 % that no experiment takes"):
        set_holdout(again, "page", 21)


def test_what_must_be_agreed_on_is_missed_before_the_start(draft: Draft) -> None:
    make(draft, hypothesis=None, primary=None, days=None)
    with pytest.raises(UsageError, match=r"without hypothesis, metrics.primary, decision.planned_days"):
        start_experiment(draft, "test")


def test_what_is_agreed_on_is_registered_once_and_amended_as_often_as_it_changes(draft: Draft) -> None:
    path = make(draft)
    with pytest.raises(UsageError, match="is draft: only what runs is amended"):
        amend_experiment(draft, "test", "too early")
    with pytest.raises(UsageError, match="is draft, not running"):
        stop_experiment(draft, "test", winner=None)
    start_experiment(draft, "test", days=14, units=1000)
    data = draft.data(path)
    assert (data["status"], data["decision"]) == ("running", {"planned_days": 14, "planned_units": 1000})
    assert data["started_at"] == "2026-11-18T11:06:40Z"
    with pytest.raises(UsageError, match="is running, not a draft"):
        start_experiment(draft, "test")
    with pytest.raises(UsageError, match="nothing to amend"):
        amend_experiment(draft, "test", "no reason")
    for days in (15, 16):
        draft.set_path("test", "decision.planned_days", days, kind="experiment")
        amend_experiment(draft, "test", f"{days} days")
    assert [one["reason"] for one in draft.data(path)["amendments"]] == ["15 days", "16 days"]
    assert len({data["registration"], *(one["registration"] for one in draft.data(path)["amendments"])}) == 3
    draft.unset_path("test", "registration", kind="experiment")
    with pytest.raises(UsageError, match="was never registered"):
        amend_experiment(draft, "test", "too late")


def test_an_experiment_ends_with_a_winner_of_its_own_or_none(draft: Draft) -> None:
    path = make(draft)
    start_experiment(draft, "test")
    with pytest.raises(UsageError, match="'pink' is none of its variants") as caught:
        stop_experiment(draft, "test", winner="pink")
    assert caught.value.hint == "there are: red, blue, green"
    draft.set_path("test", "winner", "red", kind="experiment")
    stop_experiment(draft, "test", winner=None)
    assert (draft.data(path)["status"], "winner" in draft.data(path)) == ("completed", False)
    assert draft.titles[-1] == "Stop experiment test without a winner"


def test_a_file_that_is_no_experiment_cannot_start(draft: Draft) -> None:
    make(draft)
    draft.unset_path("test", "variants", kind="experiment")
    with pytest.raises(UsageError, match=r"experiments/test.yaml: "):
        start_experiment(draft, "test")
