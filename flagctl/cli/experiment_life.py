"""Commands that edit experiment files: `experiment create`, `start`, `stop`, `amend`."""

from __future__ import annotations

from typing import Annotated

import typer

from flagctl.cli.edit_common import EditCommand, run
from flagctl.cli.session import joined

COMMAND_CLASS = EditCommand

_KEY = Annotated[str, typer.Argument(metavar="KEY", help="Of the experiment.")]


def create(
    context: typer.Context,
    key: _KEY,
    *,
    flag: Annotated[str, typer.Option(metavar="KEY", help="Flag whose variants are compared.")],
    hypothesis: Annotated[str | None, typer.Option(metavar="TEXT", help="What is expected to happen, and why.")] = None,
    variants: Annotated[
        str | None, typer.Option(metavar="WEIGHTS", help="Shares, as a=50,b=50 [default: all of the flag, evenly].")
    ] = None,
    control: Annotated[str | None, typer.Option(metavar="VARIANT", help="Others are compared with it.")] = None,
    primary: Annotated[
        str | None, typer.Option(metavar="EVENT[:KIND]", help="Primary metric; kind: conversion, count, mean, revenue.")
    ] = None,
    minimum_effect: Annotated[
        float | None, typer.Option(metavar="PERCENT", help="Smallest effect worth having.")
    ] = None,
    traffic: Annotated[float | None, typer.Option(min=0, max=100, metavar="PERCENT", help="Of eligible units.")] = None,
    layer: Annotated[str | None, typer.Option(metavar="KEY", help="Take free slots of this layer instead.")] = None,
    slots: Annotated[float | None, typer.Option(min=0, max=100, metavar="PERCENT", help="Of the layer.")] = None,
    days: Annotated[int, typer.Option(min=1, metavar="N", help="Until the planned end.")] = 14,
    owner: Annotated[str | None, typer.Option(metavar="NAME", help="[default: the flag's]")] = None,
) -> None:
    """Make a new experiment on a flag, as a draft."""
    from flagctl.ops.edit_paths import parse_weights
    from flagctl.ops.experiment_edit import NewExperiment, create_experiment

    new = NewExperiment(
        key=key,
        flag=flag,
        owner=owner,
        hypothesis=hypothesis,
        variants=parse_weights(joined([variants])) if variants else None,
        control=control,
        primary=primary,
        traffic=traffic,
        layer=layer,
        slots=slots,
        days=days,
        minimum_effect=minimum_effect,
    )
    run(context, lambda draft, _: create_experiment(draft, new))


def start(
    context: typer.Context,
    key: _KEY,
    *,
    days: Annotated[int | None, typer.Option(min=1, metavar="N", help="Until the planned end.")] = None,
    units: Annotated[int | None, typer.Option(min=2, metavar="N", help="In all variants at the planned end.")] = None,
) -> None:
    """Let a draft run, and register what was agreed on."""
    from flagctl.ops.experiment_edit import start_experiment

    run(context, lambda draft, _: start_experiment(draft, key, days=days, units=units))


def stop(
    context: typer.Context,
    key: _KEY,
    *,
    winner: Annotated[str | None, typer.Option(metavar="VARIANT", help="Everybody gets it ...")] = None,
    no_winner: Annotated[
        bool, typer.Option("--no-winner", help="... or nobody gets anything from it any more.")
    ] = False,
) -> None:
    """Complete a running experiment."""
    from flagctl.errors import UsageError
    from flagctl.ops.experiment_edit import stop_experiment

    if (winner is None) != no_winner:
        raise UsageError("who won?", hint="one of --winner VARIANT and --no-winner")
    run(context, lambda draft, _: stop_experiment(draft, key, winner=winner))


def amend(
    context: typer.Context,
    key: _KEY,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why it had to change; every report shows it.")],
) -> None:
    """Record that what was agreed on has changed while the experiment runs."""
    from flagctl.ops.experiment_edit import amend_experiment

    run(context, lambda draft, _: amend_experiment(draft, key, reason))
