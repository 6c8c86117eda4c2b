"""Extras: what documents and hints tell people to install exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_extra_that_is_named_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    files = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "flagctl").rglob("*.py")]
    named = {
        extra.strip()
        for file in files
        for group in re.findall(r"flagctl\[([a-z0-9, ]+)\]", file.read_text(encoding="utf-8"))
        for extra in group.split(",")
    }
    assert len(named) > 5
    assert named <= extras.keys()
