"""The Typer application."""

from __future__ import annotations

import typer

from flagctl.cli import (
    agent,
    author,
    bundles,
    edit_names,
    experiment_names,
    keys,
    kill,
    lifecycle_names,
    look,
    plan,
    policy,
    population,
    publish,
    review,
    rollout_names,
    segment,
    self_help,
    serve,
    start,
    ui_names,
)
from flagctl.cli.commands import RootGroup

app = typer.Typer(
    name="flagctl",
    cls=RootGroup,
    help="Feature flags as code: YAML in git, signed bundles, answers in-process.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)

# The order is that of the help: first the way of a flag, then looking around, then helpers.
for group in (
    start,
    author,
    edit_names,
    review,
    population,
    policy,
    look,
    bundles,
    plan,
    publish,
    kill,
    keys,
    segment,
    rollout_names,
    experiment_names,
    lifecycle_names,
    serve,
    ui_names,
    agent,
    self_help,
):
    group.register(app)
