"""Kill lists for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from flagctl.report.publication import pushed_to
from flagctl.report.style import Style, plain
from flagctl.report.table import Column, render_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.ops.kill_change import KillChange
    from flagctl.ops.kill_model import AllKills, KillEntry, KillListing, KillResult


@dataclass(frozen=True, slots=True, kw_only=True)
class KillReport:
    """What became of a kill list, and the change in git that follows it."""

    result: KillResult
    change: KillChange | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON output (`schemas/output-kill.schema.json`)."""
        change = self.change.to_dict() if self.change is not None else None
        if change is not None:
            change.pop("format_version", None)
        return {**self.result.to_dict(), "change": change}


def render_kill(report: KillReport, style: Style) -> str:
    """Return what was done, and what is forced off now."""
    result = report.result
    would = "would be " if result.dry_run and result.action != "unchanged" else ""
    done = {
        "killed": f"{would}forced off",
        "lifted": f"{would}lifted: it answers as published",
        "renewed": f"{would}signed again",
        "unchanged": "unchanged: it is forced off already",
    }[result.action]
    subject = plain(result.flag) if result.flag else "kill list"
    head = f"{style.paint(plain(result.environment), 'bold')} {subject} {style.paint(done, 'bold', 'green')}"
    number = f"kill list {result.seq} at {plain(result.url)}"
    if result.pushed is not None:
        number += f", pushed to {plain(pushed_to(result.pushed))}"
    lines = [head, f"  {number}", _table(result.kills, style)]
    change = report.change
    if change is not None and change.branch is not None and change.commit is not None:
        lines.append(
            f"branch {plain(change.branch)} sets enabled: false in {plain(change.path)} ({change.commit[:12]})"
        )
    elif change is not None:
        lines.append(f"{plain(change.path)} at {plain(change.base)} has it off already; publish it")
    return "\n".join(lines)


def render_kills(listing: KillListing, style: Style) -> str:
    """Return the flags that are forced off."""
    return _table(listing.kills, style)


def render_all_kills(listings: AllKills, style: Style) -> str:
    """Return the flags that are forced off, environment by environment."""
    return "\n\n".join(
        f"{style.paint(plain(listing.environment), 'bold')}\n{render_kills(listing, style)}"
        for listing in listings.environments
    )


def _table(kills: Sequence[KillEntry], style: Style) -> str:
    if not kills:
        return "nothing is forced off"
    columns = (
        Column(title="FORCED OFF", paint=("bold",)),
        Column(title="SINCE"),
        Column(title="BY", droppable=True),
        Column(title="UNTIL", droppable=True),
        Column(title="REASON", flexible=True),
    )
    rows = [
        (kill.flag, kill.time, kill.actor, (kill.until or "-") + (" (over)" if kill.overdue else ""), kill.reason)
        for kill in kills
    ]
    return render_table(columns, rows, style)
