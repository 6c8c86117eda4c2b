"""Commands that look at rollouts: `rollout status`, `simulate`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - Typer reads it
from typing import Annotated

import typer

from flagctl.cli.completions import complete_environments, complete_flags
from flagctl.cli.population import Form, ListFiles  # noqa: TC001 - Typer reads them from annotations
from flagctl.cli.session import now_ms, session_of

_ENV = Annotated[
    str | None,
    typer.Option("--env", metavar="NAME", help="Only this environment.", autocompletion=complete_environments),
]
_AT = Annotated[str | None, typer.Option(metavar="INSTANT", help="As of then [default: now].")]
_REVISION = Annotated[str | None, typer.Option(metavar="REV", help="Flags as of this git revision.")]


def status(
    context: typer.Context,
    key: Annotated[
        str | None, typer.Argument(metavar="[KEY]", help="Of a flag [default: all].", autocompletion=complete_flags)
    ] = None,
    *,
    env: _ENV = None,
    at: _AT = None,
    revision: _REVISION = None,
    everything: Annotated[bool, typer.Option("--all", help="Finished and aborted ones, too.")] = False,
    svg: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the curve of one rollout to this file.")
    ] = None,
) -> None:
    """Show calendars: what grows, what serves now, what changes when."""
    from flagctl.errors import NothingMatchedError, UsageError
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.rollout import RolloutOptions, rollout_status
    from flagctl.ops.rollout_picture import curve_svg
    from flagctl.report.rollout import render_rollouts

    session = session_of(context)
    session.format("text", "json")
    options = RolloutOptions(
        root=session.root,
        now_ms=parse_instant_option(at, now_ms()),
        key=key,
        environment=env,
        revision=revision,
        everything=everything,
    )
    result = rollout_status(options)
    if key is not None and not result.rollouts:
        raise NothingMatchedError(
            f"nothing grows in {key}", hint=f"flagctl set-percentage {key} ..., or give a rule a strategy"
        )
    session.emit(result, render_rollouts)
    if svg is not None:
        pictures = [picture for view in result.rollouts if (picture := curve_svg(view, result.now_ms, standalone=True))]
        if len(pictures) != 1:
            raise UsageError(
                f"--svg draws one rollout, and there are {len(pictures)} with dates", hint="name a flag, and --env"
            )
        svg.write_text(pictures[0], encoding="utf-8")
        session.console.note(f"wrote {svg}")


def simulate(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Of the flag.", autocompletion=complete_flags)],
    *,
    file: Annotated[
        str, typer.Option("--population", metavar="FILE", help="Contexts: JSONL, CSV, Parquet; - is stdin.")
    ],
    form: Form = None,
    env: _ENV = None,
    at: _AT = None,
    lists: ListFiles = None,
) -> None:
    """Count the units that a rollout serves, day by day, if nobody lets it wait."""
    from flagctl.cli.population import population_options, with_lists
    from flagctl.cli.progress import Progress
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.rollout_simulate import RolloutSimulateOptions, simulate_rollout
    from flagctl.report.rollout import render_rollout_simulation

    session = session_of(context)
    session.format("text", "json")
    with Progress(session) as progress:
        result = simulate_rollout(
            RolloutSimulateOptions(
                root=session.root,
                key=key,
                now_ms=parse_instant_option(at, now_ms()),
                population=with_lists(population_options(file, form, None, progress), lists),
                environment=env,
            )
        )
    session.emit(result, render_rollout_simulation)
