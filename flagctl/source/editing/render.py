"""New values as text, in the layout of flag files: braces for what is short, lines for rules and everything long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.source.editing.layout import WIDTH, wants_block
from flagctl.source.editing.scalars import Misread, scalar_text

if TYPE_CHECKING:
    from flagctl.diagnostics import Route

_TEXT_WIDTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """How a file is written.

    Attributes:
        newline: Its line break.
        offset: How much further in than its key a list in lines stands: 2, or 0.
        plain: Kinds of ambiguous words that it writes without quotes.
    """

    newline: str = "\n"
    offset: int = 2
    plain: frozenset[Misread] = frozenset()


def inline(value: Any, style: Style, *, flow: bool = False) -> str:
    """Return any value on one line, collections in braces."""
    if isinstance(value, dict):
        parts = (
            f"{inline_key(key, style, flow=True)}: {inline(item, style, flow=True)}" for key, item in value.items()
        )
        return "{" + ", ".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(inline(item, style, flow=True) for item in value) + "]"
    return scalar_text(value, plain=style.plain, flow=flow)


def inline_key(key: str, style: Style, *, flow: bool = False) -> str:
    """Return a mapping key; keys are always texts, so that numbers need no quotes."""
    if key.isdecimal():
        return key
    return scalar_text(key, plain=style.plain, flow=flow)


def is_block(value: Any, route: Route, column: int, style: Style) -> bool:
    """Return whether a value is written in lines.

    Args:
        value: What to write.
        route: Where.
        column: Column, from 0, at which it would begin on one line.
        style: Of the file.
    """
    if isinstance(value, (dict, list)) and value:
        return wants_block(value, route) or column + len(inline(value, style)) > WIDTH
    return isinstance(value, str) and is_long_text(value, column)


def is_long_text(value: str, column: int = 0) -> bool:
    """Return whether a text is written as a block: one of several lines, or sentences that fit no line."""
    if "\n" in value.rstrip("\n") or value.endswith("\n"):
        return block_text(value, "") is not None
    return column + len(value) > WIDTH and block_text(value, "") is not None


def block_lines(value: Any, route: Route, column: int, style: Style) -> list[str]:
    """Return a collection or a long text in lines, without the indentation of `column`.

    The header of a long text (``>-``) is the first line.
    """
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in entry_lines(key, item, (*route, key), column, style)]
    if isinstance(value, list):
        return [line for index, item in enumerate(value) for line in item_lines(item, (*route, index), column, style)]
    return block_text(value, "  ") or [scalar_text(value, plain=style.plain)]


def entry_lines(key: str, value: Any, route: Route, column: int, style: Style) -> list[str]:
    """Return a mapping entry that begins at `column`, without that indentation."""
    name = inline_key(key, style) + ":"
    if not is_block(value, route, column + len(name) + 1, style):
        return [f"{name} {inline(value, style)}"]
    if isinstance(value, str):
        header, *body = block_lines(value, route, column, style)
        return [f"{name} {header}", *body]
    offset = 2 if isinstance(value, dict) else style.offset
    return [name, *(" " * offset + line for line in block_lines(value, route, column + offset, style))]


def item_lines(value: Any, route: Route, column: int, style: Style) -> list[str]:
    """Return a list item whose dash stands at `column`, without that indentation."""
    if not is_block(value, route, column + 2, style):
        return [f"- {inline(value, style)}"]
    first, *rest = block_lines(value, route, column + 2, style)
    if isinstance(value, str):
        return [f"- {first}", *rest]
    return [f"- {first}", *(f"  {line}" if line else "" for line in rest)]


def block_text(value: str, indent: str, header: str | None = None) -> list[str] | None:
    """Return a text as a block scalar, its header first; None if it can't be one.

    Args:
        value: The text.
        indent: Put in front of every line.
        header: ``|`` or ``>`` with its sign, as the value it replaces had; chosen if None.
    """
    body = value.removesuffix("\n")
    if not body or body.startswith((" ", "\t", "\n")) or body.endswith("\n") or not _is_printable(body):
        return None
    if any(line != line.rstrip() for line in body.split("\n")):
        return None
    sign = "" if value.endswith("\n") else "-"
    folded = header.startswith(">") if header else "\n" not in body
    if folded and "\n" not in body:
        return [f">{sign}", *(indent + line for line in _folded(body))] if "  " not in body else None
    return [f"|{sign}", *(indent + line if line else "" for line in body.split("\n"))]


def _is_printable(text: str) -> bool:
    return all(character.isprintable() or character == "\n" for character in text)


def _folded(text: str) -> list[str]:
    lines, current = [], ""
    for word in text.split(" "):
        if current and len(current) + 1 + len(word) > _TEXT_WIDTH:
            lines.append(current)
            current = word
        else:
            current = f"{current} {word}" if current else word
    return [*lines, current]
