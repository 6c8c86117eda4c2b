"""Text tables that fit the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING

from flagctl.report.style import Style, cell_width, one_line, shorten, wrap

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = 2
_COMFORTABLE = 12
_COMFORTABLE_TO_READ = 32
"""Columns that may be cut, or wrap, are made no narrower while others can be left out instead."""
_NARROWEST = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column.

    Attributes:
        title: Heading.
        paint: Names of colours for its cells.
        right: Align to the right.
        flexible: May be cut with an ellipsis when the terminal is narrow; the widest are cut first.
        wraps: Continues on further lines instead of being cut.
        droppable: May be left out when cutting does not suffice; the last droppable one goes first.
    """

    title: str
    paint: tuple[str, ...] = ()
    right: bool = False
    flexible: bool = False
    wraps: bool = False
    droppable: bool = False


def render_table(
    columns: Sequence[Column], rows: Sequence[Sequence[object]], style: Style, groups: Sequence[str] = ()
) -> str:
    """Return a table with a heading; cells are user text and are made plain.

    Without a terminal width nothing is cut, so that other programs get everything.

    Args:
        columns: What the cells are.
        rows: Cells.
        style: Colours and width.
        groups: For each row a text that stands on a line of its own before the first of its rows; none if empty.
    """
    texts = [[one_line(cell) for cell in row] for row in rows]
    widths = [
        max([cell_width(column.title), *(cell_width(row[index]) for row in texts)])
        for index, column in enumerate(columns)
    ]
    shown = _fit(columns, widths, style.width)
    titles = [style.paint(text, "bold") for text in _cut([column.title for column in columns], shown, widths)]
    lines = [_line(titles, shown, columns, widths)]
    for number, row in enumerate(texts):
        if groups and groups[number] != (groups[number - 1] if number else None):
            lines.append(style.paint(wrap(one_line(groups[number]), style.width), "bold"))
        for cells in _lines_of(row, shown, columns, widths):
            painted = [style.paint(cell, *columns[i].paint) for i, cell in zip(shown, cells, strict=True)]
            lines.append(_line(painted, shown, columns, widths))
    return "\n".join(lines)


def _fit(columns: Sequence[Column], widths: list[int], width: int | None) -> list[int]:
    """Shrink `widths` in place until the row fits, and return the indexes of the columns that stay."""
    shown = list(range(len(columns)))
    if width is None:
        return shown
    while True:
        excess = sum(widths[i] for i in shown) + _GAP * (len(shown) - 1) - width
        room = sum(max(0, widths[i] - _comfortable(columns[i])) for i in shown)
        if excess <= 0 or room >= excess:
            break
        droppable = [i for i in shown if columns[i].droppable]
        if not droppable:
            break
        shown.remove(droppable[-1])
    for is_last_resort in (False, True):
        floors = {i: _NARROWEST if is_last_resort else _comfortable(columns[i]) for i in shown if _gives(columns[i])}
        while excess > 0:
            widest = max(floors, key=lambda index: widths[index] - floors[index], default=None)
            if widest is None or widths[widest] <= floors[widest]:
                break
            widths[widest] -= 1
            excess -= 1
    return shown


def _gives(column: Column) -> bool:
    return column.flexible or column.wraps


def _comfortable(column: Column) -> int:
    if column.wraps:
        return _COMFORTABLE_TO_READ
    return _COMFORTABLE if column.flexible else 1_000_000


def _lines_of(row: list[str], shown: list[int], columns: Sequence[Column], widths: list[int]) -> list[list[str]]:
    """Return a row's cells, on several lines if some wrap; a single word that is too long is cut, but in the last column."""
    parts = []
    for index in shown:
        if not columns[index].wraps:
            parts.append([shorten(row[index], widths[index])])
            continue
        lines = wrap(row[index], widths[index]).split("\n")
        parts.append(lines if index == shown[-1] else [shorten(line, widths[index]) for line in lines])
    return [list(line) for line in zip_longest(*parts, fillvalue="")]


def _cut(cells: list[str], shown: list[int], widths: list[int]) -> list[str]:
    return [shorten(cells[index], widths[index]) for index in shown]


def _line(cells: list[str], shown: list[int], columns: Sequence[Column], widths: list[int]) -> str:
    """Return painted cells put into their columns."""
    parts = []
    for index, cell in zip(shown, cells, strict=True):
        padding = " " * (widths[index] - cell_width(cell))
        parts.append(padding + cell if columns[index].right else cell + padding)
    return (" " * _GAP).join(parts).rstrip()


def render_fields(fields: Sequence[tuple[str, object]], style: Style, indent: str = "") -> str:
    """Return ``name  value`` lines with aligned values; entries whose value is None are left out."""
    present = [(name, plain_value) for name, value in fields if value is not None for plain_value in [one_line(value)]]
    size = max((cell_width(name) for name, _ in present), default=0)
    return "\n".join(
        f"{indent}{style.paint(name, 'dim')}{' ' * (size - cell_width(name))}  {value}".rstrip()
        for name, value in present
    )
