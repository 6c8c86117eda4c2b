"""Edits of a text: only the lines that must, comments stay, and what cannot be kept is refused."""

from __future__ import annotations

import difflib
from typing import Any

import pytest

from flagctl.source.editing import Delete, EditError, Insert, Move, Rename, Set, edit_text

FLAG = """\
kind: flag
key: a
# about rules
rules:
  # the first
  - id: one   # 1
    serve: on
  - id: two
    percentage: 5
    serve: on

  # the last
  - {id: three, serve: on}   # 3
tags: [x, y]   # two
name: 'A flag'
"""


def changed(text: str, *edits: Any) -> list[str]:
    """Return the lines that edits of a flag change, with a sign each."""
    lines = difflib.ndiff(text.splitlines(), edit_text(text, edits, kind="flag").splitlines())
    return [line for line in lines if line[0] in "+-"]


@pytest.mark.parametrize(
    ("edit", "lines"),
    [
        (Set(("rules", 1, "percentage"), 7.5), ["-     percentage: 5", "+     percentage: 7.5"]),
        (Set(("rules", 0, "serve"), "off"), ["-     serve: on", "+     serve: off"]),
        (
            Set(("rules", 2, "serve"), "off"),
            ["-   - {id: three, serve: on}   # 3", "+   - {id: three, serve: off}   # 3"],
        ),
        (Set(("tags",), ["x", "z", "y"]), ["- tags: [x, y]   # two", "+ tags: [x, z, y]   # two"]),
        (Set(("tags",), ["y"]), ["- tags: [x, y]   # two", "+ tags: [y]   # two"]),
        (Set(("name",), "It's"), ["- name: 'A flag'", "+ name: 'It''s'"]),
        (Insert(("tags",), 0, "w"), ["- tags: [x, y]   # two", "+ tags: [w, x, y]   # two"]),
        (Delete(("rules", 1)), ["-   - id: two", "-     percentage: 5", "-     serve: on"]),
        (Rename(("tags",), "labels"), ["- tags: [x, y]   # two", "+ labels: [x, y]   # two"]),
        (Set(("key",), "a"), []),
    ],
)
def test_only_the_lines_that_must_change(edit: Any, lines: list[str]) -> None:
    found = [line for line in changed(FLAG, edit) if line.strip("+- ")]
    assert found == lines


def test_rules_are_known_by_their_names_so_that_one_that_moves_keeps_its_lines() -> None:
    three = {"id": "three", "serve": "on"}
    new = {"id": "new", "serve": "off"}
    text = edit_text(FLAG, [Set(("rules",), [three, {"id": "one", "serve": "off"}, new])], kind="flag")
    assert text.index("# the last") < text.index("id: three") < text.index("# the first") < text.index("id: one   # 1")
    assert "id: two" not in text
    assert text.index("id: one") < text.index("serve: off") < text.index("id: new")


def test_rules_that_have_nothing_to_do_with_those_before_take_their_place() -> None:
    text = edit_text("kind: flag\nrules: [{id: a}, {id: b}]\nname: x\n", [Set(("rules",), [{"id": "c"}])], kind="flag")
    assert text.replace(" ", "").startswith("kind:flag\nrules:")
    assert "id: c" in text
    assert "id: a" not in text


def test_keys_that_go_come_and_change_places() -> None:
    text = "a: 1   # one\nb: 2\nc: 3   # three\n"
    assert edit_text(
        f"m:\n  {text.replace(chr(10), chr(10) + '  ').rstrip()}\n", [Set(("m",), {"c": 3, "d": 4, "a": 1})]
    ) == ("m:\n  c: 3   # three\n  d: 4\n  a: 1   # one\n")


def test_many_changes_of_a_list_write_it_anew() -> None:
    before = "units: [" + ", ".join(f"a{n}" for n in range(100)) + "]\n"
    wanted = [f"b{n}" for n in range(100)]
    assert edit_text(before, [Set(("units",), wanted)]) == "units:\n" + "".join(f"  - {unit}\n" for unit in wanted)


def test_what_has_no_room_yet_is_made() -> None:
    assert edit_text("kind: flag\nkey: a\n", [Set(("environments", "staging", "enabled"), False)], kind="flag") == (
        "kind: flag\nkey: a\nenvironments:\n  staging:\n    enabled: false\n"
    )
    assert edit_text("m: {}\n", [Set(("m", "a"), 1)]) == "m: {a: 1}\n"
    assert edit_text("m: []\n", [Insert(("m",), 0, 1)]) == "m: [1]\n"


def test_entries_move_with_the_comments_that_belong_to_them() -> None:
    text = edit_text(FLAG, [Move(("rules",), 2, 0)], kind="flag")
    assert [word for word in ("# about", "# the last", "three", "# the first", "one   # 1", "two") if word in text] == (
        sorted(["# about", "# the last", "three", "# the first", "one   # 1", "two"], key=text.index)
    )


@pytest.mark.parametrize("ending", ["\n", "\r\n", ""])
def test_the_end_of_the_file_and_of_its_lines_stay(ending: str) -> None:
    newline = ending or "\n"
    text = f"a: 1{newline}b: 2{ending}"
    assert edit_text(text, [Set(("b",), 3)]) == f"a: 1{newline}b: 3{ending}"
    assert edit_text(text, [Set(("c",), 3)]) == f"a: 1{newline}b: 2{newline}c: 3{ending}"


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (Delete(("none",)), "none"),
        (Delete(("rules", 7)), r"rules"),
        (Set(("name", "first"), 1), "name"),
        (Insert(("tags",), 9, "x"), "tags"),
        (Insert(("name",), 0, "x"), "name"),
        (Move(("tags",), 0, 5), "tags"),
        (Rename(("name",), "key"), "key"),
        (Rename(("none",), "x"), "none"),
    ],
)
def test_an_edit_that_does_not_fit_names_the_place(edit: Any, why: str) -> None:
    with pytest.raises(EditError, match=why):
        edit_text(FLAG, [edit], kind="flag")


def test_a_text_that_cannot_be_read_is_not_edited() -> None:
    with pytest.raises(EditError):
        edit_text("a: [1\n", [Set(("a",), 1)])
