"""Commands for a flag's later life: `refs`, `stale`, `cleanup`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flagctl.cli.completions import complete_flags
from flagctl.cli.exit_codes import ExitCode
from flagctl.cli.session import joined, session_of
from flagctl.cli.summary import OutSummary, append_summary

_Keys = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY]...", help="Only these.", autocompletion=complete_flags)
]
_Code = Annotated[
    list[Path] | None,
    typer.Option(
        "--code", metavar="DIR", help="Look through this git repository; may be repeated [default: that of the flags]."
    ),
]


def refs(
    context: typer.Context,
    keys: _Keys = None,
    *,
    code: _Code = None,
    kind: Annotated[
        list[str] | None,
        typer.Option(metavar="KINDS", help="Only evaluation, constant, test, comment, config or other."),
    ] = None,
    fail_on: Annotated[str, typer.Option(metavar="WHAT", help="unknown or never.")] = "never",
    out_summary: OutSummary = None,
) -> None:
    """Show where code names flags, and keys it asks for that do not exist."""
    from flagctl.errors import UsageError
    from flagctl.ops.refs import RefsOptions
    from flagctl.ops.refs import refs as run
    from flagctl.references import ReferenceKind
    from flagctl.report import refs as report
    from flagctl.report.json_text import render_json

    session = session_of(context)
    form = session.format("text", "json", "github", "sarif", "markdown")
    kinds = joined(kind)
    for name in kinds:
        if name not in {one.value for one in ReferenceKind}:
            raise UsageError(
                f"there is no kind '{name}'", hint=f"there are: {', '.join(one.value for one in ReferenceKind)}"
            )
    if fail_on not in {"unknown", "never"}:
        raise UsageError(f"--fail-on {fail_on}", hint="unknown or never")
    result = run(RefsOptions(root=session.root, keys=tuple(keys or ()), code=tuple(code or ()), kinds=kinds))
    append_summary(out_summary, lambda _limit: report.render_refs_markdown(result))
    if form == "json":
        session.console.result(render_json(result))
    elif form == "github":
        session.console.result(report.render_refs_github(result))
    elif form == "sarif":
        session.console.result(report.render_refs_sarif(result))
    elif form == "markdown":
        session.console.result(report.render_refs_markdown(result))
    else:
        session.console.result(report.render_refs(result, session.style))
    if fail_on == "unknown" and result.suspicious and form != "sarif":
        raise typer.Exit(ExitCode.FINDINGS)


def cleanup(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Of the flag.", autocompletion=complete_flags)],
    *,
    keep: Annotated[
        str | None, typer.Option(metavar="VARIANT", help="The answer that stays [default: what all get already].")
    ] = None,
    code: _Code = None,
    keep_file: Annotated[bool, typer.Option("--keep-file", help="Change code only; the flag's file stays.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Write it, instead of showing the patch only.")] = False,
    commit: Annotated[bool, typer.Option("--commit", help="Write it, and commit these files.")] = False,
    message: Annotated[str | None, typer.Option("--message", "-m", metavar="TEXT", help="Of the commit.")] = None,
) -> None:
    """Take a flag out of Python code: keep one answer, remove the other branch.

    Shows the patch; --write applies it. Exits with 1 if something is left to do by hand.
    """
    from flagctl.cli.session import now_ms
    from flagctl.ops.cleanup import CleanupOptions
    from flagctl.ops.cleanup import cleanup as run
    from flagctl.report.cleanup import render_cleanup

    session = session_of(context)
    result = run(
        CleanupOptions(
            root=session.root,
            key=key,
            now_ms=now_ms(),
            keep=keep,
            code=tuple(code or ()),
            keep_file=keep_file,
            write=write or commit or message is not None,
            commit=message or commit,
        )
    )
    session.emit(result, render_cleanup)
    if result.by_hand:
        raise typer.Exit(ExitCode.FINDINGS)


def stale(
    context: typer.Context,
    *,
    days: Annotated[int, typer.Option(min=0, max=3650, metavar="N", help="One-sided for so many days.")] = 30,
    old_days: Annotated[int, typer.Option(min=0, max=3650, metavar="N", help="Temporary, and so old.")] = 90,
    reason: Annotated[
        list[str] | None, typer.Option(metavar="REASONS", help="Only these, e.g. expired,one-sided.")
    ] = None,
    owner: Annotated[str | None, typer.Option(metavar="NAME", help="Only what this owner has.")] = None,
    code: _Code = None,
    usage: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Counts: JSON of `flagctl usage`, or JSON lines.")
    ] = None,
    events: Annotated[
        str | None,
        typer.Option(metavar="LOCATION", envvar="FLAGCTL_EVENTS", help="Folder or s3:// location that sinks write to."),
    ] = None,
    endpoint_url: Annotated[str | None, typer.Option(metavar="URL", help="Address of an S3-compatible store.")] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", help="Region of the store.")] = None,
    as_of: Annotated[str | None, typer.Option(metavar="INSTANT", help="Count ages up to here [default: now].")] = None,
    fail_on: Annotated[str, typer.Option(metavar="REASONS", help="Reasons, any or never.")] = "never",
    out_summary: OutSummary = None,
) -> None:
    """List flags that can go: expired, one answer for all, unused. Oldest first."""
    from flagctl.cli.session import now_ms, path_in_git
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.stale import REASONS, StaleOptions, check_reasons
    from flagctl.ops.stale import stale as run
    from flagctl.report import stale as report
    from flagctl.report.json_text import render_json

    session = session_of(context)
    form = session.format("text", "json", "github", "sarif", "markdown")
    failing = joined([fail_on])
    check_reasons(failing, "any", "never")
    result = run(
        StaleOptions(
            root=session.root,
            now_ms=parse_instant_option(as_of, now_ms()),
            days=days,
            old_days=old_days,
            usage=usage,
            events=events,
            code=tuple(code or ()),
            reasons=joined(reason),
            owner=owner,
            endpoint_url=endpoint_url,
            region=region,
        )
    )
    append_summary(out_summary, lambda _limit: report.render_stale_markdown(result))
    if form == "json":
        text = render_json(result)
    elif form == "github":
        text = report.render_stale_github(result, path_in_git(session.root))
    elif form == "sarif":
        text = report.render_stale_sarif(result, path_in_git(session.root), REASONS)
    elif form == "markdown":
        text = report.render_stale_markdown(result)
    else:
        text = report.render_stale(result, session.style)
    session.console.result(text)
    if form != "sarif" and result.fails(failing):
        raise typer.Exit(ExitCode.FINDINGS)
