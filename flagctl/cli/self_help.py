"""Commands about flagctl itself: `version`, `exit-codes`, `completion`."""

from typing import Annotated

import typer

from flagctl.cli.session import now_ms, session_of

_SHELLS = ("bash", "zsh", "fish", "powershell", "pwsh")


def bench(
    context: typer.Context,
    *,
    flags: Annotated[
        int, typer.Option("--flags", metavar="N", min=0, help="Size of the large bundle; 0 leaves it out.")
    ] = 10_000,
    quick: Annotated[bool, typer.Option("--quick", help="Measure less thoroughly.")] = False,
    redis: Annotated[
        str | None, typer.Option("--redis", metavar="URL", help="Fetch changes through it, too: redis://host:6379/0.")
    ] = None,
    remote: Annotated[
        str | None, typer.Option("--remote", metavar="URL", help="And from this store; writes below bench-… there.")
    ] = None,
    endpoint_url: Annotated[str | None, typer.Option(metavar="URL", help="Address of an S3-compatible store.")] = None,
) -> None:
    """Measure how fast this machine evaluates flags."""
    from flagctl.ops.bench import BenchOptions
    from flagctl.ops.bench import bench as run
    from flagctl.ops.bench_levels import Places
    from flagctl.report.bench import render_bench

    session = session_of(context)
    session.format("text", "json")
    places = Places(redis=redis, remote=remote, endpoint_url=endpoint_url)
    options = BenchOptions(flags=flags, places=places)
    if quick:
        options = BenchOptions(flags=flags, places=places, repeats=8, rounds=2_000, changes=5)
    session.console.detail("measuring; this takes a few seconds")
    session.emit(run(options), render_bench)


def doctor(
    context: typer.Context,
    *,
    offline: Annotated[bool, typer.Option("--offline", help="Leave the remotes alone.")] = False,
) -> None:
    """Look for what is missing on this machine and in this repository."""
    from pathlib import Path

    from flagctl.cli.exit_codes import ExitCode
    from flagctl.ops.doctor import diagnose
    from flagctl.report.doctor import render_doctor

    session = session_of(context)
    result = diagnose(session.root_option or Path.cwd(), offline=offline, now_ms=now_ms())
    session.emit(result, render_doctor)
    if not result.healthy:
        raise typer.Exit(ExitCode.FINDINGS)


def version(context: typer.Context) -> None:
    """Print the version."""
    from flagctl.report.about import VersionInfo, render_version

    session_of(context).emit(VersionInfo.current(), render_version)


def exit_codes(context: typer.Context) -> None:
    """Print what each exit code means."""
    from flagctl.cli.exit_codes import ExitCode
    from flagctl.report.about import ExitCodeTable, render_exit_codes

    table = ExitCodeTable(codes=tuple((int(code), code.name, code.meaning) for code in ExitCode))
    session_of(context).emit(table, render_exit_codes)


def completion(
    context: typer.Context,
    shell: Annotated[str, typer.Argument(metavar="SHELL", help="bash, zsh, fish, powershell or pwsh.")],
) -> None:
    """Print the script for completion in a shell.

    It completes commands, options, and keys of flags.

    For bash: flagctl completion bash > ~/.local/share/bash-completion/completions/flagctl
    """
    from flagctl.errors import UsageError

    if shell not in _SHELLS:
        raise UsageError(f"there is no completion for '{shell}'", hint=f"there is for: {', '.join(_SHELLS)}")
    from typer.completion import get_completion_script  # type: ignore[attr-defined]  # Typer's own

    script = get_completion_script(prog_name="flagctl", complete_var="_FLAGCTL_COMPLETE", shell=shell)
    session_of(context).console.result(script)
