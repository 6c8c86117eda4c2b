"""Differences of environments as text and Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.style import plain
from flagctl.report.table import Column, render_table

if TYPE_CHECKING:
    from flagctl.ops.compare import CompareResult
    from flagctl.report.style import Style


def render_compare(result: CompareResult, style: Style) -> str:
    """Return a table: each flag that differs with what is different."""
    if not result.flags:
        return f"{plain(result.one)} and {plain(result.other)} do the same ({result.total} flags)"
    columns = [Column(title="FLAG", paint=("bold",)), Column(title=f"{result.one} → {result.other}", wraps=True)]
    rows = []
    for key, changes in result.flags:
        rows += [[key if index == 0 else "", change.message] for index, change in enumerate(changes)]
    count = f"{len(result.flags)} of {result.total} flags differ"
    return f"{render_table(columns, rows, style)}\n\n{style.paint(count, 'bold')}"


def render_compare_markdown(result: CompareResult, limit: int) -> str:
    """Return a page of Markdown that stays below `limit` bytes."""
    from flagctl.report.markdown import Page, md, md_code  # noqa: PLC0415 - terminals need none of it

    title = f"### {md(result.one)} and {md(result.other)}"
    rows = tuple((md_code(key), "<br>".join(md(change.message) for change in changes)) for key, changes in result.flags)
    head = (title, "", f"{len(result.flags)} of {result.total} flags differ.")
    return Page(
        marker="flagctl:compare",
        head=head,
        header=("flag", f"{md(result.one)} → {md(result.other)}"),
        rows=rows,
        noun="flags",
        command=f"flagctl compare {result.one} {result.other}",
    ).render(limit)
