"""Names of the commands about rollouts, with their line of help."""

from __future__ import annotations

from typing import Final

import typer

from flagctl.cli.commands import Group
from flagctl.cli.lazy import register_lazily

_PANEL: Final = "Rollouts"

LOOK: Final = {
    "status": "Show calendars: what grows, what serves now, what changes when.",
    "simulate": "Count the units that a rollout serves, day by day, if nobody lets it wait.",
}
"""In `flagctl.cli.rollout`."""

MOVE: Final = {
    "advance": "Let the next step begin when it is due; also starts a plan, and ends a hold.",
    "hold": "Let no further step begin until somebody resumes or advances.",
    "resume": "End a hold; the plan goes on, later by as long as it was held.",
    "abort": "Serve it to nobody any more.",
}
"""In `flagctl.cli.rollout_move`."""

CHECK: Final = {
    "check": "Look at the metrics of guarded rollouts: advance, hold, revert or kill. Exits with 1 if something is wrong."
}
"""In `flagctl.cli.rollout_check`."""

FLIP: Final = {"flip": "Make the other of two colours active in one environment; once more flips back."}
"""In `flagctl.cli.rollout_move`."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        cls=Group, help="Watch and move rollouts: steps, canaries, guards.", no_args_is_help=True, rich_markup_mode=None
    )
    group.callback()(_group)
    register_lazily(group, _PANEL, "flagctl.cli.rollout", LOOK)
    register_lazily(group, _PANEL, "flagctl.cli.rollout_move", MOVE)
    register_lazily(group, _PANEL, "flagctl.cli.rollout_check", CHECK)
    register_lazily(app, _PANEL, "flagctl.cli.rollout_move", FLIP)
    app.add_typer(group, name="rollout", rich_help_panel=_PANEL)


def _group() -> None:
    """Watch and move rollouts: steps, canaries, guards."""
