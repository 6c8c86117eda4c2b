"""Moving a rollout: what it would do, and saving that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import ConflictError, FlagctlError, NothingMatchedError, UsageError
from flagctl.ops.loading import find_flag
from flagctl.server.ui.pages.page import Page
from flagctl.server.ui.rollouts import MOVES, carry_out, places
from flagctl.server.ui.saving import choice_of, save, saving_names

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.ops.edit_model import EditPlan
    from flagctl.ops.repository import FlagRepository
    from flagctl.server.ui.rendering import Ask


def look(ask: Ask) -> Response:
    """Show what a move would do; htmx asks for that part alone, as somebody fills in the form."""
    plan, base, trouble = _try(ask)
    if ask.is_fragment:
        return ask.page("part_move.html", plan=plan, base=base, trouble=trouble)
    return _show(ask, plan, base, trouble)


def go(ask: Ask) -> Response:
    """Save a move, or show why not."""
    choice = choice_of(ask, ask.desk.branches())
    try:
        with ask.desk.alone():
            repository = ask.desk.repository(fresh=True)
            plan = _confirmed(ask, repository)
            saved = save(ask, repository, plan, choice)
    except (ConflictError, UsageError) as error:
        again, base, trouble = _try(ask)
        return _show(ask, again, base, trouble or error, 409 if isinstance(error, ConflictError) else 400)
    return ask.page("saved.html", saved=saved, path=plan.files[0].path, key=ask.path("key"), plan=plan)


def _confirmed(ask: Ask, repository: FlagRepository) -> EditPlan:
    """Return what was shown and confirmed.

    Raises:
        UsageError: If it was not confirmed, or can't be done.
        ConflictError: If the file is another one than what was shown.
    """
    key = ask.path("key")
    if _move(ask.path("move")).typed and ask.field("confirm").strip() != key:
        raise UsageError(f"type {key} to confirm")
    if repository.digest(_path(ask, repository)) != ask.field("base"):
        raise ConflictError(
            f"{key} changed since it was read", hint="nothing was written; look at what it would do now"
        )
    return _plan(ask, repository)


def _try(ask: Ask) -> tuple[EditPlan | None, str, FlagctlError | None]:
    """Return what the move would do, the digest of the file it would change, and why it can't be done."""
    _move(ask.path("move"))
    with ask.desk.alone():
        repository = ask.desk.repository(fresh=True)
        base = repository.digest(_path(ask, repository)) or ""
        try:
            return _plan(ask, repository), base, None
        except FlagctlError as error:
            return None, base, error


def _plan(ask: Ask, repository: FlagRepository) -> EditPlan:
    draft = repository.draft()
    carry_out(ask, draft, ask.path("key"), ask.path("move"))
    return draft.plan()


def _path(ask: Ask, repository: FlagRepository) -> str:
    return find_flag(repository.model, ask.path("key")).path


def _move(name: str) -> Any:
    if name not in MOVES:
        raise NothingMatchedError("there is no such page")
    return MOVES[name]


def _show(ask: Ask, plan: EditPlan | None, base: str, trouble: FlagctlError | None, status: int = 200) -> Response:
    key, name = ask.path("key"), ask.path("move")
    model = ask.desk.model()
    flag = find_flag(model, key)
    rule = ask.field("rule") or ask.query("rule")
    found = places(flag, tuple(model.config.environments), rule, name)
    environment = ask.field("env") or ask.query("env")
    return ask.page(
        "move.html",
        status,
        flag=flag,
        name=name,
        move=_move(name),
        rule=rule,
        places=found,
        environment=environment if environment in found else next(iter(found), ""),
        plan=plan,
        base=base,
        trouble=trouble,
        form=ask.form,
        protected=[one.name for one in model.config.environments.values() if one.protected],
        **saving_names(ask, f"{name} {key}", ""),
    )


ROUTES: Final = (
    Page("GET", "/flags/{key}/move/{move}", look),
    Page("POST", "/flags/{key}/move/{move}/look", look),
    Page("POST", "/flags/{key}/move/{move}", go, changes=True),
)
