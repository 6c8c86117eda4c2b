"""Where text goes, and in what colour and width.

Results go to stdout and everything else to stderr, so that ``2>/dev/null`` loses nothing a program needs.
"""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, TextIO

from flagctl.report.style import Style, plain

if TYPE_CHECKING:
    from collections.abc import Mapping

COLOR_CHOICES = ("auto", "always", "never")


def wants_color(choice: str | None, environment: Mapping[str, str], stream: TextIO) -> bool:
    """Return whether `stream` gets colour.

    The option wins over ``FLAGCTL_COLOR``, which wins over ``NO_COLOR``, ``FORCE_COLOR`` and what the stream is. As usual,
    an empty variable counts as unset; ``FORCE_COLOR=0`` too.
    """
    for wish in (choice, environment.get("FLAGCTL_COLOR")):
        if wish in ("always", "never"):
            return wish == "always"
        if wish == "auto":
            break
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "") not in ("", "0"):
        return True
    return stream.isatty() and environment.get("TERM") != "dumb"


def terminal_width(stream: TextIO) -> int | None:
    """Return the columns of the terminal behind `stream`, or None if there is none.

    ``FLAGCTL_COLUMNS`` is for programs that show the output in a terminal themselves.
    """
    for name in ("FLAGCTL_COLUMNS", "COLUMNS") if stream.isatty() else ("FLAGCTL_COLUMNS",):
        columns = os.environ.get(name, "")
        if columns.isdecimal() and int(columns):
            return int(columns)
    if not stream.isatty():
        return None
    try:
        return os.get_terminal_size(stream.fileno()).columns or 80
    except (OSError, ValueError):
        return 80


class Console:
    """Both output streams.

    Args:
        color: ``auto``, ``always``, ``never`` or None.
        quiet: Say errors only.
        verbosity: 1 adds details such as timings.
    """

    def __init__(self, *, color: str | None = None, quiet: bool = False, verbosity: int = 0) -> None:
        self._color = color
        self.quiet = quiet
        self.verbosity = verbosity

    @cached_property
    def style(self) -> Style:
        """Style of results."""
        return self._style(sys.stdout)

    @cached_property
    def error_style(self) -> Style:
        """Style of everything else."""
        return self._style(sys.stderr)

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked."""
        return sys.stdin.isatty() and sys.stderr.isatty()

    def result(self, text: str) -> None:
        """Write a result, already rendered, to stdout."""
        if text:
            sys.stdout.write(text + "\n")

    @staticmethod
    def writes_to_terminal() -> bool:
        """Return whether results go to a terminal."""
        return sys.stdout.isatty()

    @staticmethod
    def flush() -> None:
        """Show results at once, for commands that take a while."""
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Say something in passing on stderr, unless quiet. `text` is rendered."""
        if not self.quiet and text:
            sys.stderr.write(text + "\n")

    def detail(self, text: str) -> None:
        """Say something that only `-v` asks for."""
        if self.verbosity and not self.quiet:
            sys.stderr.write(self.error_style.paint(plain(text), "dim") + "\n")

    def hint(self, text: str) -> None:
        """Say what to do next."""
        self.note(f"{self.error_style.paint('hint:', 'bold', 'cyan')} {plain(text)}")

    def warning(self, text: str) -> None:
        """Say that something is amiss but went on."""
        self.note(f"{self.error_style.paint('warning:', 'bold', 'yellow')} {plain(text)}")

    def error(self, message: str, hint: str | None = None) -> None:
        """Say why it did not work, and what helps; also when quiet."""
        style = self.error_style
        sys.stderr.write(f"{style.paint('error:', 'bold', 'red')} {plain(message)}\n")
        if hint:
            sys.stderr.write(f"{style.paint('hint:', 'bold', 'cyan')} {plain(hint)}\n")

    def ask(self, question: str, default: str) -> str:
        """Ask a person on stderr and return the answer, or the default for an empty one."""
        sys.stderr.write(f"{plain(question)} [{plain(default)}] " if default else f"{plain(question)} ")
        sys.stderr.flush()
        return sys.stdin.readline().strip() or default

    def _style(self, stream: TextIO) -> Style:
        return Style(color=wants_color(self._color, os.environ, stream), width=terminal_width(stream))
