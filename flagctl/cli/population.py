"""Commands about populations of contexts: `simulate`, `generate population`; and what `diff` shares with them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flagctl.cli.completions import complete_environments, complete_flags
from flagctl.cli.progress import Progress
from flagctl.cli.session import joined, now_ms, session_of

if TYPE_CHECKING:
    from flagctl.ops.measure import PopulationOptions


By = Annotated[
    list[str] | None, typer.Option("--by", metavar="ATTRIBUTE", help="Break numbers down by it; repeatable.")
]
ListFiles = Annotated[
    list[str] | None,
    typer.Option("--list", metavar="NAME=FILE", help="Units of a list that a segment names, one a line."),
]
Form = Annotated[
    str | None,
    typer.Option("--population-format", metavar="FORMAT", help="jsonl, csv or parquet [default: by ending]."),
]


def _group() -> None:
    """Make things up to try flags on."""


def simulate(
    context: typer.Context,
    keys: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY]...", help="Only these flags.", autocompletion=complete_flags),
    ] = None,
    *,
    file: Annotated[
        str, typer.Option("--population", metavar="FILE", help="Contexts: JSONL, CSV, Parquet; - is stdin.")
    ],
    env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Environment.", autocompletion=complete_environments)
    ] = None,
    by: By = None,
    form: Form = None,
    at: Annotated[
        str | None, typer.Option(metavar="INSTANT", help="Instant of the evaluations [default: now].")
    ] = None,
    revision: Annotated[str | None, typer.Option(metavar="REV", help="Flags as of this git revision.")] = None,
    lists: ListFiles = None,
) -> None:
    """Show whom each rule and variant reaches in a population of contexts."""
    from flagctl.ops.contexts import parse_instant_option
    from flagctl.ops.simulate import SimulateOptions
    from flagctl.ops.simulate import simulate as run
    from flagctl.report.population import render_simulation

    session = session_of(context)
    session.format("text", "json")
    with Progress(session) as progress:
        result = run(
            SimulateOptions(
                root=session.root,
                keys=tuple(keys or ()),
                environment=env,
                now_ms=parse_instant_option(at, now_ms()),
                population=with_lists(population_options(file, form, by, progress), lists),
                revision=revision,
            )
        )
    session.emit(result, render_simulation)


def with_lists(options: PopulationOptions, lists: list[str] | None) -> PopulationOptions:
    """Return options with the files of lists that were given as ``NAME=FILE``."""
    from dataclasses import replace

    return replace(options, lists=list_files(lists))


def list_files(lists: list[str] | None) -> dict[str, Path]:
    """Return the files of lists that were given as ``NAME=FILE``, by the lists' names."""
    from flagctl.errors import UsageError

    files = {}
    for item in lists or ():
        name, sign, path = item.partition("=")
        if not sign or not name or not path:
            raise UsageError(f"--list is NAME=FILE, not '{item}'")
        files[name] = Path(path)
    return files


def population_options(
    file: str, form: str | None, by: list[str] | None, progress: Progress, examples: int = 3
) -> PopulationOptions:
    """Return what the options about a population mean."""
    from flagctl.ops.measure import PopulationOptions

    return PopulationOptions(
        path=None if file == "-" else Path(file),
        stream=sys.stdin.buffer if file == "-" else None,
        form=form,
        by=joined(by),
        examples=examples,
        progress=progress,
    )


def population(
    context: typer.Context,
    *,
    count: Annotated[int, typer.Option(min=1, metavar="N", help="How many contexts.")] = 10_000,
    seed: Annotated[int, typer.Option(metavar="NUMBER", help="Another one gives other contexts.")] = 0,
    missing: Annotated[
        float, typer.Option(min=0, max=100, metavar="PERCENT", help="How often optional attributes are missing.")
    ] = 10.0,
    out: Annotated[
        str, typer.Option("--out", "-o", metavar="FILE", help="JSONL, CSV or Parquet by its ending; - is stdout.")
    ] = "-",
    form: Form = None,
) -> None:
    """Make up contexts from the declared context and the constants in flags."""
    from flagctl.errors import UsageError
    from flagctl.ops.population import GenerateOptions, generate_population
    from flagctl.report.json_text import render_json
    from flagctl.report.values import count as counted

    session = session_of(context)
    to_stdout = out == "-"
    as_json = session.format("text", "json") == "json"
    if to_stdout and as_json:
        raise UsageError("stdout can't take both the contexts and the result", hint="add -o FILE")
    result = generate_population(
        GenerateOptions(
            root=session.root,
            count=count,
            seed=seed,
            missing=missing / 100,
            path=None if to_stdout else Path(out),
            stream=sys.stdout.buffer if to_stdout else None,
            form=form,
        )
    )
    if as_json:
        session.console.result(render_json(result))
    elif not to_stdout:
        session.console.note(f"{counted(result.count, 'context')} written to {out}")
        session.console.hint(f"flagctl simulate --env NAME --population {out}")


def rebalance(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="Key of the flag.", autocompletion=complete_flags)],
    *,
    weights: Annotated[list[str], typer.Option(metavar="A=20,B=80", help="New share of each variant in percent.")],
    env: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its rollout there.", autocompletion=complete_environments)
    ] = None,
    rule: Annotated[str | None, typer.Option(metavar="ID", help="Of this rule; `default` is the default's.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the edit and write nothing.")] = False,
) -> None:
    """Give a rollout new shares by pinned ranges, so that the fewest units move."""
    from flagctl.ops.rebalance import RebalanceOptions
    from flagctl.ops.rebalance import rebalance as run
    from flagctl.report.rebalance import render_rebalance

    session = session_of(context)
    session.format("text", "json")
    options = RebalanceOptions(
        root=session.root, key=key, weights=joined(weights), environment=env, rule=rule, dry_run=dry_run
    )
    result = run(options)
    session.emit(result, render_rebalance)
    if result.written:
        session.console.hint("flagctl diff shows what it means")
    elif result.patch:
        session.console.note("nothing was written")
