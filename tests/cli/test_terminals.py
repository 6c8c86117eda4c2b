"""Narrow and wide terminals, and text of users that wants to be more than text."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from flagctl.report.style import cell_width

COMMANDS = [
    ("list",),
    ("show", "new-checkout-flow"),
    ("show", "shipping-options"),
    ("exit-codes",),
    ("rule", "--all"),
    ("rule", "ROL104"),
    ("test",),
    ("graph", "payments-v2", "--impact"),
    ("rollout", "status", "biometric-login", "--env", "production"),
    ("experiment", "list"),
    ("doctor", "--offline"),
]


@pytest.mark.parametrize("columns", [60, 80, 160])
def test_lines_fit_the_terminal(terminal, example, columns) -> None:
    for words in COMMANDS:
        shown, code = terminal(columns, *words)
        assert code == 0, shown
        for line in shown.splitlines():
            too_narrow = words == ("rule", "--all") and columns < 80  # codes and names take 48 columns
            code_example = words == ("rule", "ROL104") and line.startswith("    ")
            path = words[0] == "doctor" and any(cell_width(word) > columns // 2 for word in line.split())
            assert too_narrow or code_example or path or cell_width(line) <= columns, (words, line)


@pytest.mark.parametrize("columns", [60, 160])
def test_findings_and_traces_fit_the_terminal(terminal, example, columns) -> None:
    flag = example / "checkout" / "new-checkout-flow.yaml"
    flag.write_text(flag.read_text().replace("attribute: country", "attribute: contry"))
    shown, code = terminal(columns, "validate")
    assert code == 1
    assert all(cell_width(line) <= columns for line in shown.splitlines() if "fixable" not in line), shown
    flag.write_text(flag.read_text().replace("attribute: contry", "attribute: country"))
    shown, code = terminal(columns, "eval", "new-checkout-flow", "--env", "production", "--explain")
    assert code == 0
    assert all(cell_width(line) <= columns for line in shown.splitlines()), shown


def test_piped_output_is_neither_cut_nor_wrapped(process, example) -> None:
    text = process("list", cwd=example, env={"COLUMNS": "40"}).stdout
    assert "checkout-express-buttons  string   team-checkout" in text
    assert "checkout, payments" in text


def test_text_in_brackets_is_no_markup_and_control_characters_do_nothing(terminal, repo) -> None:
    flag = Path("flags/api-rate-limit.yaml")
    flag.write_text(
        flag.read_text()
        .replace(
            "description: Requests", 'name: "[red]on[/red] [bold]"\ndescription: "\\e[2J\\e]0;title\\a[on] \\u202Eback'
        )
        .replace("may make\n", 'may make"\n')
    )
    shown, code = terminal(100, "show", "api-rate-limit")
    assert code == 0, shown
    assert "[red]on[/red] [bold]" in shown
    assert "[on]" in shown
    assert "\\x1b[2J" in shown
    assert "\x1b[2J" not in shown
    assert "\u202e" not in shown
    assert set(re.findall(r"\x1b\[[0-9;]*([A-Za-z])", shown)) <= {"m"}


def test_a_terminal_gets_colour_and_no_color_takes_it_away(terminal, repo) -> None:
    assert "\x1b[" in terminal(80, "list")[0]
    assert "\x1b[" not in terminal(80, "list", env={"NO_COLOR": "1"})[0]
    assert "\x1b[" not in terminal(80, "list", env={"TERM": "dumb"})[0]
