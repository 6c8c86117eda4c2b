"""Commands that write the flags for other tools: `codegen python`, `export openfeature-manifest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from flagctl.cli.exit_codes import ExitCode
from flagctl.cli.session import now_ms, session_of

_Out = Annotated[Path | None, typer.Option("--out", metavar="FILE", help="Write this file [default: stdout].")]
_Check = Annotated[
    bool, typer.Option("--check", help="Write nothing; exit with 1 if the file is not as it would be written.")
]


def python(context: typer.Context, *, out: _Out = None, check: _Check = False) -> None:
    """Write a Python module with a typed accessor for each flag."""
    from flagctl.ops.codegen import CodegenOptions, codegen
    from flagctl.report.json_text import render_json

    session = session_of(context)
    form = session.format("text", "json")
    _need_file(out, check=check)
    result = codegen(CodegenOptions(root=session.root, now_ms=now_ms(), out=out, check=check))
    if form == "json":
        session.console.result(render_json(result))
    elif out is None:
        session.console.result(result.text.rstrip("\n"))
    _finish(context, out, check=check, is_current=result.is_current)


def openfeature_manifest(context: typer.Context, *, out: _Out = None, check: _Check = False) -> None:
    """Write the flags as a manifest from which `openfeature generate` makes accessors in other languages."""
    from flagctl.ops.openfeature_manifest import openfeature_manifest as run

    session = session_of(context)
    session.format("text", "json")
    _need_file(out, check=check)
    result = run(session.root, now_ms(), out=out, check=check)
    if out is None:
        session.console.result(result.text.rstrip("\n"))
    _finish(context, out, check=check, is_current=result.is_current)


def _need_file(out: Path | None, *, check: bool) -> None:
    from flagctl.errors import UsageError

    if check and out is None:
        raise UsageError("--check compares with a file", hint="name it: --out FILE")


def _finish(context: typer.Context, out: Path | None, *, check: bool, is_current: bool) -> None:
    console = session_of(context).console
    if out is None:
        return
    if check and not is_current:
        console.note(f"{out} is not as it would be written; run the command without --check")
        raise typer.Exit(ExitCode.FINDINGS)
    console.note(f"{out} is up to date" if is_current else f"written: {out}")
