"""A rebalanced rollout as text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.style import plain, wrap
from flagctl.report.values import show_share

if TYPE_CHECKING:
    from flagctl.ops.rebalance import RebalanceResult
    from flagctl.report.style import Style


def render_rebalance(result: RebalanceResult, style: Style) -> str:
    """Return the edit, and what it moves beside what plain weights would have moved."""
    lines = []
    for line in result.patch.splitlines():
        colour = {"+": ("green",), "-": ("red",), "@": ("cyan",)}.get(line[:1], ())
        lines.append(style.paint(plain(line), *colour))
    where = f" [{', '.join(result.environments)}]" if result.environments else ""
    if not result.moved:
        text = f"{result.key}, {result.rule}{where}: nobody moves"
    else:
        text = f"{result.key}, {result.rule}{where}: {show_share(result.moved)} of units move, no fewer can"
    if result.moved_by_weights != result.moved:
        text += f"; plain weights would move {show_share(result.moved_by_weights)}"
    if lines:
        lines.append("")
    return "\n".join([*lines, style.paint(wrap(plain(text), style.width, "  ", ""), "bold")])
