"""`rollout check`: for a scheduled job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.completions import complete_environments, complete_flags
from flagctl.cli.edit_common import EditCommand, apply_options
from flagctl.cli.exit_codes import ExitCode
from flagctl.cli.publish import EndpointUrl, Region, Remote, Trust  # noqa: TC001 - Typer reads them from annotations
from flagctl.cli.session import now_ms, session_of

if TYPE_CHECKING:
    from flagctl.cli.session import Session
    from flagctl.ops.guard_data import GuardSource
    from flagctl.ops.rollout_check import CheckResult
    from flagctl.ops.target import TargetOverrides

COMMAND_CLASS = EditCommand


def check(
    context: typer.Context,
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="Of a flag [default: all].", autocompletion=complete_flags)
    ] = None,
    *,
    env: Annotated[
        str | None, typer.Option("--env", metavar="NAME", help="Environment.", autocompletion=complete_environments)
    ] = None,
    events: Annotated[str | None, typer.Option(metavar="LOCATION", help="Numbers from the event warehouse ...")] = None,
    prometheus: Annotated[
        str | None, typer.Option(metavar="URL", help="... or Prometheus; FLAGCTL_PROMETHEUS_TOKEN is sent ...")
    ] = None,
    command: Annotated[
        str | None, typer.Option(metavar="COMMAND", help="... or a command that prints JSON ...")
    ] = None,
    data: Annotated[Path | None, typer.Option(metavar="FILE", help="... or a file of the same JSON.")] = None,
    state: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Remembers checks without data from run to run.")
    ] = None,
    kill_key: Annotated[
        list[str] | None,
        typer.Option("--kill-key", metavar="SPEC", help="Key of the kill list, for `on_failure: kill`; repeatable."),
    ] = None,
    remote: Remote = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    trust: Trust = None,
) -> None:
    """Look at the metrics of guarded rollouts: advance, hold, revert or kill. Exits with 1 if something is wrong."""
    from flagctl.ops.rollout_check import CheckOptions, act
    from flagctl.ops.rollout_check import check as run
    from flagctl.ops.target import TargetOverrides
    from flagctl.report.rollout import render_check

    session = session_of(context)
    session.format("text", "json")
    options = apply_options(context)
    source = _source(session, (events, prometheus, command, data), (endpoint_url, region))
    result = run(
        CheckOptions(
            root=session.root,
            now_ms=now_ms(),
            source=source,
            environment=env,
            key=key,
            state=None if options.dry_run else state,
        )
    )
    if not options.dry_run:
        overrides = TargetOverrides(url=remote, endpoint_url=endpoint_url, region=region, trust=trust, l2=None)
        _kill(session, result, overrides, kill_key or [])
    result = act(result, session.root, options)
    session.emit(result, render_check)
    if result.broken:
        raise typer.Exit(ExitCode.FINDINGS)


def _source(
    session: Session,
    given: tuple[str | None, str | None, str | None, Path | None],
    store: tuple[str | None, str | None],
) -> GuardSource:
    import os
    import shlex

    from flagctl.errors import UsageError
    from flagctl.ops.guard_prometheus import PrometheusSource
    from flagctl.ops.guard_sources import CommandSource, FileSource, WarehouseSource

    events, prometheus, command, data = given
    if sum(one is not None for one in given) != 1:
        raise UsageError("where do the numbers come from?", hint="one of --events, --prometheus, --command and --data")
    if events is not None:
        return WarehouseSource(root=session.root, location=events, endpoint_url=store[0], region=store[1])
    if prometheus is not None:
        return PrometheusSource(url=prometheus, token=os.environ.get("FLAGCTL_PROMETHEUS_TOKEN"))
    if command is not None:
        try:
            words = shlex.split(command)
        except ValueError as error:
            raise UsageError(f"--command cannot be split into words: {str(error).lower()}") from error
        if not words:
            raise UsageError("--command is empty")
        return CommandSource(words=words)
    return FileSource(path=data or Path())


def _kill(session: Session, result: CheckResult, overrides: TargetOverrides, specs: list[str]) -> None:
    """Force off at every client what a broken guard wants killed, before anything is written; git is slower than harm."""
    from flagctl.errors import FlagctlError
    from flagctl.ops.kill import KillRequest, kill
    from flagctl.ops.loading import load, readable
    from flagctl.ops.publishing import find_actor, find_kill_signers
    from flagctl.ops.target import open_target

    for decision in result.decisions:
        if decision.action != "kill":
            continue
        try:
            signers = find_kill_signers(session.root, result.environment, specs)
            config = readable(load(session.root)).config
            target = open_target(session.root, config, result.environment, overrides)
            request = KillRequest(
                decision.key, f"guard of rule {decision.rule}: {decision.reason}"[:200], find_actor(None)
            )
            kill(target, signers, request)
            session.console.warning(f"{decision.key} is forced off in {result.environment}")
        except FlagctlError as error:
            session.console.warning(f"{decision.key} could not be killed, and is reverted only: {error}")
