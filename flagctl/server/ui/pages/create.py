"""New flags: a form that says as one types what the file would be, and then the editor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.errors import FlagctlError, UsageError
from flagctl.ops.edit import NewFlag
from flagctl.ops.edit_templates import template_names, template_text
from flagctl.server.ui.field_edits import split_tags, value_of
from flagctl.server.ui.fields import is_date
from flagctl.server.ui.pages.edit import NEW, Sheet, editor
from flagctl.server.ui.pages.making import Made, key_and_owner, make, settle, show, tell
from flagctl.server.ui.pages.page import Page
from flagctl.source.editing import Delete, Set

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.responses import Response

    from flagctl.ops.edit import Draft
    from flagctl.server.ui.rendering import Ask

_ROUTES: Final = {
    "key": "key",
    "name": "name",
    "description": "description",
    "owner": "owner",
    "tags": "tags",
    "lifecycle": "expires",
    "variants": "variants",
    "value": "variants",
    "prerequisites": "need",
}
"""Which field a finding is about, by the place that it has in the file."""


def new(ask: Ask) -> Response:
    """Show the form for a new flag."""
    return _form(ask, Made())


def check(ask: Ask) -> Response:
    """Say what the form would make, as somebody types."""
    return tell(ask, _make(ask))


def create(ask: Ask) -> Response:
    """Show the new flag's text in the editor, or what is wrong with the form; nothing is written yet."""
    made = _make(ask)
    if made.marks:
        return _form(ask, made, 422)
    return editor(ask, Sheet(made.path, made.text, {"at": "", "base": NEW, "base_text": ""}))


def _form(ask: Ask, made: Made, status: int = 200) -> Response:
    root = ask.desk.root
    templates = {name: line for name, line in template_names(root).items() if _has_one_document(root, name)}
    environments = tuple(ask.desk.model().config.environments)
    return show(ask, made, "flag", status, templates=templates, environments=environments)


def _has_one_document(root: Path, name: str) -> bool:
    """Return whether a template is one flag: the editor shows one file, and experiments have a form of their own."""
    try:
        return "\n---" not in template_text(root, name)
    except FlagctlError:
        return False


def _make(ask: Ask) -> Made:
    return make(ask, _obvious, _fill)


def _obvious(ask: Ask, draft: Draft) -> dict[str, str]:
    """Return what is wrong before anything is tried."""
    expires = ask.field("expires").strip()
    marks = key_and_owner(ask, draft, "flag")
    if expires and not is_date(expires):
        marks["expires"] = "write a date like 2027-03-31"
    return marks


def _fill(ask: Ask, draft: Draft, made: Made) -> None:
    """Make the text, field by field; one that does not fit is left out and marked."""
    key = ask.field("key").strip()
    wanted = NewFlag(
        key=key,
        template=ask.field("template") or None,
        type=ask.field("type") or "boolean",
        owner=ask.field("owner").strip() or None,
        name=ask.field("name").strip() or None,
        description=ask.field("description").strip() or None,
        tags=tuple(split_tags(ask.field("tags"))),
        expires=None if "expires" in made.marks else ask.field("expires").strip() or None,
    )
    try:
        draft.create(wanted)
        made.path = draft.find(key)
    except FlagctlError as error:
        made.marks["template"] = error.message
        return
    settle(ask, draft, made, _PARTS, _ROUTES)


def _variants(ask: Ask, draft: Draft, key: str) -> None:
    lines = [line for line in ask.field("variants").splitlines() if line.strip()]
    if not lines:
        return
    if ask.field("template"):
        raise UsageError("the template brings what it serves; change that in the editor")
    values = {}
    for line in lines:
        name, equals, value = (part.strip() for part in line.partition("="))
        if not name or not equals:
            raise UsageError(f"'{line.strip()}' is no variant", hint="write name = value")
        if name in values:
            raise UsageError(f"there are two variants '{name}'")
        values[name] = value_of(value, ask.field("type") or "boolean")
    path = draft.find(key)
    first = next(iter(values))
    if "value" in draft.data(path):
        draft.edit(path, Delete(("value",)))
    draft.edit(path, Set(("variants",), values), Set(("default",), first), Set(("off",), first))


def _need(ask: Ask, draft: Draft, key: str) -> None:
    flag, chosen = ask.field("need-flag").strip(), ask.form.get("need-variants", [])
    if not flag:
        return
    known = draft.variants(flag)
    if not chosen:
        raise UsageError(f"which variants of {flag} will do?", hint=f"it has: {', '.join(known)}")
    draft.add_prerequisite(key, flag, chosen)


def _off(ask: Ask, draft: Draft, key: str) -> None:
    for name in ask.form.get("off-in", []):
        draft.set_enabled(key, False, env=name)


_PARTS: Final[dict[str, Callable[[Ask, Draft, str], None]]] = {"variants": _variants, "need": _need, "off": _off}

ROUTES: Final = (
    Page("GET", "/new", new),
    Page("POST", "/new/check", check),
    Page("POST", "/new", create),
)
