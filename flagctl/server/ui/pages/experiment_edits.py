"""Changing experiments and layers: each change is shown first, then saved as a commit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from flagctl.ops.experiment_analyze import find_experiment
from flagctl.server.ui import experiment_forms
from flagctl.server.ui.changes import Change, go, look, revision_of
from flagctl.server.ui.experiment_forms import NOBODY
from flagctl.server.ui.layers import find_layer
from flagctl.server.ui.merge import merge
from flagctl.server.ui.pages.page import Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.responses import Response

    from flagctl.model import Experiment
    from flagctl.server.ui.rendering import Ask

_MOST_KEYS: Final = 2000
_KINDS: Final = ("conversion", "count", "mean", "revenue")


def _create(ask: Ask) -> Change:
    model = ask.desk.model(revision_of(ask))
    key = ask.field("key").strip()
    flags = [one.key for one in model.flags.values() if one.type.value == "boolean" or len(one.variants) > 1]
    return Change(
        template="experiment_new.html",
        address="/experiment/new",
        title="New experiment",
        button="Make it",
        work=partial(experiment_forms.create, ask),
        back=(f"/experiments/{key}", key) if key else ("/experiments", "Experiments"),
        names={
            "flags": flags[:_MOST_KEYS],
            "layers": list(model.layers),
            "kinds": _KINDS,
            "flag": ask.query("flag"),
            "owners": sorted({one.owner for one in model.flags.values() if one.owner}),
        },
    )


def _start(ask: Ask) -> Change:
    found = _experiment(ask)
    return _of(ask, found, "start", "Start", partial(experiment_forms.start, ask, key=found.key))


def _stop(ask: Ask) -> Change:
    found = _experiment(ask)
    return _of(ask, found, "stop", "Stop", partial(experiment_forms.stop, ask, key=found.key))


def _amend(ask: Ask) -> Change:
    found = _experiment(ask)
    return _of(ask, found, "amend", "Amend", partial(experiment_forms.amend, ask, key=found.key))


def _of(ask: Ask, found: Experiment, verb: str, button: str, work: Callable[..., None]) -> Change:
    """Return a change of an experiment that there is."""
    # As the file is now: an edit of what it was a moment ago would meet itself as a conflict.
    text = ask.desk.loaded(revision_of(ask), fresh=True).documents[found.path].text
    return Change(
        template=f"experiment_{verb}.html",
        address=f"/experiments/{found.key}/{verb}",
        title=f"{button} {found.key}",
        button=f"{button} it",
        work=lambda draft: work(draft=draft),
        path=found.path,
        back=(f"/experiments/{found.key}", found.key),
        needs_input=verb != "start",
        names={"one": found, "nobody": NOBODY, **_texts(ask, text)},
    )


def _texts(ask: Ask, text: str) -> dict[str, str]:
    """Return the text of a form, and the one of the file that it began with; where that is another one by now, both edits."""
    mine, base = ask.field("text"), ask.field("base_text")
    if not mine:
        return {"text": text, "base_text": text}
    return {"text": mine if base == text else merge(base, mine, text).text, "base_text": text}


def _experiment(ask: Ask) -> Experiment:
    return find_experiment(ask.desk.model(revision_of(ask)), ask.path("key"))


def _holdout(ask: Ask) -> Change:
    found = find_layer(ask.desk.model(revision_of(ask)), ask.path("key"))
    return Change(
        template="layer_holdout.html",
        address=f"/layers/{found.key}/holdout",
        title=f"Holdout of {found.key}",
        button="Save",
        work=lambda draft: experiment_forms.hold_out(ask, draft, found.key),
        path=found.path,
        back=(f"/layers/{found.key}", f"Layer {found.key}"),
        names={"held": sum(end - start for start, end in found.holdout)},
    )


def pages_of(path: str, make: Callable[[Ask], Change]) -> tuple[Page, ...]:
    """Return the pages of a change: its form, what it would do, and saving it."""

    def show(ask: Ask) -> Response:
        return look(ask, make(ask))

    def save(ask: Ask) -> Response:
        return go(ask, make)

    return (Page("GET", path, show), Page("POST", f"{path}/look", show), Page("POST", path, save, changes=True))


ROUTES: Final = (
    *pages_of("/experiment/new", _create),
    *pages_of("/experiments/{key}/start", _start),
    *pages_of("/experiments/{key}/stop", _stop),
    *pages_of("/experiments/{key}/amend", _amend),
    *pages_of("/layers/{key}/holdout", _holdout),
)
