"""Commands about what publishing would change: plan."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.completions import complete_environments
from flagctl.cli.exit_codes import ExitCode
from flagctl.cli.session import Session, now_ms, session_of
from flagctl.cli.summary import MaxChars, OutSummary, append_summary

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flagctl.ops.plan import PlanResult, Proposal
    from flagctl.ops.target import TargetOverrides


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
    refresh_only: Annotated[
        bool, typer.Option("--refresh-only", help="Only whether what is live is what its commit and its log say.")
    ] = False,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="REV", help="Compare with this instead of what is live; auto: what the pull request builds on."
        ),
    ] = None,
    revision: Annotated[str | None, typer.Option(metavar="REV", help="Plan this git revision's flags.")] = None,
    remote: Annotated[str | None, typer.Option(metavar="URL", help="Instead of the one in flagctl.yaml.")] = None,
    endpoint_url: Annotated[str | None, typer.Option(metavar="URL", help="Address of an S3-compatible store.")] = None,
    region: Annotated[str | None, typer.Option(metavar="NAME", help="Region of the bucket.")] = None,
    trust: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Root of trust, instead of the one in flagctl.yaml.")
    ] = None,
    out_summary: OutSummary = None,
    max_chars: MaxChars = 65_536,
) -> None:
    """Show what publishing would change against what is live: for whom, and how risky."""
    from flagctl.compiler import compile_environment
    from flagctl.ops.loading import check_environment, checked, load, readable
    from flagctl.ops.plan import Proposal, write_plan
    from flagctl.ops.plan import plan as run
    from flagctl.ops.publishing import find_origin
    from flagctl.ops.target import TargetOverrides, open_target
    from flagctl.report.markdown_review import render_plan_markdown
    from flagctl.report.plan import render_plan

    session = session_of(context)
    overrides = TargetOverrides(url=remote, endpoint_url=endpoint_url, region=region, trust=trust)
    if refresh_only:
        given = {"--out": out, "--base": base, "--revision": revision, "--out-summary": out_summary}
        _refresh(session, env, overrides, given, detailed=detailed)
        return
    form = session.format("text", "json", "markdown")
    loaded = load(session.root, revision=revision)
    repository = readable(loaded)
    check_environment(repository, env)
    origin = find_origin(session.root, revision)
    bundle = compile_environment(checked(loaded, now_ms()), env)
    proposal = Proposal(loaded=loaded, bundle=bundle, commit=None if origin.uncommitted else origin.commit)
    if base is None:
        target = open_target(session.root, repository.config, env, overrides)
        result = run(target, proposal, now_ms(), origin=origin)
    else:
        result = _against(session, base, env, proposal)
    append_summary(out_summary, lambda limit: render_plan_markdown(result, limit))
    if form == "markdown":
        session.console.result(render_plan_markdown(result, max_chars))
    else:
        session.emit(result, render_plan)
    if out is not None:
        write_plan(result, out)
    if out is not None and base is None:
        session.console.hint(f"publish exactly this: flagctl publish {env} --plan {out}")
    if detailed and result.has_changes:
        raise typer.Exit(ExitCode.CHANGES)


def _refresh(
    session: Session, env: str, overrides: "TargetOverrides", given: "Mapping[str, object]", *, detailed: bool
) -> None:
    """Show whether what is live is what its own records say; the flags at hand do not matter."""
    from flagctl.errors import UsageError
    from flagctl.ops.drift import drift
    from flagctl.ops.loading import check_environment, load, readable
    from flagctl.ops.publishing import find_origin
    from flagctl.ops.target import open_target
    from flagctl.report.drift import render_drift

    wrong = [name for name, value in given.items() if value is not None]
    if wrong:
        raise UsageError(f"--refresh-only proposes nothing, so it does not go with {wrong[0]}")
    session.format("text", "json")
    repository = readable(load(session.root))
    check_environment(repository, env)
    target = open_target(session.root, repository.config, env, overrides)
    result = drift(target, find_origin(session.root), now_ms())
    session.emit(result, render_drift)
    if detailed and result.has_drift:
        raise typer.Exit(ExitCode.CHANGES)


def _against(session: Session, base: str, env: str, proposal: "Proposal") -> "PlanResult":
    """Plan as if the revision `base` were live: for those who may not see what is."""
    import os

    from flagctl.compiler import compile_environment
    from flagctl.ops.ci_base import resolve_base
    from flagctl.ops.loading import load, readable
    from flagctl.ops.plan import Proposal, plan_against
    from flagctl.vcs import GitRepository

    commit = GitRepository(session.root).resolve(resolve_base(base, session.root, os.environ) or base)
    loaded = load(session.root, revision=commit)
    bundle = compile_environment(readable(loaded), env)
    return plan_against(Proposal(loaded=loaded, bundle=bundle, commit=commit), proposal, env, now_ms())
