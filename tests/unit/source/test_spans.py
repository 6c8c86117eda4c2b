from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flagctl.source.lines import LineIndex
from flagctl.source.reading import read_document

TEXT = """kind: flag  # comment
"key": 'a b'
wide: 😀😀 # 😀
tags: [é, {x: 1,
   y: [2, 3] }]
rules:
  - id: one

  - when:
    - {a: b}
    serve: |
      text
      more

    # comment
last:
"""


def marked(text, span):
    lines = LineIndex(text)
    return text[lines.offset(span.line, span.column) : lines.offset(span.end_line, span.end_column)]


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize(
    ("route", "part", "expected"),
    [
        (("kind",), "value", "flag"),
        (("kind",), "key", "kind"),
        (("key",), "key", '"key"'),
        (("key",), "value", "'a b'"),
        (("wide",), "value", "😀😀"),
        (("tags",), "value", "[é, {x: 1,\n   y: [2, 3] }]"),
        (("tags", 0), "value", "é"),
        (("tags", 1), "value", "{x: 1,\n   y: [2, 3] }"),
        (("tags", 1, "y"), "key", "y"),
        (("tags", 1, "y", 1), "value", "3"),
        (("rules", 0), "value", "id: one"),
        (("rules", 1, "when", 0, "a"), "value", "b"),
        (("rules", 1, "serve"), "value", "|\n      text\n      more"),
        (("rules", 1), "value", "when:\n    - {a: b}\n    serve: |\n      text\n      more"),
        (("last",), "value", ""),
        (("rules", 0, "nothing", 7), "value", "id: one"),
        (("nowhere",), "value", None),
    ],
)
def test_every_route_has_the_text_that_it_names(route, part, expected, line_break, bom):
    text = TEXT.replace("\n", line_break)
    document = read_document("x.yaml", bom + text.encode()).document
    if expected is None:
        expected = TEXT.rstrip()
    assert marked(text, document.span(route, part)) == expected.replace("\n", line_break)


def test_an_absent_route_falls_back_to_the_nearest_value_around_it():
    document = read_document("x.yaml", TEXT.encode()).document
    assert document.span(("rules", 1, "when", 0, "nothing")) == document.span(("rules", 1, "when", 0))
    assert document.span(("rules", 9), "key") == document.span(("rules",))


def test_a_file_without_structure_has_no_spans():
    assert read_document("x.yaml", b"a: [").document.span(("a",)) is None


def test_positions_are_not_computed_before_somebody_asks():
    document = read_document("x.yaml", TEXT.encode()).document
    assert "tree" not in vars(document)
    assert "lines" not in vars(document)
    document.span(("kind",))
    assert "tree" in vars(document)


def test_the_head_of_a_mapping_is_its_key_or_its_first_line():
    document = read_document("x.yaml", TEXT.encode()).document
    assert marked(TEXT, document.head_span(("rules",))) == "rules"
    assert marked(TEXT, document.head_span(("rules", 1))) == "when:"
    assert marked(TEXT, document.head_span(())) == "kind: flag  # comment"


@given(st.text(st.sampled_from("ab\n\r\u2028😀"), max_size=30), st.integers(0, 40))
def test_offsets_and_positions_are_inverse(text, offset):
    lines = LineIndex(text)
    offset = min(offset, len(text))
    line, column = lines.position(offset)
    assert lines.offset(line, column) == offset
    assert lines.line_start(offset) <= offset
    assert text.replace("\r\n", "\n").replace("\r", "\n").count("\n") + 1 >= line
