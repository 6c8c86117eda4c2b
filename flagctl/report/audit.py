"""An audit as text: one paragraph for each thing that happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.style import plain, wrap
from flagctl.report.values import count, show_instant

if TYPE_CHECKING:
    from flagctl.ops.audit import AuditEntry, AuditResult
    from flagctl.report.style import Style

_PAINTS = {
    "kill": "red",
    "unkill": "green",
    "publish": "cyan",
    "rollback": "yellow",
    "heartbeat": "dim",
    "change": "bold",
}
_DETAILS = 12


def render_audit(result: AuditResult, style: Style) -> str:
    """Return the entries, then what is not as it should be."""
    lines: list[str] = []
    for entry in result.entries:
        lines += _entry(entry, style)
    if not result.entries:
        lines.append("nothing happened")
    checked = [one for one in result.entries if one.rebuilt != "not-checked"]
    same = sum(one.rebuilt == "same" for one in checked)
    lines.append("")
    if checked:
        unknown = sum(one.rebuilt == "unknown" for one in checked)
        verb = "compiles" if len(checked) == 1 else "compile"
        text = f"{same} of {count(len(checked), 'publication')} {verb} to the published bytes"
        lines.append(text + (f"; {unknown} cannot be compiled here" if unknown else ""))
    lines += [style.paint(wrap(plain(one), style.width, "    ", "  ! "), "red") for one in result.problems]
    return "\n".join(lines).rstrip("\n")


def _entry(entry: AuditEntry, style: Style) -> list[str]:
    where = f" {entry.environment}" if entry.environment else ""
    action = style.paint(f"{entry.action}{where}", _PAINTS.get(entry.action, "bold"))
    lines = [f"{show_instant(entry.time_ms)}  {action}  {plain(entry.actor)}"]
    mark = {"differs": "  NOT what the commit compiles to", "unknown": "  (cannot be compiled here)"}.get(
        entry.rebuilt, ""
    )
    lines.append(wrap(plain(entry.summary + mark), style.width, "    ", "    "))
    shown = entry.details[:_DETAILS] if entry.action == "change" else ()
    lines += [style.paint(wrap(plain(one), style.width, "        ", "      · "), "dim") for one in shown]
    if len(entry.details) > _DETAILS:
        lines.append(f"      · and {len(entry.details) - _DETAILS} more")
    if entry.approved_by:
        lines.append(wrap(plain(f"approved by {', '.join(entry.approved_by)}"), style.width, "      ", "    "))
    lines += [
        style.paint(wrap(plain(f"policy set aside: {one}"), style.width, "      ", "    "), "yellow")
        for one in entry.overrides
    ]
    return lines
