"""How the machine and the flag repository are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.ops.doctor import Verdict
from flagctl.report.style import Style, plain, wrap

if TYPE_CHECKING:
    from flagctl.ops.doctor import DoctorResult

_MARKS = {Verdict.OK: ("✓", "green"), Verdict.WARNING: ("!", "yellow"), Verdict.PROBLEM: ("✗", "red")}


def render_doctor(result: DoctorResult, style: Style) -> str:
    """Return one line for each check, and what to do where something is amiss."""
    size = max(len(check.name) for check in result.checks)
    lines = []
    for check in result.checks:
        mark, color = _MARKS[check.verdict]
        lead = f"{mark} {plain(check.name).ljust(size)}  "
        text = wrap(plain(check.found), style.width, indent=" " * len(lead), first=lead)
        lines.append(style.paint(mark, "bold", color) + text[len(mark) :])
        if check.hint:
            indent = " " * len(lead)
            lines.append(style.paint(wrap(plain(check.hint), style.width, indent=indent), "cyan"))
    return "\n".join(lines)
