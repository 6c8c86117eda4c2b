"""Commands that look at whole files and whole environments: `fmt`, `promote`, `compare`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.completions import complete_environments, complete_flags
from flagctl.cli.edit_common import EditCommand, run
from flagctl.cli.exit_codes import ExitCode
from flagctl.cli.session import session_of
from flagctl.cli.summary import MaxChars, OutSummary, append_summary

if TYPE_CHECKING:
    from flagctl.cli.session import Session
    from flagctl.ops.fmt import FmtResult

_KEYS = Annotated[list[str], typer.Argument(metavar="KEY...", help="Of flags.", autocompletion=complete_flags)]
_SOME = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY]...", help="Only these flags.", autocompletion=complete_flags)
]
_ENVIRONMENT = Annotated[str, typer.Argument(metavar="ENV", autocompletion=complete_environments)]

COMMAND_CLASSES = {"promote": EditCommand}


def fmt(
    context: typer.Context,
    paths: Annotated[
        list[str] | None, typer.Argument(metavar="[PATHS]...", help="Only these files, folders or globs.")
    ] = None,
    *,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; exit with 1 if something would change.")
    ] = False,
    diff: Annotated[bool, typer.Option("--diff", help="Write nothing; show what would change.")] = False,
    stdin_filename: Annotated[
        str | None, typer.Option(metavar="PATH", help="Format stdin to stdout, as if it were this file.")
    ] = None,
) -> None:
    """Write flag files in the canonical layout; comments and meaning stay.

    Rules, variants, rollouts and everything of users stay in their order; keys are put in order where order means nothing.
    """
    import sys

    from flagctl.ops.fmt import FmtOptions
    from flagctl.ops.fmt import fmt as run_fmt
    from flagctl.report.json_text import render_json

    session = session_of(context)
    form = session.format("text", "json")
    if stdin_filename is not None:
        from pathlib import Path

        stdin = (stdin_filename, sys.stdin.buffer.read())
        result = run_fmt(FmtOptions(root=Path(), stdin=stdin, write=False))
        if not (check or diff):
            sys.stdout.buffer.write(result.stdin or b"")
            sys.stdout.buffer.flush()
    else:
        result = run_fmt(FmtOptions(root=session.root, paths=tuple(paths or ()), write=not (check or diff)))
    if form == "json" and (stdin_filename is None or check or diff):
        session.console.result(render_json(result))
    else:
        _show_formatted(session, result, check=check, diff=diff, streaming=stdin_filename is not None)
    if result.skipped or (check and result.changed):
        raise typer.Exit(ExitCode.FINDINGS)


def _show_formatted(session: Session, result: FmtResult, *, check: bool, diff: bool, streaming: bool) -> None:
    from flagctl.report.edit import render_patch

    console = session.console
    if diff:
        console.result("\n".join(render_patch(result.patch, session.style)))
    elif not streaming or check:
        for file in result.changed:
            console.result(f"{'would format' if not result.written else 'formatted'} {file.path}")
    for path, reason in result.skipped:
        console.warning(f"{path}: {reason}")
    if not streaming or check:
        kept = result.total - len(result.changed) - len(result.skipped)
        verb = "formatted" if result.written else "would be formatted"
        console.note(f"{len(result.changed)} {verb}, {kept} left as they are")


def promote(
    context: typer.Context,
    keys: _KEYS,
    *,
    source: Annotated[
        str, typer.Option("--from", metavar="ENV", help="Copy from here.", autocompletion=complete_environments)
    ],
    target: Annotated[
        str, typer.Option("--to", metavar="ENV", help="Copy to here.", autocompletion=complete_environments)
    ],
    with_needed: Annotated[
        bool, typer.Option("--with-needed", help="Promote the flags, too, that these need.")
    ] = False,
) -> None:
    """Copy what a flag does in one environment to another one.

    Shows what it means and for whom; nothing is written with --dry-run.
    """
    from flagctl.ops.promote import promote as run_promote

    run(context, lambda draft, _: run_promote(draft, keys, source, target, with_needed=with_needed))


def compare(
    context: typer.Context,
    one: _ENVIRONMENT,
    other: _ENVIRONMENT,
    keys: _SOME = None,
    *,
    revision: Annotated[str | None, typer.Option(metavar="REV", help="As it was at this git revision.")] = None,
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 if anything differs.")] = False,
    out_summary: OutSummary = None,
    max_chars: MaxChars = 65_536,
) -> None:
    """Say in words what differs between two environments."""
    from flagctl.ops.compare import CompareOptions
    from flagctl.ops.compare import compare as run_compare
    from flagctl.report.compare import render_compare, render_compare_markdown

    session = session_of(context)
    form = session.format("text", "json", "markdown")
    options = CompareOptions(root=session.root, one=one, other=other, keys=tuple(keys or ()), revision=revision)
    result = run_compare(options)
    append_summary(out_summary, lambda limit: render_compare_markdown(result, limit))
    if form == "markdown":
        session.console.result(render_compare_markdown(result, max_chars))
    else:
        session.emit(result, render_compare)
    if exit_code and result.flags:
        raise typer.Exit(ExitCode.FINDINGS)
