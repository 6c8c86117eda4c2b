"""The buttons of the form beside the text of the editor, as steps on the text.

The text in the editor is all that there is: a step reads it, edits it as the command line does, and gives it back with its comments
and layout.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from flagctl.errors import UsageError
from flagctl.ops.edit_paths import parse_percentage
from flagctl.ops.edit_rules import DEFAULT
from flagctl.server.ui.condition_edits import add_condition, either, forget_condition, new_condition, remove_condition
from flagctl.server.ui.field_edits import Taken, even_split, take_over, value_of
from flagctl.server.ui.fields import SPLIT
from flagctl.server.ui.growth import add_step, remove_step

if TYPE_CHECKING:
    from collections.abc import Callable

    from flagctl.ops.edit import Draft
    from flagctl.ops.repository import FlagRepository
    from flagctl.server.ui.rendering import Ask


def step(ask: Ask, repository: FlagRepository, path: str, text: str) -> tuple[str, tuple[str, ...], Taken]:
    """Return the text after its changed fields and the step that was asked for, what somebody should know, and the fields.

    Raises:
        EditError: If the text can't be read.
        UsageError: If the step does not fit.
        NothingMatchedError: If what it is about is not there.
    """
    name, _, what = ask.field("op").partition(":")
    work = _STEPS.get(name)
    if work is None:
        raise UsageError("there is no such step")
    draft, taken = taken_over(ask, repository, path, text)
    work(draft, str(draft.data(path).get("key", "")), what, ask)
    return draft.text(path), tuple(draft.notes), taken


def taken_over(ask: Ask, repository: FlagRepository, path: str, text: str) -> tuple[Draft, Taken]:
    """Return a draft of the text with what was typed into fields.

    Raises:
        EditError: If the text can't be read.
        UsageError: If there is no such environment.
    """
    draft = repository.draft()
    draft.write(path, text)
    # the fields are about the environment that was chosen when they were shown
    shown = ask.field("shown-env", ask.field("env")) or None
    for name in (shown, _env(ask)):
        draft.check_environment(name)
    return draft, take_over(draft, path, ask.form, shown)


def _env(ask: Ask) -> str | None:
    return ask.field("env") or None


def _split(draft: Draft, key: str, what: str, ask: Ask) -> None:
    draft.set_rollout(key, even_split(draft.variants(key)), rule=what or DEFAULT, env=_env(ask), copy_down=True)


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
    condition = new_condition(ask, "rule")
    if condition is not None:
        rule["when"] = [condition]
    if ask.field("rule-serve") == SPLIT:
        rule["rollout"] = even_split(draft.variants(key))
    else:
        rule["serve"] = ask.field("rule-serve")
    if ask.field("rule-percentage").strip():
        rule["percentage"] = parse_percentage(ask.field("rule-percentage"))
    draft.add_rule(key, rule, env=_env(ask), copy_down=True)
    for name in ("rule-id", "rule-percentage"):
        ask.form.pop(name, None)
    forget_condition(ask, "rule")


def _add_targets(draft: Draft, key: str, _what: str, ask: Ask) -> None:
    units = split_units(ask.field("target-units"))
    draft.add_targets(key, ask.field("target-variant"), units, env=_env(ask), copy_down=True)


def split_units(text: str) -> list[str]:
    """Return the units that somebody typed or pasted.

    Raises:
        UsageError: If there are none.
    """
    units = [unit.strip() for unit in text.replace(",", "\n").splitlines() if unit.strip()]
    if not units:
        raise UsageError("which units?", hint="one a line, or separated by commas")
    return units


def _add_members(draft: Draft, key: str, what: str, ask: Ask) -> None:
    draft.add_members(key, split_units(ask.field(f"{what}-units")), to=_list(what))
    ask.form.pop(f"{what}-units", None)


def _remove_members(draft: Draft, key: str, what: str, ask: Ask) -> None:
    draft.remove_members(key, split_units(ask.field(f"{what}-units")), of=_list(what))
    ask.form.pop(f"{what}-units", None)


def _remove_member(draft: Draft, key: str, what: str, _ask: Ask) -> None:
    name, _, unit = what.partition(":")
    draft.remove_members(key, [unit], of=_list(name))


def _list(name: str) -> str:
    if name not in {"include", "exclude"}:
        raise UsageError("there is no such list of a segment")
    return name


def _remove_target(draft: Draft, key: str, what: str, ask: Ask) -> None:
    draft.remove_targets(key, [what], env=_env(ask), copy_down=True)


def _add_variant(draft: Draft, key: str, _what: str, ask: Ask) -> None:
    name = ask.field("variant-name").strip()
    if not name:
        raise UsageError("the new variant needs a name", hint="such as treatment")
    kind = str(draft.data(draft.find(key)).get("type"))
    draft.add_variant(key, name, value_of(ask.field("variant-value"), kind))
    ask.form.pop("variant-name", None)
    ask.form.pop("variant-value", None)


def _remove_variant(draft: Draft, key: str, what: str, _ask: Ask) -> None:
    draft.remove_variant(key, what)


def _add_need(draft: Draft, key: str, _what: str, ask: Ask) -> None:
    flag, chosen = ask.field("need-flag").strip(), ask.form.get("need-variants", [])
    if not flag:
        raise UsageError("which flag is needed?")
    if not chosen:
        raise UsageError(f"which variants of {flag} will do?", hint=f"it has: {', '.join(draft.variants(flag))}")
    draft.add_prerequisite(key, flag, chosen, env=_env(ask), copy_down=True)
    ask.form.pop("need-flag", None)


def _remove_need(draft: Draft, key: str, what: str, ask: Ask) -> None:
    draft.remove_prerequisite(key, what, env=_env(ask), copy_down=True)


def _inherit(draft: Draft, key: str, what: str, ask: Ask) -> None:
    if not ask.field("env"):
        raise UsageError("choose an environment first")
    draft.inherit(key, what, ask.field("env"))


def _look(_draft: Draft, _key: str, _what: str, _ask: Ask) -> None:
    """Change nothing more: what was typed is taken over, or another environment is looked at."""


_STEPS: Final[dict[str, Callable[[Draft, str, str, Ask], None]]] = {
    "look": _look,
    "split": _split,
    "up": _move(-1),
    "down": _move(1),
    "remove-rule": _remove_rule,
    "add-rule": _add_rule,
    "add-targets": _add_targets,
    "remove-target": _remove_target,
    "add-variant": _add_variant,
    "remove-variant": _remove_variant,
    "add-need": _add_need,
    "remove-need": _remove_need,
    "inherit": _inherit,
    "add-condition": add_condition,
    "remove-condition": remove_condition,
    "either": either,
    "add-step": add_step,
    "remove-step": remove_step,
    "add-members": _add_members,
    "remove-members": _remove_members,
    "remove-member": _remove_member,
}
