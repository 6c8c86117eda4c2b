"""Names of the commands about rollouts, with their line of help."""

from __future__ import annotations

from typing import Final

import typer

from flagctl.cli.commands import Group
from flagctl.cli.lazy import register_lazily

_PANEL: Final = "Rollouts"

LOOK: Final = {
    "status": "Show calendars: what grows, what serves now, what changes when.",
}
"""In `flagctl.cli.rollout`."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        cls=Group, help="Watch and move rollouts: steps, canaries, guards.", no_args_is_help=True, rich_markup_mode=None
    )
    group.callback()(_group)
    register_lazily(group, _PANEL, "flagctl.cli.rollout", LOOK)
    app.add_typer(group, name="rollout", rich_help_panel=_PANEL)


def _group() -> None:
    """Watch and move rollouts: steps, canaries, guards."""
