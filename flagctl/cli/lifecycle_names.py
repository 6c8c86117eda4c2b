"""Names of the commands for a flag's later life, with their line of help."""

from __future__ import annotations

from typing import Final

import typer

from flagctl.cli.commands import Group
from flagctl.cli.lazy import register_lazily

_PANEL: Final = "Clean up"

LIFECYCLE: Final = {
    "refs": "Show where code names flags, and keys it asks for that do not exist.",
    "stale": "List flags that can go: expired, one answer for all, unused. Oldest first.",
    "cleanup": "Take a flag out of Python code: keep one answer, remove the other branch.",
}
"""In `flagctl.cli.lifecycle`."""


CODEGEN: Final = {"python": "Write a Python module with a typed accessor for each flag."}
"""In `flagctl.cli.generate`, as are those below."""

EXPORT: Final = {
    "openfeature-manifest": "Write the flags as a manifest from which `openfeature generate` makes accessors in other languages.",
}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    register_lazily(app, _PANEL, "flagctl.cli.lifecycle", LIFECYCLE)
    for name, text, commands in (
        ("codegen", "Write code that knows the flags.", CODEGEN),
        ("export", "Write the flags for other tools.", EXPORT),
    ):
        group = typer.Typer(cls=Group, help=text, no_args_is_help=True, rich_markup_mode=None)
        group.callback()(_group)
        register_lazily(group, _PANEL, "flagctl.cli.generate", commands)
        app.add_typer(group, name=name, rich_help_panel=_PANEL)


def _group() -> None:
    """Have no options of its own."""
