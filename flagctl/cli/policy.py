"""Commands about what a change needs: `policy`, `owners`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.completions import complete_environments
from flagctl.cli.exit_codes import ExitCode
from flagctl.cli.population import Form, ListFiles, population_options, with_lists
from flagctl.cli.progress import Progress
from flagctl.cli.publish import Actor
from flagctl.cli.session import Session, joined, now_ms, path_in_git, session_of
from flagctl.cli.summary import MaxChars, OutSummary, append_summary

if TYPE_CHECKING:
    from flagctl.ops.measure import PopulationOptions
    from flagctl.ops.policy import PolicyResult


def check(
    context: typer.Context,
    base: Annotated[
        str | None,
        typer.Argument(metavar="BASE", help="Revision, A..B, index, worktree, dir:PATH, auto [default: merge base]."),
    ] = None,
    head: Annotated[str | None, typer.Argument(metavar="HEAD", help="The proposed side [default: worktree].")] = None,
    *,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this environment; repeatable.", autocompletion=complete_environments),
    ] = None,
    approvals: Annotated[
        list[str] | None,
        typer.Option(metavar="SOURCE", help="Who agreed: a file of reviews, or `trailers`; repeatable."),
    ] = None,
    override: Annotated[
        list[str] | None, typer.Option(metavar="RULE=REASON", help="Set a rule aside; repeatable.")
    ] = None,
    actor: Actor = None,
    population: Annotated[
        str | None,
        typer.Option("--population", metavar="FILE", help="Measure on contexts what cannot be computed; - is stdin."),
    ] = None,
    form: Form = None,
    lists: ListFiles = None,
    at: Annotated[
        str | None, typer.Option("--at", metavar="TIME", help="Instant of the change [default: now].")
    ] = None,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 whatever was found.")] = False,
    out_summary: OutSummary = None,
    max_chars: MaxChars = 65_536,
) -> None:
    """Weigh a change against the policy, offline.

    Exits with 1 if a rule refuses. Publishing weighs the same rules against what is live.
    """
    import os

    from flagctl.ops.ci_base import resolve_base
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.policy import PolicyOptions, check_policy
    from flagctl.report.policy import render_policy_markdown

    session = session_of(context)
    session.format("text", "json", "github", "markdown")
    with Progress(session) as progress:
        options = PolicyOptions(
            root=session.root,
            now_ms=parse_instant_option(at, now_ms()),
            base=resolve_base(base, session.root, os.environ),
            head=head,
            environments=joined(env),
            approvals=tuple(approvals or ()),
            overrides=tuple(override or ()),
            actor=actor,
            population=_measured_on(population, form, lists, progress),
        )
        result = check_policy(options)
    append_summary(out_summary, lambda limit: render_policy_markdown(result, limit))
    _show(session, result, max_chars)
    if not result.passed and not exit_zero:
        raise typer.Exit(ExitCode.FINDINGS)


def _measured_on(
    file: str | None, form: str | None, lists: list[str] | None, progress: Progress
) -> "PopulationOptions | None":
    """Return the population that changes are measured on."""
    from flagctl.errors import UsageError

    if file is None and (form or lists):
        option = "--population-format" if form else "--list"
        raise UsageError("which population?", hint=f"{option} goes with --population FILE")
    return None if file is None else with_lists(population_options(file, form, None, progress), lists)


def _show(session: Session, result: "PolicyResult", limit: int) -> None:
    from flagctl.report.policy import render_policy, render_policy_github, render_policy_markdown

    form = session.format("text", "json", "github", "markdown")
    if form == "markdown":
        session.console.result(render_policy_markdown(result, limit))
        return
    if form == "github":
        session.console.result(render_policy_github(result, path_in_git(session.root)))
        session.console.note(render_policy(result, session.console.error_style))
        return
    session.emit(result, render_policy)


def rules(context: typer.Context) -> None:
    """List the rules that a policy can have, with the codes of their refusals."""
    from flagctl.report.policy import PolicyRules, render_policy_rules

    session_of(context).emit(PolicyRules(), render_policy_rules)


def owners(
    context: typer.Context,
    *,
    write: Annotated[bool, typer.Option("--write", help="Bring the file up to date.")] = False,
    check_only: Annotated[bool, typer.Option("--check", help="Exit with 1 if the file is not up to date.")] = False,
    path: Annotated[Path | None, typer.Option("--path", metavar="FILE", help="Instead of .github/CODEOWNERS.")] = None,
) -> None:
    """Show who owns which file; keep CODEOWNERS in step with the owners in the flag files.

    Only the part between its markers is written; lines of your own stay.
    """
    from flagctl.errors import UsageError
    from flagctl.ops.owners import OwnersOptions
    from flagctl.ops.owners import owners as run
    from flagctl.report.owners import render_owners

    session = session_of(context)
    session.format("text", "json")
    if write and check_only:
        raise UsageError("--write and --check do not go together")
    result = run(OwnersOptions(root=session.root, path=path, write=write))
    session.emit(result, render_owners)
    if result.unmapped:
        session.console.warning(
            f"no handle is known for {', '.join(result.unmapped)}: add them to owners in flagctl.yaml"
        )
    if check_only and (result.changed or result.unmapped):
        session.console.hint("flagctl owners --write")
        raise typer.Exit(ExitCode.FINDINGS)
