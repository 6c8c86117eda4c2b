"""A flag's way out of a program of several modules and its tests: both are run before and after."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from flagctl.references import ReferenceSettings
from flagctl.references.cleanup.marks import Kept
from flagctl.references.cleanup.project import clean_project
from flagctl.references.search import Search

if TYPE_CHECKING:
    from flagctl.references.cleanup.project import CleanedProject

ROOT = Path(__file__).resolve().parents[3]
KEY = "new-pay"
SHOP = dict(
    part.split("\n", 1)
    for part in (Path(__file__).parent / "projects" / "shop.txt").read_text("utf-8").split("=== ")[1:]
)
FLAGS = {
    "flagctl.yaml": "version: 1\nproject: p\nenvironments: {e: {}}\n",
    "new-pay.yaml": "kind: flag\nkey: new-pay\nowner: o\ntype: boolean\ndefault: 'SERVED'\n",
    "theme.yaml": (
        "kind: flag\nkey: theme\nowner: o\ntype: string\nvariants: {dark: dark-v2, light: light-v1}\ndefault: dark\n"
    ),
}
ANSWERS = {"on": True, "off": False}


def clean(files: dict[str, str], variant: str) -> CleanedProject:
    search = Search(frozenset({KEY}), frozenset({KEY, "theme"}), ReferenceSettings())
    for path, text in files.items():
        search.add(path, text.encode())
    references, _ = search.finish()
    assert search.project is not None
    paths = {one.path for one in references}
    paths |= {path for path in search.project.modules if search.project.names_in_overrides(path, KEY)}
    python = {path: text.encode() for path, text in files.items()}
    return clean_project(search.project, python, paths, Kept(key=KEY, variant=variant, value=ANSWERS[variant]))


def run(folder: Path, files: dict[str, str], variant: str, program: str) -> str:
    """Return what a program of the shop prints while everybody gets a variant."""
    for path, text in {
        **files,
        **{f"flags/{name}": text.replace("SERVED", variant) for name, text in FLAGS.items()},
    }.items():
        place = folder / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, "utf-8")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}
    done = subprocess.run(
        [sys.executable, "-W", "error", program],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def verdicts(text: str) -> dict[str, str]:
    return {name: verdict for name, _, verdict in (line.partition(" ") for line in text.splitlines())}


@pytest.mark.parametrize("variant", ANSWERS)
def test_a_program_of_several_modules_does_what_it_did_with_the_flag_fixed(tmp_path: Path, variant: str) -> None:
    program = {path: text for path, text in SHOP.items() if path != "checks.py"}
    after = {**program, **clean(program, variant).texts}
    assert run(tmp_path / "after", after, variant, "run.py") == run(tmp_path / "before", program, variant, "run.py")
    assert after["run.py"] == program["run.py"]
    for path in ("app/keys.py", "app/pay.py"):
        assert "new-pay" not in after[path]
    assert "new_pay_on" not in after["app/flags.py"]


@pytest.mark.parametrize("variant", ANSWERS)
def test_tests_that_stay_pass_or_are_named_and_those_of_the_other_answer_go(tmp_path: Path, variant: str) -> None:
    before = verdicts(run(tmp_path / "before", SHOP, variant, "checks.py"))
    assert set(before.values()) == {"passed"}
    cleaned = clean(SHOP, variant)
    lines = SHOP["checks.py"].splitlines()
    after = verdicts(
        run(tmp_path / "after", {**SHOP, **cleaned.texts}, "off" if ANSWERS[variant] else "on", "checks.py")
    )
    gone = {
        line.split(" tests the answer")[0] for line in (note.reason for note in cleaned.notes) if "goes with it" in line
    }
    assert before.keys() - after.keys() == gone
    by_hand = set()
    for one in cleaned.by_hand:
        if one.path == "checks.py":
            above = [line for line in lines[: one.line + 1] if line.startswith("def test_")]
            by_hand.add(above[-1].removeprefix("def ").partition("(")[0])
    assert {name for name, verdict in after.items() if verdict == "failed"} <= by_hand
    assert by_hand <= {"test_both", "test_an_answer_that_is_computed", "test_an_override_that_is_kept_in_a_name"}
    old, new = "test_old_by_block", "test_new_by_block"
    assert (old in gone, new in gone) == (ANSWERS[variant], not ANSWERS[variant])
    assert "test_another_flag" in after
