"""Commands that check what experiments rest on: `experiment selftest`, `interactions`, `holdout`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.experiment import (
    AsOf,
    Endpoint,
    Engine,
    Env,
    Events,
    Key,
    Master,
    Memory,
    Region,
    Stage,
)
from flagctl.cli.session import now_ms, session_of

if TYPE_CHECKING:
    from flagctl.cli.session import Session
    from flagctl.ops.experiment_analyze import AnalyzeOptions


def selftest(
    context: typer.Context,
    key: Key,
    *,
    events: Events,
    metric: Annotated[str | None, typer.Option(metavar="NAME", help="[default: the primary one]")] = None,
    runs: Annotated[int, typer.Option(min=20, max=100_000, metavar="N", help="How often units are dealt out.")] = 500,
    seed: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Another one deals otherwise.")] = 0,
    as_of: AsOf = None,
    env: Env = None,
    engine: Engine = "duckdb",
    master: Master = None,
    memory_limit: Memory = None,
    endpoint_url: Endpoint = None,
    region: Region = None,
) -> None:
    """Deal the units out at random, again and again: how often is an effect found where none is? Exits with 1 if too often."""
    from flagctl.cli.exit_codes import ExitCode
    from flagctl.ops.experiment_selftest import SelfTestOptions, self_test
    from flagctl.report.experiment_checks import render_self_test

    session = session_of(context)
    with Stage(session) as stage:
        reading = _reading(
            session, key, events, (as_of, env, engine, master, memory_limit, endpoint_url, region), stage
        )
        result = self_test(SelfTestOptions(events=reading, metric=metric, runs=runs, seed=seed))
    session.emit(result, render_self_test)
    if not result.test.passed:
        raise typer.Exit(ExitCode.FINDINGS)


def interactions(
    context: typer.Context,
    key: Key,
    others: Annotated[
        list[str] | None, typer.Argument(metavar="OTHER...", help="Other experiments [default: all that share units].")
    ] = None,
    *,
    events: Events,
    as_of: AsOf = None,
    env: Env = None,
    engine: Engine = "duckdb",
    master: Master = None,
    memory_limit: Memory = None,
    endpoint_url: Endpoint = None,
    region: Region = None,
) -> None:
    """Show whether an experiment's effect depends on the variants of others."""
    from flagctl.ops.experiment_interactions import interactions as run
    from flagctl.report.experiment_checks import render_interactions

    session = session_of(context)
    with Stage(session) as stage:
        reading = _reading(
            session, key, events, (as_of, env, engine, master, memory_limit, endpoint_url, region), stage
        )
        result = run(reading, tuple(others or ()))
    session.emit(result, render_interactions)


def holdout(
    context: typer.Context,
    layer: Annotated[str, typer.Argument(metavar="LAYER", help="Key of the layer.")],
    *,
    events: Events,
    event: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Event to compare; repeatable [default: the primary metrics']."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Count from here [default: the first experiment's start].")
    ] = None,
    as_of: AsOf = None,
    env: Env = None,
    engine: Engine = "duckdb",
    master: Master = None,
    memory_limit: Memory = None,
    endpoint_url: Endpoint = None,
    region: Region = None,
) -> None:
    """Show what all experiments of a layer have brought together: its holdout against the rest."""
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.experiment_holdout import HoldoutOptions
    from flagctl.ops.experiment_holdout import holdout as run
    from flagctl.report.experiment_checks import render_holdout

    session = session_of(context)
    with Stage(session) as stage:
        reading = _reading(
            session, layer, events, (as_of, env, engine, master, memory_limit, endpoint_url, region), stage
        )
        start = None if since is None else parse_instant_option(since, reading.now_ms)
        result = run(HoldoutOptions(events=reading, since_ms=start, names=tuple(event or ())))
    session.emit(result, render_holdout)


_Reading = tuple[str | None, str | None, str, str | None, str | None, str | None, str | None]


def _reading(session: Session, key: str, events: str, how: _Reading, stage: Stage) -> AnalyzeOptions:
    """Return where events are and what reads them."""
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.experiment_analyze import AnalyzeOptions

    as_of, env, engine, master, memory_limit, endpoint_url, region = how
    return AnalyzeOptions(
        root=session.root,
        key=key,
        events=events,
        now_ms=parse_instant_option(as_of, now_ms()),
        environment=env,
        engine=engine,
        master=master,
        memory_limit=memory_limit,
        endpoint_url=endpoint_url,
        region=region,
        details=False,
        progress=stage,
    )
