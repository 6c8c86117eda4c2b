"""Commands about changes: diff."""

from __future__ import annotations

from typing import Annotated

import typer

from flagctl.cli.commands import Command
from flagctl.cli.exit_codes import ExitCode
from flagctl.cli.session import joined, now_ms, session_of

_SECTION = "Review"


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("diff", cls=Command, rich_help_panel=_SECTION)(diff)


def diff(
    context: typer.Context,
    base: Annotated[
        str | None,
        typer.Argument(metavar="BASE", help="Revision, A..B, index, worktree or dir:PATH [default: merge base]."),
    ] = None,
    head: Annotated[str | None, typer.Argument(metavar="HEAD", help="The proposed side [default: worktree].")] = None,
    *,
    environments: Annotated[
        list[str] | None, typer.Option("--env", metavar="ENV", help="Only changes in this environment; repeatable.")
    ] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if the meaning changes.")] = False,
    detailed: Annotated[bool, typer.Option("--detailed-exitcode", help="Exit with 10 if the meaning changes.")] = False,
) -> None:
    """Show what a change means: per flag, environment and rule, and how many users it moves."""
    from flagctl.ops.diff import DiffOptions
    from flagctl.ops.diff import diff as run
    from flagctl.report.diff import render_diff

    session = session_of(context)
    options = DiffOptions(root=session.root, now_ms=now_ms(), base=base, head=head, environments=joined(environments))
    result = run(options)
    session.emit(result, render_diff)
    if result.diff.changes and (detailed or exit_code):
        raise typer.Exit(ExitCode.CHANGES if detailed else ExitCode.FINDINGS)
