"""History, blame and bisect as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.style import plain, wrap
from flagctl.review.words import instant, value

if TYPE_CHECKING:
    from flagctl.ops.bisect import Answer, BisectResult
    from flagctl.ops.past import BlameResult, PastResult
    from flagctl.report.style import Style
    from flagctl.vcs import CommitInfo


def render_past(result: PastResult, style: Style) -> str:
    """Return a history: a line per commit, and below it what the commit changed in meaning."""
    if not result.entries:
        return "No commit changed a meaning."
    several = result.key is not None and len({change.kind for entry in result.entries for change in entry.changes}) > 1
    lines: list[str] = []
    for entry in result.entries:
        lines.append(_commit(entry.commit, style))
        for change in entry.changes:
            named = "" if result.key == change.key else f"{change.key}: "
            if several:
                named = f"{change.kind}: "
            where = f" [{', '.join(change.environments)}]" if change.environments else ""
            lines.append(wrap(plain(named + change.message + where), style.width, " " * 6, "    "))
    return "\n".join(lines)


def render_blame(result: BlameResult, style: Style) -> str:
    """Return for each part of a flag the commit that set it."""
    lines: list[str] = []
    for line in result.lines:
        lines.append(style.paint(plain(line.part), "bold") + "  " + plain(line.text))
        lines.append("    " + _commit(line.commit, style))
    return "\n".join(lines)


def render_bisect(result: BisectResult, style: Style) -> str:
    """Return the answers over time, newest first, with the commits that changed them."""
    lines = []
    for number, answer in enumerate(result.changes):
        oldest = number + 1 == len(result.changes)
        lines.append(f"{_answer(answer, style)}  {style.paint('at first' if oldest else 'since', 'dim')}")
        lines.append("    " + _commit(answer.commit, style))
    count = len(result.changes) - 1
    noun = "commit" if count == 1 else "commits"
    summary = f"{count} {noun} changed the answer, of {result.looked_at} that could have."
    return "\n".join([*lines, "", style.paint(summary, "bold")])


def _answer(answer: Answer, style: Style) -> str:
    if answer.error is not None:
        return style.paint(plain(answer.error), "yellow")
    by = f" by {answer.rule}" if answer.rule else ""
    return f"{style.paint(plain(value(answer.value)), 'bold')} ({plain(answer.reason)}{plain(by)})"


def _commit(commit: CommitInfo, style: Style) -> str:
    day = instant(commit.time_ms)[:10]
    return f"{style.paint(commit.commit[:7], 'yellow')} {day} {plain(commit.author)}: {plain(commit.subject)}"
