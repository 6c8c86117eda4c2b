"""Shares are told where arithmetic can tell them, and only there."""

from __future__ import annotations

from pathlib import Path

import pytest

from flagctl.ops.diff import DiffOptions, diff
from flagctl.report.diff import render_diff
from flagctl.report.style import PLAIN
from tests.unit.vcs.test_git_repository import write

CONFIG = "version: 1\nproject: shop\nenvironments: {staging: {}, production: {}}\n"
SEGMENT = "kind: segment\nkey: beta\nowner: web\ninclude: [u1]\n"
FLAG = """\
kind: flag
key: f
owner: web
type: boolean
default: off
rules:
  - {id: beta, when: [{segment: beta}], serve: on, percentage: 10}
"""


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    for name in ("before", "after"):
        for path, text in (("flagctl.yaml", CONFIG), ("f.yaml", FLAG), ("beta.yaml", SEGMENT)):
            write(tmp_path / name, path, text)
    return tmp_path / "before", tmp_path / "after"


def impacts(sides: tuple[Path, Path]) -> tuple[dict[str, bool], str]:
    before, after = sides
    result = diff(DiffOptions(root=after, now_ms=0, base=f"dir:{before}", head=f"dir:{after}"))
    return {env: groups is not None for env, groups in result.impacts["f"].items()}, render_diff(result, PLAIN)


def test_a_percentage_alone_has_exact_shares(sides: tuple[Path, Path]) -> None:
    write(sides[1], "f.yaml", FLAG.replace("10", "30"))
    exact, text = impacts(sides)
    assert exact == {"staging": True, "production": True}
    assert "units of rule beta: 20 % change" in text


def test_a_percentage_together_with_its_segment_has_none(sides: tuple[Path, Path]) -> None:
    write(sides[1], "f.yaml", FLAG.replace("10", "30"))
    write(sides[1], "beta.yaml", SEGMENT.replace("[u1]", "[u1, u2]"))
    exact, text = impacts(sides)
    assert exact == {"staging": False, "production": False}
    assert "no exact share" in text


def test_a_prerequisite_that_changes_elsewhere_leaves_the_shares_here(sides: tuple[Path, Path]) -> None:
    gate = "kind: flag\nkey: gate\nowner: web\ntype: boolean\ndefault: on\n"
    for side in sides:
        write(side, "gate.yaml", gate)
        write(side, "f.yaml", FLAG + "prerequisites: [{flag: gate, variants: [on]}]\n")
    write(sides[1], "gate.yaml", gate + "environments: {staging: {enabled: false}}\n")
    write(sides[1], "f.yaml", FLAG.replace("10", "30") + "prerequisites: [{flag: gate, variants: [on]}]\n")
    exact, _ = impacts(sides)
    assert exact == {"staging": False, "production": True}
