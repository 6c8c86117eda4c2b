from __future__ import annotations

import pytest

from flagctl.diagnostics import Span
from flagctl.source import Comment, modeline_edit, modeline_text, read_modeline, relative_schema
from flagctl.source.reading import read_document

TEXT = """# first
kind: flag # flagctl: ignore[TGT102] because
name: "not # a comment" # but this
single: 'neither # this'
plain: a#b c #d
url: http://x/#anchor
tags: [a, # in a list
  b]  #
folded: > # header
  text # of the scalar
  # also text
   # deeper text

# behind the scalar
literal: |+
  # text

  more

deep:
  text: |
    # inside
  # outside
  other: 1
explicit: |1
  # text with an explicit indentation
#last"""


@pytest.mark.parametrize("line_break", ["\n", "\r\n", "\r"])
def test_comments_are_told_from_texts(line_break):
    document = read_document("x.yaml", TEXT.replace("\n", line_break).encode()).document
    assert document.comments() == (
        Comment(1, "first", True),
        Comment(2, "flagctl: ignore[TGT102] because", False),
        Comment(3, "but this", False),
        Comment(5, "d", False),
        Comment(7, "in a list", False),
        Comment(8, "", False),
        Comment(9, "header", False),
        Comment(14, "behind the scalar", True),
        Comment(23, "outside", True),
        Comment(27, "last", True),
    )


def test_comments_of_a_broken_file_are_those_before_the_error():
    document = read_document("x.yaml", b"a: 1 # one\nb: 'x # no\n").document
    assert document.comments() == (Comment(1, "one", False),)
    assert read_document("x.yaml", b"a: 1\n").document.comments() == ()


def test_comments_of_a_file_with_wide_characters_are_on_their_lines():
    document = read_document("x.yaml", 'a: "😀 # no" # 😀\nb: 1 # yes\n'.encode()).document
    assert document.comments() == (Comment(1, "😀", False), Comment(2, "yes", False))


@pytest.mark.parametrize(
    ("path", "folder", "expected"),
    [
        ("x.yaml", "schemas", "schemas/flag.schema.json"),
        ("a/x.yaml", "schemas", "../schemas/flag.schema.json"),
        ("a/b/x.yaml", "../schemas", "../../../schemas/flag.schema.json"),
        ("a/x.yaml", ".", "../flag.schema.json"),
        ("schemas/x.yaml", "schemas", "flag.schema.json"),
    ],
)
def test_the_path_to_a_schema_is_relative_to_the_file(path, folder, expected):
    assert relative_schema(path, "flag", folder) == expected


def test_a_modeline_is_read_inserted_and_replaced():
    bare = read_document("x.yaml", b"# hello\r\nkind: flag\r\n").document
    assert read_modeline(bare) is None
    edit = modeline_edit(bare, "schemas/flag.schema.json")
    assert edit.text == "# yaml-language-server: $schema=schemas/flag.schema.json\r\n"
    assert edit.span == Span(line=1, column=1, end_line=1, end_column=1)
    modern = read_document("x.yaml", f"# hello\n{modeline_text('old.json')}\nkind: flag\n".encode()).document
    assert read_modeline(modern) == "old.json"
    assert modeline_edit(modern, "old.json") is None
    edit = modeline_edit(modern, "new.json")
    assert (edit.text, edit.span.line, edit.span.end_line) == (modeline_text("new.json"), 2, 2)
