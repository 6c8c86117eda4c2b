"""Whoever types the README's tour line by line sees every command succeed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
# Installing is what `.ci/run` tries; the web UI runs until somebody stops it.
NOT_HERE = re.compile(r"^(pip install|\. \.venv/bin/activate|flagctl ui)\b.*$", re.MULTILINE)


def tour() -> str:
    section = re.search(r"^## Five minutes\n(.*?)^## ", README, re.MULTILINE | re.DOTALL)
    assert section is not None
    blocks = re.findall(r"^```sh\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
    return NOT_HERE.sub("", "".join(blocks))


def test_every_command_of_the_tour_succeeds_in_its_order(tmp_path: Path) -> None:
    commands = tour()
    assert commands.count("flagctl ") >= 15
    (tmp_path / "gitconfig").write_text("[user]\nname = Ada\nemail = ada@example.com\n", encoding="utf-8")
    (tmp_path / "checkout").mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "FLAGCTL_"))}
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_CONFIG_GLOBAL": str(tmp_path / "gitconfig"),
    }
    done = subprocess.run(
        ["bash", "-euxo", "pipefail", "-c", commands],
        cwd=tmp_path / "checkout",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
