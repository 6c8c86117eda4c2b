"""New segments: a form that says as one types what the file would be, and then the editor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import FlagctlError
from flagctl.server.ui.condition_edits import new_condition
from flagctl.server.ui.field_edits import split_tags
from flagctl.server.ui.pages.edit import NEW, Sheet, editor
from flagctl.server.ui.pages.making import Made, key_and_owner, make, settle, show, tell
from flagctl.server.ui.pages.page import Page
from flagctl.server.ui.quick import split_units
from flagctl.source.editing import Set

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.ops.edit import Draft
    from flagctl.server.ui.pages.making import Part
    from flagctl.server.ui.rendering import Ask

_ROUTES: Final = {
    "": "who",
    "key": "key",
    "name": "name",
    "description": "description",
    "owner": "owner",
    "tags": "tags",
    "include": "include",
    "exclude": "exclude",
    "when": "who",
}
"""Which field a finding is about, by the place that it has in the file."""


def new(ask: Ask) -> Response:
    """Show the form for a new segment."""
    return show(ask, Made(), "segment")


def check(ask: Ask) -> Response:
    """Say what the form would make, as somebody types."""
    return tell(ask, _make(ask))


def create(ask: Ask) -> Response:
    """Show the new segment's text in the editor, or what is wrong with the form; nothing is written yet."""
    made = _make(ask)
    if made.marks:
        return show(ask, made, "segment", 422)
    return editor(ask, Sheet(made.path, made.text, {"at": "", "base": NEW, "base_text": ""}))


def _make(ask: Ask) -> Made:
    return make(ask, lambda ask, draft: key_and_owner(ask, draft, "segment"), _fill)


def _fill(ask: Ask, draft: Draft, made: Made) -> None:
    """Make the text, field by field; one that does not fit is left out and marked."""
    data: dict[str, Any] = {"kind": "segment", "key": ask.field("key").strip()}
    for name in ("name", "description", "owner"):
        text = ask.field(name).strip() or (draft.value("flagctl.yaml", ("owner",)) if name == "owner" else "")
        if text:
            data[name] = text
    tags = split_tags(ask.field("tags"))
    try:
        made.path = draft.create_document({**data, **({"tags": tags} if tags else {})})
    except FlagctlError as error:
        made.marks["key"] = error.message
        return
    settle(ask, draft, made, {"exclude": _units("exclude"), "include": _units("include"), "who": _who}, _ROUTES)


def _units(name: str) -> Part:
    def work(ask: Ask, draft: Draft, key: str) -> None:
        if ask.field(name).strip():
            units = list(dict.fromkeys(split_units(ask.field(name))))
            draft.edit(draft.find(key, "segment"), Set((name,), units))

    return work


def _who(ask: Ask, draft: Draft, key: str) -> None:
    condition = new_condition(ask, "who")
    if condition is not None:
        draft.edit(draft.find(key, "segment"), Set(("when",), [condition]))


ROUTES: Final = (
    Page("GET", "/new/segment", new),
    Page("POST", "/new/segment/check", check),
    Page("POST", "/new/segment", create),
)
