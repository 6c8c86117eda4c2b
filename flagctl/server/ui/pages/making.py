"""What forms for new documents have in common: a draft that is made of the form, and marks at its fields."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flagctl.diagnostics import Severity
from flagctl.errors import FlagctlError, UsageError
from flagctl.server.ui.panel import suggestions, told

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.responses import Response

    from flagctl.ops.edit import Draft
    from flagctl.ops.edit_model import EditPlan
    from flagctl.server.ui.rendering import Ask

    Part = Callable[[Ask, Draft, str], None]

_ID: Final = "n-"
"""Before the name of a field in the ids of the page."""
_EXAMPLES: Final = {"flag": "new-checkout", "segment": "beta-testers"}


@dataclass(slots=True)
class Made:
    """A document as a form describes it.

    Attributes:
        path: Of its file; empty if there is none yet.
        text: Of that file.
        plan: What writing it would do.
        marks: What is wrong with each field, by its name.
    """

    path: str = ""
    text: str = ""
    plan: EditPlan | None = None
    marks: dict[str, str] = field(default_factory=dict)


def make(ask: Ask, obvious: Callable[[Ask, Draft], dict[str, str]], fill: Callable[[Ask, Draft, Made], None]) -> Made:
    """Return what the form makes.

    Args:
        ask: The request.
        obvious: Says what is wrong before anything is tried.
        fill: Makes the text in a draft; not called without a key and an owner.
    """
    with ask.desk.alone():
        draft = ask.desk.repository(fresh=not ask.is_fragment).draft()
        made = Made(marks=obvious(ask, draft))
        if not {"key", "owner"} & set(made.marks):
            fill(ask, draft, made)
        return made


def key_and_owner(ask: Ask, draft: Draft, kind: str) -> dict[str, str]:
    """Return what is wrong with the two that every document needs."""
    key, owner = (ask.field(name).strip() for name in ("key", "owner"))
    marks = {}
    if not key:
        marks["key"] = f"the {kind} needs a key, such as {_EXAMPLES[kind]}"
    elif "/" in key or key.startswith("."):
        marks["key"] = f"a key is the name of a file, such as {_EXAMPLES[kind]}"
    elif draft.has(key, kind):
        marks["key"] = f"there is a {kind} '{key}' already"
    if not owner and not draft.value("flagctl.yaml", ("owner",)):
        marks["owner"] = f"who owns the {kind}? Name a team"
    return marks


def settle(ask: Ask, draft: Draft, made: Made, parts: Mapping[str, Part], routes: Mapping[str, str]) -> None:
    """Fill in the rest, part by part; one that does not fit is left out and marked. Then say what the whole would do.

    Args:
        ask: The request.
        draft: With the document.
        made: What is made; its path is known.
        parts: What fills in a field.
        routes: Which field a finding is about, by the place that it has in the file.
    """
    key = ask.field("key").strip()
    for name, work in parts.items():
        before = draft.text(made.path)
        try:
            work(ask, draft, key)
        except FlagctlError as error:
            draft.write(made.path, before)
            made.marks[name] = error.message + (f" ({error.hint})" if error.hint else "")
    made.text = draft.text(made.path)
    made.plan = draft.plan()
    for found in made.plan.diagnostics:
        place = routes.get(str(found.route[0])) if found.route else routes.get("")
        if found.severity is Severity.ERROR:
            made.marks.setdefault(place or "key", told(found))


def show(ask: Ask, made: Made, kind: str, status: int = 200, **names: Any) -> Response:
    """Show the form."""
    trouble = (
        UsageError(f"the {kind} can't be made like this", hint="; ".join(made.marks.values())) if made.marks else None
    )
    return ask.page(
        "new.html" if kind == "flag" else "segment_new.html",
        status,
        kind=kind,
        address="/new" if kind == "flag" else f"/new/{kind}",
        suggest=suggestions(ask.desk.model(), ask.field("tags")),
        form=ask.form,
        trouble=trouble,
        made=made,
        oob=False,
        **_names(made),
        **names,
    )


def tell(ask: Ask, made: Made) -> Response:
    """Say what the form would make, as somebody types."""
    if not ask.field("key").strip():
        made.marks.pop("key")  # nobody has come to it yet
    return ask.page("part_new.html", made=made, oob=True, **_names(made))


def _names(made: Made) -> dict[str, Any]:
    return {
        "marks": made.marks,
        "marks_by_id": {_ID + name: text for name, text in made.marks.items()},
        "done": {},
        "came": None,
    }
