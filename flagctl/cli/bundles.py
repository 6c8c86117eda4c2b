"""Commands about bundles as files: `compile`, `inspect`."""

from pathlib import Path
from typing import Annotated

import typer

from flagctl.cli.completions import complete_environments, complete_flags
from flagctl.cli.session import now_ms, session_of


def compile_command(
    context: typer.Context,
    env: Annotated[
        str, typer.Option("--env", metavar="NAME", help="Environment.", autocompletion=complete_environments)
    ],
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE", help="To write; .gz compresses, - is stdout.")
    ] = None,
    revision: Annotated[str | None, typer.Option(metavar="REV", help="Flags of this git revision.")] = None,
) -> None:
    """Compile an environment's flags to a bundle file.

    The same flags give the same bytes, anywhere.
    """
    import sys

    from flagctl.ops.compile import CompileOptions, compile_bundle
    from flagctl.report.bundles import render_compilation

    session = session_of(context)
    session.format("text", "json")
    path = None if output in {None, "-"} else Path(str(output))
    result = compile_bundle(
        CompileOptions(root=session.root, environment=env, now_ms=now_ms(), output=path, revision=revision)
    )
    if output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(result.bundle.data)
        return
    session.emit(result, render_compilation)
    if path is None:
        session.console.hint("nothing was written; to write it: -o bundle.json")


def inspect(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(metavar="FILE", help="A bundle, plain or .gz.")],
    flag: Annotated[
        str | None, typer.Option(metavar="KEY", help="Show this flag's entry.", autocompletion=complete_flags)
    ] = None,
    biggest: Annotated[int, typer.Option(metavar="N", min=0, help="List the largest flags.")] = 5,
) -> None:
    """Look into a bundle file."""
    from flagctl.cli.exit_codes import ExitCode
    from flagctl.ops.inspect import InspectOptions, inspect_file
    from flagctl.report.bundles import render_inspection

    session = session_of(context)
    session.format("text", "json")
    result = inspect_file(InspectOptions(path=path, flag=flag, biggest=biggest))
    session.emit(result, render_inspection)
    if result.problem is not None:
        raise typer.Exit(ExitCode.UNTRUSTED)
