"""Rollouts over time as the form shows them: steps and lines, as fields and as edits of the text.

A step that the form has no fields for is shown as it is written, and stays for the text.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from flagctl.errors import NothingMatchedError, UsageError
from flagctl.evaluator.instants import parse_instant
from flagctl.ops.edit_paths import parse_percentage
from flagctl.review import words
from flagctl.server.ui.condition_values import instant_text
from flagctl.server.ui.fields import Field, unmoved
from flagctl.source.editing import Delete, Insert, Set
from flagctl.source.editing.render import Style, inline

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from flagctl.diagnostics import Route
    from flagctl.ops.edit import Draft
    from flagctl.server.ui.field_edits import Asked
    from flagctl.server.ui.rendering import Ask

HOLDS: Final = ("time", "approval", "guardrail")
_AFTER: Final = re.compile(r"[0-9]{1,6}[smhd]")
_KEYS: Final = ("from", "after", "percent", "hold_until", "released")
_LINE: Final = ("from", "to", "start", "end")
_MOST: Final = 60
"""So many steps of one rule are fields; those behind them are left to the text."""


class StepView(NamedTuple):
    """One step.

    Attributes:
        at: Its place among the steps.
        field: None if the form has no fields for it.
        shown: What is written, if there is no field.
        released: When it began in fact; empty if nobody let it go.
    """

    at: int
    field: Field | None
    shown: str = ""
    released: str = ""


class Growth(NamedTuple):
    """How the share of a rule grows.

    Attributes:
        kind: ``steps``, ``linear``, ``canary`` or ``guarded``.
        steps: In order.
        line: Of a linear ramp.
        rest: What else is written about it, which is for the text alone.
    """

    kind: str
    steps: tuple[StepView, ...] = ()
    line: Field | None = None
    rest: tuple[str, ...] = ()

    def fields(self) -> Iterator[Field]:
        """Yield all fields."""
        yield from (step.field for step in self.steps if step.field is not None)
        if self.line is not None:
            yield self.line


def growth_of(rule: Mapping[str, Any], name: str, route: Route) -> Growth | None:
    """Return how a rule's share grows; None if it does not change by itself.

    Args:
        rule: As the file has it.
        name: Its id.
        route: Where it stands.
    """
    inside, kind = _block(rule)
    if not kind:
        return None
    block: Any = rule
    for step in inside:
        block = block[step]
    if kind == "linear":
        rest = tuple(key for key in rule["percentage"] if key != "linear")
        return Growth(kind, line=_line(block, name, (*route, *inside)), rest=rest)
    items = block.get("steps")
    listed = enumerate(items) if isinstance(items, list) else ()
    steps = tuple(_step(item, at, name, (*route, *inside, "steps", at)) for at, item in listed)
    return Growth(kind, steps=steps, rest=tuple(key for key in block if key != "steps"))


def edit_step(asked: Asked) -> None:
    """Let a step say what its fields say."""
    at, _, rule = asked.name.partition(":")
    path, whole, item, is_dated = _found(asked, rule, int(at) if at.isdecimal() else -1)
    present = unmoved(_step(item, int(at), rule, ()).field, asked.was)
    asked.draft.edit(path, Set(whole, _wanted(item, present._replace(value=asked.value).parts, is_dated=is_dated)))


def edit_line(asked: Asked) -> None:
    """Let a linear ramp say what its fields say."""
    path, route = asked.draft.rule_route(asked.key, asked.name, env=asked.env, copy_down=True)
    whole = (*route, "percentage", "linear")
    block = asked.draft.value(path, whole)
    present = unmoved(_line(block, asked.name, ()) if isinstance(block, dict) else None, asked.was)
    for name, text in present._replace(value=asked.value).parts.items():
        if text != present.parts[name]:
            given = parse_percentage(text) if name in {"start", "end"} else typed_instant(text)
            asked.draft.edit(path, Set((*whole, name), given))


def add_step(draft: Draft, key: str, what: str, ask: Ask) -> None:
    """Add a step to a rule; one with a fixed share keeps that until its first step begins."""
    given = {name: ask.field(f"new-step:{what}-{name}") for name in ("from", "after", "percent", "hold")}
    env = ask.field("env") or None
    path, route = draft.rule_route(key, what, env=env, copy_down=True)
    rule = draft.value(path, route)
    inside, kind = _block(rule)
    if kind == "linear":
        raise UsageError("its share grows in a line, which has no steps")
    item = _wanted({}, given, is_dated=kind in {"", "steps"})
    if not kind:
        _begin(draft, path, route, item)
    else:
        where = (*route, *inside, "steps")
        present = draft.value(path, where) or []
        draft.edit(path, Insert(where, _place(present, item), item) if present else Set(where, [item]))
    for name in given:
        ask.form.pop(f"new-step:{what}-{name}", None)


def remove_step(draft: Draft, key: str, what: str, ask: Ask) -> None:
    """Remove a step; without any it would not be a rollout."""
    at, _, name = what.partition(":")
    path, route = draft.rule_route(key, name, env=ask.field("env") or None, copy_down=True)
    where = (*route, *_block(draft.value(path, route))[0], "steps")
    present = draft.value(path, where) or []
    if not at.isdecimal() or int(at) >= len(present):
        raise NothingMatchedError("there is no such step any more")
    if len(present) == 1:
        raise UsageError("it is the only step", hint="change it, or remove the rule")
    draft.edit(path, Delete((*where, int(at))))


def _block(rule: Mapping[str, Any]) -> tuple[Route, str]:
    """Return where a rule says how it grows, and in which way; no way if it doesn't."""
    percentage, strategy = rule.get("percentage"), rule.get("strategy")
    if isinstance(percentage, dict) and isinstance(percentage.get("linear"), dict):
        return ("percentage", "linear"), "linear"
    if isinstance(percentage, dict):
        return ("percentage",), "steps"
    for kind in ("canary", "guarded"):
        if isinstance(strategy, dict) and isinstance(strategy.get(kind), dict):
            return ("strategy", kind), kind
    return (), ""


def _step(item: Any, at: int, name: str, route: Route) -> StepView:
    parts = _parts(item) if at < _MOST else None
    if parts is None:
        return StepView(at, None, inline(item, Style()))
    field = _field(f"step:{at}:{name}", f"Step {at + 1}", parts, route, about=name)
    return StepView(at, field, released=str(item.get("released", "")) if isinstance(item, dict) else "")


def _line(block: Mapping[str, Any], name: str, route: Route) -> Field | None:
    shares = {key: _share(block.get(key)) for key in ("start", "end")}
    texts = {key: block.get(key) for key in ("from", "to")}
    if None in shares.values() or not all(isinstance(one, str) and "\n" not in one for one in texts.values()):
        return None
    parts = {key: str(shares.get(key) or texts.get(key)) for key in _LINE}
    return _field(f"line:{name}", "Line", parts, route, about=name)._replace(kind="line")


def _field(name: str, label: str, parts: Mapping[str, str], route: Route, *, about: str) -> Field:
    value = "\n".join(f"{key}={text}" for key, text in parts.items())
    return Field(name, label, value, (route,), "step", about=about)


def _parts(item: Any) -> dict[str, str] | None:
    """Return what the boxes of a step say; None if they can't say all of it."""
    given = item if isinstance(item, dict) else {"percent": item}
    texts = {"from": given.get("from", ""), "after": given.get("after", ""), "hold": given.get("hold_until", "")}
    share = _share(given.get("percent"))
    if not set(_KEYS).issuperset(given) or share is None or texts["hold"] not in ("", *HOLDS):
        return None
    if not all(isinstance(one, str) and "\n" not in one for one in texts.values()):
        return None
    return {"from": texts["from"], "after": texts["after"], "percent": share, "hold": texts["hold"]}


def _share(value: Any) -> str | None:
    return json.dumps(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _wanted(item: Any, given: Mapping[str, str], *, is_dated: bool) -> Any:
    """Return a step as the boxes describe it.

    Raises:
        UsageError: If they describe none.
    """
    begins, after = given.get("from", "").strip(), given.get("after", "").strip()
    hold = given.get("hold", "")
    if begins and after:
        raise UsageError("a step begins at an instant or some time after the one before, not both")
    if begins and not is_dated:
        raise UsageError("steps of a strategy begin some time after the one before", hint="such as 2d")
    if is_dated and not (begins or after or hold):
        raise UsageError("when does the step begin?", hint="name an instant, or a time after the one before")
    if hold not in ("", *HOLDS):
        raise UsageError(f"a step waits for {' or '.join(HOLDS)}")
    old = item if isinstance(item, dict) else {}
    wanted: dict[str, Any] = {}
    if begins:
        wanted["from"] = begins if begins == old.get("from") else typed_instant(begins)
    if after:
        if not _AFTER.fullmatch(after):
            raise UsageError(f"'{after}' is no length of time", hint="write it like 2d, 12h or 30m")
        wanted["after"] = after
    wanted["percent"] = parse_percentage(given.get("percent", ""))
    if hold:
        wanted["hold_until"] = hold
    if "released" in old:
        wanted["released"] = old["released"]
    # steps of strategies may be plain numbers, and stay it while there is nothing more to say
    return wanted["percent"] if list(wanted) == ["percent"] and not old else _in_order(old, wanted)


def _in_order(old: Mapping[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """Return a step with what it had before in the order that it had."""
    kept = [key for key in old if key in wanted]
    return wanted if kept == [key for key in wanted if key in kept] else {key: wanted[key] for key in kept} | wanted


def typed_instant(text: str) -> str:
    """Return an instant that somebody typed, as files have it.

    Raises:
        UsageError: If it is none.
    """
    found = instant_text(text)
    if parse_instant(found) is None:
        raise UsageError(
            f"'{text.strip()}' is no instant", hint="write it like 2026-12-01T09:00:00Z, or 2026-12-01 09:00"
        )
    return found


def _found(asked: Asked, rule: str, at: int) -> tuple[str, Route, Any, bool]:
    """Return the file, route and content of a step, and whether it may name an instant."""
    path, route = asked.draft.rule_route(asked.key, rule, env=asked.env, copy_down=True)
    inside, kind = _block(asked.draft.value(path, route))
    where = (*route, *inside, "steps")
    present = asked.draft.value(path, where)
    if not isinstance(present, list) or not 0 <= at < len(present):
        raise NothingMatchedError("there is no such step any more")
    return path, (*where, at), present[at], kind == "steps"


def _place(present: list[Any], item: Any) -> int:
    """Return where a new step goes: before the first one that begins later, else behind all."""
    begins = parse_instant(item["from"]) if isinstance(item, dict) and "from" in item else None
    for at, other in enumerate(present):
        later = parse_instant(str(other.get("from", ""))) if isinstance(other, dict) else None
        if begins is not None and later is not None and later > begins:
            return at
    return len(present)


def _begin(draft: Draft, path: str, route: Route, item: Any) -> None:
    """Give a rule its first step; a percentage that it has holds until then, and without one nobody gets it until then."""
    rule = draft.value(path, route)
    if not {"serve", "value"} & set(rule):
        raise UsageError("only a rule that serves one variant can grow in steps")
    share, steps = rule.get("percentage"), [item]
    if isinstance(share, (int, float)) and share:
        now = words.instant(draft.now_ms // 60_000 * 60_000)
        steps = [{"from": now, "percent": share}, item]
        draft.note(f"{rule['id']} goes on serving {share:g} %, until the new step begins")
    else:
        draft.note(f"{rule['id']} serves nobody until the new step begins")
    draft.edit(path, Set((*route, "percentage"), {"steps": steps}))
