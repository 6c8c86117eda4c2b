"""Name and help line of `ui`; its options are read when somebody types it."""

from typing import TYPE_CHECKING

from flagctl.cli.lazy import register_lazily

if TYPE_CHECKING:
    import typer


def register(app: "typer.Typer") -> None:
    """Add the command."""
    register_lazily(
        app, "Run", "flagctl.cli.ui", {"ui": "Open the flag repository in a browser: look, try, edit, publish."}
    )
