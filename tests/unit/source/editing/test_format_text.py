"""The canonical layout: what it orders, what it keeps, and what it leaves alone."""

from __future__ import annotations

import pytest

from flagctl.source.editing import EditError
from flagctl.source.editing.format import format_text


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("kind:   flag\nkey: 'a'\n", "kind: flag\nkey: 'a'\n"),
        ("kind: flag\r\nkey:   a\r\n", "kind: flag\r\nkey: a\r\n"),
        ("key: a\nkind: flag", "kind: flag\nkey: a\n"),
        ("tags: [ a,b ]\n", "tags: [a, b]\n"),
        ("m: {}\nl: []\n", "m: {}\nl: []\n"),
        ("rules:\n- id:  x\n  serve: on\n", "rules:\n  - id: x\n    serve: on\n"),
        ("# about\n\n\n\na: 1\n", "# about\n\na: 1\n"),
        ("text: |\n  one\n  two\n", "text: |\n  one\n  two\n"),
        ("text: >-\n  one\n  two\n", "text: >-\n  one\n  two\n"),
        ("a: 1 # one\n# foot\n", "a: 1 # one\n# foot\n"),
        ("l:\n  - # empty\n    a\n", None),
    ],
)
def test_a_layout_becomes_the_usual_one_and_stays_so(text: str, wanted: str | None) -> None:
    found = format_text(text)
    if wanted is not None:
        assert found == wanted
    assert format_text(found) == found


@pytest.mark.parametrize(
    "text",
    ["a: [1\n", "a: " + "[" * 5000 + "]" * 5000 + "\n", "".join(" " * depth + "a:\n" for depth in range(2000))],
    ids=["open", "deep in brackets", "deep in lines"],
)
def test_what_cannot_be_read_is_not_laid_out(text: str) -> None:
    with pytest.raises(EditError, match="it has errors"):
        format_text(text)
