"""The editor: a text, buttons that edit it, what it would mean, and saving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.errors import ConflictError, FlagctlError, NothingMatchedError, UsageError
from flagctl.ops.edit import NewFlag
from flagctl.ops.edit_model import EditRefusedError
from flagctl.ops.edit_templates import template_names
from flagctl.server.ui.merge import merge
from flagctl.server.ui.pages.page import Page
from flagctl.server.ui.quick import panel_of, step
from flagctl.server.ui.saving import OTHER, choice_of, save, saving_names

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.diagnostics import Diagnostic
    from flagctl.ops.edit_model import EditPlan
    from flagctl.ops.repository import FlagRepository
    from flagctl.server.ui.rendering import Ask
    from flagctl.server.ui.saving import SaveChoice

_NEW: Final = "new"
"""Stands for the digest of a file that is not there."""


class Sheet(NamedTuple):
    """A text in the editor.

    Attributes:
        path: Of its file.
        text: All of it.
        origin: ``at`` (revision, empty for the work tree), ``base`` (digest) and ``base_text`` of what it was made from.
    """

    path: str
    text: str
    origin: dict[str, str]


def edit(ask: Ask) -> Response:
    """Show the editor of one file."""
    path = _yaml(ask.query("path"))
    with ask.desk.alone():
        repository = ask.desk.repository(ask.query("at"), fresh=True)
        text = repository.text(path)
        base = repository.digest(path) or _NEW
    return _editor(ask, Sheet(path, text, {"at": ask.query("at"), "base": base, "base_text": text}))


def step_on(ask: Ask) -> Response:
    """Apply one button to the text."""
    path, text = _yaml(ask.field("path")), ask.field("text")
    notes: tuple[str, ...] = ()
    trouble = None
    try:
        with ask.desk.alone():
            repository = ask.desk.repository(ask.field("at"))
            text, notes = step(ask, repository, path, text)
    except FlagctlError as error:
        trouble = error
    return _editor(ask, Sheet(path, text, _origin(ask)), notes=notes, trouble=trouble)


def check(ask: Ask) -> Response:
    """Say what the text would mean, as somebody types."""
    path, text = _yaml(ask.field("path")), ask.field("text")
    plan = _plan(ask, path, text)
    names: dict[str, Any] = {
        "panel": panel_of(path, text, ask.field("env")),
        "environments": _environments(ask),
        "path": path,
    }
    findings = _findings(ask, path, plan)
    return ask.page("part_checked.html", plan=plan, findings=findings, oob=True, form=ask.form, **names)


def save_text(ask: Ask) -> Response:
    """Save the text, or show why not."""
    path, text = _yaml(ask.field("path")), ask.field("text")
    branches = ask.desk.branches()
    choice = choice_of(ask, branches)
    try:
        with ask.desk.alone():
            repository = ask.desk.repository(ask.field("at"), fresh=True)
            plan = _based(repository, ask, path, text)
            saved = save(ask, repository, plan, choice)
    except ConflictError as error:
        return _conflict(ask, path, text, choice, error)
    except EditRefusedError as error:
        return _editor(ask, Sheet(path, text, _origin(ask)), trouble=error, status=422)
    except UsageError as error:
        return _editor(ask, Sheet(path, text, _origin(ask)), trouble=error, status=400)
    return ask.page("saved.html", saved=saved, path=path, key=_key_of(path), plan=plan)


def new(ask: Ask) -> Response:
    """Show the form for a new flag."""
    model = ask.desk.model()
    owners = sorted({one.owner for one in model.flags.values() if one.owner})
    templates = template_names(ask.desk.root)
    return ask.page("new.html", owners=owners, templates=templates, form=ask.form, trouble=None)


def create(ask: Ask) -> Response:
    """Make the text of a new flag, and show it in the editor; nothing is written yet."""
    wanted = NewFlag(
        key=ask.field("key").strip(),
        template=ask.field("template") or None,
        type=ask.field("type") or "boolean",
        owner=ask.field("owner").strip() or None,
        name=ask.field("name").strip() or None,
        description=ask.field("description").strip() or None,
        tags=tuple(tag.strip() for tag in ask.field("tags").split(",") if tag.strip()),
        expires=ask.field("expires").strip() or None,
    )
    try:
        if not wanted.key:
            raise UsageError("the flag needs a key", hint="such as new-checkout")
        with ask.desk.alone():
            draft = ask.desk.repository(fresh=True).draft()
            draft.create(wanted)
            path = draft.find(wanted.key)
            text = draft.text(path)
    except FlagctlError as error:
        model = ask.desk.model()
        owners = sorted({one.owner for one in model.flags.values() if one.owner})
        templates = template_names(ask.desk.root)
        return ask.page("new.html", 422, owners=owners, templates=templates, form=ask.form, trouble=error)
    return _editor(ask, Sheet(path, text, {"at": "", "base": _NEW, "base_text": ""}))


def remove(ask: Ask) -> Response:
    """Show what deleting a document would do, and who still needs it."""
    kind, key = ask.path("kind"), ask.path("key")
    plan, trouble = None, None
    try:
        with ask.desk.alone():
            plan = _removal(ask.desk.repository(fresh=True), ask, kind, key)
    except NothingMatchedError:
        raise
    except FlagctlError as error:
        trouble = error
    return ask.page(
        "remove.html", kind=kind, key=key, plan=plan, trouble=trouble, **saving_names(ask, f"remove {key}", "")
    )


def removed(ask: Ask) -> Response:
    """Delete a document."""
    kind, key = ask.path("kind"), ask.path("key")
    choice = choice_of(ask, ask.desk.branches())
    if ask.field("confirm").strip() != key:
        raise UsageError(f"type {key} to confirm")
    with ask.desk.alone():
        repository = ask.desk.repository(fresh=True)
        plan = _removal(repository, ask, kind, key)
        saved = save(ask, repository, plan, choice)
    return ask.page("saved.html", saved=saved, path=plan.files[0].path, key=None, plan=plan)


def _removal(repository: FlagRepository, ask: Ask, kind: str, key: str) -> EditPlan:
    draft = repository.draft()
    draft.delete(key, kind=kind, with_tests=ask.query("tests") == "yes" or ask.field("tests") == "yes")
    return draft.plan()


def _editor(
    ask: Ask,
    sheet: Sheet,
    *,
    notes: tuple[str, ...] = (),
    trouble: FlagctlError | None = None,
    status: int = 200,
) -> Response:
    """Return the editor with a text: as a page, or for htmx as its inside."""
    path, text, origin = sheet
    plan = _plan(ask, path, text, origin["at"])
    names: dict[str, Any] = {
        "path": path,
        "text": text,
        "origin": origin,
        "plan": plan,
        "findings": _findings(ask, path, plan),
        "panel": panel_of(path, text, ask.field("env")),
        "environments": _environments(ask),
        "notes": notes,
        "trouble": trouble,
        "form": ask.form,
        "oob": False,
        "key": _key_of(path),
        **saving_names(ask, f"edit {_key_of(path)}", origin["at"]),
    }
    if ask.is_fragment:
        return ask.page("part_editor.html", **names)
    return ask.page("edit.html", status, **names)


def _conflict(ask: Ask, path: str, text: str, choice: SaveChoice, error: ConflictError) -> Response:
    """Show both texts and a proposal that has both edits; nothing of either is lost."""
    with ask.desk.alone():
        at = ask.field("at")
        repository = ask.desk.repository(at, fresh=True)
        is_as_read = (repository.digest(path) or _NEW) == ask.field("base")
        if is_as_read and choice.where == OTHER and choice.branch is not None:  # then it is the branch that differs
            at = choice.branch if _exists(ask, choice.branch) else at or "HEAD"
            repository = ask.desk.repository(at)
        theirs = repository.text(path) if repository.digest(path) is not None else ""
        base = repository.digest(path) or _NEW
    both = merge(ask.field("base_text"), text, theirs)
    origin = {"at": at, "base": base, "base_text": theirs}
    names = saving_names(ask, f"edit {_key_of(path)}", origin["at"])
    names["branch"] = choice.branch or names["branch"]
    return ask.page(
        "conflict.html",
        409,
        path=path,
        mine=text,
        theirs=theirs,
        both=both,
        origin=origin,
        error=error,
        form=ask.form,
        **names,
    )


def _exists(ask: Ask, branch: str) -> bool:
    from flagctl.vcs.commits import branch_tip  # noqa: PLC0415 - git is needed in few places

    git = ask.desk.git()
    return git is not None and branch_tip(git, branch) is not None


def _plan(ask: Ask, path: str, text: str, at: str | None = None) -> EditPlan:
    """Return what the text would do."""
    with ask.desk.alone():
        repository = ask.desk.repository(ask.field("at") if at is None else at)
        return repository.plan_text(path, _with_line_ends(repository, path, text))


def _based(repository: FlagRepository, ask: Ask, path: str, text: str) -> EditPlan:
    base = ask.field("base")
    text = _with_line_ends(repository, path, text)
    if base == _NEW:
        if repository.digest(path) is not None:
            raise ConflictError(f"somebody has made {path} meanwhile")
        return repository.plan_text(path, text)
    if repository.digest(path) != base:
        raise ConflictError(f"{path} changed since it was read", hint="look at both, then save again")
    return repository.plan_text(path, text, base)


def _with_line_ends(repository: FlagRepository, path: str, text: str) -> str:
    """Return a text with the line ends of its file: a browser sends all of them in one way."""
    if repository.digest(path) is not None and "\r\n" in repository.text(path):
        return text.replace("\n", "\r\n")
    return text


def _origin(ask: Ask) -> dict[str, str]:
    return {name: ask.field(name) for name in ("at", "base", "base_text")}


def _findings(ask: Ask, path: str, plan: EditPlan) -> tuple[Diagnostic, ...]:
    """Return the findings of the text; where nothing is changed, those of the file as it is."""
    if plan.has_changes:
        return plan.diagnostics
    return tuple(one for one in ask.desk.loaded(ask.field("at") or ask.query("at")).diagnostics if one.path == path)


def _environments(ask: Ask) -> tuple[str, ...]:
    return tuple(ask.desk.model().config.environments)


def _key_of(path: str) -> str:
    return path.rpartition("/")[2].partition(".")[0]


def _yaml(path: str) -> str:
    """Return a path if files of flags may have it.

    Raises:
        UsageError: If not.
    """
    parts = path.split("/")
    if not path.endswith((".yaml", ".yml")) or any(not part or part.startswith(".") for part in parts) or "\\" in path:
        raise UsageError("the editor is for the YAML files of this repository")
    return path


ROUTES: Final = (
    Page("GET", "/edit", edit),
    Page("POST", "/edit/step", step_on),
    Page("POST", "/edit/check", check),
    Page("POST", "/edit/save", save_text, changes=True),
    Page("GET", "/new", new),
    Page("POST", "/new", create),
    Page("GET", "/remove/{kind}/{key}", remove),
    Page("POST", "/remove/{kind}/{key}", removed, changes=True),
)
