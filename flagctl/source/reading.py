"""Bytes to a document: encoding, size, and the choice between the fast and the careful path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from flagctl.source.document import SourceDocument
from flagctl.source.plain import IrregularError, load_plain
from flagctl.source.problem import Problem

if TYPE_CHECKING:
    from flagctl.diagnostics import Diagnostic, Route

MAX_BYTES: Final = 5 * 1024 * 1024
"""Largest file that is read."""

_BOM: Final = b"\xef\xbb\xbf"
_WIDE_BOMS: Final = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")


class Reading(NamedTuple):
    """A document, the findings about its text, and the routes whose value was guessed."""

    document: SourceDocument
    diagnostics: tuple[Diagnostic, ...] = ()
    poisoned: tuple[Route, ...] = ()


def read_document(path: str, content: bytes) -> Reading:
    """Read one file; never raises for anything in it."""
    if len(content) > MAX_BYTES:
        return _too_large(path, content)
    try:
        text = (content[3:] if content.startswith(_BOM) else content).decode()
    except UnicodeDecodeError as error:
        return _not_utf8(path, content, error)
    try:
        return Reading(SourceDocument(path, text, data=load_plain(text)))
    except IrregularError:
        pass
    document = SourceDocument(path, text)
    tree = document.tree
    document.data = tree.data
    return Reading(document, tuple(map(document.from_problem, tree.problems)), tuple(tree.poisoned))


def _too_large(path: str, content: bytes) -> Reading:
    document = SourceDocument(path, content[:200].decode(errors="replace"))
    problem = Problem(
        code="SYN117",
        message=f"the file is larger than {MAX_BYTES // 1024 // 1024} MiB",
        start=0,
        end=0,
        help="split it, or list it under 'exclude' in flagctl.yaml if it is no flag file",
    )
    return Reading(document, (document.from_problem(problem),))


def _not_utf8(path: str, content: bytes, error: UnicodeDecodeError) -> Reading:
    if content.startswith(_BOM):
        content = content[3:]
    document = SourceDocument(path, content.decode(errors="replace").replace("\0", "\ufffd"))
    start = len(content[: error.start].decode())
    wide = content.startswith(_WIDE_BOMS)
    problem = Problem(
        code="SYN101",
        message="the file is UTF-16 or UTF-32, not UTF-8"
        if wide
        else f"byte 0x{content[error.start]:02x} is not UTF-8",
        start=start,
        end=start + 1,
        help="save the file as UTF-8",
    )
    return Reading(document, (document.from_problem(problem),))
