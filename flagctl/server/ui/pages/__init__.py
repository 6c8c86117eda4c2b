"""All pages of the web UI."""

from __future__ import annotations

from typing import Final

from flagctl.server.ui.pages import audit, documents, edit, flags, live, play, rollouts
from flagctl.server.ui.pages.page import Page

__all__ = ["ROUTES", "Page"]

ROUTES: Final[tuple[Page, ...]] = (
    *flags.ROUTES,
    *rollouts.ROUTES,
    *play.ROUTES,
    *edit.ROUTES,
    *documents.ROUTES,
    *live.ROUTES,
    *audit.ROUTES,
)
"""Every page, in the order in which paths are compared."""
