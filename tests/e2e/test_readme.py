"""Whoever types the README's tour line by line sees every command succeed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from flagctl.resources import data_path

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
# Installing is what `.ci/run` tries; the web UI runs until somebody stops it.
NOT_HERE = re.compile(r"^(pip install|\. \.venv/bin/activate|flagctl ui)\b.*$", re.MULTILINE)


def commands_of(heading: str) -> str:
    section = re.search(rf"^## {heading}\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    assert section is not None
    blocks = re.findall(r"^```sh\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
    return NOT_HERE.sub("", "".join(blocks))


def run(commands: str, tmp_path: Path, folder: Path) -> None:
    (tmp_path / "gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.com\n", encoding="utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "FLAGCTL_"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
    }
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_every_command_of_the_tour_succeeds_in_its_order(tmp_path: Path) -> None:
    commands = commands_of("Five minutes")
    assert commands.count("flagctl ") >= 15
    (tmp_path / "checkout").mkdir()
    run(commands, tmp_path, tmp_path / "checkout")


def test_the_experiment_of_the_readme_can_be_made_with_the_example_flags(tmp_path: Path) -> None:
    # What is analyzed lies in a bucket that only the README has.
    commands = re.split(r"^flagctl experiment analyze", commands_of("Experiments"), maxsplit=1, flags=re.MULTILINE)[0]
    assert commands.count("flagctl ") == 3
    shutil.copytree(data_path("flags"), tmp_path / "flags")
    run(f"git init --quiet && {commands.strip()}\nflagctl validate --fail-on warning\n", tmp_path, tmp_path / "flags")
