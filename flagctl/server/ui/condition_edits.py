"""What somebody typed into the fields of a condition, and conditions that come and go, as edits of the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.server.ui.condition_values import kind_of, read_value, takes_list
from flagctl.server.ui.conditions import Holder, has_value, may_ignore_case, route_of, views
from flagctl.server.ui.fields import unmoved
from flagctl.source.editing import Insert, Set

if TYPE_CHECKING:
    from flagctl.diagnostics import Route
    from flagctl.ops.edit import Draft
    from flagctl.server.ui.field_edits import Asked
    from flagctl.server.ui.fields import Field
    from flagctl.server.ui.rendering import Ask


def holder_route(draft: Draft, key: str, rule: str, env: str | None) -> tuple[str, Route]:
    """Return the file and the route of a rule, or of the segment if no rule is named, that may be edited.

    Raises:
        NothingMatchedError: If there is none.
    """
    if rule:
        return draft.rule_route(key, rule, env=env, copy_down=True)
    return draft.find(key, "segment"), ()


def edit_condition(asked: Asked) -> None:
    """Let a condition say what its fields say."""
    place, _, rule = asked.name.partition(":")
    path, route = holder_route(asked.draft, asked.key, rule, asked.env)
    present = asked.draft.value(path, (*route, "when"))
    fields = (one for view in views(present, Holder(rule, ())) for one in view.fields())
    there = unmoved(next((one for one in fields if _place(one) == place), None), asked.was)
    given = there._replace(value=asked.value).parts
    whole = (*route, "when", *route_of(place))
    item = asked.draft.value(path, whole)
    wanted = _membership(given) if there.kind == "membership" else _comparison(item, there.parts, given)
    asked.draft.edit(path, Set(whole, wanted))


def new_condition(ask: Ask, prefix: str) -> dict[str, Any] | None:
    """Return the condition that boxes describe whose names begin so; None if they are empty.

    Raises:
        UsageError: If it is none.
    """
    segment, attribute = ask.field(f"{prefix}-segment").strip(), ask.field(f"{prefix}-attribute").strip()
    if segment and attribute:
        raise UsageError("a condition is about an attribute or a segment, not both", hint="empty one of the two")
    if segment:
        return {"segment": segment}
    if not attribute:
        return None
    operator = ask.field(f"{prefix}-operator") or "equals"
    result: dict[str, Any] = {"attribute": attribute, "operator": operator}
    if has_value(operator):
        result["value"] = read_value(operator, one_line(ask.field(f"{prefix}-value"), operator))
    return result


def one_line(text: str, operator: str) -> str:
    """Return a text without line breaks: where a list is wanted, a line is an item."""
    lines = [line.strip().removesuffix(",") for line in text.splitlines() if line.strip()]
    return (", " if takes_list(operator) else " ").join(lines)


def add_condition(draft: Draft, key: str, what: str, ask: Ask) -> None:
    """Add a condition behind those of a rule, a segment, or a group of conditions."""
    place, _, rule = what.partition(":")
    prefix = f"new:{what}"
    condition = new_condition(ask, prefix)
    if condition is None:
        raise UsageError("which condition?", hint="name an attribute, or a segment")
    path, route = holder_route(draft, key, rule, ask.field("env") or None)
    inside = (*route, "when", *route_of(place))
    present = draft.value(path, inside)
    draft.edit(path, Insert(inside, len(present), condition) if present else Set(inside, [condition]))
    forget_condition(ask, prefix)


def forget_condition(ask: Ask, prefix: str) -> None:
    """Empty the boxes of a condition that is in the text by now: the next one is another one."""
    for name in ("attribute", "value", "segment"):
        ask.form.pop(f"{prefix}-{name}", None)


def remove_condition(draft: Draft, key: str, what: str, ask: Ask) -> None:
    """Remove a condition, and a group that has none any more."""
    place, _, rule = what.partition(":")
    path, route = holder_route(draft, key, rule, ask.field("env") or None)
    draft.remove(path, (*route, "when", *route_of(place)))
    if not draft.value(path, (*route, "when")):
        draft.note(
            f"{rule} has no conditions any more: it holds for everybody"
            if rule
            else "the segment has no conditions any more: only units that it lists are in it"
        )


def either(draft: Draft, key: str, what: str, ask: Ask) -> None:
    """Make a group of a condition, so that others can stand beside it of which one is enough."""
    place, _, rule = what.partition(":")
    path, route = holder_route(draft, key, rule, ask.field("env") or None)
    whole = (*route, "when", *route_of(place))
    present = draft.value(path, whole)
    if present is None:
        raise NothingMatchedError("there is no such condition any more")
    draft.edit(path, Set(whole, {"any": [present]}))


def _place(one: Field) -> str:
    return one.name.split(":", 2)[1]


def _membership(given: dict[str, str]) -> dict[str, Any]:
    segment = given.get("segment", "").strip()
    if not segment:
        raise UsageError("name a segment")
    inner = {"segment": segment}
    return {"not": inner} if given.get("member") == "not in" else inner


def _comparison(item: dict[str, Any], was: dict[str, str], given: dict[str, str]) -> dict[str, Any]:
    """Return a condition about an attribute as its fields describe it; what they leave alone stays as it is."""
    attribute, operator = given.get("attribute", "").strip(), given.get("operator", "")
    if not attribute:
        raise UsageError("name an attribute")
    wanted = {**item, "attribute": attribute, "operator": operator}
    text = given.get("value", "")
    if not has_value(operator):
        wanted.pop("value", None)
    elif "value" not in item or text != was["value"] or kind_of(operator) is not kind_of(was["operator"]):
        wanted["value"] = read_value(operator, text, item.get("value"))
    if not may_ignore_case(operator) or (was["case"] and not given.get("case")):
        wanted.pop("ignore_case", None)
    elif given.get("case") and not was["case"]:
        wanted["ignore_case"] = True
    return wanted
