"""The shape of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from flagctl.server.ui.rendering import Ask


class Page(NamedTuple):
    """Where a page is, and what makes it.

    Attributes:
        method: ``GET`` or ``POST``.
        path: As Starlette writes it.
        show: Makes the answer; runs in a thread.
        changes: Whether it changes files or what is live, which a read-only UI refuses.
    """

    method: str
    path: str
    show: Callable[[Ask], Response]
    changes: bool = False
