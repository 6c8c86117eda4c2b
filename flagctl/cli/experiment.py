"""Commands about the results of experiments: `experiment analyze`, `guard`, `simulate-events`."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path  # noqa: TC003 - Typer reads it from annotations
from typing import TYPE_CHECKING, Annotated, Self

import typer

from flagctl.cli.session import Session, now_ms, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.ops.experiment_analyze import AnalyzeResult

_PATIENCE = 1.0
"""Seconds before progress is shown."""

Key = Annotated[str, typer.Argument(metavar="KEY", help="Of the experiment.")]
Events = Annotated[
    str,
    typer.Option(metavar="LOCATION", envvar="FLAGCTL_EVENTS", help="Folder or s3:// location that sinks write to."),
]
AsOf = Annotated[str | None, typer.Option(metavar="INSTANT", help="Count events up to here [default: now].")]
Env = Annotated[str | None, typer.Option(metavar="NAME", help="Count events of this environment only.")]
Revision = Annotated[str | None, typer.Option(metavar="REV", help="The experiment as of this git revision.")]
Engine = Annotated[str, typer.Option(metavar="NAME", help="duckdb, or spark when data outgrow one machine.")]
Master = Annotated[str | None, typer.Option(metavar="URL", help="Of Spark, such as local[2].")]
Memory = Annotated[str | None, typer.Option(metavar="SIZE", help="DuckDB's limit, such as 4GB; the rest goes to disk.")]
Endpoint = Annotated[str | None, typer.Option(metavar="URL", help="Address of an S3-compatible store.")]
Region = Annotated[str | None, typer.Option(metavar="NAME", help="Region of the store.")]


def analyze(
    context: typer.Context,
    key: Key,
    *,
    events: Events,
    as_of: AsOf = None,
    env: Env = None,
    report: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Also write the report: .html or .md; repeatable.")
    ] = None,
    revision: Revision = None,
    engine: Engine = "duckdb",
    master: Master = None,
    memory_limit: Memory = None,
    endpoint_url: Endpoint = None,
    region: Region = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 10 if the verdict is to ship.")
    ] = False,
) -> None:
    """Decide an experiment by the rule that was agreed on. Exits with 1 if it is invalid or must stop."""
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.experiment_analyze import AnalyzeOptions
    from flagctl.ops.experiment_analyze import analyze as run
    from flagctl.report.experiment import render_analysis

    session = session_of(context)
    shape = session.format("text", "json", "markdown")
    with Stage(session) as stage:
        result = run(
            AnalyzeOptions(
                root=session.root,
                key=key,
                events=events,
                now_ms=parse_instant_option(as_of, now_ms()),
                environment=env,
                revision=revision,
                engine=engine,
                master=master,
                memory_limit=memory_limit,
                endpoint_url=endpoint_url,
                region=region,
                progress=stage,
            )
        )
    for path in report or ():
        _write_report(session, path, result)
    if shape == "markdown":
        from flagctl.report.experiment_markdown import render_markdown

        session.console.result(render_markdown(result).rstrip("\n"))
    else:
        session.emit(result, render_analysis)
    _exit(result, detailed=detailed_exitcode)


def _exit(result: AnalyzeResult, *, detailed: bool) -> None:
    from flagctl.cli.exit_codes import ExitCode
    from flagctl.experiments.verdict import Outcome

    if result.verdict.outcome in {Outcome.INVALID, Outcome.HALT}:
        raise typer.Exit(ExitCode.FINDINGS)
    if detailed and result.verdict.outcome is Outcome.SHIP:
        raise typer.Exit(ExitCode.CHANGES)


def _write_report(session: Session, path: Path, result: AnalyzeResult) -> None:
    from flagctl.errors import UsageError

    if path.suffix == ".html":
        from flagctl.report.experiment_html import render_html

        text = render_html(result)
    elif path.suffix == ".md":
        from flagctl.report.experiment_markdown import render_markdown

        text = render_markdown(result)
    else:
        raise UsageError(f"a report is .html or .md, not {path.name}", hint="--report report.html")
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    session.console.note(f"wrote {path}")


def guard(
    context: typer.Context,
    key: Key,
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
    """Judge the guardrails of an experiment; may be asked as often as one likes. Exits with 1 if one is broken."""
    from flagctl.cli.exit_codes import ExitCode
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.experiment_analyze import AnalyzeOptions
    from flagctl.ops.experiment_analyze import guard as run
    from flagctl.report.experiment import render_guard

    session = session_of(context)
    with Stage(session) as stage:
        result = run(
            AnalyzeOptions(
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
        )
    session.emit(result, render_guard)
    if result.state == "harmed":
        raise typer.Exit(ExitCode.FINDINGS)


def simulate_events(
    context: typer.Context,
    key: Key,
    *,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="New folder for the events.")],
    units: Annotated[int, typer.Option(min=2, max=10_000_000, metavar="N", help="How many units.")] = 20_000,
    days: Annotated[int, typer.Option(min=1, max=365, metavar="N", help="Over how many days they come.")] = 14,
    effect: Annotated[float, typer.Option(min=-100, max=1000, metavar="PERCENT", help="On the primary metric.")] = 10.0,
    seed: Annotated[int, typer.Option(min=0, metavar="NUMBER", help="Another one gives other events.")] = 0,
) -> None:
    """Make up events of an experiment, to try an analysis before there are real ones."""
    from flagctl.ops.experiment_simulate import SimulateEventsOptions
    from flagctl.ops.experiment_simulate import simulate_events as run
    from flagctl.report.experiment import render_events

    session = session_of(context)
    result = run(
        SimulateEventsOptions(
            root=session.root,
            key=key,
            out=out,
            units=units,
            days=days,
            effect=effect / 100,
            seed=seed,
            now_ms=now_ms(),
        )
    )
    session.emit(result, render_events)


class Stage:
    """A line on stderr that says what is done; only in terminals, and only after a second."""

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._wanted = not session.console.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._clock = clock
        self._started = clock()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def __call__(self, text: str) -> None:
        """Say what is done next."""
        if not self._wanted or self._clock() - self._started < _PATIENCE:
            return
        self._shown = True
        sys.stderr.write(f"\r{text} …\x1b[K")
        sys.stderr.flush()
