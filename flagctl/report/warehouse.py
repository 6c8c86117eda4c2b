"""What the commands about warehouses say."""

from __future__ import annotations

import csv
import io
import json
import re
from typing import TYPE_CHECKING, Any

from flagctl.report.style import cell_width, plain, wrap
from flagctl.report.table import Column, render_fields, render_table

if TYPE_CHECKING:
    from flagctl.ops.warehouse import CompactResult, InitResult, LoadResult, QueryResult, SyncResult
    from flagctl.report.style import Style

_NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DOUBLE|FLOAT|DECIMAL\(.*\)|NUMBER")
"""Types of columns with numbers, as DuckDB calls them."""


def render_init(result: InitResult, style: Style) -> str:
    """Return the tables of a warehouse."""
    columns = [Column(title="TABLE", flexible=True), Column(title="ROWS", right=True)]
    rows = [(name, f"{number:,}") for name, number in result.tables.items()]
    return f"{style.paint(plain(result.database), 'bold')} is ready\n\n{render_table(columns, rows, style)}"


def render_load(result: LoadResult, style: Style) -> str:
    """Return what was loaded, and what is wrong with the files."""
    columns = [
        Column(title="EVENTS", flexible=True),
        *(Column(title=title, right=True) for title in ("Added", "Twice", "Unusable", "Files", "Known files")),
    ]
    rows = [
        (one.kind, *(f"{n:,}" for n in (one.rows, one.duplicates, one.unusable, one.files, one.known)))
        for one in result.kinds
    ]
    lines = [render_table(columns, rows, style)]
    lines += [
        style.paint(wrap(plain(f"{one.message} ({one.count:,})"), style.width, "    ", "  ! "), "yellow")
        for one in result.findings
    ]
    return "\n".join(lines)


def render_compact(result: CompactResult, style: Style) -> str:
    """Return what was packed."""
    packed = [one for one in result.days if one.path is not None]
    if not packed:
        lines = ["nothing to pack"]
    else:
        columns = [
            Column(title="DAY"),
            Column(title="EVENTS", flexible=True),
            *(
                Column(title=title, right=True, droppable=title == "Files")
                for title in ("Rows", "Twice", "Files", "Before", "After")
            ),
        ]
        rows = [
            (
                *(one.day, one.kind, f"{one.rows:,}", f"{one.duplicates:,}", f"{one.files:,}"),
                *(_size(one.bytes_before), _size(one.bytes_after)),
            )
            for one in packed
        ]
        lines = [render_table(columns, rows, style)]
    for path in [path for one in result.days for path in one.left]:
        text = f"{path} has lines that cannot be used, and was left as it is"
        lines.append(style.paint(wrap(plain(text), style.width, "    ", "  ! "), "yellow"))
    return "\n".join(lines)


def render_query(result: QueryResult, style: Style) -> str:
    """Return the rows of a query as a table; one below the other, column by column, where the terminal is too narrow for it."""
    answer = result.answer
    if not answer.columns:
        return "the query has no result"
    columns = [
        Column(title=name, right=bool(_NUMBER.fullmatch(kind)))
        for name, kind in zip(answer.columns, answer.types, strict=True)
    ]
    rows = [[_cell(value) for value in row] for row in answer.rows]
    table = render_table(columns, rows, style)
    if not rows:
        return f"{table}\nno rows"
    if style.width is None or all(cell_width(line) <= style.width for line in table.splitlines()):
        return table
    return "\n\n".join(render_fields(list(zip(answer.columns, row, strict=True)), style) for row in rows)


def render_csv(result: QueryResult) -> str:
    """Return the rows of a query as CSV with a heading; lines end as RFC 4180 says except the last one."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(result.answer.columns)
    writer.writerows([["" if value is None else _cell(value) for value in row] for row in result.answer.rows])
    return text.getvalue().removesuffix("\r\n")


def render_sync(result: SyncResult, style: Style) -> str:
    """Return what changed in the tables."""
    columns = [
        Column(title="TABLE", flexible=True),
        *(Column(title=title, right=True) for title in ("Rows", "Written", "Removed")),
    ]
    rows = [(one.table, f"{one.rows:,}", f"{one.written:,}", f"{one.removed:,}") for one in result.tables]
    lines = [style.paint(plain(result.to), "bold"), "", render_table(columns, rows, style)]
    lines += [style.paint(wrap(plain(one), style.width, "    ", "  ! "), "yellow") for one in result.findings]
    if not any(one.written or one.removed for one in result.tables):
        lines.append("nothing has changed")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _size(number: float) -> str:
    for unit in ("B", "KB", "MB"):
        if number < 1000:
            return f"{number:.3g} {unit}"
        number /= 1000
    return f"{number:.3g} GB"
