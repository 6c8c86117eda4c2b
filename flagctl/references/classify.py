"""What a place in a file is, as far as its text tells."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

from flagctl.references.model import ReferenceKind

_CONFIG_ENDINGS: Final = (
    *(".yaml", ".yml", ".json", ".toml", ".ini", ".cfg", ".conf", ".env", ".properties", ".tf", ".xml"),
    *(".md", ".rst", ".txt", ".adoc"),
)
_TEST_PATH: Final = re.compile(
    r"(?:^|/)(?:tests?|specs?|__tests__|testing)/|(?:^|/)(?:test_[^/]*|[^/]*(?:_test|[._-]spec|\.test|Tests?))\.\w+$|conftest\.py$"
)
_COMMENT_LINE: Final = re.compile(r"\s*(?://|#|--|\*|/\*|<!--|;|%)")
_CALL: Final = re.compile(
    r"\b(is_?[eE]nabled|guarded|guard|[gG]et_?(?:[vV]alue|[vV]ariant|(?:[bB]oolean|[sS]tring|[nN]umber|[iI]nteger|[dD]ouble|[fF]loat|"
    r"[oO]bject)_?(?:[vV]alue|[dD]etails))(?:_?[aA]sync)?|evaluate|variation|useFlag|use\w*Flag\w*)\(\s*(?:\w+\s*,\s*)?[\"'`]?$"
)
_LONGEST: Final = 160
_BINARY_PROBE: Final = 8000


def is_binary(data: bytes) -> bool:
    """Return whether a file is no text, as git tells it: by a NUL near its beginning."""
    return b"\0" in data[:_BINARY_PROBE]


def is_test(path: str) -> bool:
    """Return whether a path is that of a test.

    >>> [is_test(path) for path in ("tests/x.py", "a/test_b.py", "a/b_test.go", "a/b.spec.ts", "a/latest.py")]
    [True, True, True, True, False]
    """
    return _TEST_PATH.search(path) is not None


class Lines:
    """Lines and columns of a file."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._starts = [0]
        position = data.find(b"\n")
        while position >= 0:
            self._starts.append(position + 1)
            position = data.find(b"\n", position + 1)

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column, both from 1 and the column in characters, of a byte."""
        line = bisect_right(self._starts, offset)
        start = self._starts[line - 1]
        return line, len(self._data[start:offset].decode("utf-8", "replace")) + 1

    def text(self, line: int) -> str:
        """Return a line without what ends it."""
        start = self._starts[line - 1]
        end = self._data.find(b"\n", start)
        return self._data[start : end if end >= 0 else None].decode("utf-8", "replace").rstrip("\r")


def shortened(text: str) -> str:
    """Return a line as a report shows it."""
    text = text.strip()
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def classify(path: str, line: str, column: int) -> tuple[ReferenceKind, str | None]:
    """Return what a place is, and the method that evaluates there.

    Args:
        path: Of the file.
        line: The line's text.
        column: From 1.
    """
    call = _CALL.search(line[: column - 1])
    method = call[1] if call else None
    if _COMMENT_LINE.match(line) and not path.endswith(_CONFIG_ENDINGS):
        return ReferenceKind.COMMENT, None
    if is_test(path):
        return ReferenceKind.TEST, method
    if path.endswith(_CONFIG_ENDINGS):
        return ReferenceKind.CONFIG, None
    return (ReferenceKind.EVALUATION if method else ReferenceKind.OTHER), method
