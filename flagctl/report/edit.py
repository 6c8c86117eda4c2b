"""An edit as text: its lines, its meaning, and what was done."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.style import plain

if TYPE_CHECKING:
    from flagctl.ops.edit_model import EditResult
    from flagctl.report.style import Style


def render_patch(patch: str, style: Style) -> list[str]:
    """Return a unified difference, line by line, in colour."""
    lines = []
    for line in patch.splitlines():
        colour = {"+": ("green",), "-": ("red",), "@": ("cyan",)}.get(line[:1], ())
        lines.append(style.paint(plain(line), *colour))
    return lines


def render_edit(result: EditResult, style: Style) -> str:
    """Return the difference of the lines, then that of the meaning, then what was done."""
    from flagctl.report.diff import render_diff  # noqa: PLC0415 - most edits of a script are asked for as JSON

    plan = result.plan
    if not plan.has_changes:
        return "nothing to change"
    lines = render_patch(plan.patch, style)
    if plan.review is not None:
        lines += ["", *render_diff(plan.review, style).splitlines()[2:]]
    return "\n".join([*lines, "", style.paint(plain(_done(result)), "bold")])


def _done(result: EditResult) -> str:
    files = result.plan.files
    what = ", ".join(file.path for file in files) if len(files) <= 4 else f"{len(files)} files"
    if not result.written:
        return f"would change {what}; nothing was written"
    if result.commit is None:
        return f"written: {what}"
    where = f" on {result.branch}" if result.branch else ""
    return f"commit {result.commit[:12]}{where}: {what}"
