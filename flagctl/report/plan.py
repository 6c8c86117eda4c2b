"""A plan as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.ops.diff import DiffResult
from flagctl.report.diff import render_diff
from flagctl.report.style import plain, wrap
from flagctl.review.risk import worst

if TYPE_CHECKING:
    from flagctl.ops.plan import PlanResult
    from flagctl.report.style import Style
    from flagctl.review.risk import RatedFlag

_COLORS = {"none": "dim", "low": "green", "medium": "yellow", "high": "red"}
_MOST_RATED = 20


def render_plan(result: PlanResult, style: Style) -> str:
    """Return the plan as people read it: from what to what, the difference, then what to look at first."""
    base = result.against
    if base is None:
        base = "nothing" if result.base is None else f"number {result.base.seq} ({_commit(result.base.commit)})"
    head = f"{_commit(result.commit)}, bundle {result.bundle_sha256[:12]}"
    title = style.paint(plain(result.environment), "bold") + f" at {plain(result.url)}"
    if not result.has_changes:
        return f"{title}\n{wrap(f'Nothing to publish: {base} is this very bundle.', style.width)}"
    shown = DiffResult(
        base=f"live: {base}",
        head=f"planned: {head}",
        environments=(result.environment,),
        diff=result.diff,
        impacts={key: {result.environment: groups} for key, groups in result.impacts.items()},
    )
    lines = [title, render_diff(shown, style)]
    if not result.diff.changes:
        lines[-1] = "The bundle differs, but no answer does (metadata, or a form of writing)."
    rated = [flag for flag in result.risks if flag.risk.rank > 1]
    if rated:
        lines += ["", style.paint("Look at first:", "bold")]
        lines += [_rated(flag, style) for flag in rated[:_MOST_RATED]]
        if len(rated) > _MOST_RATED:
            lines.append(f"  and {len(rated) - _MOST_RATED} more")
    risk = worst(result.risks).value
    lines += ["", f"Risk: {style.paint(risk, _COLORS[risk], 'bold')}"]
    return "\n".join(lines)


def _rated(flag: RatedFlag, style: Style) -> str:
    mark = style.paint(flag.risk.value, _COLORS[flag.risk.value])
    text = wrap(f"{plain(flag.key)}: {plain('; '.join(flag.reasons))}", style.width, " " * 10, " " * 9)
    return f"  {mark}{text[2 + len(flag.risk.value) :]}"


def _commit(commit: str | None) -> str:
    return f"commit {commit[:12]}" if commit else "no commit"
