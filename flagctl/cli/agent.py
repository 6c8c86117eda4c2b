"""Keeping caches fresh: `agent`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flagctl.cli.completions import complete_environments
from flagctl.cli.publish import EndpointUrl, Region, Remote, Trust
from flagctl.cli.session import Session, joined, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.ops.agent import Agent, AgentSource, AgentState


Env = Annotated[
    list[str] | None,
    typer.Option(
        "--env",
        metavar="ENV",
        help="Repeatable; default: all that have a remote.",
        autocompletion=complete_environments,
    ),
]
To = Annotated[
    list[str] | None,
    typer.Option(
        "--to", metavar="URL", help="What to keep fresh: redis://…, file:///…; repeatable. Default: l2 there."
    ),
]
Poll = Annotated[float, typer.Option(metavar="S", min=0.1, max=86_400, help="Seconds between looks at the remote.")]
Once = Annotated[bool, typer.Option("--once", help="One pass, then end; the exit code says how it went.")]
HealthPort = Annotated[
    int | None, typer.Option(metavar="N", min=0, max=65535, help="Answer GET /healthz there: 200, or 503 in trouble.")
]
HealthHost = Annotated[str, typer.Option(metavar="ADDRESS", help="To listen on for that.")]
StatusFile = Annotated[Path | None, typer.Option(metavar="FILE", help="Replace it with the state after each pass.")]


def agent(
    context: typer.Context,
    *,
    env: Env = None,
    to: To = None,
    remote: Remote = None,
    trust: Trust = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    poll: Poll = 5.0,
    once: Once = False,
    health_port: HealthPort = None,
    health_host: HealthHost = "127.0.0.1",
    status_file: StatusFile = None,
) -> None:
    """Keep Redis or folders fresh from a remote, for many processes.

    Verifies everything with the root of trust, copies it, and tells clients that listen. Writes a JSON line for each thing that
    happens; SIGTERM ends it.
    """
    from flagctl.ops.agent import Agent, AgentOptions
    from flagctl.ops.target import TargetOverrides

    session = session_of(context)
    session.format("text", "json")
    overrides = TargetOverrides(url=remote, endpoint_url=endpoint_url, region=region, trust=trust)
    sources = _sources(session, joined(env), overrides, tuple(to or ()))
    log = _logger(session)
    write = _writer(status_file, log)
    runner = Agent(AgentOptions(sources=tuple(sources), poll=poll), _nothing if once else log, write)
    if once:
        _run_once(session, runner)
    else:
        _run(runner, log, None if health_port is None else (health_host, health_port))


def _nothing(_line: dict[str, Any]) -> None:
    """Log nothing: the result says it all."""


def _run_once(session: Session, runner: "Agent") -> None:
    from flagctl.report.agent import render_agent

    session.emit(runner.run_once(), render_agent)
    problem = runner.first_problem()
    if problem is not None:
        raise problem


def _run(runner: "Agent", log: "Callable[[dict[str, Any]], None]", health: tuple[str, int] | None) -> None:
    import signal

    from flagctl.ops.agent_health import HealthServer

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: runner.stop())
    server = None if health is None else HealthServer(*health, runner.state)
    if server is not None and health is not None:
        log({"event": "listening", "health": f"http://{health[0]}:{server.port}/healthz"})
    try:
        runner.run()
    finally:
        if server is not None:
            server.close()


def _logger(session: Session) -> "Callable[[dict[str, Any]], None]":
    """Return what writes a JSON line."""
    import datetime as dt
    import json

    def log(line: dict[str, Any]) -> None:
        if session.quiet and line["event"] in {"started", "copied"}:
            return
        at = dt.datetime.now(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        session.console.result(json.dumps({"ts": at, **line}))

    return log


def _writer(path: Path | None, log: "Callable[[dict[str, Any]], None]") -> "Callable[[AgentState], None] | None":
    from flagctl.ops.agent_health import write_state

    if path is None:
        return None

    def write(state: "AgentState") -> None:
        try:
            write_state(path, state)
        except OSError as error:
            log({"event": "trouble", "error": f"{path} cannot be written: {error.strerror}"})

    return write


def _sources(session: Session, names: tuple[str, ...], overrides: Any, to: tuple[str, ...]) -> "list[AgentSource]":
    """Return what to copy; location, root of trust and environments together need no flag repository."""
    from flagctl.errors import UsageError
    from flagctl.ops.agent import AgentSource
    from flagctl.ops.loading import load, readable
    from flagctl.ops.target import configured_source, read_trust_file

    if overrides.url is not None and overrides.trust is not None:
        if not names:
            raise UsageError("nothing says which environment", hint="--env production")
        trust = read_trust_file(overrides.trust)
        return [
            AgentSource(
                environment=name,
                url=overrides.url,
                trust=trust,
                to=to,
                endpoint_url=overrides.endpoint_url,
                region=overrides.region,
            )
            for name in names
        ]
    config = readable(load(session.root)).config
    every = [name for name, found in config.environments.items() if overrides.url or found.remote is not None]
    sources = []
    for name in names or every:
        found = configured_source(session.root, config, name, overrides)
        sources.append(
            AgentSource(
                environment=name,
                url=found.url,
                trust=found.trust,
                to=to or ((found.l2,) if found.l2 else ()),
                endpoint_url=found.options.endpoint_url,
                region=found.options.region,
            )
        )
    if not sources:
        raise UsageError("no environment has a remote", hint="--remote URL --trust FILE --env NAME")
    return sources
