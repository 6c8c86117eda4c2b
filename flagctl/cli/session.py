"""What one run of the command knows: its global options, its console, its flag repository's root."""

from __future__ import annotations

import os
import time
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from flagctl.cli.console import Console
from flagctl.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import typer

    from flagctl.report.json_text import HasDict
    from flagctl.report.style import Style

FORMATS = (
    "auto",
    "text",
    "full",
    "concise",
    "json",
    "jsonl",
    "github",
    "sarif",
    "junit",
    "markdown",
    "csv",
    "mermaid",
    "dot",
)
"""Everything `--output-format` may be; a command knows some of them."""


class Session:
    """Global options of one run; each may stand before or after the command's name, the last one wins.

    Attributes:
        root_option: `--root`, or None.
        format_option: `--output-format`, or None.
        color: `--color`, or None.
        quiet: `-q`.
        verbosity: Number of `-v`.
        debug: `--debug`.
    """

    def __init__(self) -> None:
        self.root_option: Path | None = None
        self.format_option: str | None = None
        self.color: str | None = None
        self.quiet = False
        self.verbosity = 0
        self.debug = False
        self.started = time.perf_counter()

    @cached_property
    def console(self) -> Console:
        """The console; the options must have been read."""
        return Console(color=self.color, quiet=self.quiet, verbosity=self.verbosity)

    @property
    def style(self) -> Style:
        """Style of results."""
        return self.console.style

    @cached_property
    def root(self) -> Path:
        """The flag repository's root: `--root`, ``FLAGCTL_ROOT``, or found from the working folder.

        Raises:
            UsageError: If there is none.
        """
        from flagctl.source import find_root

        named = self.root_option
        if named is None and os.environ.get("FLAGCTL_ROOT"):
            named = Path(os.environ["FLAGCTL_ROOT"])
        if named is None:
            return find_root(Path.cwd())
        if not named.is_dir():
            raise UsageError(f"the folder {named} does not exist")
        if not (named / "flagctl.yaml").is_file():
            raise UsageError(
                f"there is no flagctl.yaml in {named}", hint=f"make a flag repository there: flagctl init {named}"
            )
        return named

    def format(self, *known: str) -> str:
        """Return the output format, one of `known`; the first one is the default.

        ``auto`` (also the default) is ``github`` in GitHub Actions, ``full`` on a terminal and ``concise`` otherwise,
        where the command knows these. ``FLAGCTL_OUTPUT_FORMAT`` is a wish: a command that doesn't know it has its default.

        Raises:
            UsageError: If the option names a format that the command doesn't have.
        """
        chosen = self.format_option
        if chosen is None and os.environ.get("FLAGCTL_OUTPUT_FORMAT") in known:
            chosen = os.environ["FLAGCTL_OUTPUT_FORMAT"]
        if chosen is None or chosen == "auto":
            if "github" in known and os.environ.get("GITHUB_ACTIONS") and os.environ.get("GITHUB_WORKFLOW"):
                return "github"
            if "concise" in known and not self.console.writes_to_terminal():
                return "concise"
            return known[0]
        if chosen == "text" and "text" not in known:
            return known[0]
        if chosen not in known:
            raise UsageError(
                f"this command has no output format '{chosen}'", hint=f"it knows: auto, {', '.join(known)}"
            )
        return chosen

    def emit(self, result: HasDict, render: Callable[[Any, Style], str]) -> None:
        """Write a result as text or JSON, as asked for."""
        if self.format("text", "json") == "json":
            from flagctl.report.json_text import render_json

            self.console.result(render_json(result))
        else:
            self.console.result(render(result, self.style))


def session_of(context: typer.Context) -> Session:
    """Return the session of a Typer context."""
    return cast("Session", context.find_root().obj)


def now_ms() -> int:
    """Return the wall clock in milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def joined(words: Sequence[str] | None) -> tuple[str, ...]:
    """Return the parts of options that may be repeated or hold several values separated by commas."""
    return tuple(part.strip() for word in words or () for part in word.split(",") if part.strip())


def path_in_git(root: Path) -> str:
    """Return the flag repository's folder inside its git repository, ``""`` or ending in a slash.

    Looks for `.git` itself: starting git for a prefix costs more than the rest of the command.
    """
    folder = root.resolve()
    for parent in (folder, *folder.parents):
        if (parent / ".git").exists():
            inside = folder.relative_to(parent).as_posix()
            return "" if inside == "." else inside + "/"
    return ""
