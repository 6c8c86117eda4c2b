"""Text tables that fit the terminal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from flagctl.report.style import Style, cell_width, one_line, shorten

if TYPE_CHECKING:
    from collections.abc import Sequence

_GAP = 2
_NARROWEST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column.

    Attributes:
        title: Heading.
        paint: Names of colours for its cells.
        right: Align to the right.
        flexible: May be cut with an ellipsis when the terminal is narrow; later flexible columns are cut first.
        droppable: May be left out when cutting does not suffice; the last droppable one goes first.
    """

    title: str
    paint: tuple[str, ...] = ()
    right: bool = False
    flexible: bool = False
    droppable: bool = False


def render_table(columns: Sequence[Column], rows: Sequence[Sequence[object]], style: Style) -> str:
    """Return a table with a heading; cells are user text and are made plain.

    Without a terminal width nothing is cut, so that other programs get everything.
    """
    texts = [[one_line(cell) for cell in row] for row in rows]
    widths = [
        max([cell_width(column.title), *(cell_width(row[index]) for row in texts)])
        for index, column in enumerate(columns)
    ]
    shown = _fit(columns, widths, style.width)
    titles = [style.paint(text, "bold") for text in _cut([column.title for column in columns], shown, widths)]
    lines = [_line(titles, shown, columns, widths)]
    for row in texts:
        cells = _cut(row, shown, widths)
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
        room = sum(max(0, widths[i] - _NARROWEST) for i in shown if columns[i].flexible)
        if excess <= 0 or room >= excess:
            break
        droppable = [i for i in shown if columns[i].droppable]
        if not droppable:
            break
        shown.remove(droppable[-1])
    for index in reversed(shown):
        if excess <= 0:
            break
        if columns[index].flexible:
            cut = min(excess, max(0, widths[index] - _NARROWEST))
            widths[index] -= cut
            excess -= cut
    return shown


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
