"""The repository in a browser: `ui`."""

import os
import secrets
from pathlib import Path
from typing import Annotated

import typer

from flagctl.cli.session import joined, session_of

Host = Annotated[str, typer.Option(metavar="ADDRESS", help="To listen on.")]
Port = Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="0 takes a free one.")]
Open = Annotated[bool | None, typer.Option("--open/--no-open", help="Start a browser; default: on a terminal.")]
ReadOnly = Annotated[bool, typer.Option("--read-only", help="Look, change nothing.")]
UserHeader = Annotated[str | None, typer.Option(metavar="NAME", help="Header in which a trusted proxy names the user.")]
EmailHeader = Annotated[str | None, typer.Option(metavar="NAME", help="The same for the user's address, for commits.")]
TrustedProxy = Annotated[list[str] | None, typer.Option(metavar="ADDRESS", help="Whose headers count; repeatable.")]
PublicUrl = Annotated[str | None, typer.Option(metavar="URL", help="Where people reach it through the proxy.")]
RootPath = Annotated[str, typer.Option(metavar="PATH", help="In front of all pages; default: that of --public-url.")]
Events = Annotated[str | None, typer.Option(metavar="URL", help="Recorded events, for results of experiments.")]
Population = Annotated[Path | None, typer.Option(metavar="FILE", help="Contexts to measure an edit's impact by.")]
LogFormat = Annotated[str, typer.Option(metavar="FORM", help="auto, json or text.")]
AccessLog = Annotated[bool, typer.Option("--access-log", help="A line for each request.")]


def ui(
    context: typer.Context,
    *,
    host: Host = "127.0.0.1",
    port: Port = 8017,
    open_browser: Open = None,
    read_only: ReadOnly = False,
    user_header: UserHeader = None,
    email_header: EmailHeader = None,
    trusted_proxy: TrustedProxy = None,
    public_url: PublicUrl = None,
    root_path: RootPath = "",
    events: Events = None,
    population: Population = None,
    log_format: LogFormat = "auto",
    access_log: AccessLog = False,
) -> None:
    """Open the flag repository in a browser: look, try, edit, publish.

    It listens on this machine only, and prints an address with a token that opens it. Edits become commits on a branch.
    """
    import sys

    _check(log_format)
    from flagctl.report.experiment_html import render_html
    from flagctl.server.ui.options import UiOptions
    from flagctl.server.ui.run import RunOptions, run_ui
    from flagctl.server.web.serving import Listen

    session = session_of(context)
    options = UiOptions(
        root=session.root,
        token=os.environ.get("FLAGCTL_UI_TOKEN") or secrets.token_urlsafe(24),
        read_only=read_only,
        user_header=user_header,
        email_header=email_header,
        trusted_proxies=frozenset(joined(trusted_proxy)),
        public_url=public_url,
        root_path=root_path.rstrip("/"),
        events=events,
        experiment_report=render_html,
        population=population,
    )
    run = RunOptions(
        ui=options,
        listen=Listen(host=host, port=port, drain_seconds=0.0, grace_seconds=5),
        open_browser=sys.stdout.isatty() if open_browser is None else open_browser,
        log_form=log_format,
        access_log=access_log,
    )
    if run_ui(run, session.console.result):
        raise KeyboardInterrupt


def _check(log_format: str) -> None:
    from importlib.util import find_spec

    from flagctl.errors import UsageError
    from flagctl.server import MISSING

    missing = ", ".join(part for part in (MISSING, "" if find_spec("jinja2") else "jinja2") if part)
    if missing:
        raise UsageError(f"ui needs {missing}", hint='pip install "flagctl[server]"')
    if log_format not in {"auto", "json", "text"}:
        raise UsageError(f"'{log_format}' is no form of a log", hint="there are: auto, json, text")
