"""Segments: who is in them, and who uses them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.errors import NothingMatchedError
from flagctl.server.ui.pages.page import Page

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.server.ui.rendering import Ask


def segments(ask: Ask) -> Response:
    """Show all segments."""
    model = ask.desk.model()
    edges = ask.desk.graph().edges
    used: dict[str, set[str]] = {}
    for edge in edges:
        if edge.target.kind == "segment":
            used.setdefault(edge.target.key, set()).add(edge.source.key)
    return ask.page("segments.html", segments=list(model.segments.values()), used=used)


def segment(ask: Ask) -> Response:
    """Show one segment and who looks at it."""
    revision = ask.query("at")
    loaded, model = ask.desk.loaded(revision), ask.desk.model(revision)
    found = model.segments.get(ask.path("key"))
    if found is None:
        raise NothingMatchedError(f"there is no segment '{ask.path('key')}'", hint="the page of segments has all")
    edges = ask.desk.graph(revision=revision).edges
    return ask.page(
        "segment.html",
        segment=found,
        edges=[edge for edge in edges if edge.target.kind == "segment" and edge.target.key == found.key],
        text=loaded.documents[found.path].text,
        revision=revision,
        has_git=ask.desk.git() is not None,
    )


ROUTES: Final = (
    Page("GET", "/segments", segments),
    Page("GET", "/segments/{key}", segment),
)
