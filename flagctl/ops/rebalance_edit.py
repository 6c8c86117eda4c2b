"""Pinned ranges into the text of a rollout, with everything around it left as it is.

A mapping in braces is rewritten whole; in block style each variant keeps its line, with the comment behind it, and only the value is
replaced. Comments inside of what would be replaced would be lost, so that is refused.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from flagctl.diagnostics import Route
    from flagctl.source import SourceDocument

Ranges = tuple[tuple[int, int], ...]
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_./-]*\Z")
_OTHER_MEANINGS = {"true", "false", "null", "True", "False", "Null", "TRUE", "FALSE", "NULL"}


def pinned_text(document: SourceDocument, route: Route, arms: Mapping[str, Ranges]) -> str:
    """Return a document's text with new arms in a rollout.

    Args:
        document: The flag's file.
        route: Of the mapping of arms.
        arms: Ranges by variant; variants of the present mapping that are missing here lose their arm.

    Raises:
        UsageError: If a comment stands where text has to be replaced.
    """
    node = document.node(route)
    if node is None:
        raise UsageError(f"{document.path} has no rollout there any more")
    text = document.text
    if text[node.start] == "{":
        _refuse_comments(document, node.start, node.end)
        parts = [f"{_key(document, route, variant)}: {_value(ranges)}" for variant, ranges in arms.items()]
        return f"{text[: node.start]}{{{', '.join(parts)}}}{text[node.end :]}"
    edits = []
    for variant, child in node.children.items():
        key = node.keys[variant]
        if variant in arms:
            _refuse_comments(document, child.start, child.end)
            edits.append((child.start, child.end, _value(arms[str(variant)])))
        else:
            edits.append(_removal(document, key[0], child.end))
    fresh = [variant for variant in arms if variant not in node.children]
    if fresh:
        edits.append(_addition(document, route, fresh, arms))
    for start, end, replacement in sorted(edits, reverse=True):
        text = text[:start] + replacement + text[end:]
    return text


def _value(ranges: Ranges) -> str:
    return f"{{buckets: {json.dumps([list(part) for part in ranges])}}}"


def _key(document: SourceDocument, route: Route, variant: str) -> str:
    """Return a variant as a mapping key: as it is written there, or quoted where it must be."""
    node = document.node(route)
    if node is not None and variant in node.keys:
        start, end = node.keys[variant]
        return document.text[start:end]
    return (
        variant if _PLAIN.match(variant) and variant not in _OTHER_MEANINGS else json.dumps(variant, ensure_ascii=False)
    )


def _refuse_comments(document: SourceDocument, start: int, end: int) -> None:
    first, last = document.lines.position(start)[0], document.lines.position(end)[0]
    for comment in document.comments():
        # behind the last line's value a comment is outside of what is replaced
        if first <= comment.line < last or (comment.line == last and comment.own_line):
            raise UsageError(
                f"{document.path}:{comment.line}: this comment would be lost",
                hint="move it above the rollout, then try again",
            )


def _removal(document: SourceDocument, start: int, end: int) -> tuple[int, int, str]:
    """Return the edit that takes an entry in block style away, and keeps a comment behind it as a line of its own."""
    _refuse_comments(document, start, end)
    lines = document.lines
    rest = document.text[end : lines.line_end(end)]
    if rest.strip():
        return start, end + len(rest) - len(rest.lstrip()), ""
    return lines.line_start(start), lines.next_line(end), ""


def _addition(
    document: SourceDocument, route: Route, fresh: Sequence[str], arms: Mapping[str, Ranges]
) -> tuple[int, int, str]:
    """Return the edit that adds entries in block style behind the last one."""
    node = document.node(route)
    assert node is not None  # noqa: S101 - for the type checker
    lines, text = document.lines, document.text
    last = max(child.end for child in node.children.values())
    first_key = min(start for start, _ in node.keys.values())
    indent = " " * (first_key - lines.line_start(first_key))
    end = lines.line_end(last)
    following = lines.next_line(last)
    newline = text[end:following] or "\n"
    added = "".join(f"{newline}{indent}{_key(document, route, variant)}: {_value(arms[variant])}" for variant in fresh)
    return end, end, added
