"""Commands whose options are made only when somebody types them.

Typer looks at every function's signature on every start, about a millisecond each; a program with many commands would wait for
commands that nobody asked for. A lazy command knows its name and one line of help; everything else comes from its module on demand.
"""

from __future__ import annotations

import builtins
from functools import cached_property, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand

if TYPE_CHECKING:
    from collections.abc import Mapping

    import typer


class LazyCommand(TyperCommand):
    """Stands for a command until it is needed.

    Args:
        source: ``module:function`` of the command. The module may have a `COMMAND_CLASS`, or `COMMAND_CLASSES` by function.
        settings: As Typer gives them.
    """

    def __init__(self, *args: Any, source: str, **settings: Any) -> None:
        self.source = source
        super().__init__(*args, **settings)

    @cached_property
    def real(self) -> Any:
        """The command itself."""
        from typer.main import get_command_from_info
        from typer.models import CommandInfo

        from flagctl.cli.commands import Command

        path, _, name = self.source.partition(":")
        module = import_module(path)
        info = CommandInfo(
            name=self.name,
            cls=getattr(module, "COMMAND_CLASSES", {}).get(name) or getattr(module, "COMMAND_CLASS", Command),
            callback=getattr(module, name),
            context_settings=dict(self.context_settings),
        )
        return get_command_from_info(info, pretty_exceptions_short=False, rich_markup_mode=None)

    @property
    def params(self) -> Any:
        """Options and arguments."""
        return self.real.params

    @params.setter
    def params(self, value: Any) -> None:
        """Leave out what Typer found in the placeholder."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Begin a run of the command itself."""
        return self.real.make_context(info_name, args, parent=parent, **extra)


def register_lazily(
    app: typer.Typer, panel: str, module: str, commands: Mapping[str, str], functions: Mapping[str, str] | None = None
) -> None:
    """Add commands of a module.

    Args:
        app: Where to.
        panel: Section of the help.
        module: Has a function for each command, named as `function_name` says, and may say what class they have.
        commands: The first line of each function's docstring by the command's name.
        functions: Names of functions that are not named as `function_name` says, by the command's name.
    """
    for name, line in commands.items():
        source = f"{module}:{(functions or {}).get(name) or function_name(name)}"
        app.command(name, cls=partial(LazyCommand, source=source), help=line, rich_help_panel=panel)(_placeholder)  # type: ignore[arg-type]


def function_name(command: str) -> str:
    """Return the name of a command's function: underscores, and one behind what Python calls something else.

    >>> function_name("add-rule"), function_name("list")
    ('add_rule', 'list_')
    """
    name = command.replace("-", "_")
    return f"{name}_" if hasattr(builtins, name) else name


def _placeholder() -> None:
    """Stand for a command's function; never called."""
