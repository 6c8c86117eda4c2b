"""The editor: a text, buttons that edit it, what it would mean, and saving."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.errors import ConflictError, FlagctlError, NothingMatchedError, UsageError
from flagctl.ops.contexts import parse_instant_option
from flagctl.ops.edit_draft import readable_data
from flagctl.ops.edit_measure import both_sides, measure_plan
from flagctl.ops.edit_model import EditRefusedError
from flagctl.server.ui.condition_values import instant_text
from flagctl.server.ui.field_edits import Taken
from flagctl.server.ui.merge import merge
from flagctl.server.ui.pages.page import Page
from flagctl.server.ui.panel import panel_of, suggestions
from flagctl.server.ui.quick import step, taken_over
from flagctl.server.ui.saving import OTHER, choice_of, save, saving_names
from flagctl.source.editing import EditError

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.diagnostics import Diagnostic
    from flagctl.ops.edit_model import EditPlan
    from flagctl.ops.repository import FlagRepository
    from flagctl.server.ui.rendering import Ask
    from flagctl.server.ui.saving import SaveChoice

NEW: Final = "new"
"""Stands for the digest of a file that is not there."""
_MOST_KEYS: Final = 20
_WITH_PAGE: Final = frozenset({"flag", "segment", "experiment", "layer"})


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


class Outcome(NamedTuple):
    """What became of a wish: what somebody should know, what went wrong, and what was typed into fields."""

    notes: tuple[str, ...] = ()
    trouble: FlagctlError | None = None
    taken: Taken = Taken()


def edit(ask: Ask) -> Response:
    """Show the editor of one file."""
    path = _yaml(ask.query("path"))
    with ask.desk.alone():
        repository = ask.desk.repository(ask.query("at"), fresh=True)
        text = repository.text(path)
        base = repository.digest(path) or NEW
    return editor(ask, Sheet(path, text, {"at": ask.query("at"), "base": base, "base_text": text}))


def step_on(ask: Ask) -> Response:
    """Take over what was typed into fields, and apply one button to the text."""
    path, text = _yaml(ask.field("path")), ask.field("text")
    notes: tuple[str, ...] = ()
    trouble, taken = None, Taken()
    try:
        with ask.desk.alone():
            repository = ask.desk.repository(ask.field("at"))
            text, notes, taken = step(ask, repository, path, text)
    except FlagctlError as error:
        trouble = error
        text, notes, taken = _fields(ask, path, text)
    return editor(ask, Sheet(path, text, _origin(ask)), Outcome(notes, trouble, taken))


def check(ask: Ask) -> Response:
    """Say what text and fields would mean, as somebody types."""
    path, before = _yaml(ask.field("path")), ask.field("text")
    text, notes, taken = _fields(ask, path, before)
    names = _names(ask, Sheet(path, text, _origin(ask)), taken)
    # sections are put in the place of those that are on the page
    panel, shown = names["panel"], ask.field("shown-kind")
    oob = "sections" if panel is None or panel.kind == shown else "all"
    came = text if text != before else None
    return ask.page("part_checked.html", oob=oob, came=came, notes=notes, **names)


def measure(ask: Ask) -> Response:
    """Show whose answers the text changes, for a population."""
    path = _yaml(ask.field("path"))
    text, _, _ = _fields(ask, path, ask.field("text"))
    plan = _plan(ask, path, text)
    names: dict[str, Any] = {"measured": None, "trouble": None, "population": ask.options.population, "form": ask.form}
    try:
        at_ms = parse_instant_option(instant_text(ask.field("measure-at")) or None, ask.desk.now_ms)
        with ask.desk.alone():
            sides = both_sides(ask.desk.repository(ask.field("at")).workspace, plan)
        # a population may be long, and nobody else should have to wait for it
        names["measured"] = measure_plan(sides, plan, ask.options.population, at_ms)
    except FlagctlError as error:
        names["trouble"] = error
    return ask.page("part_measured.html", **names)


def save_text(ask: Ask) -> Response:
    """Save the text, or show why not."""
    path, text = _yaml(ask.field("path")), ask.field("text")
    branches = ask.desk.branches()
    choice = choice_of(ask, branches)
    come, notes, taken = _fields(ask, path, text)
    if taken.troubles or come != text:
        message = "a field is not right yet" if taken.troubles else "what was typed last came into the text only now"
        late = UsageError(f"nothing was saved: {message}", hint="look at the difference, then save")
        return editor(ask, Sheet(path, come, _origin(ask)), Outcome(notes, late, taken), status=422)
    try:
        with ask.desk.alone():
            repository = ask.desk.repository(ask.field("at"), fresh=True)
            plan = _based(repository, ask, path, text)
            saved = save(ask, repository, plan, choice)
    except ConflictError as error:
        return _conflict(ask, path, text, choice, error)
    except EditRefusedError as error:
        return editor(ask, Sheet(path, text, _origin(ask)), Outcome(trouble=error), status=422)
    except UsageError as error:
        return editor(ask, Sheet(path, text, _origin(ask)), Outcome(trouble=error), status=400)
    return ask.page(
        "saved.html", saved=saved, path=path, key=_key_of(path), plan=plan, links=_links(ask, path, text, choice)
    )


def _links(ask: Ask, path: str, text: str, choice: SaveChoice) -> list[tuple[str, str]]:
    """Return where what was saved can be looked at."""
    try:
        data = readable_data(path, text)
    except EditError:  # pragma: no cover - such a text is not saved
        return []
    kind, key = str(data.get("kind")), str(data.get("key"))
    return [("Look at it", ask.url(f"/{kind}s/{key}", at=choice.branch))] if kind in _WITH_PAGE else []


def suggest(ask: Ask) -> Response:
    """Show flags whose keys fit what is typed, and the variants of one whose key is that."""
    text = ask.query("need-flag").strip()
    flags = ask.desk.model().flags
    found = flags.get(text)
    starting = [key for key in flags if key.startswith(text)]
    inside = (key for key in flags if text in key and not key.startswith(text))
    keys = [*starting[:_MOST_KEYS], *inside][:_MOST_KEYS]
    variants = [one.name for one in found.variants] if found is not None else []
    return ask.page("part_suggest.html", text=text, keys=keys, variants=variants)


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


def _fields(ask: Ask, path: str, text: str) -> tuple[str, tuple[str, ...], Taken]:
    """Return the text with what was typed into fields, what somebody should know of it, and the fields."""
    try:
        with ask.desk.alone():
            draft, taken = taken_over(ask, ask.desk.repository(ask.field("at")), path, text)
            return draft.text(path) if taken.done else text, tuple(draft.notes), taken
    except FlagctlError:
        return text, (), Taken()


def editor(ask: Ask, sheet: Sheet, outcome: Outcome | None = None, *, status: int = 200) -> Response:
    """Return the editor with a text: as a page, or for htmx as its inside."""
    outcome = outcome or Outcome()
    names: dict[str, Any] = {
        **_names(ask, sheet, outcome.taken),
        "text": sheet.text,
        "origin": sheet.origin,
        "notes": outcome.notes,
        "trouble": outcome.trouble,
        "oob": "",
        "came": None,
        "key": _key_of(sheet.path),
        **saving_names(ask, f"edit {_key_of(sheet.path)}", sheet.origin["at"]),
    }
    if ask.is_fragment:
        return ask.page("part_editor.html", **names)
    return ask.page("edit.html", status, **names)


def _names(ask: Ask, sheet: Sheet, taken: Taken) -> dict[str, Any]:
    """Return what the form and the part about findings, meaning and difference show."""
    at = sheet.origin["at"]
    plan = _plan(ask, sheet.path, sheet.text, at)
    findings = _findings(ask, sheet.path, plan)
    model = ask.desk.model(at)
    panel = panel_of(sheet.path, sheet.text, ask.field("env"), model)
    marks = panel.marks(findings, taken.troubles) if panel is not None else {}
    tags = panel.fields["tags"].value if panel is not None else ""
    return {
        "path": sheet.path,
        "plan": plan,
        "findings": findings,
        "panel": panel,
        "marks": marks,
        "marks_by_id": {panel.fields[name].id: text for name, text in marks.items() if panel and name in panel.fields},
        "typed": taken.typed,
        "was": taken.was,
        "done": taken.done,
        "suggest": suggestions(model, tags),
        "environments": tuple(model.config.environments),
        "form": ask.form,
    }


def _conflict(ask: Ask, path: str, text: str, choice: SaveChoice, error: ConflictError) -> Response:
    """Show both texts and a proposal that has both edits; nothing of either is lost."""
    with ask.desk.alone():
        at = ask.field("at")
        repository = ask.desk.repository(at, fresh=True)
        is_as_read = (repository.digest(path) or NEW) == ask.field("base")
        if is_as_read and choice.where == OTHER and choice.branch is not None:  # then it is the branch that differs
            at = choice.branch if _exists(ask, choice.branch) else at or "HEAD"
            repository = ask.desk.repository(at)
        theirs = repository.text(path) if repository.digest(path) is not None else ""
        base = repository.digest(path) or NEW
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
    if base == NEW:
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
    Page("POST", "/edit/measure", measure),
    Page("POST", "/edit/save", save_text, changes=True),
    Page("GET", "/edit/suggest", suggest),
    Page("GET", "/remove/{kind}/{key}", remove),
    Page("POST", "/remove/{kind}/{key}", removed, changes=True),
)
