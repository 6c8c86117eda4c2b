"""Moving a rollout: what it would do, and saving that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flagctl.errors import NothingMatchedError
from flagctl.ops.loading import find_flag
from flagctl.server.ui import changes
from flagctl.server.ui.changes import Change
from flagctl.server.ui.pages.page import Page
from flagctl.server.ui.rollouts import MOVES, carry_out, places

if TYPE_CHECKING:
    from starlette.responses import Response

    from flagctl.server.ui.rendering import Ask


def look(ask: Ask) -> Response:
    """Show what a move would do; htmx asks for that part alone, as somebody fills in the form."""
    return changes.look(ask, _change(ask))


def go(ask: Ask) -> Response:
    """Save a move, or show why not."""
    return changes.go(ask, _change)


def _change(ask: Ask) -> Change:
    key, name = ask.path("key"), ask.path("move")
    move = MOVES.get(name)
    if move is None:
        raise NothingMatchedError("there is no such page")
    model = ask.desk.model(changes.revision_of(ask))
    flag = find_flag(model, key)
    rule = ask.field("rule") or ask.query("rule")
    found = places(flag, tuple(model.config.environments), rule, name)
    environment = ask.field("env") or ask.query("env")
    return Change(
        template="move.html",
        address=f"/flags/{key}/move/{name}",
        title=move.title.format(key=key),
        button=move.button,
        work=lambda draft: carry_out(ask, draft, key, name),
        path=flag.path,
        typed=key if move.typed else "",
        back=(f"/flags/{key}", key),
        needs_input=False,
        names={
            "flag": flag,
            "name": name,
            "move": move,
            "rule": rule,
            "places": found,
            "environment": environment if environment in found else next(iter(found), ""),
            "protected": [one.name for one in model.config.environments.values() if one.protected],
        },
    )


ROUTES: Final = (
    Page("GET", "/flags/{key}/move/{move}", look),
    Page("POST", "/flags/{key}/move/{move}/look", look),
    Page("POST", "/flags/{key}/move/{move}", go, changes=True),
)
