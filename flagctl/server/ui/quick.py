"""The common edits of a flag as steps on its text: every button of the editor makes another text, which is then looked at.

The text in the editor is all that there is: a step reads it, edits it as the command line does, and gives it back with its comments
and layout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import UsageError
from flagctl.evaluator.operators import OPERATORS, ValueKind
from flagctl.ops.edit_draft import readable_data
from flagctl.ops.edit_paths import parse_value
from flagctl.source.editing import EditError

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.ops.edit import Draft
    from flagctl.ops.repository import FlagRepository
    from flagctl.server.ui.rendering import Ask

_LISTS: Final = frozenset({ValueKind.SCALARS, ValueKind.STRINGS, ValueKind.NETWORKS})


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A rule as the panel shows it.

    Attributes:
        id: Of the rule.
        percentage: As written, if it is one number; None if there is none.
        ramp: Whether its percentage changes with time.
        gets: What it serves, in few words.
    """

    id: str
    percentage: float | int | None
    ramp: bool
    gets: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What the buttons of the editor are about: a flag as its text says, in one environment or in all.

    Attributes:
        key: Of the flag.
        environment: Empty for what holds where nothing else is said.
        enabled: Whether it is on there.
        default: Its default there; None if that is a rollout or nothing.
        variants: Names.
        rules: In order.
        targets: Units by variant.
        own: Whether the environment has rules of its own.
    """

    key: str
    environment: str
    enabled: bool
    default: str | None
    variants: tuple[str, ...]
    rules: tuple[RuleView, ...] = ()
    targets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    own: bool = False
    operators: tuple[str, ...] = field(default=tuple(OPERATORS))


def panel_of(path: str, text: str, environment: str) -> Panel | None:
    """Return what the text says, or None if it is no flag or can't be read now."""
    try:
        data = readable_data(path, text)
    except EditError:
        return None
    if data.get("kind") != "flag" or not isinstance(data.get("key"), str):
        return None
    part = (data.get("environments") or {}).get(environment) if isinstance(data.get("environments"), dict) else None
    state = {**data, **(part if isinstance(part, dict) else {})}
    variants = data.get("variants")
    names = tuple(map(str, variants)) if isinstance(variants, dict) else ("default",) if "value" in data else ()
    rules = state.get("rules")
    targets = state.get("targets")
    return Panel(
        key=data["key"],
        environment=environment,
        enabled=state.get("enabled") is not False,
        default=state["default"] if isinstance(state.get("default"), str) else None,
        variants=names or (("on", "off") if data.get("type") == "boolean" else ()),
        rules=tuple(_rule(item) for item in rules if isinstance(item, dict)) if isinstance(rules, list) else (),
        targets=tuple((str(name), tuple(map(str, units or ()))) for name, units in targets.items())
        if isinstance(targets, dict)
        else (),
        own=isinstance(part, dict) and "rules" in part,
    )


def _rule(item: dict[str, Any]) -> RuleView:
    percentage = item.get("percentage")
    number = percentage if isinstance(percentage, (int, float)) and not isinstance(percentage, bool) else None
    gets = str(item.get("serve") or item.get("experiment") or ("split" if "rollout" in item else item.get("value", "")))
    return RuleView(id=str(item.get("id", "")), percentage=number, ramp=isinstance(percentage, dict), gets=gets)


def step(ask: Ask, repository: FlagRepository, path: str, text: str) -> tuple[str, tuple[str, ...]]:
    """Return the text after the step that was asked for, and what somebody should know about it.

    Raises:
        EditError: If the text can't be read.
        UsageError: If the step does not fit.
        NothingMatchedError: If what it is about is not there.
    """
    name, _, what = ask.field("op").partition(":")
    draft = repository.draft()
    draft.write(path, text)
    key = str(draft.data(path).get("key", ""))
    work = _STEPS.get(name)
    if work is None:
        raise UsageError("there is no such step")
    if ask.field("env"):
        draft.check_environment(ask.field("env"))
    work(draft, key, what, ask)
    return draft.text(path), tuple(draft.notes)


def _env(ask: Ask) -> str | None:
    return ask.field("env") or None


def _enable(draft: Draft, key: str, what: str, ask: Ask) -> None:
    draft.set_enabled(key, what == "on", env=_env(ask))


def _default(draft: Draft, key: str, _what: str, ask: Ask) -> None:
    draft.set_default(key, ask.field("default"), env=_env(ask))


def _percentage(draft: Draft, key: str, what: str, ask: Ask) -> None:
    text = ask.field(f"percentage:{what}").strip().rstrip("%").strip()
    draft.set_percentage(key, _number(text), rule=what, env=_env(ask), copy_down=True)


def _move(by: int) -> Callable[[Draft, str, str, Ask], None]:
    def work(draft: Draft, key: str, what: str, ask: Ask) -> None:
        path, route = draft.rule_route(key, what, env=_env(ask), copy_down=True)
        count = len(draft.value(path, route[:-1]))
        draft.move_rule(key, what, min(max(int(route[-1]) + by, 0), count - 1), env=_env(ask), copy_down=True)

    return work


def _remove_rule(draft: Draft, key: str, what: str, ask: Ask) -> None:
    draft.remove_rule(key, what, env=_env(ask), copy_down=True)


def _add_rule(draft: Draft, key: str, _what: str, ask: Ask) -> None:
    rule: dict[str, Any] = {"id": ask.field("rule-id").strip()}
    if not rule["id"]:
        raise UsageError("the new rule needs an id", hint="such as beta-testers")
    if ask.field("rule-segment").strip():
        rule["when"] = [{"segment": ask.field("rule-segment").strip()}]
    elif ask.field("rule-attribute").strip():
        rule["when"] = [_condition(ask)]
    rule["serve"] = ask.field("rule-serve")
    if ask.field("rule-percentage").strip():
        rule["percentage"] = _number(ask.field("rule-percentage").strip().rstrip("%").strip())
    draft.add_rule(key, rule, env=_env(ask), copy_down=True)


def _condition(ask: Ask) -> dict[str, Any]:
    operator = ask.field("rule-operator") or "equals"
    result: dict[str, Any] = {"attribute": ask.field("rule-attribute").strip(), "operator": operator}
    known = OPERATORS.get(operator.removeprefix("not_"))
    kind = known.value if known else ValueKind.SCALAR
    text = ask.field("rule-value").strip()
    if kind is ValueKind.NONE:
        return result
    if kind in _LISTS and not text.startswith("["):
        text = f"[{text}]"
    # a text that begins with @ would name a file of this machine
    result["value"] = text if text.startswith("@") or kind is ValueKind.PATTERN else parse_value(text)
    return result


def _add_targets(draft: Draft, key: str, _what: str, ask: Ask) -> None:
    units = [unit.strip() for unit in ask.field("target-units").replace(",", "\n").splitlines() if unit.strip()]
    if not units:
        raise UsageError("which units?", hint="one a line, or separated by commas")
    draft.add_targets(key, ask.field("target-variant"), units, env=_env(ask), copy_down=True)


def _remove_target(draft: Draft, key: str, what: str, ask: Ask) -> None:
    draft.remove_targets(key, [what], env=_env(ask), copy_down=True)


def _look(_draft: Draft, _key: str, _what: str, _ask: Ask) -> None:
    """Change nothing: another environment is looked at."""


def _number(text: str) -> int | float:
    try:
        number = float(text)
    except ValueError as error:
        raise UsageError("a percentage is a number from 0 to 100") from error
    if not 0 <= number <= 100:
        raise UsageError("a percentage is a number from 0 to 100")
    return int(number) if number == int(number) else number


_STEPS: Final[dict[str, Callable[[Draft, str, str, Ask], None]]] = {
    "look": _look,
    "enable": _enable,
    "default": _default,
    "percentage": _percentage,
    "up": _move(-1),
    "down": _move(1),
    "remove-rule": _remove_rule,
    "add-rule": _add_rule,
    "add-targets": _add_targets,
    "remove-target": _remove_target,
}
