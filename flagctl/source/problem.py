"""A finding before it knows its file: places are character offsets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flagctl.diagnostics import Route


@dataclass(frozen=True, slots=True, kw_only=True)
class TextEdit:
    """Replace the characters from `start` to `end` (exclusive) by `text`; `safe` if the meaning stays what it was meant to be."""

    title: str
    start: int
    end: int
    text: str
    safe: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """What is wrong in a text.

    Attributes:
        code: Diagnostic code.
        message: One sentence without a final period.
        start: Offset of the first character concerned.
        end: Offset behind the last one.
        help: What to do about it.
        related: ``(start, end, message)`` of another place that explains it, or None.
        route: Symbolic place, empty when the structure is unknown there.
        edit: A correction, or None.
    """

    code: str
    message: str
    start: int
    end: int
    help: str | None = None
    related: tuple[int, int, str] | None = None
    route: Route = ()
    edit: TextEdit | None = None
