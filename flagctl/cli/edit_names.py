"""Names of the commands that edit flag files, with their line of help."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.cli.lazy import register_lazily

if TYPE_CHECKING:
    import typer

PANEL: Final = "Edit flags"

FLAGS: Final = {
    "create": "Make a new flag.",
    "update": "Set or remove anything in a flag, segment, experiment or layer.",
    "delete": "Delete a flag that nothing needs any more: no other flag, segment, experiment, test or code.",
    "archive": "Freeze a flag: one answer for everybody, until the code stops asking.",
    "enable": "Switch a flag on.",
    "disable": "Switch a flag off, in git; `flagctl kill` does it without a publication.",
    "set-default": "Say what is served when no rule matches.",
    "set-value": "Give a flag without variants another value.",
    "set-variant": "Give a variant another value.",
    "add-variant": "Add a variant behind the others.",
    "rename-variant": "Give a variant another name, also where other flags, drafts of experiments and tests name it.",
    "remove-variant": "Remove a variant that nothing serves any more.",
    "add-target": "Serve a variant to single units, or put them into a segment.",
    "remove-target": "Take single units out of a flag's targets, or out of a segment.",
    "add-tag": "Add tags.",
    "remove-tag": "Remove tags.",
    "set-expiry": "Say from which day on a flag should be gone.",
    "rename-owner": "Hand everything of one owner to another one, in all files.",
}
"""In `flagctl.cli.edit`."""

RULES: Final = {
    "add-rule": "Add a rule: behind the others, or where you say.",
    "remove-rule": "Remove a rule.",
    "move-rule": "Move a rule: the first one that matches decides.",
    "set-percentage": "Let a rule serve another share of the units.",
    "set-rollout": "Split units among variants: by default those that no rule takes.",
    "set-schedule": "Say when a flag, or one of its rules, is in force; without --from and --until: always.",
    "add-prerequisite": "Let a flag depend on variants of another one.",
    "remove-prerequisite": "Let a flag no longer depend on another one.",
}
"""In `flagctl.cli.edit_rules`."""

FILES: Final = {
    "promote": "Copy what a flag does in one environment to another one.",
    "compare": "Say in words what differs between two environments.",
    "fmt": "Write flag files in the canonical layout; comments and meaning stay.",
}
"""In `flagctl.cli.edit_files`."""

MODULES: Final = {"edit": FLAGS, "edit_rules": RULES, "edit_files": FILES}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for module, commands in MODULES.items():
        register_lazily(app, PANEL, f"flagctl.cli.{module}", commands)
