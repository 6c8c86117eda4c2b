from __future__ import annotations

import pytest

CASES = {
    "kind: flag\n\tkey: x\n": ("SYN104", 2, 1, "a tab stands in the indentation"),
    "rules:\n\t- a\n": ("SYN104", 2, 1, "a tab"),
    "rules:\n  \t- a\n": ("SYN104", 2, 3, "a tab"),
    'name: "x\nkey: y\n': ("SYN105", 1, 7, 'begins here with "'),
    "name: 'x\nkey: y\n": ("SYN105", 1, 7, "begins here with '"),
    'name: "x\nkey: "y"\n': ("SYN105", 1, 7, 'begins here with "'),
    "a: [1, 2\nb: 1\n": ("SYN108", 1, 4, "the list that begins here"),
    "a: {b: 1\nc: 2\n": ("SYN108", 1, 4, "the mapping that begins here"),
    "a: [1, {b: 2]\n": ("SYN103", 1, 13, "',' or '}' was expected here"),
    "a: [1,,2]\n": ("SYN103", 1, 7, "a value is missing before this comma"),
    "a: {b:[1]}\n": ("SYN107", 1, 6, "a space is missing"),
    "kind:flag\nkey: x\n": ("SYN107", 1, 5, "a space is missing"),
    "kind:flag\n": ("SYN107", 1, 5, "a space is missing"),
    "kind: flag\nkey:x\n": ("SYN107", 2, 4, "a space is missing"),
    "kind: flag\nkey\ntype: x\n": ("SYN103", 2, 1, "neither 'key: value' nor a list item"),
    "kind: flag\nhello there\n": ("SYN103", 2, 1, "neither 'key: value' nor a list item"),
    "kind: flag\n  key: x\n": ("SYN106", 2, 3, "indented deeper than the line above"),
    "a:\n   b: 1\n  c: 2\n": ("SYN106", 3, 3, "fits no line above"),
    "a:\n  - b\n - c\n": ("SYN106", 3, 2, "fits no line above"),
    "a: b: c\n": ("SYN103", 1, 5, "a second ': ' on this line"),
    "a: - b\n": ("SYN103", 1, 4, "a list item cannot begin here"),
    "a: @b\n": ("SYN103", 1, 4, "cannot begin with '@'"),
    "a: `b`\n": ("SYN103", 1, 4, "cannot begin with '`'"),
    "a: %b\n": ("SYN103", 1, 4, "cannot begin with '%'"),
    "a: *.acme.com\n": ("SYN103", 1, 4, "cannot begin with '*'"),
    "a: & b\n": ("SYN103", 1, 4, "cannot begin with '&'"),
    'a: "^\\d+$"\n': ("SYN103", 1, 6, "'\\d' is not an escape sequence"),
    'a: "\\u12"\n': ("SYN103", 1, 5, "does not name a character"),
    'a: "\\ud800"\n': ("SYN103", 1, 5, "does not name a character"),
    'a: "b" c\n': ("SYN103", 1, 8, "text follows the closing quote"),
    "a: [b] c\n": ("SYN103", 1, 8, "text follows the closing ']'"),
    "a: | b\n c\n": ("SYN103", 1, 6, "after '|' or '>'"),
    ": a\n": ("SYN103", 1, 1, "a key is missing before this colon"),
    "": ("SYN118", 1, 1, "the file is empty"),
    "# nothing\n": ("SYN118", 1, 1, "the file is empty"),
    "---\n": ("SYN118", 2, 1, "the document is empty"),
    "- a\n": ("SYN119", 1, 1, "a list, not a mapping"),
    "hello\n": ("SYN119", 1, 1, "a single value, not a mapping"),
    "a: 1\n---\nb: 2\n": ("SYN113", 2, 1, "a second document"),
}


@pytest.mark.parametrize("text", CASES)
@pytest.mark.parametrize("line_break", ["\n", "\r\n"])
def test_a_syntax_error_is_told_as_what_probably_happened(text, line_break, load):
    code, line, column, message = CASES[text]
    finding = next(f for f in load.findings(text.replace("\n", line_break)) if f.code.startswith("SYN"))
    assert finding.code == code
    assert (finding.span.line, finding.span.column) == (line, column)
    assert message in finding.message


def test_a_missing_space_can_be_inserted_safely(load):
    finding = load.only("kind: layer\nkey:x\n")
    (edit,) = finding.fix.edits
    assert (edit.span.line, edit.span.column, edit.text) == (2, 5, " ")


def test_problems_before_a_syntax_error_are_reported_with_it(load):
    assert [f.code for f in load.findings("a: &b 1\na: 2\nc: [\n")] == ["SYN111", "SYN110", "SYN108"]


def test_a_stray_character_gives_no_syntax_error_on_top(load):
    assert [f.code for f in load.findings("kind: layer\nkey\x07: x\n\x00name: y\n")] == ["SYN102", "SYN102"]


def test_a_binary_file_gives_a_handful_of_findings(load):
    assert len(load.findings("\x01\x02\x03" * 1000)) <= 11
