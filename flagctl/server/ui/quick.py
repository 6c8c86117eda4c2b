"""The form beside the text of the editor: its fields, and its buttons as steps on the text.

The text in the editor is all that there is: a step reads it, edits it as the command line does, and gives it back with its comments
and layout.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from flagctl.diagnostics import Severity
from flagctl.errors import UsageError
from flagctl.evaluator.operators import OPERATORS, ValueKind
from flagctl.ops.edit_paths import parse_percentage, parse_value
from flagctl.ops.edit_rules import DEFAULT
from flagctl.server.ui import fields
from flagctl.server.ui.field_edits import Taken, even_split, take_over, value_of
from flagctl.server.ui.fields import Field, Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from flagctl.diagnostics import Diagnostic
    from flagctl.model import Repository
    from flagctl.ops.edit import Draft
    from flagctl.ops.repository import FlagRepository
    from flagctl.server.ui.rendering import Ask

_LISTS: Final = frozenset({ValueKind.SCALARS, ValueKind.STRINGS, ValueKind.NETWORKS})
_MOST_TAGS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleView:
    """A rule as the form shows it.

    Attributes:
        id: Of the rule.
        gets: What it serves where that is no field, in few words.
        over_time: Whether its percentage changes with time.
    """

    id: str
    gets: str
    over_time: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What the form is about: a flag as its text says, in one environment or in all.

    Attributes:
        key: Of the flag.
        type: Of its values.
        environment: Empty for what holds where nothing else is said.
        sections: Fields of each part of the form.
        fields: All of them by name.
        variants: Names of the variants.
        implied: Whether the variants go without saying.
        rules: In order.
        targets: Units by variant.
        own: Lists that the environment has of its own.
        operators: For conditions of a new rule.
    """

    key: str
    type: str
    environment: str
    sections: Mapping[str, tuple[Field, ...]]
    fields: Mapping[str, Field]
    variants: tuple[str, ...]
    implied: bool
    rules: tuple[RuleView, ...] = ()
    targets: tuple[tuple[str, tuple[str, ...]], ...] = ()
    own: frozenset[str] = frozenset()
    operators: tuple[str, ...] = tuple(OPERATORS)

    def marks(self, findings: Iterable[Diagnostic], troubles: Mapping[str, str]) -> dict[str, str]:
        """Return what is wrong with each field, by its name; warnings stand with the findings alone."""
        found: dict[str, list[str]] = {}
        for one in findings:
            if one.severity is not Severity.ERROR:
                continue
            for each in self.fields.values():
                if any(route and one.route[: len(route)] == route for route in each.routes):
                    found.setdefault(each.name, []).append(one.message)
        return {name: "; ".join(messages) for name, messages in found.items()} | dict(troubles)


def panel_of(path: str, text: str, environment: str, model: Repository) -> Panel | None:
    """Return what the text says, or None if it is no flag or can't be read now."""
    scope = Scope.of(path, text, environment)
    if scope is None:
        return None

    def variants_of(key: str) -> tuple[str, ...]:
        other = model.flags.get(key)
        return tuple(one.name for one in other.variants) if other is not None else ()

    sections = {
        "about": tuple(fields.about(scope)),
        "switches": tuple(fields.switches(scope, tuple(model.config.environments))),
        "variants": tuple(fields.variants(scope)),
        "serving": tuple(fields.serving(scope)),
        "needs": tuple(fields.needs(scope, variants_of)),
    }
    targets = scope.value("targets")
    return Panel(
        key=scope.data["key"],
        type=str(scope.data.get("type", "")),
        environment=environment,
        sections=sections,
        fields={one.name: one for section in sections.values() for one in section},
        variants=scope.variants(),
        implied=not isinstance(scope.data.get("variants"), dict) and "value" not in scope.data,
        rules=tuple(_rule(item) for _, item in scope.mappings("rules")),
        targets=tuple((str(name), tuple(map(str, units or ()))) for name, units in targets.items())
        if isinstance(targets, dict)
        else (),
        own=frozenset({"rules", "targets", "prerequisites"} & set(scope.part)),
    )


def _rule(item: Mapping[str, Any]) -> RuleView:
    gets = str(item.get("experiment") or item.get("value", ""))
    timed = isinstance(item.get("percentage"), dict) or "strategy" in item
    return RuleView(id=str(item.get("id", "")), gets=gets, over_time=timed)


def suggestions(model: Repository, tags: str) -> dict[str, list[str]]:
    """Return names that fields may have; tags stand behind those that are there already."""
    flags = model.flags.values()
    counts: dict[str, int] = {}
    for flag in flags:
        for tag in flag.tags:
            counts[tag] = counts.get(tag, 0) + 1
    given = [tag.strip() for tag in tags.split(",") if tag.strip()]
    usual = sorted(counts, key=lambda tag: (-counts[tag], tag))[:_MOST_TAGS]
    return {
        "owners": sorted({flag.owner for flag in flags if flag.owner}),
        "segments": sorted(model.segments),
        "attributes": [".".join(one.path) for one in model.config.context.attributes.values()],
        "tags": [", ".join([*given, tag]) for tag in sorted(usual) if tag not in given],
    }


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
    key = str(draft.data(path).get("key", ""))
    # the fields are about the environment that was chosen when they were shown
    shown = ask.field("shown-env", ask.field("env")) or None
    for name in (shown, _env(ask)):
        draft.check_environment(name)
    return draft, take_over(draft, path, key, ask.form, shown)


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
    if ask.field("rule-segment").strip():
        rule["when"] = [{"segment": ask.field("rule-segment").strip()}]
    elif ask.field("rule-attribute").strip():
        rule["when"] = [_condition(ask)]
    if ask.field("rule-serve") == fields.SPLIT:
        rule["rollout"] = even_split(draft.variants(key))
    else:
        rule["serve"] = ask.field("rule-serve")
    if ask.field("rule-percentage").strip():
        rule["percentage"] = parse_percentage(ask.field("rule-percentage"))
    draft.add_rule(key, rule, env=_env(ask), copy_down=True)
    ask.form.pop("rule-id", None)


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
}
