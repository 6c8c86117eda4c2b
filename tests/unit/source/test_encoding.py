from __future__ import annotations

import pytest

from flagctl.source.reading import MAX_BYTES, read_document


def only(content):
    (finding,) = read_document("x.yaml", content).diagnostics
    return finding


@pytest.mark.parametrize(
    ("content", "line", "column"),
    [
        (b"\xff", 1, 1),
        (b"name: Caf\xe9\n", 1, 10),
        ("name: äöü😀".encode() + b"\xe9\n", 1, 11),
        (b"a: 1\r\nb: \xc3(\r\n", 2, 4),
        (b"\xef\xbb\xbfa: \xa0\n", 1, 4),
        (b"a: \xed\xa0\x80\n", 1, 4),
        (b"a: 1\nb: \xf0\x9f\x98", 2, 4),
    ],
)
def test_the_first_byte_that_is_not_utf_8_is_pointed_at(content, line, column):
    finding = only(content)
    assert finding.code == "SYN101"
    assert (finding.span.line, finding.span.column) == (line, column)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32"])
def test_other_unicode_encodings_are_refused(encoding):
    codes = {f.code for f in read_document("x.yaml", "\ufeffkind: flag\n".encode(encoding)).diagnostics}
    assert codes <= {"SYN101", "SYN102"}
    assert codes


def test_a_byte_order_mark_at_the_beginning_is_accepted_and_does_not_count_as_a_column():
    reading = read_document("x.yaml", b"\xef\xbb\xbfkind: flag\n")
    assert reading.document.data == {"kind": "flag"}
    assert reading.document.text == "kind: flag\n"
    assert not reading.diagnostics
    span = reading.document.span(("kind",))
    assert (span.line, span.column, span.end_column) == (1, 7, 11)


def test_files_beyond_the_limit_are_not_parsed():
    finding = only(b"a: " + b"x" * MAX_BYTES)
    assert finding.code == "SYN117"
    assert not read_document("x.yaml", b"a: " + b"x" * (MAX_BYTES - 3)).diagnostics
