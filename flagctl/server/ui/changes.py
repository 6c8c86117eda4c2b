"""Changes that a form describes: what one would do is shown as the form is filled in, and saved as a commit.

A change is made anew from its form whenever it is looked at, and once more when it is saved, so that what is written is what
the files of that moment call for. If the file that it is about became another one since the form was opened, nothing is
written, and it is shown again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from flagctl.errors import ConflictError, FlagctlError, NothingMatchedError, UsageError
from flagctl.server.ui.saving import choice_of, save, saving_names

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response

    from flagctl.ops.edit import Draft
    from flagctl.ops.edit_model import EditPlan
    from flagctl.ops.repository import FlagRepository
    from flagctl.server.ui.rendering import Ask


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What a form is about.

    Attributes:
        template: Of its page.
        address: Where the form goes; with ``/look`` behind it, what is asked as somebody fills it in.
        title: What is done, for the page and the name of a branch.
        button: What saves it.
        work: Makes the change in a draft.
        path: File that nobody may have changed meanwhile; empty for one that is made.
        typed: What is to be typed to confirm; empty for nothing.
        back: Address and name of the page that it belongs to.
        needs_input: Whether a form that nobody has filled in yet is no mistake.
        names: What else the page shows.
    """

    template: str
    address: str
    title: str
    button: str
    work: Callable[[Draft], None]
    path: str = ""
    typed: str = ""
    back: tuple[str, str] = ("/", "Flags")
    needs_input: bool = True
    names: Mapping[str, Any] = field(default_factory=dict)


def revision_of(ask: Ask) -> str:
    """Return the branch or revision that a form began with; empty for the work tree."""
    return ask.field("at") or ask.query("at")


def look(ask: Ask, change: Change) -> Response:
    """Show what a change would do: as a page, or for htmx as its part."""
    plan, base, trouble = _try(ask, change)
    base = ask.field("base") or base
    if ask.is_fragment:
        return ask.page("part_move.html", plan=plan, base=base, trouble=trouble)
    return _show(ask, change, (plan, base, trouble))


def go(ask: Ask, make: Callable[[Ask], Change]) -> Response:
    """Save a change, or show why not.

    Args:
        ask: The request.
        make: Returns the change; asked again where it is shown once more, because files may have changed since.
    """
    change = make(ask)
    branches = ask.desk.branches()
    try:
        choice = choice_of(ask, branches)
        with ask.desk.alone():
            repository = ask.desk.repository(revision_of(ask), fresh=True)
            _check(ask, change, repository)
            plan = _plan(change, repository)
            saved = save(ask, repository, plan, choice)
    except NothingMatchedError:
        raise
    except FlagctlError as error:
        change = make(ask)
        again, base, trouble = _try(ask, change)
        return _show(ask, change, (again, base, trouble or error), 409 if isinstance(error, ConflictError) else 422)
    at = choice.branch if choice.branch is not None else ""
    path, name = change.back
    links = [(name, ask.url(path, at=at or None))]
    return ask.page("saved.html", saved=saved, path=plan.files[0].path, key=None, plan=plan, links=links)


def _check(ask: Ask, change: Change, repository: FlagRepository) -> None:
    """Go on only if the change was confirmed, and its file is still what it was.

    Raises:
        UsageError: If it was not confirmed.
        ConflictError: If the file is another one.
    """
    if change.typed and ask.field("confirm").strip() != change.typed:
        raise UsageError(f"type {change.typed} to confirm")
    if change.path and (repository.digest(change.path) or "") != ask.field("base"):
        raise ConflictError(
            f"{change.path} changed since this page was opened",
            hint="nothing was written; look at what it would do now",
        )


def _try(ask: Ask, change: Change) -> tuple[EditPlan | None, str, FlagctlError | None]:
    """Return what a change would do, the digest of its file, and why it can't be done."""
    with ask.desk.alone():
        repository = ask.desk.repository(revision_of(ask), fresh=not ask.is_fragment)
        base = (repository.digest(change.path) or "") if change.path else ""
        try:
            return _plan(change, repository), base, None
        except FlagctlError as error:
            return None, base, error


def _plan(change: Change, repository: FlagRepository) -> EditPlan:
    draft = repository.draft()
    change.work(draft)
    return draft.plan()


def _show(
    ask: Ask, change: Change, tried: tuple[EditPlan | None, str, FlagctlError | None], status: int = 200
) -> Response:
    plan, base, trouble = tried
    at = revision_of(ask)
    is_empty = change.needs_input and ask.request.method == "GET"
    return ask.page(
        change.template,
        status,
        change=change,
        plan=plan,
        base=base,
        trouble=None if is_empty and isinstance(trouble, UsageError) else trouble,
        origin={"at": at},
        form=ask.form,
        **saving_names(ask, change.title, at),
        **change.names,
    )
