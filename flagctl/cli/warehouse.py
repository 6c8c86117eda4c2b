"""`flagctl warehouse`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flagctl.cli.events_common import Endpoint, Events, Memory, Region  # noqa: TC001 - Typer reads them
from flagctl.cli.progress import Stage
from flagctl.cli.session import now_ms, session_of

if TYPE_CHECKING:
    from flagctl.ops.warehouse import EventOptions

_Database = Annotated[
    Path, typer.Option(metavar="FILE", envvar="FLAGCTL_WAREHOUSE", help="The warehouse's DuckDB file.")
]
_DEFAULT = Path("warehouse.duckdb")


def init(context: typer.Context, *, database: _Database = _DEFAULT) -> None:
    """Make a warehouse: one DuckDB file with the tables of events and flags."""
    from flagctl.ops.warehouse import init as run
    from flagctl.report.warehouse import render_init

    session_of(context).emit(run(database), render_init)


def load(
    context: typer.Context,
    *,
    events: Events,
    database: _Database = _DEFAULT,
    memory_limit: Memory = None,
    endpoint_url: Endpoint = None,
    region: Region = None,
) -> None:
    """Load events that are not in the warehouse yet; files that were loaded are known by their contents."""
    from flagctl.ops.warehouse import load as run
    from flagctl.report.warehouse import render_load

    session = session_of(context)
    with Stage(session) as stage:
        result = run(database, _options(events, (endpoint_url, region), memory_limit, stage), now_ms())
    session.emit(result, render_load)


def compact(
    context: typer.Context,
    *,
    events: Events,
    before: Annotated[
        str | None, typer.Option(metavar="DAY", help="Only days before this one [default: today, UTC].")
    ] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the lines where they are.")] = False,
    memory_limit: Memory = None,
) -> None:
    """Pack the JSON lines of past days into one Parquet file for each day."""
    from flagctl.ops.warehouse import compact as run
    from flagctl.ops.warehouse import today
    from flagctl.report.warehouse import render_compact

    session = session_of(context)
    with Stage(session) as stage:
        result = run(_options(events, (None, None), memory_limit, stage), _day(before) or today(now_ms()), keep=keep)
    session.emit(result, render_compact)


def query(
    context: typer.Context,
    sql: Annotated[str, typer.Argument(metavar="SQL", help="One query; - reads it from the standard input.")],
    *,
    database: _Database = _DEFAULT,
    limit: Annotated[int, typer.Option(min=1, max=1_000_000, metavar="N", help="At most so many rows.")] = 1000,
) -> None:
    """Ask the warehouse in SQL; the query cannot change anything."""
    from flagctl.ops.warehouse import query as run
    from flagctl.report.warehouse import render_csv, render_query

    session = session_of(context)
    shape = session.format("text", "json", "csv")
    text = typer.get_text_stream("stdin").read() if sql == "-" else sql
    with Stage(session):
        result = run(database, text, limit)
    if shape == "csv":
        session.console.result(render_csv(result))
    elif shape == "json":
        from flagctl.report.json_text import render_json

        session.console.result(render_json(result))
    else:
        session.console.result(render_query(result, session.style))
    if result.answer.more:
        session.console.note(f"there are more rows than {limit}: --limit")


def sync(
    context: typer.Context,
    *,
    to: Annotated[
        str,
        typer.Option(
            metavar="PLACE", envvar="FLAGCTL_WAREHOUSE", help="A warehouse's file, or postgresql://user@host/database."
        ),
    ] = str(_DEFAULT),
    events: Annotated[
        str | None,
        typer.Option(metavar="LOCATION", help="Where evaluations are logged; without it only flags and experiments."),
    ] = None,
    revision: Annotated[
        str | None, typer.Option(metavar="REV", help="Git revision of the flags [default: the work tree].")
    ] = None,
    memory_limit: Memory = None,
    endpoint_url: Endpoint = None,
    region: Region = None,
) -> None:
    """Bring the tables of flags, experiments and evaluations in step, in DuckDB or PostgreSQL."""
    from flagctl.ops.warehouse import SyncOptions
    from flagctl.ops.warehouse import sync as run
    from flagctl.report.warehouse import render_sync

    session = session_of(context)
    with Stage(session) as stage:
        source = None if events is None else _options(events, (endpoint_url, region), memory_limit, stage)
        result = run(SyncOptions(root=session.root, to=to, revision=revision, events=source))
    session.emit(result, render_sync)


def _options(events: str, store: tuple[str | None, str | None], memory_limit: str | None, stage: Any) -> EventOptions:
    from flagctl.ops.warehouse import EventOptions

    return EventOptions(
        events=events, endpoint_url=store[0], region=store[1], memory_limit=memory_limit, progress=stage
    )


def _day(text: str | None) -> str | None:
    from datetime import date

    from flagctl.errors import UsageError

    if text is None:
        return None
    try:
        return date.fromisoformat(text).isoformat()
    except ValueError:
        raise UsageError(f"'{text}' is no date", hint="--before 2026-12-01") from None
