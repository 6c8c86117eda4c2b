"""Names of the commands for a flag's later life, with their line of help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.cli.lazy import register_lazily

if TYPE_CHECKING:
    import typer

LIFECYCLE: Final = {
    "refs": "Show where code names flags, and keys it asks for that do not exist.",
    "stale": "List flags that can go: expired, one answer for all, unused. Oldest first.",
    "cleanup": "Take a flag out of Python code: keep one answer, remove the other branch.",
}
"""In `flagctl.cli.lifecycle`."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    register_lazily(app, "Clean up", "flagctl.cli.lifecycle", LIFECYCLE)
