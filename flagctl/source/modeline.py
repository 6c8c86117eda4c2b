"""The comment by which editors find a file's schema: ``# yaml-language-server: $schema=../schemas/flag.schema.json``."""

from __future__ import annotations

import posixpath
import re
from typing import TYPE_CHECKING, Final

from flagctl.diagnostics import Edit, Span

if TYPE_CHECKING:
    from flagctl.source.document import SourceDocument

_MODELINE: Final = re.compile(r"yaml-language-server:\s*\$schema=(\S+)")


def relative_schema(path: str, name: str, folder: str = "schemas") -> str:
    """Return the relative path from a file to its schema.

    Args:
        path: Of the file, relative to the repository's root, with forward slashes.
        name: Of the schema, such as ``flag``.
        folder: Of the schemas, relative to the repository's root; may begin with ``..``.

    >>> relative_schema("checkout/new-checkout-flow.yaml", "flag")
    '../schemas/flag.schema.json'
    """
    # Both paths are made absolute below an invented deep folder, so that `..` in `folder` stays meaningful.
    top = "/a" * 64
    target = posixpath.normpath(posixpath.join(top, folder, f"{name}.schema.json"))
    return posixpath.relpath(target, posixpath.dirname(posixpath.normpath(posixpath.join(top, path))))


def modeline_text(schema: str) -> str:
    """Return the whole comment line for the path or URL of a schema, without a line break."""
    return f"# yaml-language-server: $schema={schema}"


def read_modeline(document: SourceDocument) -> str | None:
    """Return the path or URL of the schema that the file's modeline names, or None if it has none."""
    for comment in document.comments():
        if comment.own_line and (match := _MODELINE.match(comment.text)):
            return match[1]
    return None


def modeline_edit(document: SourceDocument, schema: str) -> Edit | None:
    """Return the edit that makes `schema` the file's modeline, or None if it is already.

    An existing modeline is replaced, otherwise a first line is inserted.
    """
    for comment in document.comments():
        if comment.own_line and (match := _MODELINE.match(comment.text)):
            if match[1] == schema:
                return None
            start = document.lines.offset(comment.line, 1)
            span = document.lines.span(start, document.lines.line_end(start))
            return Edit(path=document.path, span=span, text=modeline_text(schema))
    line_break = "\r\n" if "\r\n" in document.text else "\n"
    top = Span(line=1, column=1, end_line=1, end_column=1)
    return Edit(path=document.path, span=top, text=modeline_text(schema) + line_break)
