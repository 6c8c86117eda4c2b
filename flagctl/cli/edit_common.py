"""What all commands have in common that edit flag files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperOption

from flagctl.cli.commands import Command
from flagctl.cli.completions import complete_environments, complete_flags
from flagctl.cli.session import now_ms, session_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.ops.edit import Draft
    from flagctl.ops.edit_apply import ApplyOptions

_META = "flagctl.edit"

Key = Annotated[str, typer.Argument(metavar="KEY", help="Of the flag.", autocompletion=complete_flags)]
Env = Annotated[
    str | None,
    typer.Option(
        "--env", metavar="NAME", help="Only in this environment [default: all].", autocompletion=complete_environments
    ),
]
CopyDown = Annotated[
    bool, typer.Option("--copy-down", help="With --env: begin with a copy of what all environments share.")
]


def _store(context: Any, parameter: Any, value: Any) -> Any:
    context.meta.setdefault(_META, {})[parameter.name] = value
    return value


def _option(*declarations: str, **settings: Any) -> TyperOption:
    return TyperOption(param_decls=list(declarations), expose_value=False, callback=_store, **settings)


class EditCommand(Command):
    """A command with the options that all edits have."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        own = [
            _option("--dry-run", is_flag=True, default=False, help="Show the difference, write nothing."),
            _option(
                "--commit",
                is_flag=True,
                default=False,
                help="Commit these files, with a message that tells the meaning.",
            ),
            _option("--message", "-m", metavar="TEXT", help="Commit with this message."),
            _option("--branch", metavar="NAME", help="Commit on this branch; files on disk stay as they are."),
            _option("--author", metavar="NAME", help='Author of the commit: "Name <address>".'),
            _option("--no-input", is_flag=True, default=False, help="Ask nothing."),
        ]
        at = len(self.params) - len(self.global_options)
        self.params[at:at] = own


def may_ask(context: typer.Context) -> bool:
    """Return whether a person can be asked and did not forbid it."""
    given: dict[str, Any] = context.meta.get(_META, {})
    return session_of(context).console.interactive and not given.get("no_input")


def apply_options(context: typer.Context) -> ApplyOptions:
    """Return what the options that all edits have say."""
    from flagctl.ops.edit_apply import ApplyOptions

    given: dict[str, Any] = context.meta.get(_META, {})
    message, branch = given.get("message"), given.get("branch")
    return ApplyOptions(
        dry_run=bool(given.get("dry_run")),
        commit=message or bool(given.get("commit") or branch),
        branch=branch,
        author=given.get("author"),
    )


def run(
    context: typer.Context, work: Callable[[Draft, bool], object], *, copy_down: bool = False, quiet: bool = False
) -> None:
    """Let `work` edit a draft, write it as the options say, and show what became of it; with `quiet` not as JSON.

    An environment that has to begin with a copy of the shared rules is asked about on a terminal.
    """
    from flagctl.ops.edit_flags import CopyDownError
    from flagctl.ops.edit_run import run_edit
    from flagctl.report.edit import render_edit

    session = session_of(context)
    session.format("text", "json")
    options = apply_options(context)
    try:
        result = run_edit(session.root, now_ms(), options, lambda draft: work(draft, copy_down))
    except CopyDownError as error:
        if copy_down or not may_ask(context):
            raise
        session.console.note(str(error))
        if session.console.ask("Begin with a copy of them?", "no").lower() not in {"y", "yes"}:
            raise
        result = run_edit(session.root, now_ms(), options, lambda draft: work(draft, True))
    if not quiet or session.format("text", "json") != "json":
        session.emit(result, render_edit)
    for note in result.plan.notes:
        session.console.note(f"note: {note}")
    for found in result.plan.warnings():
        session.console.warning(f"{found.path}: {found.message} [{found.code}]")
    if result.written and result.commit is None and not options.commit:
        session.console.hint("flagctl diff shows all that is not committed; --commit makes a commit at once")
