"""Names of the commands that are no edits of files, with their line of help; their options are read when somebody types one."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final, NamedTuple

import typer

from flagctl.cli.commands import Group
from flagctl.cli.lazy import register_lazily

if TYPE_CHECKING:
    from collections.abc import Mapping

_AS_THE_COMMAND: Final[Mapping[str, str]] = MappingProxyType({})


class Names(NamedTuple):
    """Commands of one module.

    Attributes:
        panel: Section of the help.
        module: Where they are, below `flagctl.cli`.
        commands: The line of help by the command's name.
        functions: The function's name by the command's, where `flagctl.cli.lazy.function_name` is not it.
    """

    panel: str
    module: str
    commands: Mapping[str, str]
    functions: Mapping[str, str] = _AS_THE_COMMAND

    def register(self, app: typer.Typer) -> None:
        """Add the commands."""
        register_lazily(app, self.panel, f"flagctl.cli.{self.module}", self.commands, self.functions)


class GroupNames(NamedTuple):
    """A command that has commands of its own.

    Attributes:
        panel: Section of the help.
        name: Of the group.
        line: Its line of help.
        parts: Its commands.
    """

    panel: str
    name: str
    line: str
    parts: tuple[Names, ...]

    def register(self, app: typer.Typer) -> None:
        """Add the group."""
        group = typer.Typer(cls=Group, help=self.line, no_args_is_help=True, rich_markup_mode=None)
        group.callback()(_group)  # without one, a group with a single command would be that command
        for part in self.parts:
            part.register(group)
        app.add_typer(group, name=self.name, rich_help_panel=self.panel)


def _group() -> None:
    """Stand for what a group does by itself, which is nothing."""


START: Final = Names(
    "Start",
    "start",
    {
        "demo": "Show the whole life of a flag on this machine, in seconds.",
        "init": "Make a flag repository: sample flags, tests, keys, CI workflow.",
    },
)

AUTHOR: Final = Names(
    "Write flags",
    "author",
    {
        "validate": "Find everything that is wrong with the flag files.",
        "test": "Run the test cases of *.test.yaml files.",
        "eval": "Evaluate one flag, and say why it answers so.",
        "rule": "Explain what a finding means, with a bad and a good example.",
        "schema": "Print a JSON Schema; without a name, list them.",
    },
    {"test": "run_test_files", "eval": "evaluate"},
)

REVIEW: Final = Names(
    "Review",
    "review",
    {
        "diff": "Show what a change means: per flag, environment and rule, and how many users it moves.",
        "history": "Show who changed what meaning of one flag when; comments, formatting and moves are left out.",
        "log": "Show who changed what meaning when, over all flags.",
        "blame": "Show for each rule and property of a flag which commit set it.",
        "bisect": "Find the commits that changed a flag's answer for one context.",
    },
)

POPULATION: Final = Names(
    "Review",
    "population",
    {
        "simulate": "Show whom each rule and variant reaches in a population of contexts.",
        "rebalance": "Give a rollout new shares by pinned ranges, so that the fewest units move.",
    },
)

GENERATE: Final = GroupNames(
    "Review",
    "generate",
    "Make things up to try flags on.",
    (
        Names(
            "Commands",
            "population",
            {"population": "Make up contexts from the declared context and the constants in flags."},
        ),
    ),
)

POLICY: Final = GroupNames(
    "Review",
    "policy",
    "Weigh changes against the rules in flagctl.yaml.",
    (
        Names(
            "Commands",
            "policy",
            {
                "check": "Weigh a change against the policy, offline.",
                "rules": "List the rules that a policy can have, with the codes of their refusals.",
            },
        ),
    ),
)

OWNERS: Final = Names(
    "Review",
    "policy",
    {"owners": "Show who owns which file; keep CODEOWNERS in step with the owners in the flag files."},
)

LOOK: Final = Names(
    "Look around",
    "look",
    {
        "list": "List flags and what they are in each environment.",
        "show": "Show one flag: what it is in each environment.",
        "graph": "Show what depends on what, or what turns off with a flag.",
    },
    {"list": "list_command"},
)

BUNDLES: Final = Names(
    "Publish",
    "bundles",
    {"compile": "Compile an environment's flags to a bundle file.", "inspect": "Look into a bundle file."},
    {"compile": "compile_command"},
)

PLAN: Final = Names(
    "Publish", "plan", {"plan": "Show what publishing would change against what is live: for whom, and how risky."}
)

PUBLISH: Final = Names(
    "Publish",
    "publish",
    {
        "publish": "Make the flags of an environment live.",
        "rollback": "Go back to a bundle that was published before.",
        "status": "Show what is live where, and whether it is what is here.",
    },
)

KILL: Final = Names(
    "Publish",
    "kill",
    {
        "kill": "Force a flag off at every client, now.",
        "unkill": "Lift a kill: the flag answers as it is published.",
        "kills": "Show what is forced off.",
    },
)

KEYS: Final = GroupNames(
    "Publish",
    "keys",
    "Make and list signing keys.",
    (
        Names(
            "Commands",
            "keys",
            {
                "generate": "Make a key pair; the private file is readable by you alone (mode 0600).",
                "list": "List the keys of a folder.",
                "show": "Show a key's id and public half.",
            },
            {"list": "list_command"},
        ),
    ),
)

TRUST: Final = GroupNames(
    "Publish",
    "trust",
    "Make and show the root of trust that apps ship.",
    (
        Names(
            "Commands",
            "keys",
            {
                "init": "Make the root of trust: which keys may publish which environment. It goes into git and into apps.",
                "show": "Show who may publish where.",
            },
            {"show": "show_trust"},
        ),
        Names(
            "Commands",
            "trust_next",
            {
                "add-key": "Let a key publish, force off, or make the next root.",
                "remove-key": "Take a key out, and void everything that was signed before.",
                "new-version": "Renew the expiry, set thresholds, or raise the epoch.",
                "sign": "Sign the next root; pass the file on until enough people have.",
            },
        ),
        Names(
            "Commands",
            "keys",
            {"push": "Write the root of trust to a remote, where apps and publishers look for newer ones."},
        ),
    ),
)

SEGMENT: Final = GroupNames(
    "Publish",
    "segment",
    "Publish the members of big segments apart from the flags.",
    (
        Names(
            "Commands",
            "segment",
            {
                "build": "Make the file of a segment's list.",
                "publish": "Make a list the current one of an environment; clients have it within a minute or so.",
                "status": "Show which lists of an environment are live.",
                "check": "Say whether a unit is in a segment's list.",
            },
        ),
    ),
)

SERVE: Final = Names("Run", "serve", {"serve": "Answer evaluations over HTTP, by OFREP."})

AGENT: Final = Names("Run", "agent", {"agent": "Keep Redis or folders fresh from a remote, for many processes."})

SELF_HELP: Final = Names(
    "Help",
    "self_help",
    {
        "bench": "Measure how fast this machine evaluates flags.",
        "doctor": "Look for what is missing on this machine and in this repository.",
        "exit-codes": "Print what each exit code means.",
        "completion": "Print the script for completion in a shell.",
        "version": "Print the version.",
    },
)
