"""Commands about changes: diff, history, log, blame, bisect."""

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
    app.command("history", cls=Command, rich_help_panel=_SECTION)(history)
    app.command("log", cls=Command, rich_help_panel=_SECTION)(log)
    app.command("blame", cls=Command, rich_help_panel=_SECTION)(blame)
    app.command("bisect", cls=Command, rich_help_panel=_SECTION)(bisect)


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


_KEY = Annotated[str, typer.Argument(metavar="KEY", help="Key of a flag, segment, experiment or layer.")]
_ENVIRONMENT = Annotated[str | None, typer.Option("--env", metavar="ENV", help="Only changes in this environment.")]
_LIMIT = Annotated[int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many commits.")]
_REVISION = Annotated[str, typer.Option("--revision", metavar="REV", help="Where to start.")]


def history(
    context: typer.Context,
    key: _KEY,
    *,
    environment: _ENVIRONMENT = None,
    limit: _LIMIT = None,
    revision: _REVISION = "HEAD",
) -> None:
    """Show who changed what meaning of one flag when; comments, formatting and moves are left out."""
    _past(context, key, environment, limit, revision)


def log(
    context: typer.Context,
    *,
    environment: _ENVIRONMENT = None,
    limit: _LIMIT = None,
    revision: _REVISION = "HEAD",
) -> None:
    """Show who changed what meaning when, over all flags."""
    _past(context, None, environment, limit, revision)


def _past(context: typer.Context, key: str | None, environment: str | None, limit: int | None, revision: str) -> None:
    from flagctl.ops.past import PastOptions, past
    from flagctl.report.past import render_past

    session = session_of(context)
    options = PastOptions(root=session.root, key=key, environment=environment, revision=revision, limit=limit)
    session.emit(past(options), render_past)


def blame(context: typer.Context, key: _KEY, *, revision: _REVISION = "HEAD") -> None:
    """Show for each rule and property of a flag which commit set it."""
    from flagctl.ops.past import PastOptions
    from flagctl.ops.past import blame as run
    from flagctl.report.past import render_blame

    session = session_of(context)
    session.emit(run(PastOptions(root=session.root, key=key, revision=revision)), render_blame)


def bisect(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key of the flag.")],
    *,
    environment: Annotated[str, typer.Option("--env", metavar="ENV", help="Environment.")],
    user: Annotated[
        str | None, typer.Option("--context", metavar="JSON", help="Evaluation context: JSON, @FILE or -.")
    ] = None,
    at: Annotated[str | None, typer.Option("--at", metavar="TIME", help="Instant of the evaluations.")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="REV", help="Oldest commit to look at.")] = None,
    revision: _REVISION = "HEAD",
) -> None:
    """Find the commits that changed a flag's answer for one context."""
    import sys

    from flagctl.ops.bisect import BisectOptions
    from flagctl.ops.bisect import bisect as run
    from flagctl.ops.contexts import parse_context, parse_instant_option
    from flagctl.report.past import render_bisect

    session = session_of(context)
    options = BisectOptions(
        root=session.root,
        key=key,
        environment=environment,
        context=parse_context(user, sys.stdin.read),
        now_ms=parse_instant_option(at, now_ms()),
        revision=revision,
        since=since,
    )
    session.emit(run(options), render_bisect)
