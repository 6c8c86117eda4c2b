"""Who owns which flag file, for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.style import plain
from flagctl.report.table import Column, render_table

if TYPE_CHECKING:
    from flagctl.ops.owners import OwnersResult
    from flagctl.report.style import Style


def render_owners(result: OwnersResult, style: Style) -> str:
    """Return what differs from CODEOWNERS, or all lines if nothing does."""
    if not result.changed:
        if not result.lines:
            return "No file has an owner with a handle."
        columns = (Column(title="FILES", flexible=True), Column(title="OWNER", paint=("cyan",)))
        return f"{render_table(columns, result.lines, style)}\n\n{plain(result.path)} is up to date."
    lines = [style.paint(f"+ {plain(line)}", "green") for line in result.missing]
    lines += [style.paint(f"- {plain(line)}", "red") for line in result.surplus]
    if not lines:
        lines = ["the lines are the same, in another order or with another comment"]
    verb = "was written" if result.written else "is not up to date"
    return "\n".join([*lines, "", f"{plain(result.path)} {verb}."])
