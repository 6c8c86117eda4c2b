"""Variants get other names and values."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from flagctl.compiler import compile_environment
from flagctl.errors import UsageError
from flagctl.evaluator import load
from flagctl.ops.edit_variant_names import RecordedVariantError
from flagctl.ops.repository import FlagRepository
from flagctl.ops.testing import TestOptions, run_tests
from flagctl.resources import data_path
from flagctl.source import load_tree, read_tree

NOW_MS = 1_790_000_000_000

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


def test_what_a_boolean_serves_while_it_is_disabled_is_said_when_its_name_no_longer_says_it(root: Path) -> None:
    text = "kind: flag\nkey: dark\nowner: web\ntype: boolean\nvariants: {on: true, off: false}\ndefault: on\nenabled: false\n"
    (root / "dark.yaml").write_text(text)
    FlagRepository(root).rename_variant("dark", "off", "light")
    assert "off: light\n" in (root / "dark.yaml").read_text()


def test_a_name_that_would_begin_to_serve_the_variant_while_its_flag_is_disabled_is_refused(root: Path) -> None:
    (root / "dark.yaml").write_text(
        "kind: flag\nkey: dark\nowner: web\ntype: boolean\nvariants: {dark: true, light: false}\ndefault: dark\n"
    )
    with pytest.raises(UsageError, match="would be served while dark is disabled") as caught:
        FlagRepository(root).rename_variant("dark", "light", "off")
    assert caught.value.hint == "say what is served then: flagctl update dark --set off=light"
    FlagRepository(root).update_flag("dark", off="light")
    FlagRepository(root).rename_variant("dark", "light", "off")
    assert "off: off\n" in (root / "dark.yaml").read_text().replace('"', "")


@pytest.mark.parametrize(
    ("old", "new", "why"), [("green", "x", "no variant"), ("red", "blue", "already"), ("red", "", "needs a name")]
)
def test_a_name_that_does_not_fit_is_refused(root: Path, old: str, new: str, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        FlagRepository(root).rename_variant("colour", old, new)


EXPERIMENT = """\
kind: experiment
key: paint
flag: colour
owner: web
status: draft
variants: {blue: 50, red: 50}  # the new one second
control: red
"""
TESTS = """\
kind: test
flag: colour
environment: staging
cases:
  - name: the first unit
    context: {targeting_key: u1}
    expect: {variant: red, value: r}
  - name: another flag
    flag: needy
    context: {targeting_key: u1, colour: red}
    expect: {variant: on}
"""


def test_other_flags_drafts_of_experiments_and_tests_follow_the_new_name(root: Path) -> None:
    staging = "environments: {staging: {prerequisites: [{flag: colour, variants: [blue, red]}]}}\n"
    files = {"needy.yaml": NEEDY + staging, "paint.yaml": EXPERIMENT, "colour.test.yaml": TESTS}
    for name, text in files.items():
        (root / name).write_text(text)
    FlagRepository(root).rename_variant("colour", "red", "crimson")
    (root / "colour.yaml").write_text((root / "colour.yaml").read_text().replace("crimson", "red"))
    assert (root / "needy.yaml").read_text() == files["needy.yaml"].replace("red]", "crimson]")
    assert (root / "paint.yaml").read_text() == EXPERIMENT.replace("red: 50", "crimson: 50").replace(
        "control: red", "control: crimson"
    )
    assert (root / "colour.test.yaml").read_text() == TESTS.replace("variant: red", "variant: crimson")


@pytest.mark.parametrize("status", ["running", "completed"])
def test_a_variant_that_data_were_recorded_under_keeps_its_name(root: Path, status: str) -> None:
    (root / "paint.yaml").write_text(EXPERIMENT.replace("draft", status))
    with pytest.raises(RecordedVariantError, match=rf"{status} experiment paint \(paint.yaml:6\)"):
        FlagRepository(root).rename_variant("colour", "red", "crimson")
    assert (root / "colour.yaml").read_text() == COLOURS


def test_a_file_that_can_not_be_read_is_named_so_that_somebody_looks(root: Path) -> None:
    (root / "broken.yaml").write_text("colour: [")
    (note,) = FlagRepository(root).rename_variant("colour", "red", "crimson").plan.notes
    assert note.startswith("broken.yaml can't be read")


def test_code_that_has_the_old_name_in_quotes_is_noted(root: Path) -> None:
    (root / "shop.py").write_text(
        "def paint(client, user):\n    # the colour of the door\n"
        "    details = client.evaluate('colour', user)\n    return details.variant == \"red\"\n"
    )
    (root / "other.py").write_text("DOOR = 'red'\n")
    for words in (["init", "-q"], ["add", "."]):
        subprocess.run(["git", *words], cwd=root, check=True)
    (note,) = FlagRepository(root).rename_variant("colour", "red", "crimson", in_code=True).plan.notes
    assert note == "code may compare answers with 'red': look at shop.py:4"


def test_all_variants_of_the_example_flags_get_other_names_and_every_answer_has_the_value_it_had(
    tmp_path: Path,
) -> None:
    root = tmp_path / "flags"
    shutil.copytree(data_path("flags"), root, ignore=shutil.ignore_patterns(".*"))
    before = answers(root)
    renamed: dict[tuple[str, str], str] = {}
    kept = set()
    with FlagRepository(root).edit() as draft:
        for key in draft.keys("flag"):
            if "value" in draft.data(draft.find(key)):
                continue
            for variant in draft.variants(key):
                try:
                    draft.rename_variant(key, variant, f"new-{variant}")
                except RecordedVariantError:
                    kept.add(key)
                else:
                    renamed[key, variant] = f"new-{variant}"
    assert len(renamed) > 50
    assert 0 < len(kept) < 10
    # a variant that is written although it went without saying may change nothing but that
    expected = {
        (*place, key): (renamed.get((key, variant), variant), *rest)
        for (*place, key), (variant, *rest) in before.items()
    }
    assert answers(root) == expected


def answers(root: Path) -> dict[tuple[str, ...], tuple[Any, ...]]:
    """Return what every flag answers in each environment to the contexts of all tests, which must pass."""
    result = run_tests(TestOptions(root=root, now_ms=NOW_MS))
    assert not [failure for case in result.cases for failure in case.failures]
    loaded = load_tree(read_tree(root))
    assert loaded.repository is not None
    contexts = {
        json.dumps(context, default=str, sort_keys=True): context
        for suite in loaded.tests
        for case in suite.cases
        for context in case.contexts
    }
    found: dict[tuple[str, ...], tuple[Any, ...]] = {}
    for env in loaded.repository.config.environments:
        flags = load(compile_environment(loaded.repository, env).data)
        for name, context in contexts.items():
            for key in sorted(flags.keys()):
                details = flags.evaluate(key, context, now=NOW_MS / 1000)
                found[env, name, key] = (details.variant, details.value, details.reason, details.rule)
    return found
