"""Whose answers an edit changes, measured by people's own contexts or by made-up ones."""

from __future__ import annotations

import json

import pytest

from flagctl.errors import UsageError
from flagctl.ops.edit_measure import MADE_UP, both_sides, measure_plan
from flagctl.ops.repository import FlagRepository
from flagctl.source.editing import Set

CONFIG = """\
version: 1
project: shop
environments: {staging: {}, production: {protected: true}}
context: {attributes: {targeting_key: {type: string}, plan: {type: string}}}
"""
SEGMENT = "kind: segment\nkey: payers\nowner: team\nwhen: [{attribute: plan, operator: in, value: [pro, gold]}]\n"
FLAG = """\
kind: flag
key: gifts
owner: team
type: boolean
default: off
rules:
  - id: payers
    when: [{segment: payers}]
    serve: on
"""


@pytest.fixture
def repository(tmp_path):
    for name, text in {"flagctl.yaml": CONFIG, "payers.yaml": SEGMENT, "gifts.yaml": FLAG}.items():
        (tmp_path / name).write_text(text)
    return FlagRepository(tmp_path, clock=lambda: 1_700_000_000)


def narrowed(repository, *plans: str):
    return repository.plan_edit("payers", Set(("when", 0, "value"), list(plans)), kind="segment")


def measured_by(repository, people, *plans: str):
    plan = narrowed(repository, *plans)
    return measure_plan(both_sides(repository.workspace, plan), plan, people, 0)


def test_an_edit_of_a_segment_is_measured_by_peoples_own_contexts(repository, tmp_path):
    people = tmp_path / "people.jsonl"
    plans = ["pro", "gold", "gold", "free"]
    people.write_text(
        "".join(json.dumps({"targeting_key": str(at), "plan": plan}) + "\n" for at, plan in enumerate(plans))
    )
    measured = measured_by(repository, people, "pro")
    assert (measured.contexts, measured.environments) == (4, ("production",))
    (flag,) = measured.flags
    assert (flag.key, flag.changed) == ("gifts", 2)


def test_made_up_contexts_know_what_only_the_old_version_looks_at(repository):
    measured = measured_by(repository, None, "pro")
    assert measured.contexts == MADE_UP
    (flag,) = measured.flags
    assert flag.changed > MADE_UP // 100


@pytest.mark.parametrize(("plans", "why"), [(("pro", "gold"), "nothing is changed yet"), ((), "has errors")])
def test_what_cannot_be_measured_says_why(repository, plans, why):
    with pytest.raises(UsageError, match=why):
        measured_by(repository, None, *plans)
