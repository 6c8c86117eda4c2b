"""Names of the commands about experiments, with their line of help."""

from __future__ import annotations

from typing import Final

import typer

from flagctl.cli import warehouse_names
from flagctl.cli.commands import Group
from flagctl.cli.lazy import register_lazily

_PANEL: Final = "Experiments"

LIFE: Final = {
    "create": "Make a new experiment on a flag, as a draft.",
    "start": "Let a draft run, and register what was agreed on.",
    "stop": "Complete a running experiment.",
    "amend": "Record that what was agreed on has changed while the experiment runs.",
}
"""In `flagctl.cli.experiment_life`."""

PLAN: Final = {
    "list": "List experiments, and what room their layers have.",
    "show": "Show what was agreed on about one experiment.",
    "power": "Say how many units an experiment needs, for how long, for which effect.",
}
"""In `flagctl.cli.experiment_plan`."""

RESULTS: Final = {
    "analyze": "Decide an experiment by the rule that was agreed on. Exits with 1 if it is invalid or must stop.",
    "guard": "Judge the guardrails of an experiment; may be asked as often as one likes. Exits with 1 if one is broken, or the data cannot be trusted.",
    "simulate-events": "Make up events of an experiment, to try an analysis before there are real ones.",
}
"""In `flagctl.cli.experiment`."""


CHECKS: Final = {
    "selftest": "Deal the units out at random, again and again: how often is an effect found where none is? Exits with 1 if too often.",
    "interactions": "Show whether an experiment's effect depends on the variants of others.",
    "holdout": "Show what all experiments of a layer have brought together: its holdout against the rest.",
}
"""In `flagctl.cli.experiment_checks`."""


ANALYTICS: Final = {
    "usage": "Count evaluations by flag, variant, reason and day; name flags nobody asks for, and keys nobody made.",
    "performance": "Show how long evaluations take, and compare what was measured between a flag's variants.",
}
"""In `flagctl.cli.analytics`."""


AUDIT: Final = {
    "audit": "Show who changed what, who published it where, and what was forced off. Exits with 1 if something is not as it should be.",
}
"""In `flagctl.cli.audit`."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(
        cls=Group, help="Plan, run and decide experiments.", no_args_is_help=True, rich_markup_mode=None
    )
    group.callback()(_group)
    register_lazily(group, _PANEL, "flagctl.cli.experiment_life", LIFE)
    register_lazily(group, _PANEL, "flagctl.cli.experiment_plan", PLAN)
    register_lazily(group, _PANEL, "flagctl.cli.experiment", RESULTS)
    register_lazily(group, _PANEL, "flagctl.cli.experiment_checks", CHECKS)
    app.add_typer(group, name="experiment", rich_help_panel=_PANEL)
    register_lazily(app, _PANEL, "flagctl.cli.analytics", ANALYTICS)
    warehouse_names.register(app)
    register_lazily(app, _PANEL, "flagctl.cli.audit", AUDIT)


def _group() -> None:
    """Plan, run and decide experiments."""
