"""Scalars as text: plain where every reader understands them alike, in quotes otherwise.

Many programs still read YAML 1.1, where `on`, `no`, `1:30` or `2026-12-01` are no texts. Such words get quotes, unless the file itself
writes words of that kind plain: then its readers evidently follow YAML 1.2, and quotes would only break its style.
"""

from __future__ import annotations

import json
import re
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from flagctl.source.plain import UNWANTED
from flagctl.source.scalars import resolve

if TYPE_CHECKING:
    from collections.abc import Iterable


class Misread(Enum):
    """What a YAML 1.1 reader takes a text for."""

    WORD = "word"
    TIME = "time"
    NUMBER = "number"


_WORD: Final = re.compile(r"(?:y|n|yes|no|on|off|true|false|null|~|=|<<)\Z", re.IGNORECASE)
_TIME: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}"
)
_NUMBER: Final = re.compile(
    r"[-+]?(?:0[0-7_]+|0b[01_]+|0x[0-9a-fA-F_]+|0o[0-7_]+|[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?"
    r"|[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9_]+(?:[eE][-+]?[0-9]+)?|\.(?:inf|nan))\Z",
    re.IGNORECASE,
)
_PLAIN: Final = re.compile(r"[A-Za-z0-9_/\u00a1-\u2027\u202a-\ud7ff\ue000-\ufefe\U00010000-\U0010ffff][^\r\n\t]*\Z")
_NEVER_PLAIN: Final = re.compile(r": |:\Z| #|[ \t]\Z")
_NOT_IN_FLOW: Final = re.compile(r"[,\[\]{}]|:[,\[\]{}\"']")
_ESCAPED: Final = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")


def misread(text: str) -> Misread | None:
    """Return what a YAML 1.1 reader takes a plain text for; None if for this text."""
    if _WORD.match(text):
        return Misread.WORD
    if _TIME.match(text):
        return Misread.TIME
    return Misread.NUMBER if _NUMBER.match(text) else None


def habits(plain_scalars: Iterable[str]) -> frozenset[Misread]:
    """Return the kinds of words that a file writes without quotes, although YAML 1.1 reads them otherwise."""
    found = set()
    for text in plain_scalars:
        kind = misread(text) if text else None
        if kind is not None and kind is not Misread.NUMBER and isinstance(resolve(text), str):
            found.add(kind)
    return frozenset(found)


def scalar_text(value: Any, *, plain: frozenset[Misread] = frozenset(), flow: bool = False, quote: str = "") -> str:
    """Return a scalar on one line.

    Args:
        value: None, a boolean, a finite number, or a text.
        plain: Kinds of ambiguous words that may stand without quotes.
        flow: Whether it stands inside of braces or brackets.
        quote: The quotation mark that the value it replaces had; a text keeps it.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return _number(value)
    text = str(value)
    if not quote and _may_be_plain(text, plain, flow=flow):
        return text
    if quote == "'" or (not quote and ("\\" in text or '"' in text)):
        single = _single_quoted(text)
        if single is not None:
            return single
    return double_quoted(text)


def double_quoted(text: str) -> str:
    """Return a text in double quotes, on one line."""
    quoted = json.dumps(text, ensure_ascii=False)
    return _ESCAPED.sub(lambda match: f"\\u{ord(match.group()):04x}", quoted)


def _number(value: float) -> str:
    text = repr(value)
    if "e" in text and "." not in text:
        text = text.replace("e", ".0e")  # YAML 1.1 wants a point
    return text


def _may_be_plain(text: str, plain: frozenset[Misread], *, flow: bool) -> bool:
    if not text or not _PLAIN.match(text) or _NEVER_PLAIN.search(text) or UNWANTED.search(text):
        return False
    if flow and _NOT_IN_FLOW.search(text):
        return False
    kind = misread(text)
    if kind is not None and kind not in plain:
        return False
    try:
        return isinstance(resolve(text), str)
    except ValueError:
        return False


def _single_quoted(text: str) -> str | None:
    if not text.isprintable() or UNWANTED.search(text):
        return None
    return "'" + text.replace("'", "''") + "'"
