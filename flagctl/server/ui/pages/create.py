"""New flags: a form, and then the editor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.errors import FlagctlError, UsageError
from flagctl.ops.edit import NewFlag
from flagctl.ops.edit_templates import template_names
from flagctl.server.ui.field_edits import split_tags
from flagctl.server.ui.pages.edit import NEW, Sheet, editor
from flagctl.server.ui.pages.page import Page

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.server.ui.rendering import Ask


def new(ask: Ask) -> Response:
    """Show the form for a new flag."""
    return _form(ask, None, 200)


def create(ask: Ask) -> Response:
    """Make the text of a new flag, and show it in the editor; nothing is written yet."""
    try:
        path, text = _made(ask)
    except FlagctlError as error:
        return _form(ask, error, 422)
    return editor(ask, Sheet(path, text, {"at": "", "base": NEW, "base_text": ""}))


def _form(ask: Ask, trouble: FlagctlError | None, status: int) -> Response:
    model = ask.desk.model()
    owners = sorted({one.owner for one in model.flags.values() if one.owner})
    templates = template_names(ask.desk.root)
    return ask.page("new.html", status, owners=owners, templates=templates, form=ask.form, trouble=trouble)


def _made(ask: Ask) -> tuple[str, str]:
    wanted = NewFlag(
        key=ask.field("key").strip(),
        template=ask.field("template") or None,
        type=ask.field("type") or "boolean",
        owner=ask.field("owner").strip() or None,
        name=ask.field("name").strip() or None,
        description=ask.field("description").strip() or None,
        tags=tuple(split_tags(ask.field("tags"))),
        expires=ask.field("expires").strip() or None,
    )
    if not wanted.key:
        raise UsageError("the flag needs a key", hint="such as new-checkout")
    with ask.desk.alone():
        draft = ask.desk.repository(fresh=True).draft()
        draft.create(wanted)
        path = draft.find(wanted.key)
        return path, draft.text(path)


ROUTES: Final = (
    Page("GET", "/new", new),
    Page("POST", "/new", create),
)
