from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from flagctl.report.highlight import highlight_yaml
from flagctl.report.style import PLAIN, Style

EXAMPLES = sorted((Path(__file__).resolve().parents[3] / "flags").rglob("*.yaml"))
COLOR = Style(color=True, width=40)


@pytest.mark.parametrize("path", EXAMPLES[::8], ids=lambda path: path.name)
def test_colours_change_no_character(path: Path) -> None:
    text = path.read_text(encoding="utf-8").rstrip("\n")
    assert re.sub(r"\x1b\[[0-9;]*m", "", highlight_yaml(text, COLOR)) == text
    assert "\x1b[" in highlight_yaml(text, COLOR)


def test_without_colour_text_stays_as_it_is_but_for_control_characters() -> None:
    assert highlight_yaml("on: [off]  # [red]no markup[/red]", PLAIN) == "on: [off]  # [red]no markup[/red]"
    assert highlight_yaml("a: \x1b[31m", PLAIN) == "a: \\x1b[31m"
    assert highlight_yaml("", COLOR) == ""


def test_rich_is_only_loaded_for_colour() -> None:
    code = (
        "import sys; from flagctl.report.highlight import highlight_yaml; from flagctl.report.style import PLAIN;"
        "highlight_yaml('a: 1', PLAIN); print('rich' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
