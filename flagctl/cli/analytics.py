"""Commands about what applications do with flags: `usage`, `performance`."""

from __future__ import annotations

from typing import Annotated

import typer

from flagctl.cli.completions import complete_flags
from flagctl.cli.events_common import AsOf, Endpoint, Env, Events, Region  # noqa: TC001 - Typer reads them
from flagctl.cli.session import now_ms, session_of


def usage(
    context: typer.Context,
    keys: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY]...", help="Only these.", autocompletion=complete_flags)
    ] = None,
    *,
    events: Events,
    days: Annotated[int, typer.Option(min=1, max=3650, metavar="N", help="How far back.")] = 30,
    env: Env = None,
    as_of: AsOf = None,
    endpoint_url: Endpoint = None,
    region: Region = None,
) -> None:
    """Count evaluations by flag, variant, reason and day; name flags nobody asks for, and keys nobody made."""
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.usage import UsageOptions
    from flagctl.ops.usage import usage as run
    from flagctl.report.usage import render_usage

    session = session_of(context)
    result = run(
        UsageOptions(
            root=session.root,
            events=events,
            now_ms=parse_instant_option(as_of, now_ms()),
            days=days,
            keys=tuple(keys or ()),
            environment=env,
            endpoint_url=endpoint_url,
            region=region,
        )
    )
    session.emit(result, render_usage)


def performance(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Of the flag.", autocompletion=complete_flags)],
    *,
    events: Events,
    days: Annotated[int, typer.Option(min=1, max=3650, metavar="N", help="How far back.")] = 14,
    env: Env = None,
    control: Annotated[
        str | None, typer.Option(metavar="VARIANT", help="Compare with it [default: the default].")
    ] = None,
    as_of: AsOf = None,
    endpoint_url: Endpoint = None,
    region: Region = None,
) -> None:
    """Show how long evaluations take, and compare what was measured between a flag's variants."""
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.performance import PerformanceOptions
    from flagctl.ops.performance import performance as run
    from flagctl.report.usage import render_performance

    session = session_of(context)
    result = run(
        PerformanceOptions(
            root=session.root,
            key=key,
            events=events,
            now_ms=parse_instant_option(as_of, now_ms()),
            days=days,
            environment=env,
            control=control,
            endpoint_url=endpoint_url,
            region=region,
        )
    )
    session.emit(result, render_performance)
