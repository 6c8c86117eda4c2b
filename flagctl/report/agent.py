"""States of agents for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flagctl.report.style import plain, wrap

if TYPE_CHECKING:
    from flagctl.ops.agent import AgentState
    from flagctl.report.style import Style


def render_agent(state: AgentState, style: Style) -> str:
    """Return a paragraph for each environment: what it has, and the places that have it, too."""
    lines: list[str] = []
    for environment in state.environments:
        word = (
            style.paint("fresh", "bold", "green") if environment.healthy else style.paint("in trouble", "bold", "red")
        )
        number = f"number {environment.seq}" if environment.seq is not None else "nothing yet"
        kills = f", kill list {environment.kills_seq}" if environment.kills_seq is not None else ""
        lines.append(f"{style.paint(plain(environment.environment), 'bold')}  {word}")
        lines.append(f"  {number}{kills} from {plain(environment.url)}")
        if environment.error is not None:
            lines.append(wrap(f"! {plain(environment.error)}", style.width, indent="    ", first="  "))
        for place in environment.places:
            lines.append(f"  {'→' if place.error is None else '!'} {plain(place.url)}")
            if place.error is not None:
                lines.append(wrap(plain(place.error), style.width, indent="    ", first="    "))
    return "\n".join(lines)
