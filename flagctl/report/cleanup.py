"""What a clean-up takes out, and what it leaves to a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.edit import render_patch
from flagctl.report.style import one_line, plain, wrap
from flagctl.report.values import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flagctl.ops.cleanup import CleanupResult
    from flagctl.references.cleanup.project import ByHand
    from flagctl.report.style import Style


def render_cleanup(result: CleanupResult, style: Style) -> str:
    """Return the patch, then what is to be done by hand, then what was done."""
    lines = render_patch(result.patch, style)
    if lines:
        lines.append("")
    lines += _places("By hand:", result.by_hand, style, "red")
    lines += _places("Look at:", result.notes, style, "yellow")
    lines += _places("Still named in comments and documents:", result.mentions, style, "dim")
    lines.append(style.paint(plain(_done(result)), "bold"))
    if result.by_hand:
        text = f"The flag's file stays until these are done; then: flagctl cleanup {result.key} --keep {result.variant}"
        lines.append(wrap(text, style.width, "", ""))
    return "\n".join(lines)


def _places(title: str, places: Sequence[ByHand], style: Style, colour: str) -> list[str]:
    if not places:
        return []
    shown = [f"  {one_line(one.path)}:{one.line}: {one_line(one.reason)}" for one in places]
    return [style.paint(title, "bold", colour), *shown, ""]


def _done(result: CleanupResult) -> str:
    parts = [count(len(result.files), "file") + " of code"] if result.files else []
    if result.flags is not None:
        parts.append(count(len(result.flags.files), "file") + " of flags")
    if not parts:
        return f"nothing to take out of {result.key}"
    what = f"{' and '.join(parts)}; {result.key} is {result.variant} from now on"
    if result.commits:
        return f"commit {', '.join(one[:12] for one in result.commits)}: {what}"
    return f"written: {what}" if result.written else f"would change {what}; --write does it"
