"""Variants get other names and values."""

from __future__ import annotations

from pathlib import Path

import pytest

from flagctl.errors import UsageError
from flagctl.ops.edit_model import EditRefusedError
from flagctl.ops.repository import FlagRepository

COLOURS = """\
kind: flag
key: colour
owner: web
type: string
variants: {red: r, blue: b}   # two
off: red
strategy: {blue_green: {active: red, previous: blue}}
targets: {red: [u1]}
rules:
  - {id: one, serve: red}
  - {id: two, rollout: {blue: 10, red: 90}}
environments:
  staging:
    rules:
      - {id: three, serve: red}
    default: {rollout: {red: 50, blue: 50}}
"""
NEEDY = (
    "kind: flag\nkey: needy\nowner: web\ntype: boolean\ndefault: on\nprerequisites: [{flag: colour, variants: [red]}]\n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "flagctl.yaml").write_text("version: 1\nproject: shop\nenvironments: {staging: {}, production: {}}\n")
    (tmp_path / "colour.yaml").write_text(COLOURS)
    return tmp_path


def test_a_variant_gets_another_name_wherever_its_flag_names_it_and_nothing_else_changes(root: Path) -> None:
    FlagRepository(root).rename_variant("colour", "red", "crimson")
    assert (root / "colour.yaml").read_text() == COLOURS.replace("red", "crimson")


def test_a_variant_that_goes_without_saying_is_written_when_it_is_renamed(root: Path) -> None:
    (root / "dark.yaml").write_text("kind: flag\nkey: dark\nowner: web\ntype: boolean\ndefault: off\n")
    FlagRepository(root).rename_variant("dark", "on", "yes-please")
    assert FlagRepository(root).get_flag("dark").variants[0].name == "yes-please"


@pytest.mark.parametrize(
    ("old", "new", "why"), [("green", "x", "no variant"), ("red", "blue", "already"), ("red", "", "needs a name")]
)
def test_a_name_that_does_not_fit_is_refused(root: Path, old: str, new: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        FlagRepository(root).rename_variant("colour", old, new)


def test_a_variant_that_others_name_keeps_its_name(root: Path) -> None:
    (root / "needy.yaml").write_text(NEEDY)
    with pytest.raises(EditRefusedError) as caught:
        FlagRepository(root).rename_variant("colour", "red", "crimson")
    assert {found.path for found in caught.value.diagnostics} == {"needy.yaml"}
