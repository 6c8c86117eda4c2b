"""Names of the commands about warehouses, with their line of help."""

from __future__ import annotations

from typing import Final

import typer

from flagctl.cli.commands import Group
from flagctl.cli.lazy import register_lazily

_PANEL: Final = "Experiments"

COMMANDS: Final = {
    "init": "Make a warehouse: one DuckDB file with the tables of events and flags.",
    "load": "Load events that are not in the warehouse yet; files that were loaded are known by their contents.",
    "compact": "Pack the JSON lines of past days into one Parquet file for each day.",
    "query": "Ask the warehouse in SQL; the query cannot change anything.",
    "sync": "Bring the tables of flags, experiments and evaluations in step, in DuckDB or PostgreSQL.",
}
"""In `flagctl.cli.warehouse`."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        cls=Group, help="Events and flags in tables, for SQL.", no_args_is_help=True, rich_markup_mode=None
    )
    group.callback()(_group)
    register_lazily(group, _PANEL, "flagctl.cli.warehouse", COMMANDS)
    app.add_typer(group, name="warehouse", rich_help_panel=_PANEL)


def _group() -> None:
    """Events and flags in tables, for SQL."""
