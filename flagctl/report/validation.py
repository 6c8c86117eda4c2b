"""How a validation went, in one line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.diagnostics import Applicability, Severity
from flagctl.report.values import count

if TYPE_CHECKING:
    from flagctl.ops.validate import ValidateResult
    from flagctl.report.style import Style


def render_summary(result: ValidateResult, style: Style) -> str:
    """Return how many findings there are, and how many of them can be corrected."""
    parts = []
    for severity, name, color in (
        (Severity.ERROR, "error", "red"),
        (Severity.WARNING, "warning", "yellow"),
        (Severity.INFO, "note", "blue"),
    ):
        number = result.count(severity)
        if number:
            parts.append(style.paint(count(number, name), "bold", color))
    text = f"{', '.join(parts)} in {count(result.files, 'file')}"
    codes = sorted({diagnostic.code for diagnostic in result.diagnostics})
    safe = sum(d.fix is not None and d.fix.applicability is Applicability.SAFE for d in result.diagnostics)
    unsafe = sum(d.fix is not None for d in result.diagnostics) - safe
    if safe:
        text += f"; {safe} fixable with --fix"
    if unsafe:
        text += f"; {unsafe} {'more' if safe else 'fixable'} with --fix --unsafe-fixes"
    return f"{text}\nmore about one: flagctl rule {codes[0]}"


def render_clean(result: ValidateResult, style: Style) -> str:
    """Return that nothing was found."""
    flags, files = count(result.flags, "flag"), count(result.files, "file")
    return f"{style.paint('ok', 'bold', 'green')}: {flags} in {files}, nothing to report"
