"""The Typer application."""

from __future__ import annotations

import typer

from flagctl.cli import edit_names, experiment_names, lifecycle_names, names, rollout_names, ui_names, warehouse_names
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
    names.START,
    names.AUTHOR,
    edit_names,
    names.REVIEW,
    names.POPULATION,
    names.GENERATE,
    names.POLICY,
    names.OWNERS,
    names.LOOK,
    names.BUNDLES,
    names.PLAN,
    names.PUBLISH,
    names.KILL,
    names.KEYS,
    names.TRUST,
    names.SEGMENT,
    rollout_names,
    experiment_names,
    warehouse_names,
    lifecycle_names,
    names.SERVE,
    ui_names,
    names.AGENT,
    names.SELF_HELP,
):
    group.register(app)
