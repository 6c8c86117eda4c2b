"""Commands to begin with: `init`, `demo`."""

from pathlib import Path
from typing import Annotated

import typer

from flagctl.cli.session import now_ms, session_of


def demo(
    context: typer.Context,
    directory: Annotated[
        Path | None, typer.Argument(metavar="[DIR]", help="Empty or new folder; default: a temporary one.")
    ] = None,
    *,
    s3: Annotated[
        str | None, typer.Option("--s3", metavar="URL", help="Publish to s3://bucket/prefix instead.")
    ] = None,
    endpoint_url: Annotated[str | None, typer.Option(metavar="URL", help="Of an S3-compatible store.")] = None,
) -> None:
    """Show the whole life of a flag on this machine, in seconds.

    A repository, checks, a signed publication, an application that follows it live, a mistake, the kill switch, the way back.
    """
    from contextlib import closing

    from flagctl.errors import UsageError
    from flagctl.ops.demo import DemoOptions, DemoResult, run_demo
    from flagctl.report.demo import render_event
    from flagctl.report.json_text import render_json

    session = session_of(context)
    wants_json = session.format("text", "json") == "json"
    if s3 is not None and not s3.startswith("s3://"):
        raise UsageError(f"'{s3}' is not a bucket", hint="--s3 s3://bucket/prefix")
    if endpoint_url is not None and s3 is None:
        raise UsageError("--endpoint-url goes with --s3")
    style = session.style
    options = DemoOptions(
        directory=directory,
        s3=s3,
        endpoint_url=endpoint_url,
        color=style.color,
        columns=None if style.width is None else max(style.width - 2, 40),
    )
    with closing(run_demo(options)) as events:
        for event in events:
            if not wants_json:
                session.console.result(render_event(event, style))
                session.console.flush()
            elif isinstance(event, DemoResult):
                session.console.result(render_json(event))


def init(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(metavar="[DIR]", help="Default: here.")] = Path(),
    *,
    project: Annotated[str | None, typer.Option(metavar="NAME", help="Default: the folder's name.")] = None,
    remote: Annotated[
        str | None, typer.Option(metavar="URL", help="Where to publish; default: a folder on this machine.")
    ] = None,
    endpoint_url: Annotated[str | None, typer.Option(metavar="URL", help="Of an S3-compatible store.")] = None,
    ci: Annotated[
        str | None,
        typer.Option(metavar="SYSTEM", help="All workflows for github or gitlab; adds them to existing flags, too."),
    ] = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Ask nothing.")] = False,
) -> None:
    """Make a flag repository: sample flags, tests, keys, CI workflow."""
    from flagctl.ops.init import InitOptions, project_name
    from flagctl.ops.init import init as run
    from flagctl.report.init import render_init

    session = session_of(context)
    session.format("text", "json")
    adds_to_existing = ci is not None and (directory / "flagctl.yaml").exists()
    if session.console.interactive and not no_input and not adds_to_existing:
        project = session.console.ask("Name of the project?", project_name(project, directory.absolute()))
        if remote is None:
            local = "a folder on this machine"
            answer = session.console.ask("Where to publish (s3://bucket/prefix or file:///folder)?", local)
            remote = None if answer == local else answer
    result = run(
        InitOptions(
            directory=directory, now_ms=now_ms(), project=project, remote=remote, endpoint_url=endpoint_url, ci=ci
        )
    )
    session.emit(result, render_init)
    for warning in result.warnings:
        session.console.warning(warning)
