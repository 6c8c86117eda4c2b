"""Findings in all formats."""

from __future__ import annotations

from flagctl.diagnostics import Applicability, Diagnostic, Edit, Fix, Related, Severity, Span
from flagctl.report.findings import render_concise, render_first, render_full, render_github
from flagctl.report.style import Style, cell_width

TEXT = "kind: flag\nkey: a\nrules:\n  - {segment: emploies, note: ünïcödé 旗帜}\n"


def span(line: int, column: int, end_column: int, end_line: int | None = None) -> Span:
    return Span(line=line, column=column, end_line=end_line or line, end_column=end_column)


def finding(message: str = "there is no segment 'emploies'", **parts: object) -> Diagnostic:
    settings = {"code": "REF102", "severity": Severity.ERROR, "path": "a.yaml", "span": span(4, 15, 23)}
    return Diagnostic(**{**settings, "message": message, **parts})


def source(path: str) -> str | None:
    return TEXT if path == "a.yaml" else None


def test_concise_is_one_line_whatever_the_message() -> None:
    fix = Fix(title="x", applicability=Applicability.SAFE, edits=(Edit(path="a", span=span(1, 1, 1), text=""),))
    text = render_concise([finding("two\nlines \x1b[2J", help="did you mean 'x'?", fix=fix)], Style())
    assert text == "a.yaml:4:15: error[REF102] two lines \\x1b[2J (did you mean 'x'?) [fixable]"


def test_a_finding_without_a_place_names_the_file() -> None:
    assert render_concise([finding(span=None)], Style()).startswith("a.yaml: error[REF102]")
    assert render_full([finding(span=None)], source, Style()).splitlines()[1] == "  --> a.yaml"


def test_full_marks_the_words_it_is_about() -> None:
    related = Related(path="a.yaml", span=span(2, 1, 4), message="first defined here")
    text = render_full([finding(help="did you mean 'employees'?", related=(related,))], source, Style())
    assert text == (
        "error[REF102]: there is no segment 'emploies'\n"
        "  --> a.yaml:4:15\n"
        "   |\n"
        " 4 |   - {segment: emploies, note: ünïcödé 旗帜}\n"
        "   |               ^^^^^^^^\n"
        "  :: a.yaml:2:1: first defined here\n"
        "   |\n"
        " 2 | key: a\n"
        "   | ---\n"
        "  = help: did you mean 'employees'?"
    )


def test_a_span_over_several_lines_shows_them_without_marks() -> None:
    text = render_full([finding(span=span(1, 1, 1, 4))], source, Style())
    assert " 1 | kind: flag\n 2 | key: a\n 3 | rules:" in text
    assert "^" not in text
    long = "x: 1\n" * 50
    assert "…" in render_full([finding(span=span(1, 1, 1, 40))], lambda _: long, Style())


def test_a_span_outside_of_the_file_shows_no_lines() -> None:
    assert "|" not in render_full([finding(span=span(99, 1, 2))], source, Style())


def test_long_lines_are_cut_around_the_place() -> None:
    long = "a: [" + ", ".join(f"item-{number}" for number in range(100)) + "]\n"
    column = long.index("item-60") + 1
    text = render_full([finding(span=span(1, column, column + 7))], lambda _: long, Style(width=60))
    row, marks = text.splitlines()[3:5]
    assert cell_width(row) <= 60
    assert row[marks.index("^") : marks.index("^") + 7] == "item-60"


def test_marks_stand_below_wide_characters() -> None:
    text = render_full([finding(span=span(4, 31, 38))], source, Style())
    row, marks = text.splitlines()[3:5]
    assert row[marks.index("^") :].startswith("ünïcödé")


def test_github_gets_the_gravest_first_and_no_more_than_it_shows() -> None:
    warnings = [finding(f"w{number}", severity=Severity.WARNING) for number in range(12)]
    errors = [finding(f"e{number}: 100%, a,b\nc", path="x,y:z.yaml") for number in range(3)]
    lines = render_github([*warnings, *errors], "flags/").splitlines()
    assert lines[0] == ("::error file=flags/x%2Cy%3Az.yaml,title=REF102,line=4,col=15::e0: 100%25, a,b%0Ac")
    assert sum(line.startswith("::warning ") for line in lines) == 10
    assert lines[-1].startswith("2 more;")


def test_the_first_few_findings_say_how_many_more_there_are() -> None:
    text = render_first([finding(str(number)) for number in range(9)], Style())
    assert len(text.splitlines()) == 6
    assert text.endswith("… and 4 more")
