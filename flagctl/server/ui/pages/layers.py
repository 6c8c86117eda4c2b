"""Layers: who has which slots, who is held out, and what all experiments of a layer have brought together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.errors import UsageError
from flagctl.ops.experiment_analyze import AnalyzeOptions
from flagctl.ops.experiment_holdout import HoldoutOptions, compare_holdout
from flagctl.server.ui.layers import find_layer, parts_of, place_of, slots_picture
from flagctl.server.ui.pages.experiments import events_of, percent
from flagctl.server.ui.pages.page import Page

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.server.ui.rendering import Ask

_LONGEST_UNIT: Final = 500


def layer(ask: Ask) -> Response:
    """Show one layer."""
    revision = ask.query("at")
    model = ask.desk.model(revision)
    found = find_layer(model, ask.path("key"))
    parts = parts_of(model, found)
    mine = [one for one in model.experiments.values() if one.layer == found.key]
    return ask.page(
        "layer.html",
        layer=found,
        revision=revision,
        parts=parts,
        picture=slots_picture(found, parts, ask.url),
        held=next((part for part in parts if part.kind == "holdout"), None),
        units=sorted({".".join(one.bucket_by) for one in mine}) or ["targeting_key"],
        done=[one for one in mine if one.status.value == "completed"],
        text=ask.desk.loaded(revision).documents[found.path].text,
    )


def unit(ask: Ask) -> Response:
    """Say where a unit is."""
    model = ask.desk.model(ask.query("at"))
    found = find_layer(model, ask.path("key"))
    text = ask.query("unit").strip()
    if len(text) > _LONGEST_UNIT:
        raise UsageError("this is too long for a unit")
    place = place_of(found, parts_of(model, found), text) if text else None
    return ask.page("part_place.html", unit=text, place=place)


def held(ask: Ask) -> Response:
    """Show the holdout against the rest."""
    key = find_layer(ask.desk.model(), ask.path("key")).key
    names = tuple(name for name in ask.query("events").replace(",", " ").split() if name)
    reading = AnalyzeOptions(root=ask.desk.root, key=key, events=events_of(ask), now_ms=ask.desk.now_ms)
    result = compare_holdout(ask.desk.model(), HoldoutOptions(events=reading, names=names))
    return ask.page("part_held.html", result=result, percent=percent)


ROUTES: Final = (
    Page("GET", "/layers/{key}", layer),
    Page("GET", "/layers/{key}/unit", unit),
    Page("GET", "/layers/{key}/held", held),
)
