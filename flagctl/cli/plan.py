"""Commands about what publishing would change: plan."""

from pathlib import Path
from typing import Annotated

import typer

from flagctl.cli.commands import Command
from flagctl.cli.completions import complete_environments
from flagctl.cli.exit_codes import ExitCode
from flagctl.cli.session import now_ms, session_of

_PANEL = "Publish"


def register(app: typer.Typer) -> None:
    """Add the commands of this group."""
    app.command("plan", cls=Command, rich_help_panel=_PANEL)(plan)


def plan(
    context: typer.Context,
    env: Annotated[
        str, typer.Argument(metavar="ENV", help="Name of the environment.", autocompletion=complete_environments)
    ],
    *,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="Write the plan, for publish --plan FILE.")
    ] = None,
    detailed: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 10 if publishing would change anything.")
    ] = False,
    revision: Annotated[str | None, typer.Option(metavar="REV", help="Plan this git revision's flags.")] = None,
    remote: Annotated[str | None, typer.Option(metavar="URL", help="Instead of the one in flagctl.yaml.")] = None,
    endpoint_url: Annotated[str | None, typer.Option(metavar="URL", help="Address of an S3-compatible store.")] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", help="Region of the bucket.")] = None,
    trust: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Root of trust, instead of the one in flagctl.yaml.")
    ] = None,
) -> None:
    """Show what publishing would change against what is live: for whom, and how risky."""
    from flagctl.compiler import compile_environment
    from flagctl.ops.loading import check_environment, checked, load, readable
    from flagctl.ops.plan import Proposal, write_plan
    from flagctl.ops.plan import plan as run
    from flagctl.ops.publishing import find_origin
    from flagctl.ops.target import TargetOverrides, open_target
    from flagctl.report.plan import render_plan

    session = session_of(context)
    session.format("text", "json")
    loaded = load(session.root, revision=revision)
    repository = readable(loaded)
    check_environment(repository, env)
    origin = find_origin(session.root, revision)
    bundle = compile_environment(checked(loaded, now_ms()), env)
    overrides = TargetOverrides(url=remote, endpoint_url=endpoint_url, region=region, trust=trust)
    target = open_target(session.root, repository.config, env, overrides)
    commit = None if origin.uncommitted else origin.commit
    result = run(
        target,
        Proposal(loaded=loaded, bundle=bundle, commit=commit),
        now_ms(),
        origin=origin,
    )
    session.emit(result, render_plan)
    if out is not None:
        write_plan(result, out)
        session.console.hint(f"publish exactly this: flagctl publish {env} --plan {out}")
    if detailed and result.has_changes:
        raise typer.Exit(ExitCode.CHANGES)
