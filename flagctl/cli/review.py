"""Commands about changes: diff, history, log, blame, bisect."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.exit_codes import ExitCode
from flagctl.cli.population import By, Form, ListFiles, population_options, with_lists
from flagctl.cli.progress import Progress
from flagctl.cli.session import Session, joined, now_ms, path_in_git, session_of
from flagctl.cli.summary import MaxChars, OutSummary, append_summary

if TYPE_CHECKING:
    from flagctl.ops.diff import DiffResult
    from flagctl.ops.past import PastOptions


_DIFF_FORMATS = ("text", "json", "sarif", "junit", "markdown")


def diff(
    context: typer.Context,
    side: Annotated[
        str | None,
        typer.Argument(
            metavar="BASE",
            help="Revision, A..B, index, worktree, dir:PATH, bundle:FILE, remote:ENV, auto [default: merge base].",
        ),
    ] = None,
    head: Annotated[str | None, typer.Argument(metavar="HEAD", help="The proposed side [default: worktree].")] = None,
    *,
    base: Annotated[
        str | None,
        typer.Option(metavar="REV", help="The same as BASE; auto is what the pull request, queue or push builds on."),
    ] = None,
    environments: Annotated[
        list[str] | None, typer.Option("--env", metavar="ENV", help="Only changes in this environment; repeatable.")
    ] = None,
    population: Annotated[
        str | None,
        typer.Option("--population", metavar="FILE", help="Measure on contexts: JSONL, CSV, Parquet; - is stdin."),
    ] = None,
    form: Form = None,
    by: By = None,
    lists: ListFiles = None,
    examples: Annotated[int, typer.Option(min=0, metavar="N", help="Contexts to show of each movement.")] = 2,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if the meaning changes.")] = False,
    detailed: Annotated[bool, typer.Option("--detailed-exitcode", help="Exit with 10 if the meaning changes.")] = False,
    out_summary: OutSummary = None,
    max_chars: MaxChars = 65_536,
) -> None:
    """Show what a change means: per flag, environment and rule, and how many users it moves."""
    import os

    from flagctl.errors import UsageError
    from flagctl.ops.ci_base import resolve_base
    from flagctl.ops.diff import DiffOptions
    from flagctl.ops.diff import diff as run
    from flagctl.report.markdown_review import render_diff_markdown

    session = session_of(context)
    session.format(*_DIFF_FORMATS)
    if base is not None:
        if head is not None:
            raise UsageError("the base is named twice", hint="flagctl diff --base REV [HEAD]")
        side, head = base, side
    side = resolve_base(side, session.root, os.environ)
    if population is None and (by or form):
        raise UsageError("which population?", hint="--by and --population-format go with --population FILE")
    with Progress(session) as progress:
        options = DiffOptions(
            root=session.root,
            now_ms=now_ms(),
            base=side,
            head=head,
            environments=joined(environments),
            population=None
            if population is None
            else with_lists(population_options(population, form, by, progress, examples), lists),
        )
        result = run(options)
    append_summary(out_summary, lambda limit: render_diff_markdown(result, limit))
    _show_diff(session, result, fails=detailed or exit_code, max_chars=max_chars)
    if result.diff.changes and (detailed or exit_code) and session.format(*_DIFF_FORMATS) != "sarif":
        raise typer.Exit(ExitCode.CHANGES if detailed else ExitCode.FINDINGS)


def _show_diff(session: Session, result: DiffResult, *, fails: bool, max_chars: int) -> None:
    form = session.format(*_DIFF_FORMATS)
    if form == "sarif":
        from flagctl.report.sarif import render_diff_sarif

        session.console.result(render_diff_sarif(result, path_in_git(session.root)))
    elif form == "junit":
        from flagctl.report.junit import render_diff_junit

        session.console.result(render_diff_junit(result, path_in_git(session.root), fails=fails))
    elif form == "markdown":
        from flagctl.report.markdown_review import render_diff_markdown

        session.console.result(render_diff_markdown(result, max_chars))
    else:
        from flagctl.report.diff import render_diff

        session.emit(result, render_diff)


_KEY = Annotated[str, typer.Argument(metavar="KEY", help="Key of a flag, segment, experiment or layer.")]
_KIND = Annotated[
    str | None,
    typer.Option(
        "--kind", metavar="KIND", help="flag, segment, experiment or layer [default: the flag, if there is one]."
    ),
]
_ENVIRONMENT = Annotated[str | None, typer.Option("--env", metavar="ENV", help="Only changes in this environment.")]
_LIMIT = Annotated[int | None, typer.Option("--limit", "-n", min=1, metavar="N", help="At most so many commits.")]
_REVISION = Annotated[str, typer.Option("--revision", metavar="REV", help="Where to start.")]


def history(
    context: typer.Context,
    key: _KEY,
    *,
    kind: _KIND = None,
    environment: _ENVIRONMENT = None,
    limit: _LIMIT = None,
    revision: _REVISION = "HEAD",
) -> None:
    """Show who changed what meaning of one flag when; comments, formatting and moves are left out."""
    from flagctl.ops.past import PastOptions, kind_of

    root = session_of(context).root
    kind = kind or kind_of(root, key, revision)
    _past(
        context,
        PastOptions(root=root, key=key, kind=kind, environment=environment, revision=revision, limit=limit),
    )


def log(
    context: typer.Context,
    *,
    kind: Annotated[
        str | None, typer.Option("--kind", metavar="KIND", help="Only flag, segment, experiment or layer.")
    ] = None,
    environment: _ENVIRONMENT = None,
    limit: _LIMIT = None,
    revision: _REVISION = "HEAD",
) -> None:
    """Show who changed what meaning when, over all flags."""
    from flagctl.ops.past import PastOptions

    root = session_of(context).root
    _past(context, PastOptions(root=root, kind=kind, environment=environment, revision=revision, limit=limit))


def _past(context: typer.Context, options: PastOptions) -> None:
    from flagctl.ops.past import past
    from flagctl.report.past import render_past

    session_of(context).emit(past(options), render_past)


def blame(context: typer.Context, key: _KEY, *, kind: _KIND = None, revision: _REVISION = "HEAD") -> None:
    """Show for each rule and property of a flag which commit set it."""
    from flagctl.ops.past import PastOptions, kind_of
    from flagctl.ops.past import blame as run
    from flagctl.report.past import render_blame

    session = session_of(context)
    kind = kind or kind_of(session.root, key, revision)
    session.emit(run(PastOptions(root=session.root, key=key, kind=kind, revision=revision)), render_blame)


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
