"""Commands about experiments before their results: `experiment list`, `show`, `power`."""

from __future__ import annotations

import math
from typing import Annotated

import typer

from flagctl.cli.events_common import Endpoint, Env, Memory, Region  # noqa: TC001 - Typer reads them
from flagctl.cli.session import now_ms, session_of

_KEY = Annotated[str, typer.Argument(metavar="KEY", help="Of the experiment.")]


def list_(
    context: typer.Context,
    *,
    status: Annotated[str | None, typer.Option(metavar="STATUS", help="draft, running or completed.")] = None,
) -> None:
    """List experiments, and what room their layers have."""
    from flagctl.errors import UsageError
    from flagctl.ops.experiment_list import list_experiments
    from flagctl.report.experiment_plan import render_experiments

    if status not in {None, "draft", "running", "completed"}:
        raise UsageError(f"there is no status '{status}'", hint="draft, running or completed")
    session = session_of(context)
    session.emit(list_experiments(session.root, status=status), render_experiments)


def show(context: typer.Context, key: _KEY) -> None:
    """Show what was agreed on about one experiment."""
    from flagctl.ops.experiment_list import list_experiments
    from flagctl.report.experiment_plan import render_experiment

    session = session_of(context)
    session.emit(list_experiments(session.root, key=key), render_experiment)


def power(
    context: typer.Context,
    key: _KEY,
    *,
    rate: Annotated[float | None, typer.Option(metavar="PERCENT", help="Conversion rate today ...")] = None,
    mean: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="... or mean of one unit, or quantile, ...")
    ] = None,
    deviation: Annotated[
        float | None, typer.Option(metavar="NUMBER", help="... with the standard deviation ...")
    ] = None,
    events: Annotated[str | None, typer.Option(metavar="LOCATION", help="... or past events to measure on.")] = None,
    per_day: Annotated[float | None, typer.Option(min=1, metavar="N", help="Units taken in each day.")] = None,
    effect: Annotated[float | None, typer.Option(metavar="PERCENT", help="Relative effect to see.")] = None,
    metric: Annotated[str | None, typer.Option(metavar="NAME", help="[default: the primary one]")] = None,
    as_of: Annotated[str | None, typer.Option(metavar="INSTANT", help="Measure up to here [default: now].")] = None,
    env: Env = None,
    memory_limit: Memory = None,
    endpoint_url: Endpoint = None,
    region: Region = None,
) -> None:
    """Say how many units an experiment needs, for how long, for which effect."""
    from flagctl.errors import UsageError
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.experiment_power import PowerOptions
    from flagctl.ops.experiment_power import power as plan
    from flagctl.report.experiment_plan import render_power

    if effect is not None and not 0 < effect < math.inf:
        raise UsageError("--effect is a percentage above 0", hint="--effect 5")
    if per_day is not None and not per_day < math.inf:
        raise UsageError("--per-day is a number of units", hint="--per-day 4000")
    session = session_of(context)
    result = plan(
        PowerOptions(
            root=session.root,
            key=key,
            metric=metric,
            rate=None if rate is None else rate / 100,
            mean=mean,
            deviation=deviation,
            events=events,
            per_day=per_day,
            effect=None if effect is None else effect / 100,
            now_ms=parse_instant_option(as_of, now_ms()),
            environment=env,
            memory_limit=memory_limit,
            endpoint_url=endpoint_url,
            region=region,
        )
    )
    session.emit(result, render_power)
