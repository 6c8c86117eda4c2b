"""Commands about the results of experiments: `experiment analyze`, `guard`, `simulate-events`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads it from annotations
from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.events_common import EventsCommand, reading
from flagctl.cli.progress import Stage
from flagctl.cli.session import Session, now_ms, session_of

if TYPE_CHECKING:
    from collections.abc import Iterable

    from flagctl.ops.experiment_analyze import AnalyzeResult

COMMAND_CLASSES = {"analyze": EventsCommand, "guard": EventsCommand}

_KEY = Annotated[str, typer.Argument(metavar="KEY", help="Of the experiment.")]


def analyze(
    context: typer.Context,
    key: _KEY,
    *,
    report: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Also write the report: .html or .md; repeatable.")
    ] = None,
    revision: Annotated[str | None, typer.Option(metavar="REV", help="The experiment as of this git revision.")] = None,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 10 if the verdict is to ship.")
    ] = False,
) -> None:
    """Decide an experiment by the rule that was agreed on. Exits with 1 if it is invalid or must stop."""
    from flagctl.ops.experiment_analyze import analyze as run
    from flagctl.report.experiment import render_analysis

    session = session_of(context)
    shape = session.format("text", "json", "markdown")
    _check_reports(report or ())
    with Stage(session) as stage:
        result = run(reading(context, key, stage, details=True, revision=revision))
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


def _check_reports(paths: Iterable[Path]) -> None:
    """Refuse files that cannot be written before what may take minutes."""
    from flagctl.errors import UsageError

    for path in paths:
        if path.suffix not in {".html", ".md"}:
            raise UsageError(f"a report is .html or .md, not {path.name}", hint="--report report.html")
        if not path.parent.is_dir():
            raise UsageError(f"{path} cannot be written: there is no folder {path.parent}", hint=f"mkdir {path.parent}")


def _write_report(session: Session, path: Path, result: AnalyzeResult) -> None:
    from flagctl.errors import UsageError

    if path.suffix == ".html":
        from flagctl.report.experiment_html import render_html

        text = render_html(result)
    else:
        from flagctl.report.experiment_markdown import render_markdown

        text = render_markdown(result)
    try:
        path.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}") from error
    session.console.note(f"wrote {path}")


def guard(context: typer.Context, key: _KEY) -> None:
    """Judge the guardrails of an experiment; may be asked as often as one likes. Exits with 1 if one is broken, or the data cannot be trusted."""
    from flagctl.cli.exit_codes import ExitCode
    from flagctl.ops.experiment_analyze import guard as run
    from flagctl.report.experiment import render_guard

    session = session_of(context)
    with Stage(session) as stage:
        result = run(reading(context, key, stage))
    session.emit(result, render_guard)
    # Too few units so far are no problem: whoever waits for the exit code may go on asking.
    if result.state == "harmed" or result.problems:
        raise typer.Exit(ExitCode.FINDINGS)


def simulate_events(
    context: typer.Context,
    key: _KEY,
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
