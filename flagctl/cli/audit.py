"""`flagctl audit`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.completions import complete_environments, complete_flags
from flagctl.cli.progress import Stage
from flagctl.cli.session import joined, now_ms, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.cli.session import Session
    from flagctl.ops.target import Target


def audit(
    context: typer.Context,
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="Only this one.", autocompletion=complete_flags)
    ] = None,
    *,
    env: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only these environments.", autocompletion=complete_environments),
    ] = None,
    since: Annotated[str | None, typer.Option(metavar="INSTANT", help="From then on [default: always].")] = None,
    revision: Annotated[str, typer.Option(metavar="REV", help="Where the git history starts.")] = "HEAD",
    no_rebuild: Annotated[bool, typer.Option("--no-rebuild", help="Do not compile what was published again.")] = False,
    to: Annotated[
        str | None, typer.Option(metavar="URL", help="Also send the entries: https://… or otel: for OpenTelemetry.")
    ] = None,
) -> None:
    """Show who changed what, who published it where, and what was forced off. Exits with 1 if something is not as it should be."""
    from flagctl.cli.exit_codes import ExitCode
    from flagctl.ops.audit import AuditOptions
    from flagctl.ops.audit import audit as run
    from flagctl.ops.audit_export import check_destination, export, lines_of
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.report.audit import render_audit

    session = session_of(context)
    shape = session.format("text", "json", "jsonl")
    if to is not None:
        check_destination(to)
    with Stage(session) as stage:
        result = run(
            AuditOptions(
                root=session.root,
                since_ms=0 if since is None else parse_instant_option(since, now_ms()),
                key=key,
                revision=revision,
                rebuild=not no_rebuild,
                progress=stage,
            ),
            _targets(session, joined(env)),
        )
    if shape == "jsonl":
        session.console.result(lines_of(result.entries).rstrip("\n"))
    else:
        session.emit(result, render_audit)
    if to is not None:
        session.console.note(f"sent {export(result.entries, to)} entries to {to}")
    if not result.is_clean:
        raise typer.Exit(ExitCode.FINDINGS)


def _targets(session: Session, names: tuple[str, ...]) -> dict[str, Callable[[], Target]]:
    from functools import partial

    from flagctl.ops.loading import check_environment, load, readable
    from flagctl.ops.target import open_target

    repository = readable(load(session.root))
    config = repository.config
    chosen = [check_environment(repository, name) for name in names] or list(config.environments)
    targets: dict[str, Callable[[], Target]] = {}
    for name in chosen:
        if config.environments[name].remote is None:
            session.console.note(f"{name}: no remote is configured")
        else:
            targets[name] = partial(open_target, session.root, config, name)
    return targets
