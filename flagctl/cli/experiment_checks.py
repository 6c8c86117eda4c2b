"""Commands that check what experiments rest on: `experiment selftest`, `interactions`, `holdout`."""

from __future__ import annotations

from typing import Annotated

import typer

from flagctl.cli.events_common import EventsCommand, reading
from flagctl.cli.progress import Stage
from flagctl.cli.session import session_of

COMMAND_CLASS = EventsCommand

_KEY = Annotated[str, typer.Argument(metavar="KEY", help="Of the experiment.")]


def selftest(
    context: typer.Context,
    key: _KEY,
    *,
    metric: Annotated[str | None, typer.Option(metavar="NAME", help="[default: the primary one]")] = None,
    runs: Annotated[int, typer.Option(min=20, max=100_000, metavar="N", help="How often units are dealt out.")] = 500,
    seed: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Another one deals otherwise.")] = 0,
) -> None:
    """Deal the units out at random, again and again: how often is an effect found where none is? Exits with 1 if too often."""
    from flagctl.cli.exit_codes import ExitCode
    from flagctl.ops.experiment_selftest import SelfTestOptions, self_test
    from flagctl.report.experiment_checks import render_self_test

    session = session_of(context)
    with Stage(session) as stage:
        events = reading(context, key, stage)
        result = self_test(SelfTestOptions(events=events, metric=metric, runs=runs, seed=seed))
    session.emit(result, render_self_test)
    if not result.test.passed:
        raise typer.Exit(ExitCode.FINDINGS)


def interactions(
    context: typer.Context,
    key: _KEY,
    others: Annotated[
        list[str] | None, typer.Argument(metavar="OTHER...", help="Other experiments [default: all that share units].")
    ] = None,
) -> None:
    """Show whether an experiment's effect depends on the variants of others."""
    from flagctl.ops.experiment_interactions import interactions as run
    from flagctl.report.experiment_checks import render_interactions

    session = session_of(context)
    with Stage(session) as stage:
        events = reading(context, key, stage)
        result = run(events, tuple(others or ()))
    session.emit(result, render_interactions)


def holdout(
    context: typer.Context,
    layer: Annotated[str, typer.Argument(metavar="LAYER", help="Key of the layer.")],
    *,
    event: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Event to compare; repeatable [default: the primary metrics']."),
    ] = None,
    since: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Count from here [default: the first experiment's start].")
    ] = None,
) -> None:
    """Show what all experiments of a layer have brought together: its holdout against the rest."""
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.experiment_holdout import HoldoutOptions
    from flagctl.ops.experiment_holdout import holdout as run
    from flagctl.report.experiment_checks import render_holdout

    session = session_of(context)
    with Stage(session) as stage:
        events = reading(context, layer, stage)
        start = None if since is None else parse_instant_option(since, events.now_ms)
        result = run(HoldoutOptions(events=events, since_ms=start, names=tuple(event or ())))
    session.emit(result, render_holdout)
