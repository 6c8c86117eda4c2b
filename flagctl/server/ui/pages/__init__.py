"""All pages of the web UI."""

from __future__ import annotations

from typing import Final

from flagctl.server.ui.pages import (
    audit,
    create,
    create_segment,
    edit,
    experiment_edits,
    experiments,
    flags,
    layers,
    live,
    play,
    rollouts,
    segments,
)
from flagctl.server.ui.pages.page import Page

__all__ = ["ROUTES", "Page"]

ROUTES: Final[tuple[Page, ...]] = (
    *flags.ROUTES,
    *rollouts.ROUTES,
    *play.ROUTES,
    *edit.ROUTES,
    *create.ROUTES,
    *create_segment.ROUTES,
    *segments.ROUTES,
    *experiments.ROUTES,
    *experiment_edits.ROUTES,
    *layers.ROUTES,
    *live.ROUTES,
    *audit.ROUTES,
)
"""Every page, in the order in which paths are compared."""
