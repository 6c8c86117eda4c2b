"""Lines on stderr that say how far a long run is; only in terminals, and only after a second."""

from __future__ import annotations

import os
import sys
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.cli.session import Session

_PATIENCE = 1.0
"""Seconds before progress is shown."""


class StatusLine:
    """One line that is written again and again, and gone in the end.

    Args:
        session: Whose console it is.
        clock: Monotonic seconds.
    """

    def __init__(self, session: Session, clock: Callable[[], float] = time.monotonic) -> None:
        self._wanted = not session.console.quiet and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"
        self._clock = clock
        self._started = clock()
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._shown:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()

    def show(self, text: str) -> None:
        """Replace the line."""
        if not self._wanted or self._clock() - self._started < _PATIENCE:
            return
        self._shown = True
        sys.stderr.write(f"\r{text}\x1b[K")
        sys.stderr.flush()


class Progress(StatusLine):
    """How many contexts are done."""

    def __call__(self, done: int, share: float | None) -> None:
        """Say how many contexts are done, and which share of the file that is, if it is known."""
        self.show(f"{done:,} contexts" + ("" if share is None else f" ({share:.0%})"))


class Stage(StatusLine):
    """What is done now."""

    def __call__(self, text: str) -> None:
        """Say what is done next."""
        self.show(f"{text} …")
