"""Edits of the example files with comments put everywhere: exactly the lines that must change do, and nothing gets lost."""

from __future__ import annotations

from difflib import SequenceMatcher
from random import Random
from typing import Any

import pytest

from flagctl.resources import data_path
from flagctl.source import read_tree
from flagctl.source.comments import read_comments
from flagctl.source.editing import Delete, EditError, Insert, Move, Rename, Set, apply_to_data, edit_text, same
from flagctl.source.editing.format import format_text
from flagctl.source.editing.layout import place_of
from flagctl.source.plain import IrregularError, load_plain
from tests.scale import scaled

TEXTS = {path: content.decode() for path, content in read_tree(data_path("flags")).items() if path != "flagctl.yaml"}
PATHS = sorted(TEXTS)
UNUSUAL = {
    "unusual/blocks.yaml": """\
kind: flag
key: blocks
description: |-   # how it came
  Two lines,

    the second one indented.
name: >+
  folded
  text

owner:   team-web
type: json
variants:
  a:
    text: |
      kept as it is
      # no comment
    list:
    - one
    -   two
    -
      id: x
      more: [1, 2]
  b: {}
default:
  a
tags: []
""",
    "unusual/flow.yaml": """\
{kind: segment, key: flow,
 owner: "team-web", include: [u1,
   u2 , "u 3",
   'it''s'],
 when: [
   {attribute: country, operator: in, value: [DE, AT]},
   {not: {
      segment: other}
   }],
 exclude: []}
""",
    "unusual/commas.yaml": """\
kind: flag
key: commas
type: string
variants: {
    a: alpha,
    b: beta,
  }
targets: {a: [
  u1,   u2,
  u3,
], b: []}
rules:
- id: one
  when:
  - any: [{attribute: plan, operator: equals, value: pro},
          {segment: s}]
  rollout: {a: 20
           , b: 80}
-
  id: two
  serve: a
- {id: three,
   serve: b,
   percentage: 12.5}
""",
    "unusual/quotes.yaml": """\
"kind": flag
'key': quotes
description: "a text
  over two lines"
name: plain text
  over two lines
type: number
value: 0x10
lifecycle:
    expires: 2027-01-01
    temporary: true
environments:
     production:
          value: -1.5e3
     staging: {}
""",
    "unusual/lists.yaml": """\
kind: flag
key: lists
type: json
value:
  - - inner
    - other
  -
    - - deep
  - []
""",
}
"""Layouts that nobody's editor makes, but people do: block texts, braces over several lines, commas in front, dashes alone."""


NEW_VALUES: list[Any] = [
    *(True, 7, 12.5, "on", "no", "plain text", "a: b", "# x", "2027-01-01", "it's", None, "line\nline\n", ["a", "off"]),
    *({"a": 1, "b": ["x"]}, [{"id": "n", "when": [{"segment": "s"}], "serve": "on"}], "x " * 80, "ünï", "1.20"),
]


def commented(text: str, random: Random) -> str:
    """Put comments behind lines and on lines of their own, wherever the text still says the same."""
    data = load_plain(text)
    lines = text.splitlines()
    for number in range(len(lines) * 2):
        at = random.randrange(len(lines) + 1)
        if random.random() < 0.5 and at < len(lines) and lines[at].strip():
            changed = [*lines[:at], f"{lines[at]}{' ' * random.randint(1, 3)}# behind {number}", *lines[at + 1 :]]
        elif random.random() < 0.3:
            changed = [*lines[:at], "", *lines[at:]]
        else:
            indent = " " * random.choice([0, 2, 4, 6, 8])
            changed = [*lines[:at], f"{indent}# alone {number}", *lines[at:]]
        candidate = "\n".join(changed) + "\n"
        try:
            if same(load_plain(candidate), data):
                lines = changed
        except IrregularError:
            continue
    return "\n".join(lines) + "\n"


def routes(value: Any, route: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [route, *(found for step, item in inner for found in routes(item, (*route, step)))]


def at(value: Any, route: tuple[Any, ...]) -> Any:
    for step in route:
        value = value[step]
    return value


def an_edit(random: Random, data: Any) -> Any:
    route = random.choice([route for route in routes(data) if route])
    parent, value = at(data, route[:-1]), at(data, route)
    choices: list[Any] = [Set(route, new_value(random)), Delete(route)]
    if isinstance(value, list):
        choices.append(Insert(route, random.randint(0, len(value)), new_value(random)))
    if isinstance(value, dict):
        choices.append(Set((*route, "brand-new"), new_value(random)))
    if isinstance(value, (list, dict)) and len(value) > 1:
        choices.append(Move(route, random.randrange(len(value)), random.randrange(len(value))))
    if isinstance(parent, dict):
        choices.append(Rename(route, "renamed"))
    return random.choice(choices)


def new_value(random: Random) -> Any:
    return random.choice(NEW_VALUES)


def texts_of(text: str) -> list[str]:
    return [comment.text for comment in read_comments(text)]


def a_case(seed: int, texts: dict[str, str] = TEXTS) -> tuple[Random, str, Any, str]:
    random = Random(f"edits/{seed}")
    text = commented(texts[random.choice(PATHS if texts is TEXTS else sorted(texts))], random)
    variant = seed % 4
    if variant == 1:
        text = text.replace("\n", "\r\n")
    if variant == 2:
        text = text.removesuffix("\n")
    return random, text, load_plain(text), str(load_plain(text).get("kind"))


@pytest.mark.parametrize("seed", range(scaled(120, 4000)))
def test_a_new_scalar_changes_the_line_of_the_old_one_only(seed: int) -> None:
    random, text, data, kind = a_case(seed)
    scalars = [route for route in routes(data) if not isinstance(at(data, route), (dict, list)) and route]
    route = random.choice(scalars)
    if "\n" in str(at(data, route)):
        return
    value = random.choice(
        [True, 7, 12.5, "on", "no", "plain text", "a: b", "x # y", "2027-01-01", "it's", "[", "ünï", ""]
    )
    result = edit_text(text, [Set(route, value)], kind=kind)
    assert same(load_plain(result), apply_to_data(data, [Set(route, value)]))
    before, after = text.splitlines(keepends=True), result.splitlines(keepends=True)
    changed = [op for op in SequenceMatcher(None, before, after, autojunk=False).get_opcodes() if op[0] != "equal"]
    assert len(changed) <= 1
    assert all(i2 - i1 <= 4 and 1 <= j2 - j1 <= 2 for _, i1, i2, j1, j2 in changed)
    assert texts_of(result) == texts_of(text)


@pytest.mark.parametrize("seed", range(scaled(200, 8000)))
def test_any_edit_means_what_it_says_and_keeps_the_lines_of_others(seed: int) -> None:
    random, text, data, kind = a_case(seed)
    edit = an_edit(random, data)
    try:
        result = edit_text(text, [edit], kind=kind)
    except EditError as error:
        refusal = str(error)
    else:
        refusal = ""
    if refusal:
        assert "comments in it would be lost" in refusal or "last entry" in refusal
        return
    wanted = apply_to_data(data, [edit], lambda *place: place_of(kind, *place))
    assert same(load_plain(result), wanted)
    kept = texts_of(result)
    assert sorted(kept) == sorted(set(kept)), "no comment is there twice"
    assert set(kept) <= set(texts_of(text)), "no comment is new"
    if isinstance(edit, (Insert, Move, Rename)) or edit.route[-1] == "brand-new":
        assert sorted(kept) == sorted(texts_of(text))
    ending = {1: "\r\n"}.get(seed % 4, "\n")
    if "\r\n" in text:
        assert result.count("\r\n") == result.count("\n")
    if text.endswith(ending):
        assert result.endswith(ending)
    elif result.endswith(ending):  # a last text in lines needs its line break
        assert not same(load_plain(result[: -len(ending)]), load_plain(result))


@pytest.mark.parametrize("seed", range(scaled(150, 6000)))
def test_the_canonical_layout_keeps_meaning_and_comments_and_is_final(seed: int) -> None:
    _, text, data, _ = a_case(seed)
    once = format_text(text)
    assert format_text(once) == once
    assert load_plain(once) == data
    assert texts_of(once) == texts_of(text)


@pytest.mark.parametrize("seed", range(scaled(60, 2000)))
def test_several_edits_are_the_same_as_one_after_the_other(seed: int) -> None:
    _, text, data, kind = a_case(seed)
    edits = [Set(("name",), "One"), Set(("tags",), ["a", "b"]), Insert(("tags",), 1, "c"), Delete(("tags", 0))]
    together = edit_text(text, edits, kind=kind)
    one_by_one = text
    for edit in edits:
        one_by_one = edit_text(one_by_one, [edit], kind=kind)
    assert together == one_by_one
    assert load_plain(together)["tags"] == ["c", "b"]
    assert set(data) <= set(load_plain(together))


@pytest.mark.parametrize("seed", range(scaled(150, 6000)))
def test_an_edit_of_an_unusual_layout_means_what_it_says_or_is_refused(seed: int) -> None:
    random, text, data, kind = a_case(seed, UNUSUAL)
    edit = an_edit(random, data)
    try:
        result = edit_text(text, [edit], kind=kind)
    except EditError as error:
        refusal = error
    else:
        refusal = None
    if refusal is not None:
        assert refusal.hint or "last entry" in refusal.message
        return
    assert same(load_plain(result), apply_to_data(data, [edit], lambda *place: place_of(kind, *place)))
    kept = texts_of(result)
    assert set(kept) <= set(texts_of(text))
    assert len(set(kept)) == len(kept)
    if isinstance(edit, (Insert, Move, Rename)) or edit.route[-1] == "brand-new":
        assert sorted(kept) == sorted(texts_of(text))


@pytest.mark.parametrize("seed", range(scaled(100, 4000)))
def test_the_canonical_layout_of_an_unusual_one_loses_no_comment(seed: int) -> None:
    _, text, data, _ = a_case(seed, UNUSUAL)
    try:
        once = format_text(text)
    except EditError as error:
        once = str(error)
    if once.startswith(("it is laid out so that", "written anew it would mean")):
        return
    assert load_plain(once) == data
    assert sorted(texts_of(once)) == sorted(texts_of(text))
    assert format_text(once) == once
