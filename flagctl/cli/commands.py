"""Typer's command and group classes with the global options in both positions.

``flagctl --root x list`` and ``flagctl list --root x`` mean the same.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

from flagctl.cli.console import COLOR_CHOICES
from flagctl.cli.session import FORMATS, Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def _store(name: str) -> Any:
    """Return a parameter callback that writes a given option to the session."""

    def callback(context: Any, _parameter: Any, value: Any) -> Any:
        session = context.find_root().obj
        if isinstance(session, Session) and value not in (None, False, 0):
            setattr(session, name, session.verbosity + value if name == "verbosity" else value)
        return value

    return callback


def _print_version(context: Any, _parameter: Any, value: Any) -> None:
    if value and not context.resilient_parsing:
        import flagctl

        typer.echo(f"flagctl {flagctl.__version__}")
        raise typer.Exit


def _one_of(name: str, choices: Sequence[str]) -> Any:
    store = _store(name)

    def callback(context: Any, parameter: Any, value: Any) -> Any:
        if value is not None and value not in choices:
            raise typer.BadParameter(f"'{value}' is none of {', '.join(choices)}", ctx=context, param=parameter)
        return store(context, parameter, value)

    return callback


def _global_options() -> list[Any]:
    def option(*declarations: str, **settings: Any) -> TyperOption:
        return TyperOption(param_decls=list(declarations), expose_value=False, **settings)

    return [
        option(
            "--root",
            callback=lambda context, parameter, value: _store("root_option")(
                context, parameter, None if value is None else Path(value)
            ),
            metavar="DIR",
            help="The flag repository's folder [default: found from here].",
        ),
        option(
            "--output-format",
            callback=_one_of("format_option", FORMATS),
            metavar="FORMAT",
            help="text or json; where it makes sense, full, concise, github, sarif, junit, markdown, mermaid, dot.",
        ),
        option("--color", callback=_one_of("color", COLOR_CHOICES), metavar="WHEN", help="auto, always or never."),
        option("--quiet", "-q", is_flag=True, default=False, callback=_store("quiet"), help="Say errors only."),
        option("--verbose", "-v", count=True, type=int, default=0, callback=_store("verbosity"), help="Say more."),
        option("--debug", is_flag=True, default=False, callback=_store("debug"), help="Show tracebacks."),
    ]


def _write_options(command: Any, context: Any, formatter: Any) -> None:
    """Write a command's own arguments and options, then the global ones."""
    shared = {parameter for parameter in command.params if parameter in command.global_options}
    sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], "Global options": []}
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None:
            is_argument = parameter.param_type_name == "argument"
            section = "Arguments" if is_argument else "Global options" if parameter in shared else "Options"
            sections[section].append(record)
    for title, records in sections.items():
        if records:
            with formatter.section(title):
                formatter.write_dl(records)


_WHOLE_SENTENCE: Final = 400
"""Letters of the first sentence of a command's help that a list of commands shows; a longer line than the terminal wraps."""


class Command(TyperCommand):
    """A command with the global options."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.global_options = _global_options()
        self.params += self.global_options

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Return the parts of the usage line; a required argument stands there as it is, without braces."""
        return [piece.strip("{}") for piece in super().collect_usage_pieces(ctx)]

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options in sections."""
        _write_options(self, ctx, formatter)


class Group(TyperGroup):
    """A group of commands with the global options and its commands in titled sections."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.global_options = _global_options()
        self.params += self.global_options

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands by section, then the options."""
        self.format_commands(ctx, formatter)
        _write_options(self, ctx, formatter)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands by section."""
        sections: dict[str, list[tuple[str, str]]] = {}
        names = list(self.list_commands(ctx))
        for name in names:
            command = self.get_command(ctx, name)
            if command is not None and not command.hidden:
                title = getattr(command, "rich_help_panel", None) or "Commands"
                sections.setdefault(str(title), []).append((name, command.get_short_help_str(_WHOLE_SENTENCE)))
        widest = max(map(len, names), default=0)
        for title, rows in sections.items():
            with formatter.section(title):
                formatter.write_dl(_padded(rows, widest))


class RootGroup(Group):
    """The whole command; everything it does goes through the error door."""

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        version = TyperOption(
            param_decls=["--version"],
            is_flag=True,
            is_eager=True,
            expose_value=False,
            callback=_print_version,
            help="Print the version and exit.",
        )
        self.params.insert(0, version)

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002  Typer's signature; the door always ends the run
        windows_expand_args: bool = True,  # noqa: ARG002  the same
        **extra: Any,
    ) -> Any:
        """Run with `args` (default: the process's) and exit with a code of `ExitCode`."""
        import sys

        from flagctl.cli.error_door import leave_through_door

        words = list(sys.argv[1:] if args is None else args)
        name = prog_name if prog_name and prog_name != "root" else "flagctl"
        self._complete(extra, name, complete_var)
        session = Session()

        def work() -> None:
            with self.make_context(name, words, obj=session, **extra) as context:
                self.invoke(context)

        sys.exit(leave_through_door(work, session, words))

    def _complete(self, extra: dict[str, Any], name: str, complete_var: str | None) -> None:
        import os

        if os.environ.get(complete_var or f"_{name}_COMPLETE".replace("-", "_").upper()):
            from typer.completion import completion_init  # type: ignore[attr-defined]  # Typer's own, for add_completion

            completion_init()
            self._main_shell_completion(extra, name, complete_var)


def _padded(rows: Iterable[tuple[str, str]], width: int) -> list[tuple[str, str]]:
    """Give all sections' first columns one width, so that their descriptions are aligned."""
    return [(name.ljust(width), text) for name, text in rows]
